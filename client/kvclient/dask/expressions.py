"""The shuffle as an expression of Dask's optimizer, and its place in merge, groupby and set_index.

Dask has no way to register a shuffle: `Shuffle._lower` knows its own and no other. What is used
here is private to Dask, so it is imported by nobody else, and `graphs.py` has a way without it.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import dask
from dask._task_spec import Task, TaskRef
from dask.dataframe.dask_expr import new_collection
from dask.dataframe.dask_expr._merge import Merge
from dask.dataframe.dask_expr._shuffle import RearrangeByColumn, Shuffle, SimpleShuffle
from dask.utils import get_default_shuffle_method

from kvclient.dask.store import Plan
from kvclient.dask.tasks import open_shuffle, read_partition, seal, write_map

METHOD: Final = "kvnode"
CONFIGURED: Final = "dataframe.shuffle.method"


class KvnodeShuffle(SimpleShuffle):
    """A shuffle of rows that say in a column which partition is theirs."""

    @functools.cached_property
    def _meta(self) -> Any:
        meta = self.frame._meta.drop(columns=self.partitioning_index)
        return meta.reset_index(drop=True) if self.ignore_index else meta

    def _layer(self) -> dict[Any, Any]:
        token = self._name.rpartition("-")[2]
        plan = Plan(
            maps=self.frame.npartitions,
            partitions=self.npartitions_out,
            numbers=self.partitioning_index,
            meta=self.frame._meta,
            keeps_index=not self.ignore_index,
            **self.options,
        )
        opened = Task(f"kvnode-open-{token}", open_shuffle, plan)
        writes = [
            Task(
                (f"kvnode-write-{token}", map),
                write_map,
                TaskRef((self.frame._name, map)),
                opened.ref(),
                map,
            )
            for map in range(plan.maps)
        ]
        sealed = Task(
            f"kvnode-seal-{token}", seal, opened.ref(), *[write.ref() for write in writes]
        )
        reads = [
            Task((self._name, at), read_partition, opened.ref(), sealed.ref(), partition)
            for at, partition in enumerate(self._partitions)
        ]
        return {task.key: task for task in (opened, *writes, sealed, *reads)}


class KvnodeRearrange(RearrangeByColumn):
    """What `DataFrame.shuffle` makes, with our shuffle in it."""

    def __dask_graph__(self) -> Any:
        # Older versions ask it of every expression that is not of a module of theirs.
        return self.lower_completely().__dask_graph__()

    def _lower(self) -> Any:
        lowered = super()._lower()
        abstract = lowered
        while not isinstance(abstract, Shuffle):
            abstract = abstract.frame
        return lowered.substitute(abstract, concrete(abstract, self.options))


def concrete(abstract: Any, options: dict[str, Any]) -> KvnodeShuffle:
    """Return our shuffle in place of Dask's abstract one; `options` are of the Plan."""
    return KvnodeShuffle(
        abstract.frame,
        abstract.partitioning_index,
        abstract.npartitions_out,
        abstract.ignore_index,
        options,
        abstract.original_partitioning_index,
    )


def shuffled(
    df: Any,
    on: list[Any],
    npartitions: int,
    ignore_index: bool,
    options: dict[str, Any],
) -> Any:
    """Return a collection of the same rows in other partitions; by the index if `on` is empty."""
    return new_collection(
        KvnodeRearrange(
            df.expr, on, npartitions, ignore_index, METHOD, options, index_shuffle=not on
        )
    )


class Installation:
    """Our shuffle as Dask's default, until it is taken back."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._lower = Shuffle._lower
        self._broadcast = Merge.__dict__["is_broadcast_join"]
        self._configured = dask.config.get(CONFIGURED, None)
        theirs, broadcast = self._lower, self._broadcast.func

        def lower(shuffle: Any) -> Any:
            if (shuffle.method or get_default_shuffle_method()) != METHOD:
                return theirs(shuffle)
            return concrete(shuffle, options)

        def is_broadcast_join(merge: Any) -> Any:
            # Dask broadcasts a small side only with methods that it knows.
            if (merge.shuffle_method or get_default_shuffle_method()) != METHOD:
                return broadcast(merge)
            return broadcast(merge.substitute_parameters({"shuffle_method": "tasks"}))

        Shuffle._lower = lower
        Merge.is_broadcast_join = functools.cached_property(is_broadcast_join)
        Merge.is_broadcast_join.__set_name__(Merge, "is_broadcast_join")
        dask.config.set({CONFIGURED: METHOD})

    def undo(self) -> None:
        """Let Dask be as it was."""
        Shuffle._lower = self._lower
        Merge.is_broadcast_join = self._broadcast
        dask.config.set({CONFIGURED: self._configured})
