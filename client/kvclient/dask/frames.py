"""pandas frames: cut by partition, and as payloads.

A frame's `Layout` (its labels, dtypes and categories) is known to the readers beforehand from
Dask's `_meta`, so that a payload of 11 kB (256 partitions of 2.8 MB) is one Arrow record batch
without any schema: 5 µs to write and 3 µs to read, against 14 and 12 for an Arrow IPC stream. Each
column is taken in the order of the partitions once, and a slice of it costs nothing: 1 M rows of
two ints, two floats and a string into 16 partitions take 30 ms, `pyarrow.Table.take` 70.

Numbers and times travel as they lie in memory, so that NaN, NaT and null stay what they were;
categories as their codes, and what else there is by the Arrow form of its pandas array. Columns
that have none (objects that are not all text) make the frame's pieces pickles. The first byte says
what follows:

    B  a record batch; the layout is the one that the readers know
    L  the length of a pickled layout (4 bytes, little-endian), the layout, and a record batch
    F  a pickled frame
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from dask.dataframe.dispatch import concat

from kvclient.errors import Corrupted

BATCH: Final = b"B"
LAYOUT: Final = b"L"
FRAME: Final = b"F"
_LENGTH: Final = struct.Struct("<I")
_AS_INTEGERS: Final = {"b": "u1", "M": "i8", "m": "i8"}
"""Kinds of numpy's dtypes whose memory travels under another name."""
_PLAIN_KINDS: Final = "iufbMm"
_TEXT: Final = pa.string()
"""Its offsets have 32 bits: 4 bytes a row less than pandas' own."""


@dataclass
class Layout:
    """A frame without rows: what a batch needs besides its columns to become a frame again."""

    empty: pd.DataFrame
    has_index: bool = True

    def arrays(self, frame: pd.DataFrame, numbers: str | None = None) -> list[Any]:
        """Return a frame's index and columns as arrays, the partitions' numbers left out."""
        columns = [_values_of(frame.iloc[:, at]) for at in _positions(frame, numbers)]
        return [_values_of(frame.index), *columns] if self.has_index else columns

    @cached_property
    def dtypes(self) -> list[Any]:
        """The dtypes of what travels."""
        dtypes = list(self.empty.dtypes)
        return [self.empty.index.dtype, *dtypes] if self.has_index else dtypes

    @cached_property
    def schema(self) -> pa.Schema | None:
        """The schema of the layout's batches; None if a column has no Arrow form."""
        if self.has_index and isinstance(self.empty.index, pd.MultiIndex):
            return None
        kinds = [_kind_of(array) for array in self.arrays(self.empty)]
        if None in kinds:
            return None
        return pa.schema([(str(at), kind) for at, kind in enumerate(kinds)])

    def is_like(self, other: Layout) -> bool:
        """Whether frames of both have the same labels, dtypes and categories."""
        mine, theirs = self.empty, other.empty
        return (
            len(self.dtypes) == len(other.dtypes)
            and all(map(_are_equal, self.dtypes, other.dtypes))
            and mine.columns.equals(theirs.columns)
            and list(mine.columns.names) == list(theirs.columns.names)
            and list(mine.index.names) == list(theirs.index.names)
        )


def layout_of(frame: pd.DataFrame, numbers: str | None = None, has_index: bool = True) -> Layout:
    """Return the layout of a frame without the column that has the partitions' numbers."""
    empty = frame.iloc[:0, _positions(frame, numbers)]
    if not has_index:
        empty = empty.reset_index(drop=True)
    elif isinstance(empty.index, pd.RangeIndex):
        # Rows that were taken out of a range have numbers without a rule.
        empty = empty.set_axis(pd.Index([], dtype=np.int64, name=empty.index.name))
    return Layout(empty, has_index)


def _positions(frame: pd.DataFrame, numbers: str | None) -> list[int]:
    return [at for at, label in enumerate(frame.columns) if numbers is None or label != numbers]


