"""Spark's format "kvshuffle": its reader and writer without Spark's JVM, and whole jobs with it."""

from __future__ import annotations

import pickle
import secrets
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyspark.sql.pandas.types import from_arrow_schema

from kvclient import Client
from kvclient.errors import ConfigurationError, KvError, ShuffleStale, UsageError
from kvclient.shuffle import Shuffle
from kvclient.spark import KvShuffleDataSource, register
from tests.wire.shuffle_jobs import Service, until_reachable

TABLE = pyarrow.table({"id": range(100), "name": [f"name {i % 7}" for i in range(100)]})


@pytest.fixture
def job() -> str:
    """The id of a shuffle that nobody has used."""
    return f"job-{secrets.token_hex(4)}"


def source(url: str, id: str, **options: str) -> KvShuffleDataSource:
    return KvShuffleDataSource({"url": url, "id": id, **options})


def rows(source: KvShuffleDataSource) -> list[tuple[Any, ...]]:
    """All rows that a job would read, partition by partition."""
    reader = pickle.loads(pickle.dumps(source.reader(source.schema())))
    batches = [batch for part in reader.partitions() for batch in reader.read(part)]
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def expected() -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in TABLE.to_pylist()]


def test_what_is_committed_is_read(url: str, job: str) -> None:
    target = source(url, job, partitions="4", by="name", codec="lz4")
    writer = target.writer(from_arrow_schema(TABLE.schema), overwrite=False)
    message = writer.write(iter(TABLE.to_batches(max_chunksize=30)))
    with Client(url) as client:
        assert not Shuffle.attach(client, job).status().is_sealed
        writer.commit([pickle.loads(pickle.dumps(message))])
        assert Shuffle.attach(client, job).status().is_sealed
    assert sorted(rows(source(url, job))) == expected()


def test_of_two_attempts_of_a_task_the_committed_one_counts(url: str, job: str) -> None:
    writer = source(url, job).writer(from_arrow_schema(TABLE.schema), overwrite=False)
    first = writer.write(iter(TABLE.to_batches()))
    writer.write(iter(TABLE.to_batches()))

    def broken() -> Iterator[Any]:
        yield TABLE.to_batches()[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writer.write(broken())
    writer.commit([first])
    assert sorted(rows(source(url, job))) == expected()


def test_rows_of_two_epochs_are_in_no_result(job: str) -> None:
    with Service("--appendonly", "yes") as service, service.client() as client:
        target = source(f"kv://127.0.0.1:{service.proxy.port}", job, partitions="2")
        schema = from_arrow_schema(TABLE.schema)

        def write() -> None:
            writer = target.writer(schema, overwrite=False)
            writer.commit([writer.write(iter(TABLE.to_batches(max_chunksize=50)))])

        write()
        reader = target.reader(schema)
        first, second = pickle.loads(pickle.dumps(reader.partitions()))
        assert sum(batch.num_rows for batch in reader.read(first)) == 50
        service.kill()
        service.restart()
        until_reachable(client)
        # Another job has written it anew.
        write()
        with pytest.raises(ShuffleStale):
            list(reader.read(second))
        again = target.reader(schema)
        assert sum(b.num_rows for part in again.partitions() for b in again.read(part)) == 100


def test_an_aborted_job_leaves_nothing_and_may_run_again(url: str, job: str) -> None:
    target, schema = source(url, job), from_arrow_schema(TABLE.schema)
    writer = target.writer(schema, overwrite=False)
    writer.abort([])
    writer.abort([writer.write(iter(TABLE.to_batches())), None])
    with Client(url) as client:
        assert Shuffle.attach(client, job).status().bytes == 0
    again = target.writer(schema, overwrite=False)
    again.commit([again.write(iter(TABLE.to_batches()))])
    assert sorted(rows(target)) == expected()


def test_a_shuffle_is_written_once(url: str, job: str) -> None:
    target, schema = source(url, job), from_arrow_schema(TABLE.schema)
    writer, other = (target.writer(schema, overwrite=True) for _ in range(2))
    messages = [each.write(iter(TABLE.to_batches())) for each in (writer, other)]
    writer.commit([messages[0]])
    with pytest.raises(UsageError, match="another job"):
        other.commit([messages[1]])
    for each, message in zip((writer, other), messages):
        each.abort([message])
    assert sorted(rows(target)) == expected()
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="once"):
            target.writer(schema, overwrite)


def test_a_shuffle_without_rows_needs_its_schema(url: str, job: str) -> None:
    target, schema = source(url, job), from_arrow_schema(TABLE.schema)
    target.writer(schema, overwrite=False).commit([])
    with pytest.raises(UsageError, match="schema"):
        target.schema()
    reader = target.reader(schema)
    assert [list(reader.read(part)) for part in reader.partitions()] == [[]] * 16


