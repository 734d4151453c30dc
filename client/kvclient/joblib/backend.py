"""A store of joblib whose items are files of `kvclient.fsspec`.

A file is seen when it is complete, so items are written under their own names, by any number of
processes. When an item was last read stands in a sorted set beside the files: reading a file does
not change it, and `reduce_size` removes first what was not read for longest.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from io import BytesIO
from typing import Any, Final, cast

from joblib._store_backends import CacheItemInfo, StoreBackendBase, StoreBackendMixin

from kvclient.blocking.client import Client
from kvclient.fsspec.filesystem import KvFileSystem
from kvclient.fsspec.locations import path_of, server_of

_ITEM: Final = re.compile(r"[a-f0-9]{32}")
_WHOLE_BYTES: Final = 16 << 20
"""Smaller items are read in one call, larger ones in parts, so that none is here twice."""
# joblib puts it behind the location, which has its parameters there.
_JOBLIB: Final = "/joblib"


class KvStoreBackend(StoreBackendBase, StoreBackendMixin):
    """A store below `kv://host:port/path?db=n`.

    `backend_options` are `compress`, as joblib has it, and the options of `KvFileSystem`.
    """

    def configure(
        self, location: str, verbose: int = 1, backend_options: dict[str, Any] | None = None
    ) -> None:
        """Take the location and the options; nothing is connected yet."""
        options = dict(backend_options or {})
        self.verbose = verbose
        self.compress = options.pop("compress", False)
        if options.pop("mmap_mode", None) is not None:
            warnings.warn("mmap_mode is ignored: what is stored is no local file", stacklevel=2)
        if "?" in location and location.endswith(_JOBLIB):
            place, _, query = location.removesuffix(_JOBLIB).rpartition("?")
            location = f"{place.rstrip('/')}{_JOBLIB}?{query}"
        self.location = path_of(location)
        self._options = {**server_of(location), **options}
        self._accessed = f"{self._files.namespace}:accessed:{self.location}"

    @property
    def _files(self) -> KvFileSystem:
        # Not kept: fsspec has one for each process, and none of them outlives a fork.
        return KvFileSystem(**self._options)

    @cached_property
    def _client(self) -> Client[bytes]:
        url, options = self._files.client_arguments
        return Client(url, **options)

    # --- what joblib's mixin calls ----------------------------------------------------------------

    def _open_item(self, f: str, mode: str) -> Any:
        if mode != "rb":
            return self._files.open(f, mode)
        data = cast(bytes, self._files.cat_file(f, 0, _WHOLE_BYTES))
        if len(data) < _WHOLE_BYTES:
            return BytesIO(data)
        return self._files.open(f, mode, block_size=_WHOLE_BYTES)

    # joblib writes no return types, and its abstract methods have no bodies.
    def _item_exists(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, location: str
    ) -> bool:
        return bool(self._files.exists(location))

    def _move_item(self, src: str, dst: str) -> None:
        self._files.mv(src, dst)

    def _concurrency_safe_write(
        self, to_write: Any, filename: str, write_func: Callable[[Any, str], None]
    ) -> None:
        write_func(to_write, filename)

    def create_location(self, location: str) -> None:
        """Do nothing: a folder is what names begin with."""

    def clear_location(self, location: str) -> None:
        """Remove what is below a location."""
        try:
            self._files.rm(location, recursive=True)
        except FileNotFoundError:
            pass  # somebody else was faster

    def load_item(
        self,
        call_id: list[str],
        verbose: int = 1,
        timestamp: float | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Any:
        """Return an item, and note that it was read; KeyError if it is missing."""
        item = super().load_item(call_id, verbose, timestamp, metadata)
        self._client.zadd(self._accessed, {"/".join([self.location, *call_id]): time.time()})
        return item

    def get_items(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> list[CacheItemInfo]:
        """Return all items with their sizes and when they were read, or written, last."""
        sizes: dict[str, int] = {}
        times: dict[str, float] = {}
        found = self._files.find(self.location, detail=True)
        for path, info in cast("dict[str, dict[str, Any]]", found).items():
            item = path.rpartition("/")[0]
            if _ITEM.fullmatch(item.rpartition("/")[2]):
                sizes[item] = sizes.get(item, 0) + info["size"]
                times[item] = max(times.get(item, 0), info["created"])
        gone = []
        for member, when in self._client.zrange(self._accessed, 0, -1, withscores=True):
            item = member.decode()
            if item in times:
                times[item] = max(times[item], when)
            else:
                gone.append(member)
        if gone:
            self._client.zrem(self._accessed, *gone)
        return [
            CacheItemInfo(item, size, datetime.fromtimestamp(times[item]))
            for item, size in sizes.items()
        ]
