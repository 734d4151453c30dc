"""Frames of real life through `kvclient.dask.shuffle`: the rows that Dask's own shuffle gives."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("dask.dataframe")
pytest.importorskip("pyarrow")

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa

from kvclient.dask import shuffle, shuffling
from kvclient.errors import ArgumentError, ConfigurationError

ROWS = 400


def plain() -> pd.DataFrame:
    """A frame with a column of every kind that travels by Arrow."""
    random = np.random.default_rng(7)
    seconds = pd.to_timedelta(random.integers(0, 9999, ROWS), "s")
    frame = pd.DataFrame(
        {
            "key": random.integers(0, 50, ROWS).astype("int32"),
            "float": random.random(ROWS),
            "small": random.random(ROWS).astype("float32"),
            "flag": random.random(ROWS) < 0.5,
            "text": pd.Series(random.choice(["a", "bb", "", None], ROWS)).astype("string[pyarrow]"),
            "category": pd.Categorical(random.choice(["x", "y", None], ROWS)),
            "ordered": pd.Categorical(random.integers(0, 3, ROWS), [2, 1, 0], ordered=True),
            "time": pd.Timestamp("2020-01-01") + seconds,
            "zoned": pd.Timestamp("2020-01-01", tz="Europe/Berlin") + seconds,
            "span": seconds,
            "nullable": pd.array(random.choice([1, 2, None], ROWS), "Int64"),
            "maybe": pd.array(random.choice([True, False, None], ROWS), "boolean"),
            "day": pd.PeriodIndex.from_ordinals(random.integers(0, 99, ROWS), freq="D"),
            "arrow": pd.array(random.choice([1, 2, None], ROWS), "int64[pyarrow]"),
            "arrow_text": pd.array(random.choice(["a", None], ROWS), pd.ArrowDtype(pa.string())),
            "words": pd.Series(random.choice(["u", "v"], ROWS), dtype=object),
        }
    )
    frame.loc[::7, "float"] = np.nan
    frame.loc[::5, ["time", "zoned", "span"]] = pd.NaT
    return frame


def mixed(*values: Any) -> pd.DataFrame:
    """A frame with a column of such objects."""
    objects = [values[row % len(values)] for row in range(ROWS)]
    return plain().assign(mixed=pd.Series(objects, dtype=object))


FRAMES = {
    "every kind of column": plain(),
    "a kept index of times": plain().dropna(subset="time").set_index("time"),
    "a named index": plain().rename_axis("row"),
    "labels that are no text": plain().rename(columns={"float": 7, "flag": ("a", 1)}),
    "objects of several kinds": mixed(1, "a", None, 2.5),
    "objects with nulls": mixed("a", None, np.nan, "b"),
    "complex numbers": plain().assign(wave=plain()["float"] + 1j),
    "a column only": plain()[["key"]],
}


@pytest.fixture(params=["expression", "public interface"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of building the graph have to give the same."""
    if request.param == "public interface":
        monkeypatch.setattr(shuffling, "expressions", None)


@pytest.fixture(autouse=True)
def threads() -> Any:
    """No cluster is needed here; text columns stay as they are."""
    settings = {"scheduler": "threads", "dataframe.convert-string": False}
    with dask.config.set(settings):
        yield


def by_tasks(df: Any, **arguments: Any) -> list[pd.DataFrame]:
    """Return the partitions that Dask's own shuffle makes."""
    return list(dask.compute(*df.shuffle(shuffle_method="tasks", **arguments).partitions))


