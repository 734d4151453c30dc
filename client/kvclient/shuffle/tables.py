"""Arrow tables, record batches and pandas frames: cut into partitions, and as blocks.

A row's partition is a function of its key's value alone, whatever machine, process or type it has:
an int32 goes with the equal int64 and the equal float, a category with its text, nulls go together
(NaN is one of them), and so do 0.0 and -0.0. Two values may share a hash, so that what cannot be
told apart cheaply (a timestamp in ns and its µs) need not be.

The rows are sorted by partition once (a stable radix sort of 16-bit numbers), taken in that order,
and sliced: of 1 M rows of an int, two floats, an int and a text of 16 bytes, by the int, hashing
takes 2.4 ms, sorting 2.7, and taking 32 into 16 partitions, 52 into 256. Rejected: a filter for
each partition, 83 ms for 16; pandas.util.hash_array, as fast for ints and 55 ms for the texts (14
here), whose hashes of an int and an equal float differ; MurmurHash text by text, 440 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kvclient.errors import ArgumentError
from kvclient.shuffle.blocks import TABLE_PREFIX, TABLES, check_kind

_NULL: Final = np.uint64(0x9AE16A3B2F90404F)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_WORD_BYTES: Final = 8
_VECTOR_BYTES_MAX: Final = 256
"""Longer texts are hashed one by one."""
_SAMPLE: Final = 1024
_EXACT: Final = float(1 << 63)
_BATCH_BYTES_MIN: Final = 65536
_PARTITIONS_OF_16_BITS: Final = 1 << 16


@dataclass(frozen=True)
class Range:
    """Partitions by order: partition i holds keys below `boundaries[i]`, from the one before on.

    There is one boundary less than partitions. Nulls and NaN are in the last partition.
    """

    column: str
    boundaries: Sequence[Any]


By = str | Sequence[str] | Range
"""What `write_table` partitions by: a column's name, several, or a Range."""


def as_table(data: Any) -> pa.Table:
    """Return a table, a record batch or a pandas frame as a table."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if type(data).__module__.startswith("pandas"):
        return pa.Table.from_pandas(data)
    raise ArgumentError(
        f"a table is of type {type(data).__name__}, must be pyarrow.Table, RecordBatch or DataFrame"
    )


def partitioned(table: pa.Table, by: By, partitions: int) -> list[tuple[int, pa.Table]]:
    """Return the rows of each partition that has any, in their order. O(n)."""
    if table.num_rows == 0:
        return []
    numbers = partition_numbers(table, by, partitions)
    counts = np.bincount(numbers, minlength=partitions)
    if counts.max() == table.num_rows:
        return [(int(counts.argmax()), table)]
    # One chunk each: taking from several looks every row's chunk up.
    ordered = table.combine_chunks().take(pa.array(np.argsort(numbers, kind="stable")))
    ends = counts.cumsum()
    return [
        (int(partition), ordered.slice(ends[partition] - counts[partition], counts[partition]))
        for partition in np.flatnonzero(counts)
    ]


def partition_numbers(table: pa.Table, by: By, partitions: int) -> Any:
    """Return each row's partition, as the smallest unsigned integers that hold them."""
    kind = np.uint16 if partitions <= _PARTITIONS_OF_16_BITS else np.uint32
    if isinstance(by, Range):
        if len(by.boundaries) != partitions - 1:
            raise ArgumentError(
                f"a Range has {len(by.boundaries)} boundaries, must have {partitions - 1}:"
                " one less than partitions"
            )
        return _range_numbers(_column(table, by.column), by.boundaries).astype(kind)
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise ArgumentError("by names no column")
    hashes = hash_column(_column(table, names[0]))
    for name in names[1:]:
        hashes = _mixed(hashes * _STEP + hash_column(_column(table, name)))
    # The upper half times `partitions` has the partition in its own upper half: no division.
    upper = hashes >> np.uint64(32)
    return ((upper * np.uint64(partitions)) >> np.uint64(32)).astype(kind)


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise ArgumentError(f"by names the column {name!r}, must be one of {table.column_names}")
    column = table.column(name).combine_chunks()
    # A table without rows has no chunk to return.
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def hash_column(column: pa.Array) -> Any:
    """Return a stable hash of 64 bits for each value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        codes = column.indices.fill_null(len(column.dictionary)).to_numpy(zero_copy_only=False)
        return np.append(hash_column(column.dictionary), _NULL)[codes]
    if pa.types.is_null(kind):
        return np.full(len(column), _NULL)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        hashes = _mixed(_numbers(column).astype(np.int64).view(np.uint64))
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        hashes = _hash_floats(_numbers(column.cast(pa.float64(), safe=False)))
    elif pa.types.is_temporal(kind):
        micros = column.cast(_in_micros(kind), safe=False)
        hashes = _mixed(_numbers(micros.cast(pa.int64())).view(np.uint64))
    elif _is_text(kind):
        if len(column[:_SAMPLE].unique()) < min(len(column), _SAMPLE) // 2:
            # Few different ones, by the look of it: five times as fast.
            return hash_column(column.dictionary_encode())
        hashes = _hash_texts(column.cast(pa.large_binary()))
    else:
        raise ArgumentError(f"a column of type {kind} cannot be partitioned by")
    if column.null_count:
        hashes[column.is_null().to_numpy(zero_copy_only=False)] = _NULL
    return hashes


def _numbers(column: pa.Array) -> Any:
    if column.null_count:
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return column.to_numpy(zero_copy_only=False)


def _is_text(kind: pa.DataType) -> bool:
    is_kind = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in is_kind)


def _in_micros(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_duration(kind):
        return pa.duration("us")
    if pa.types.is_time(kind):
        return pa.time64("us")
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_date(kind):
        return pa.timestamp("us")
    raise ArgumentError(f"a column of type {kind} cannot be partitioned by")


def _mixed(values: Any) -> Any:
    """Return unsigned numbers with all bits mixed into each other (the finalizer of splitmix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= _FIRST
    values ^= values >> np.uint64(27)
    values *= _SECOND
    values ^= values >> np.uint64(31)
    return values


def _hash_floats(values: Any) -> Any:
    """Hash what is an integer as that, else the bits; NaN is a null."""
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    is_whole = (whole == values) & (np.abs(values) < _EXACT)
    bits = np.where(is_whole, whole.view(np.uint64), values.view(np.uint64))
    hashes = _mixed(bits)
    hashes[np.isnan(values)] = _NULL
    return hashes


def _hash_texts(column: pa.Array) -> Any:
    """Hash texts 8 bytes at a time, all rows at once: each round has those that are so long."""
    count = len(column)
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :][: count + 1]
    starts, lengths = offsets[:-1], np.diff(offsets)
    data = column.buffers()[2]
    # A word may begin at any byte, and the last one ends behind the text.
    base, end = int(offsets[0]), int(offsets[-1])
    padded = bytearray(end - base + _WORD_BYTES)
    if end > base:
        padded[: end - base] = memoryview(data)[base:end]
    words = np.ndarray((end - base + 1,), "<u8", padded, strides=(1,))
    at = starts - base
    hashes = _mixed(lengths.astype(np.uint64) + _STEP)
    is_long = lengths > _VECTOR_BYTES_MAX
    length_max = int(lengths.max(initial=0, where=~is_long))
    for position in range(0, length_max, _WORD_BYTES):
        longer = (lengths > position) & ~is_long
        rows = slice(None) if longer.all() else np.flatnonzero(longer)
        left = lengths[rows] - position
        word = words[at[rows] + position]
        if int(left.min()) < _WORD_BYTES:
            # The bytes of the next text are shifted out at the top.
            spare = np.maximum(_WORD_BYTES - left, 0).astype(np.uint64) << np.uint64(3)
            word = (word << spare) >> spare
        hashes[rows] = _mixed((hashes[rows] ^ word) * _STEP)
    for row in np.flatnonzero(is_long):
        text = bytes(padded[at[row] : at[row] + lengths[row]])
        hashes[row] = mmh3.hash64(text, 0, True, signed=False)[0]
    return hashes