def _values_of(data: pd.Series | pd.Index) -> Any:
    array = data.array
    return data.to_numpy() if isinstance(array, pd.arrays.NumpyExtensionArray) else array


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two dtypes are the same; categories, whose codes travel, in the same order."""
    if isinstance(one, pd.CategoricalDtype) and isinstance(other, pd.CategoricalDtype):
        return bool(one.ordered == other.ordered and one.categories.equals(other.categories))
    return bool(one == other)


def partition_numbers(frame: pd.DataFrame, meta: pd.DataFrame, by: list[Any], count: int) -> Any:
    """Return each row's partition; equal keys are together as in Dask's own shuffles.

    `by` names columns, or the index if it is empty. Numbers of every kind are hashed as floats, by
    the dtype that `meta` says, so that both sides of a join agree.
    """
    keys = frame[by] if by else frame.index.to_frame(name="_index")
    kinds = meta[by] if by else meta.index.to_frame(name="_index")
    floats = {label: np.float64 for label, dtype in kinds.dtypes.items() if _is_numeric(dtype)}
    if floats:
        keys = keys.astype(floats, errors="ignore")
    return pd.util.hash_pandas_object(keys, index=False).to_numpy() % np.uint64(count)


def _is_numeric(dtype: Any) -> bool:
    values = dtype.categories if isinstance(dtype, pd.CategoricalDtype) else dtype
    return bool(pd.api.types.is_numeric_dtype(values))


def pieces(
    frame: pd.DataFrame, numbers: str, partitions: int, known: Layout
) -> Iterator[tuple[int, bytes | memoryview]]:
    """Yield a payload for each partition that has rows; `numbers` names the column that says whose.

    The rows keep their order. O(n).
    """
    if not len(frame):
        return
    kind = np.uint16 if partitions <= 1 << 16 else np.uint32
    rows = frame[numbers].to_numpy().astype(kind)
    counts = np.bincount(rows, minlength=partitions)
    # numpy sorts numbers of 16 bits by radix.
    order = np.argsort(rows, kind="stable")
    present = np.flatnonzero(counts).tolist()
    starts = (counts.cumsum() - counts).tolist()
    layout = layout_of(frame, numbers, known.has_index)
    batch = _batch(frame, numbers, layout, None if len(present) == 1 else order)
    if batch is None:
        plain = frame.iloc[:, _positions(frame, numbers)]
        for partition in present:
            taken = order[starts[partition] : starts[partition] + int(counts[partition])]
            yield partition, FRAME + pickle.dumps(plain.take(taken), pickle.HIGHEST_PROTOCOL)
        return
    head = BATCH
    if not layout.is_like(known):
        pickled = pickle.dumps((layout.empty, layout.has_index), pickle.HIGHEST_PROTOCOL)
        head = LAYOUT + _LENGTH.pack(len(pickled)) + pickled
    # Arrow's buffers lie at multiples of 8 from the beginning of a batch.
    head = head + bytes(-len(head) % 8)
    for partition in present:
        body = batch.slice(starts[partition], int(counts[partition])).serialize()
        yield partition, b"".join((head, body))


def _batch(frame: pd.DataFrame, numbers: str, layout: Layout, order: Any) -> pa.RecordBatch | None:
    """Return the frame's rows in this order as a batch; None if that cannot be."""
    schema = layout.schema
    if schema is None:
        return None
    columns = []
    for array, field in zip(layout.arrays(frame, numbers), schema):
        try:
            columns.append(_to_arrow(array, field.type, order))
        except (pa.ArrowException, ValueError):
            return None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _kind_of(array: Any) -> pa.DataType | None:
    """Return the Arrow type by which an array travels, None if there is none."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return _TEXT
        if dtype.kind not in _PLAIN_KINDS or dtype.itemsize > 8 or not dtype.isnative:
            return None
        return pa.from_numpy_dtype(np.dtype(_AS_INTEGERS.get(dtype.kind, dtype)))
    if isinstance(dtype, pd.CategoricalDtype):
        return pa.from_numpy_dtype(array.codes.dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pa.int64()
    if isinstance(dtype, pd.StringDtype):
        return _TEXT
    if not hasattr(dtype, "__from_arrow__") or not hasattr(array, "__arrow_array__"):
        return None
    kind = pa.array(array).type
    # A batch by itself has no place for dictionaries.
    return None if "dictionary" in str(kind) else kind


def _to_arrow(array: Any, kind: pa.DataType, order: Any) -> pa.Array:
    """Return an array's values in this order; ValueError or an Arrow error if they do not fit."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        values = np.asarray(array)
        if pd.api.types.infer_dtype(values, skipna=False) != "string":
            raise ValueError("objects that are not all text")
        return pa.array(values if order is None else values.take(order), kind)
    if isinstance(dtype, pd.CategoricalDtype):
        array = array.codes
    elif isinstance(dtype, pd.DatetimeTZDtype):
        array = array.view("i8")
    elif not isinstance(dtype, np.dtype):
        taken = array if order is None else array.take(order)
        values = pa.array(taken)
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return values if values.type == kind else values.cast(kind)
    values = np.asarray(array)
    if values.dtype.kind in _AS_INTEGERS:
        values = values.view(_AS_INTEGERS[values.dtype.kind])
    if order is not None:
        values = values.take(order)
    return pa.array(values, kind, from_pandas=False)


