"""Rows go to partitions by their keys' values alone, and come back as they were."""

from __future__ import annotations

import datetime
import decimal
import random
from typing import Any

import pytest

from kvclient.errors import ArgumentError, Corrupted
from kvclient.shuffle.blocks import PAYLOADS, Payloads

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")
tables = pytest.importorskip("kvclient.shuffle.tables")
Range: Any = tables.Range


def hashes(values: Any, kind: Any = None) -> list[int]:
    array = values if isinstance(values, pa.Array) else pa.array(values, type=kind)
    found: list[int] = tables.hash_column(array).tolist()
    return found


@pytest.mark.parametrize(
    ("rows", "size_max", "lengths"),
    [(0, 8, [0]), (1, 1, [1]), (10, 80, [10]), (10, 79, [5, 5]), (10, 24, [3, 3, 3, 1])],
)
def test_a_table_is_cut_by_its_size(rows: int, size_max: int, lengths: list[int]) -> None:
    table = pa.table({"key": pa.array(range(rows), pa.int64())})
    pieces = tables.sliced(table, size_max)
    assert [piece.num_rows for piece in pieces] == lengths
    assert pa.concat_tables(pieces).equals(table)


NUMBERS = [-(1 << 31), -1, 0, 1, 2, 77, (1 << 31) - 1]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float64(), pa.decimal128(20, 2)])
def test_equal_numbers_hash_alike_whatever_their_type(kind: Any) -> None:
    values = [decimal.Decimal(n) for n in NUMBERS] if pa.types.is_decimal(kind) else NUMBERS
    assert hashes(values, kind) == hashes(NUMBERS, pa.int64())
    assert hashes([1, 0], pa.uint8()) == hashes([True, False]) == hashes([1.0, -0.0], pa.float32())


def test_what_is_missing_goes_together() -> None:
    missing = [
        hashes([None], kind)[0]
        for kind in (pa.int32(), pa.float64(), pa.string(), pa.null(), pa.timestamp("s"))
    ]
    assert {*missing, *hashes([float("nan"), -float("nan")])} == {missing[0]}
    assert hashes([None, "a", None])[1:] == [*hashes(["a"]), missing[0]]
    assert hashes([0.0, -0.0, float("inf")])[:2] == hashes([0, 0])


TEXTS = ["", "a", "b", "ab", "abcdefgh", "abcdefghi", "é" * 9, "x" * 255, "x" * 257, "\0", "\0\0"]
TEXT_KINDS = [
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.string_view(),
]


@pytest.mark.parametrize("kind", TEXT_KINDS, ids=str)
def test_equal_texts_hash_alike_whatever_their_type(kind: Any) -> None:
    expected = hashes(TEXTS)
    assert len(set(expected)) == len(TEXTS)
    assert hashes(pa.array(TEXTS).cast(kind)) == expected
    # The neighbours of a text, and where it lies, do not matter.
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    assert hashes(shuffled) == [expected[TEXTS.index(text)] for text in shuffled]
    assert hashes(pa.array(["x", *TEXTS, "y"])[1:-1]) == expected
    # Few different ones are hashed once each.
    assert hashes(TEXTS * 200) == expected * 200