def same_rows(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare frames whose rows may be in another order."""
    pd.testing.assert_frame_equal(in_order(one), in_order(other))


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[pd.util.hash_pandas_object(frame.astype(str)).argsort(kind="stable")]


@pytest.mark.parametrize("name", FRAMES)
def test_every_partition_has_the_rows_that_dask_puts_there(name: str, address: str) -> None:
    df = dd.from_pandas(FRAMES[name], npartitions=4, sort=False)
    mine = dask.compute(*shuffle(df, "key", address=address).partitions)
    for got, expected in zip(mine, by_tasks(df, on="key"), strict=True):
        assert list(got.dtypes) == list(expected.dtypes)
        same_rows(got, expected)


@pytest.mark.parametrize(
    "key", ["float", "text", "category", "time", "zoned", "nullable", "maybe", "words", "ordered"]
)
def test_keys_of_every_kind_with_nulls_among_them(key: str, address: str) -> None:
    df = dd.from_pandas(plain(), npartitions=3, sort=False)
    mine = dask.compute(*shuffle(df, key, npartitions=5, address=address).partitions)
    for got, expected in zip(mine, by_tasks(df, on=key, npartitions=5), strict=True):
        same_rows(got, expected)


def test_several_keys_and_the_index_as_key(address: str) -> None:
    df = dd.from_pandas(plain(), npartitions=3, sort=False)
    keys = ["key", "words"]
    for arguments in ({"on": keys}, {"on_index": True}):
        mine = dask.compute(*shuffle(df, address=address, **arguments).partitions)
        for got, expected in zip(mine, by_tasks(df, **arguments), strict=True):
            same_rows(got, expected)


def test_more_and_fewer_partitions_than_before_empty_ones_among_them(address: str) -> None:
    df = dd.from_pandas(plain(), npartitions=4, sort=False)
    for count in (1, 2, 40, 300):
        result = shuffle(df, "ordered", npartitions=count, address=address)
        assert result.npartitions == count
        parts = dask.compute(*result.partitions)
        assert [list(part.dtypes) for part in parts] == [list(plain().dtypes)] * count
        same_rows(pd.concat(parts), plain())


def test_a_frame_without_rows(address: str) -> None:
    df = dd.from_pandas(plain(), npartitions=4, sort=False)
    empty = shuffle(df[df["key"] < 0], "key", address=address).compute()
    assert len(empty) == 0
    assert list(empty.dtypes) == list(plain().dtypes)


def test_categories_that_differ_between_partitions(address: str) -> None:
    parts = [
        pd.DataFrame({"key": [1, 2, 3], "kind": pd.Categorical(["a", "b", "a"])}),
        pd.DataFrame({"key": [1, 2, 3], "kind": pd.Categorical(["b", "a", "c"], ["c", "b", "a"])}),
    ]
    df = dd.from_map(lambda at: parts[at], [0, 1], meta=parts[0].iloc[:0])
    result = shuffle(df, "key", address=address).compute()
    same_rows(result.astype({"kind": str}), pd.concat(parts).astype({"kind": str}))
    assert set(result["kind"].cat.categories) == {"a", "b", "c"}


def test_the_order_of_rows_within_a_key_is_kept(address: str) -> None:
    frame = pd.DataFrame({"key": [1, 2] * 50, "n": range(100)})
    df = dd.from_pandas(frame, npartitions=7, sort=False)
    result = shuffle(df, "key", address=address).compute()
    assert result[result["key"] == 1]["n"].tolist() == list(range(0, 100, 2))


def test_without_the_index(address: str) -> None:
    df = dd.from_pandas(plain(), npartitions=3, sort=False)
    result = shuffle(df, "key", ignore_index=True, address=address)
    parts = dask.compute(*result.partitions)
    assert all(part.index.equals(pd.RangeIndex(len(part))) for part in parts)
    assert sorted(pd.concat(parts)["key"]) == sorted(plain()["key"])


def test_a_series(address: str) -> None:
    series = dd.from_pandas(plain()["key"], npartitions=3, sort=False)
    result = shuffle(series, "key", address=address).compute()
    assert sorted(result) == sorted(plain()["key"])
    assert result.name == "key"


def test_what_cannot_be_asked_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    df = dd.from_pandas(plain(), npartitions=2, sort=False)
    with pytest.raises(ArgumentError, match="must name columns"):
        shuffle(df, "unknown", address=address)
    with pytest.raises(ArgumentError, match="on_index=True"):
        shuffle(df, address=address)
    with pytest.raises(ArgumentError, match="both on and on_index"):
        shuffle(df, "key", on_index=True, address=address)
    with pytest.raises(ArgumentError, match="npartitions is 0"):
        shuffle(df, "key", npartitions=0, address=address)
    monkeypatch.delenv("DASK_KVNODE__ADDRESS", raising=False)
    with pytest.raises(ConfigurationError, match="no address of a node"):
        shuffle(df, "key")
    with dask.config.set({"kvnode.address": address}):
        assert len(shuffle(df, "key").compute()) == ROWS
