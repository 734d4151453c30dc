"""joblib keeps results in kvnode, in redis-server and in a cluster."""

from __future__ import annotations

import time
from datetime import timedelta

import joblib
import numpy
import pytest
from joblib import Memory

from kvclient import Client
from kvclient.fsspec import KvFileSystem
from kvclient.joblib import register

from .places import url_in

register()


def squares(count: int) -> numpy.ndarray:
    """Slow in that it is counted."""
    CALLS.append(count)
    return numpy.arange(count, dtype="f8") ** 2


CALLS: list[int] = []


@pytest.fixture
def memory(place: str) -> Memory:
    CALLS.clear()
    return Memory(location=url_in(place, "cache"), backend="kvnode", verbose=0)


def test_a_result_is_computed_once(memory: Memory) -> None:
    cached = memory.cache(squares)
    first, second = cached(10), cached(10)
    numpy.testing.assert_array_equal(first, second)
    numpy.testing.assert_array_equal(second, numpy.arange(10.0) ** 2)
    assert CALLS == [10]
    assert cached.check_call_in_cache(10)
    assert not cached.check_call_in_cache(11)
    shelved = cached.call_and_shelve(11)
    assert shelved.get()[3] == 9
    shelved.clear()
    with pytest.raises(KeyError):
        shelved.get()


def test_another_process_finds_the_result(memory: Memory, place: str) -> None:
    memory.cache(squares)(20)
    again = Memory(location=url_in(place, "cache"), backend="kvnode", verbose=0)
    assert again.cache(squares)(20)[2] == 4
    assert CALLS == [20]


@pytest.mark.parametrize("compress", [False, True])
def test_large_arrays_come_back_as_they_were(url: str, compress: bool) -> None:
    memory = Memory(location=f"{url}/large", backend="kvnode", verbose=0, compress=compress)
    cached = memory.cache(squares)
    cached(1_000_000)
    found = cached(1_000_000)
    assert found.dtype == numpy.float64
    numpy.testing.assert_array_equal(found, numpy.arange(1_000_000.0) ** 2)


def test_clear_removes_all_and_nothing_else(memory: Memory, place: str) -> None:
    files = KvFileSystem(place)
    files.pipe_file("/cache/other", b"kept")
    cached = memory.cache(squares)
    cached(1)
    cached(2)
    cached.clear(warn=False)
    cached(1)
    assert CALLS == [1, 2, 1]
    memory.clear(warn=False)
    assert files.find("/") == ["/cache/other"]


def test_reduce_size_removes_what_was_not_read_for_longest(memory: Memory) -> None:
    cached = memory.cache(squares)
    for count in (1000, 1001, 1002):
        cached(count)
        time.sleep(0.01)
    cached(1000)
    memory.reduce_size(items_limit=2)
    assert cached.check_call_in_cache(1000)
    assert not cached.check_call_in_cache(1001)
    memory.reduce_size(bytes_limit="10K")
    assert [count for count in (1000, 1002) if cached.check_call_in_cache(count)] == [1000]
    memory.reduce_size(age_limit=timedelta(hours=1))
    assert cached.check_call_in_cache(1000)
    time.sleep(0.01)
    memory.reduce_size(age_limit=timedelta(microseconds=1))
    assert not cached.check_call_in_cache(1000)


def test_times_of_items_that_are_gone_are_forgotten(memory: Memory, place: str) -> None:
    cached = memory.cache(squares)
    for count in (1, 1, 2, 2):
        cached(count)
    memory.clear(warn=False)
    memory.reduce_size(items_limit=1)
    with Client(place) as client:
        assert client.exists("kvfs:accessed:/cache/joblib") == 0


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_many_writers_share_a_cache(url: str, backend: str) -> None:
    memory = Memory(location=f"{url}/shared", backend="kvnode", verbose=0)
    cached = memory.cache(squares)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        results = joblib.Parallel()(joblib.delayed(cached)(1000 + i % 5) for i in range(20))
    assert [len(result) for result in results] == [1000 + i % 5 for i in range(20)]
    assert all(cached.check_call_in_cache(1000 + i) for i in range(5))


def test_options_stand_in_the_url_or_beside_it(url: str) -> None:
    in_url = Memory(location=f"{url}/cache?db=1", backend="kvnode", verbose=0)
    beside = Memory(location=f"{url}/cache", backend="kvnode", verbose=0, backend_options={"db": 1})
    CALLS.clear()
    in_url.cache(squares)(5)
    beside.cache(squares)(5)
    assert CALLS == [5]
    assert KvFileSystem(url, db=1).exists("/cache/joblib")
    with pytest.warns(UserWarning, match="mmap_mode"):
        Memory(location=f"{url}/cache", backend="kvnode", mmap_mode="r", verbose=0)