def test_equal_times_hash_alike_whatever_their_unit() -> None:
    day = datetime.datetime(2024, 2, 29)
    of_timestamps = [hashes([day], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")]
    assert all(found == of_timestamps[0] for found in of_timestamps)
    assert hashes([day.date()], pa.date32()) == hashes([day.date()], pa.date64())
    assert hashes([datetime.timedelta(seconds=3)], pa.duration("s")) == hashes(
        [datetime.timedelta(seconds=3)], pa.duration("ns")
    )
    assert hashes([datetime.time(3)], pa.time32("s")) == hashes([datetime.time(3)], pa.time64("ns"))
    with pytest.raises(ArgumentError, match="list"):
        hashes([[1]])


def test_a_hash_stays_what_it_is() -> None:
    """Parts of one job may run in different versions."""
    found = [*hashes([1, 2]), *hashes([0.5]), *hashes(["kvnode", "a longer text than that"])]
    assert found == [
        6238072747940578789,
        15839785061582574730,
        306524380890059637,
        14226524443656980946,
        13285448068255643988,
    ]


@pytest.mark.parametrize("partitions", [1, 2, 7, 300])
def test_every_row_is_in_one_partition_and_in_order(partitions: int) -> None:
    rows = 5000
    key = np.random.default_rng(3).integers(0, 1000, rows)
    table = pa.table({"key": key, "row": range(rows), "text": [str(n) for n in key]})
    for by in ("key", "text", ["key", "text"]):
        parts = tables.partitioned(table, by, partitions)
        numbers = [number for number, _ in parts]
        assert numbers == sorted(set(numbers)) and max(numbers) < partitions
        back = pa.concat_tables([part for _, part in parts])
        assert back.sort_by("row").equals(table)
        homes: dict[int, int] = {}
        for number, part in parts:
            assert part["row"].to_pylist() == sorted(part["row"].to_pylist())
            for value in part["key"].to_pylist():
                assert homes.setdefault(value, number) == number
        if partitions == 7:
            assert max(part.num_rows for _, part in parts) < rows / 7 * 1.5


def test_a_range_keeps_the_order() -> None:
    table = pa.table({"key": [5, None, 10, 1, 20, 9], "row": range(6)})
    parts = dict(tables.partitioned(table, Range("key", [5, 10]), 3))
    assert [parts[n]["row"].to_pylist() for n in range(3)] == [[3], [0, 5], [1, 2, 4]]
    text = pa.table({"key": ["m", None, "a", "z", "n"]})
    for column in (text, text.set_column(0, "key", text["key"].dictionary_encode())):
        found = dict(tables.partitioned(column, Range("key", ["n"]), 2))
        assert [found[n]["key"].to_pylist() for n in range(2)] == [["m", "a"], [None, "z", "n"]]
    floats = pa.table({"key": [1.5, float("nan"), None, -1.0]})
    assert tables.partition_numbers(floats, Range("key", [0.0, 9.0]), 3).tolist() == [1, 2, 2, 0]
    days = pa.table({"key": pa.array([0, 5, None], pa.timestamp("s"))})
    limit = datetime.datetime(1970, 1, 1, 0, 0, 3)
    assert tables.partition_numbers(days, Range("key", [limit]), 2).tolist() == [0, 1, 1]
    nothing = pa.table({"key": pa.array([None, None], pa.int64())})
    assert tables.partition_numbers(nothing, Range("key", [0]), 2).tolist() == [1, 1]


def test_mistakes_are_named() -> None:
    table = pa.table({"key": [1]})
    boundaries = ([1, 2, 3], [2, 1], ["a", "b"], [None, 1])
    for by in ("other", [], *(Range("key", bounds) for bounds in boundaries)):
        with pytest.raises(ArgumentError):
            tables.partitioned(table, by, 3)
    with pytest.raises(ArgumentError, match="DataFrame"):
        tables.as_table([1])
    packer = tables.Tables()
    packer.add(table)
    with pytest.raises(ArgumentError, match="other types"):
        packer.add(pa.table({"key": ["x"]}))


def test_a_block_has_all_tables_that_were_gathered() -> None:
    packer = tables.Tables()
    whole = pa.table({"key": range(100), "text": [str(n) for n in range(100)]})
    for start in range(0, 100, 10):
        packer.add(whole.slice(start, 10))
    assert packer.size >= 800
    block = packer.block()
    assert packer.size == 0
    for form in (bytes(block), memoryview(bytearray(block))):
        assert tables.table_of(form).equals(whole)
    payloads = Payloads(PAYLOADS)
    payloads.add(b"x")
    with pytest.raises(Corrupted, match="read with read"):
        tables.table_of(payloads.block())


def test_frames_and_batches_are_tables() -> None:
    frame = pd.DataFrame(
        {"id": [1, 2, 3], "kind": pd.Categorical(["a", None, "b"]), "x": [0.5, None, 1.0]},
        index=pd.Index([7, 8, 9], name="label"),
    )
    assert tables.as_table(frame).to_pandas().equals(frame)
    parts = tables.partitioned(tables.as_table(frame), "kind", 4)
    assert pd.concat(part.to_pandas() for _, part in parts).sort_index().equals(frame)
    batch = pa.record_batch({"id": [1]})
    assert tables.as_table(batch).num_rows == 1
    assert tables.partitioned(tables.as_table(batch).slice(1), "id", 3) == []
