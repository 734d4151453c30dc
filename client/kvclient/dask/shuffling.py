"""`shuffle`, `install` and `uninstall`: what a user of Dask calls."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Final

from kvclient.dask import graphs
from kvclient.dask.store import LEASE_S, store_of
from kvclient.errors import ArgumentError, UsageError

try:
    from kvclient.dask import expressions
except ImportError:  # a Dask whose optimizer is another one
    expressions = None  # type: ignore[assignment]

_LOCK: Final = threading.Lock()
_installation: Any = None


def shuffle(
    df: Any,
    on: Any = None,
    npartitions: int | None = None,
    *,
    address: str | None = None,
    on_index: bool = False,
    ignore_index: bool = False,
    codec: str = "none",
    lease_s: int = LEASE_S,
    **options: Any,
) -> Any:
    """Return a Dask DataFrame with the rows of `df`, those with equal keys in one partition.

    `on` names a column or several; with `on_index` the index is the key. The node is at `address`
    (see `store_of`; the workers have to reach it), and `options` are those of a Client, such as
    `username`, `password` and `tls_ca_file`. `codec` compresses: none, lz4 or zstd. A shuffle that
    nobody renews is dropped after `lease_s`.
    """
    keys = _keys(df, on, on_index)
    count = df.npartitions if npartitions is None else npartitions
    if count < 1:
        raise ArgumentError(f"npartitions is {npartitions}, must be at least 1")
    plan = {"store": store_of(address, **options), "codec": codec, "lease_s": lease_s}
    way = graphs if expressions is None else expressions
    frame = df.to_frame() if df.ndim == 1 else df
    result = way.shuffled(frame, keys, count, ignore_index, plan)
    return result[result.columns[0]].rename(df.name) if df.ndim == 1 else result


def _keys(df: Any, on: Any, on_index: bool) -> list[Any]:
    """Return the names of the key columns, none for the index."""
    if on_index:
        if on is not None:
            raise ArgumentError("both on and on_index are given, must be one of them")
        return []
    keys = list(on) if isinstance(on, (list, tuple)) else [on]
    known = [df.name] if df.ndim == 1 else list(df.columns)
    unknown = [key for key in keys if key not in known]
    if on is None or not keys or unknown:
        raise ArgumentError(f"on is {on!r}, must name columns of {known}; or pass on_index=True")
    return keys


class Installed:
    """What `install` returns: as a context manager it is taken back at the end."""

    def __enter__(self) -> Installed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        uninstall()


def install(
    address: str | None = None, *, codec: str = "none", lease_s: int = LEASE_S, **options: Any
) -> Installed:
    """Have merge, groupby, set_index and all other shuffles of data frames go through a node.

    It holds for what is computed until `uninstall`, in this process. The arguments are those of
    `shuffle`. UsageError if it is installed already, or if this Dask has no place for it.
    """
    global _installation
    if expressions is None:
        raise UsageError("this version of Dask has no place for a shuffle: call shuffle() instead")
    plan = {"store": store_of(address, **options), "codec": codec, "lease_s": lease_s}
    with _LOCK:
        if _installation is not None:
            raise UsageError("the shuffle is installed already: uninstall() it first")
        _installation = expressions.Installation(plan)
    return Installed()


def uninstall() -> None:
    """Let Dask shuffle as it did before; nothing if nothing is installed."""
    global _installation
    with _LOCK:
        installation, _installation = _installation, None
        if installation is not None:
            installation.undo()