def test_a_job_without_rows_is_read_as_one(url: str, job: str) -> None:
    target, schema = source(url, job, by="id"), from_arrow_schema(TABLE.schema)
    writer = target.writer(schema, overwrite=False)
    writer.commit([writer.write(iter([]))])
    assert source(url, job).schema() == schema
    assert rows(source(url, job)) == []


@pytest.mark.parametrize("has_rows", [True, False])
def test_times_are_read_as_they_were_written(url: str, job: str, has_rows: bool) -> None:
    noon = datetime(2024, 3, 31, 12, tzinfo=UTC)
    table = pyarrow.table(
        {
            "when": pyarrow.array([noon], pyarrow.timestamp("us", "Europe/Berlin")),
            "plain": pyarrow.array([noon.replace(tzinfo=None)], pyarrow.timestamp("us")),
        }
    )
    schema = from_arrow_schema(table.schema)
    writer = source(url, job, by="when").writer(schema, overwrite=False)
    writer.commit([writer.write(iter(table.to_batches() if has_rows else []))])
    assert source(url, job).schema() == schema
    assert rows(source(url, job)) == [(noon, noon.replace(tzinfo=None))] * has_rows


def test_what_no_task_could_do_is_refused_before_any_runs(url: str, job: str) -> None:
    schema = from_arrow_schema(TABLE.schema)
    for options in ({"by": "id,unknown"}, {"codec": "brotli"}):
        with pytest.raises(KvError, match=r"unknown|brotli"):
            source(url, job, **options).writer(schema, overwrite=False)


def test_options_are_checked(url: str, job: str) -> None:
    for options in ({}, {"id": "a", "maps": "0"}, {"id": "a", "parts": "1"}):
        with pytest.raises(ConfigurationError):
            KvShuffleDataSource(options).schema()
    writer = source(url, job, maps="1")
    with pytest.raises(UsageError, match="option maps"):
        few = writer.writer(from_arrow_schema(TABLE.schema), overwrite=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kvclient.spark.source.TaskContext.get", lambda: FIFTH)
            few.write(iter([]))


class Fifth:
    """The context of the fifth task."""

    def partitionId(self) -> int:
        return 4


FIFTH = Fifth()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session in two threads, in which a task may fail twice."""
    assert shutil.which("java"), "Spark needs Java"
    # It takes a second, and only the tests below need it.
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        # Spark starts what it finds in the path otherwise.
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        # Jobs so short are over before more optimised code is there.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        session = (
            SparkSession.builder.master("local[2,3]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        register(session)
        yield session
        session.stop()


@pytest.mark.long
def test_one_job_reads_what_another_one_wrote(spark: Any, url: str, job: str) -> None:
    frame = spark.range(0, 10_000, 1, 3).selectExpr("id", "id % 7 AS day", "'x' || id AS text")
    writing = frame.write.format("kvshuffle").mode("append").option("url", url)
    writing.option("by", "day").option("partitions", "4").option("codec", "zstd").save(job)
    reading = spark.read.format("kvshuffle").option("url", url).load(job)
    assert reading.schema == frame.schema
    assert sorted(reading.collect()) == sorted(frame.collect())
    with Client(url) as client:
        shuffle = Shuffle.attach(client, job)
        assert shuffle.status().committed == 3
        days = [
            {day for table in shuffle.read_tables(part) for day in table["day"].to_pylist()}
            for part in range(4)
        ]
        assert sum(map(len, days)) == 7


@pytest.mark.long
def test_attempts_that_fail_half_way_count_for_nothing(
    spark: Any, url: str, job: str, tmp_path: Path
) -> None:
    marks = str(tmp_path)

    def sometimes(batches: Iterator[Any]) -> Iterator[Any]:
        # What a task runs is sent to it, with its imports.
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        yield from batches
        if context.partitionId() == 1 and context.attemptNumber() < 2:
            Path(marks, str(context.attemptNumber())).touch()
            raise RuntimeError("planned")

    frame = spark.range(0, 20_000, 1, 2).mapInArrow(sometimes, "id long")
    writing = frame.write.format("kvshuffle").mode("append").option("url", url)
    writing.option("partitions", "2").save(job)
    assert len(list(tmp_path.iterdir())) == 2
    found = spark.read.format("kvshuffle").option("url", url).load(job)
    assert sorted(row.id for row in found.collect()) == list(range(20_000))


@pytest.mark.long
def test_of_a_job_that_fails_nothing_can_be_read(spark: Any, url: str, job: str) -> None:
    def never(batches: Iterator[Any]) -> Iterator[Any]:
        yield from batches
        raise RuntimeError("planned")

    frame = spark.range(0, 1000, 1, 1).mapInArrow(never, "id long")
    with pytest.raises(Exception, match="planned"):
        frame.write.format("kvshuffle").mode("append").option("url", url).save(job)
    with Client(url) as client:
        status = Shuffle.attach(client, job).status()
    assert (status.bytes, status.committed, status.is_sealed) == (0, 0, False)