def frame_of(payloads: Iterable[Any], known: Layout) -> pd.DataFrame:
    """Return the frame that payloads hold, in their order."""
    frames: list[pd.DataFrame] = []
    batches: list[pa.RecordBatch] = []
    last = known
    for payload in payloads:
        view = memoryview(payload)
        kind = bytes(view[:1])
        if kind == FRAME:
            layout, body = None, view[1:]
        elif kind == BATCH:
            layout, body = known, view[8:]
        elif kind == LAYOUT:
            layout, body = _own_layout(view, last)
        else:
            raise Corrupted(f"a payload begins with {kind!r}, which is no piece of a frame")
        if layout is not last and batches:
            frames.append(_joined(batches, last))
            batches = []
        if layout is None:
            frames.append(pickle.loads(body))
        else:
            last = layout
            batches.append(pa.ipc.read_record_batch(pa.py_buffer(body), layout.schema))
    if batches:
        frames.append(_joined(batches, last))
    if not frames:
        return known.empty.copy()
    return frames[0] if len(frames) == 1 else concat(frames)


def _own_layout(view: memoryview, last: Layout) -> tuple[Layout, memoryview]:
    """Return the layout that a payload brings, the last one if that is the same, and its batch."""
    (length,) = _LENGTH.unpack_from(view, 1)
    end = 1 + _LENGTH.size + length
    layout = Layout(*pickle.loads(view[1 + _LENGTH.size : end]))
    return last if layout.is_like(last) else layout, view[end + -end % 8 :]


def _joined(batches: list[pa.RecordBatch], layout: Layout) -> pd.DataFrame:
    """Return the rows of all batches as one frame."""
    table = pa.Table.from_batches(batches)
    arrays = [_from_arrow(table.column(at), dtype) for at, dtype in enumerate(layout.dtypes)]
    empty = layout.empty
    if layout.has_index:
        index = pd.Index(arrays.pop(0), dtype=empty.index.dtype, name=empty.index.name, copy=False)
    else:
        index = pd.RangeIndex(table.num_rows)
    # A dtype that is not said would be inferred from objects.
    columns = {
        at: pd.Series(array, index, array.dtype, copy=False) for at, array in enumerate(arrays)
    }
    frame = pd.DataFrame(columns, index=index, copy=False)
    return frame.set_axis(empty.columns, axis=1)


def _from_arrow(column: pa.ChunkedArray, dtype: Any) -> Any:
    """Return a column as one array of this dtype, which owns its memory."""
    if column.type == _TEXT:
        # All chunks together may be larger than offsets of 32 bits can say.
        column = column.cast(pa.large_string())
    is_plain = isinstance(dtype, (np.dtype, pd.CategoricalDtype, pd.DatetimeTZDtype))
    if not is_plain:
        return dtype.__from_arrow__(pa.concat_arrays(column.chunks))
    values = column.to_numpy()
    if not values.flags.writeable or column.num_chunks == 1:
        values = values.copy()
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(values, dtype=dtype, validate=False)
    if isinstance(dtype, pd.DatetimeTZDtype):
        times = pd.DatetimeIndex(values.view(f"M8[{dtype.unit}]"))
        return times.tz_localize("UTC").tz_convert(dtype.tz).array
    return values if dtype.kind == "O" else values.view(dtype)
