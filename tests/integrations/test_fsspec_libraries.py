"""pandas, pyarrow, Dask and zarr write to kvnode and read back what they wrote."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import dask
import dask.dataframe
import fsspec
import numpy
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest
import zarr

from kvclient.fsspec import KvFileSystem

from .places import url_in


@pytest.fixture
def frame() -> pandas.DataFrame:
    numbers = numpy.arange(20_000)
    return pandas.DataFrame(
        {
            "id": numbers,
            "share": numbers / 7,
            "name": [f"name {number % 97}" for number in numbers],
            "part": numbers % 4,
        }
    )


def test_pandas_reads_back_csv_and_parquet(place: str, frame: pandas.DataFrame) -> None:
    frame.to_csv(url_in(place, "a/frame.csv"), index=False)
    pandas.testing.assert_frame_equal(pandas.read_csv(url_in(place, "a/frame.csv")), frame)
    frame.to_csv(url_in(place, "a/frame.csv.gz"), index=False)
    pandas.testing.assert_frame_equal(pandas.read_csv(url_in(place, "a/frame.csv.gz")), frame)
    frame.to_parquet(url_in(place, "a/frame.parquet"))
    found = pandas.read_parquet(url_in(place, "a/frame.parquet"), columns=["share"])
    pandas.testing.assert_frame_equal(found, frame[["share"]])
    frame.to_parquet(
        url_in(place, "b/frame.parquet"), storage_options={"chunk_bytes": 4096}, row_group_size=999
    )
    pandas.testing.assert_frame_equal(pandas.read_parquet(url_in(place, "b/frame.parquet")), frame)


def test_pyarrow_writes_and_reads_a_parquet_dataset(place: str, frame: pandas.DataFrame) -> None:
    files = KvFileSystem(place)
    table = pyarrow.Table.from_pandas(frame)
    pyarrow.parquet.write_to_dataset(table, "/set", partition_cols=["part"], filesystem=files)
    assert len(files.glob("/set/part=*/*.parquet")) == 4
    found = pyarrow.dataset.dataset("/set", filesystem=files, partitioning="hive")
    third = found.to_table(filter=pyarrow.dataset.field("part") == 3)
    assert third.num_rows == 5000
    whole = found.to_table().sort_by("id").select(table.column_names).to_pandas()
    pandas.testing.assert_frame_equal(whole.astype(frame.dtypes), frame)
    # Written again, over what is there.
    pyarrow.parquet.write_to_dataset(
        table.slice(0, 100),
        "/set",
        partition_cols=["part"],
        filesystem=files,
        existing_data_behavior="delete_matching",
    )
    assert pyarrow.parquet.read_table("/set", filesystem=files).num_rows == 100


def test_pyarrow_knows_when_a_file_was_written(place: str) -> None:
    files = KvFileSystem(place)
    files.pipe_file("/file", b"1")
    handler = pyarrow.fs.FSSpecHandler(files)
    found = pyarrow.fs.PyFileSystem(handler).get_file_info("/file")
    assert found.mtime == files.modified("/file")


def test_dask_writes_and_reads_parquet_and_csv(place: str, frame: pandas.DataFrame) -> None:
    parts = dask.dataframe.from_pandas(frame, npartitions=5)
    with dask.config.set(scheduler="threads"):
        parts.to_parquet(url_in(place, "dask/frame"))
        found = dask.dataframe.read_parquet(url_in(place, "dask/frame"))
        assert found.npartitions == 5
        pandas.testing.assert_frame_equal(
            found.compute().reset_index(drop=True), frame, check_dtype=False
        )
        assert found["id"].sum().compute() == frame["id"].sum()
        parts.to_csv(url_in(place, "dask/frame-*.csv"), index=False)
        read = dask.dataframe.read_csv(url_in(place, "dask/frame-*.csv"))
        assert read["share"].sum().compute() == pytest.approx(frame["share"].sum())


def test_dask_uses_it_from_processes(url: str, frame: pandas.DataFrame) -> None:
    parts = dask.dataframe.from_pandas(frame, npartitions=3)
    # One pool for all steps: its processes, not forked as threads run here, import for seconds.
    pool = ProcessPoolExecutor(2, get_context("spawn"))
    with pool, dask.config.set(scheduler="processes", pool=pool):
        parts.to_parquet(f"{url}/frame")
        found = dask.dataframe.read_parquet(f"{url}/frame")
        assert found["id"].sum().compute() == frame["id"].sum()


def test_zarr_keeps_arrays(place: str) -> None:
    numbers: Any = numpy.arange(300 * 200, dtype="f8").reshape(300, 200)
    target = url_in(place, "zarr")
    root = zarr.open_group(target, mode="w")
    array = root.create_array("numbers", shape=numbers.shape, chunks=(64, 64), dtype="f8")
    array[:] = numbers
    root.attrs["unit"] = "metre"
    again = zarr.open_group(target, mode="r")
    assert again.attrs["unit"] == "metre"
    assert list(again.array_keys()) == ["numbers"]
    numpy.testing.assert_array_equal(again["numbers"][10:130, 5:199], numbers[10:130, 5:199])
    array[0, 0] = -1
    assert zarr.open_array(f"{url_in(place, 'zarr/numbers')}", mode="r")[0, 0] == -1


def test_a_mapping_of_fsspec_stores_bytes(place: str) -> None:
    mapping = fsspec.get_mapper(url_in(place, "map"))
    mapping.setitems({"a": b"1", "b/c": b"2"})
    assert sorted(mapping) == ["a", "b/c"]
    del mapping["a"]
    assert mapping.getitems(["b/c", "a"], on_error="omit") == {"b/c": b"2"}