def _descends(values: pa.Array) -> bool:
    """Whether any value is less than the one before it."""
    # By name: what `pyarrow.compute` has is made when it is imported, no type checker knows of it.
    less = pc.call_function("less", [values[1:], values[:-1]])
    return bool(pc.call_function("any", [less]).as_py())


def _range_numbers(column: pa.Array, boundaries: Sequence[Any]) -> Any:
    """Return how many boundaries are not above each value; for nulls and NaN, all of them."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        bounds = pa.array(boundaries, type=column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ArgumentError(f"boundaries of a column of type {column.type}: {error}") from None
    if bounds.null_count or (len(bounds) > 1 and _descends(bounds)):
        raise ArgumentError("the boundaries of a Range must ascend, and none may be null")
    if _is_text(column.type):
        # Compared as Python objects, each different value once.
        encoded = column.dictionary_encode()
        limits = np.array(bounds.to_pylist(), dtype=object)
        values = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)[:-1]
        found: Any = np.append(np.searchsorted(limits, values, side="right"), len(bounds))
        return found[encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)]
    limits = bounds.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
        limits = limits.astype(np.float64)
    present = column.drop_null()
    if not len(present):
        return np.full(len(column), len(bounds))
    filled = column.fill_null(present[0]).to_numpy(zero_copy_only=False)
    found = np.searchsorted(limits, filled, side="right")
    if column.null_count:
        found[column.is_null().to_numpy(zero_copy_only=False)] = len(bounds)
    return found


def sliced(table: pa.Table, size_max: int) -> list[pa.Table]:
    """Return a table in pieces of about so many bytes at most, of at least a row each."""
    pieces = max(1, min(-(-table.nbytes // size_max), table.num_rows))
    rows = -(-table.num_rows // pieces)
    return [table.slice(begin, rows) for begin in range(0, max(table.num_rows, 1), max(rows, 1))]


class Tables:
    """Gathers tables of one partition."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self.size = 0

    def add(self, table: pa.Table) -> None:
        """Gather one; its columns must be those of the others."""
        if self._tables and not table.schema.equals(self._tables[0].schema):
            raise ArgumentError(
                f"a table has the columns {table.schema.names}, or other types than the tables"
                " before it"
            )
        self._tables.append(table)
        # More than none, since rows of nulls alone take no bytes.
        self.size += table.nbytes + 1

    def block(self) -> memoryview:
        """Return what was gathered as a block, and begin anew."""
        tables, self._tables = self._tables, []
        size, self.size = self.size, 0
        table = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
        batches = sum(len(part.to_batches()) for part in tables)
        if batches > 1 and size < batches * _BATCH_BYTES_MIN:
            # Each batch has half a kilobyte of description.
            table = table.combine_chunks()
        sink = pa.BufferOutputStream()
        sink.write(TABLE_PREFIX)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return memoryview(sink.getvalue())


def table_of(block: bytes | memoryview) -> pa.Table:
    """Return the table of a block, whose memory it keeps."""
    check_kind(bytes(block[:1]), TABLES)
    # What lies in a receive buffer is copied; `bytes` begin at a multiple of 16.
    stream = pa.py_buffer(bytes(block)).slice(len(TABLE_PREFIX))
    return pa.ipc.open_stream(stream).read_all()
