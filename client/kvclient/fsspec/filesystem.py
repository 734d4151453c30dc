"""The filesystem: what fsspec asks for, over the files and the names of a namespace."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.core import has_magic
from fsspec.utils import other_paths

from kvclient.aio.client import AsyncClient
from kvclient.errors import ConfigurationError
from kvclient.fsspec.buffered import Deferred, KvFile, KvStream, KvTransaction
from kvclient.fsspec.files import REQUEST_BYTES, FileInfo, FileStore, Staged, missing
from kvclient.fsspec.locations import ROOT, SCHEMES, path_of, server_of, url_of
from kvclient.fsspec.names import prefix_of
from kvclient.options import Options

CHUNK_BYTES: Final = 1 << 20
_MOVES_AT_ONCE: Final = 16

# What fsspec's base classes take.
_OF_FSSPEC: Final = ("use_listings_cache", "listings_expiry_time", "max_paths")


class KvFileSystem(AsyncFileSystem):
    """Files in kvnode or Redis: `kv://user:password@host:port/path?db=1`, `kvs://` with TLS.

    `url` is the server (or those of a cluster), as `kvclient.Options` reads it, and other options
    have the names and meanings they have there; without it the environment's KV_URL counts. A URL
    of a file names its server itself.

    namespace: what the keys of the files begin with.
    chunk_bytes: bytes of the parts in which files are stored; a read takes whole parts.
    linger_s: how long a file that was replaced stays for those who read it; reading on prolongs it.
    abandoned_s: how long a writer may be silent before what it wrote is gone.
    """

    protocol = SCHEMES
    root_marker = ROOT
    transaction_type = KvTransaction
    async_impl = True

    def __init__(
        self,
        url: str | Sequence[str] | None = None,
        *,
        namespace: str = "kvfs",
        chunk_bytes: int = CHUNK_BYTES,
        linger_s: float = 10.0,
        abandoned_s: float = 3600.0,
        asynchronous: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        base = {name: options.pop(name) for name in _OF_FSSPEC if name in options}
        self.client_arguments = (url, options)
        self.options = Options.from_url(url, **options)
        if self.options.decode:
            raise ConfigurationError("decode is True, must be False: files are bytes")
        if not namespace or "{" in namespace or "}" in namespace:
            raise ConfigurationError(
                f"namespace is {namespace!r}, must be a text without {{ and }}"
            )
        for name, value, least in (
            ("chunk_bytes", chunk_bytes, 1),
            ("linger_s", linger_s, 0),
            ("abandoned_s", abandoned_s, 1),
        ):
            if value < least:
                raise ConfigurationError(f"{name} is {value}, must be at least {least}")
        super().__init__(asynchronous=asynchronous, loop=loop, batch_size=batch_size, **base)
        self.namespace = namespace
        self._settings = (namespace, chunk_bytes, linger_s, abandoned_s)
        # A client belongs to one event loop; an asynchronous filesystem may be used in several.
        self._stores: WeakKeyDictionary[asyncio.AbstractEventLoop, FileStore] = WeakKeyDictionary()

    @property
    def _store(self) -> FileStore:
        """The files, by a client of the running loop."""
        loop = asyncio.get_running_loop()
        store = self._stores.get(loop)
        if store is None:
            url, options = self.client_arguments
            client: AsyncClient[bytes] = AsyncClient(url, **options)
            store = self._stores[loop] = FileStore(client, *self._settings)
        return store

    @property
    def fsid(self) -> str:
        """What tells this filesystem from others."""
        return f"{self.unstrip_protocol(ROOT)}#{self.namespace}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return path_of(os.fspath(path))

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return server_of(path)

    def unstrip_protocol(self, name: str) -> str:
        """Return the URL of a path, without credentials."""
        return url_of(path_of(name), self.options)

    def close(self) -> None:
        """Close the connections of the blocking calls; a later call makes new ones."""
        sync(self.loop, self.aclose)

    async def aclose(self) -> None:
        """Close the connections of the running loop; a later call makes new ones."""
        store = self._stores.pop(asyncio.get_running_loop(), None)
        if store is not None:
            await store.close()

    # --- looking ----------------------------------------------------------------------------------

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = path_of(path)
        info = await self._store.info(path)
        if info is not None:
            return _described(info)
        if await self._store.names.has_folder(path):
            return _folder(path)
        raise missing(path)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = path_of(path)
        files, folders = await self._store.names.children(path)
        found = [_described(info) for info in await self._store.infos(files) if info is not None]
        found.extend(map(_folder, folders))
        if not found:
            # A file, an empty folder, or nothing.
            info = await self._info(path)
            if info["type"] == "file":
                found = [info]
        found.sort(key=_name)
        return found if detail else list(map(_name, found))

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        path = path_of(path)
        if maxdepth is not None:
            # Level by level, so that what lies deeper is not read.
            return await super()._find(path, maxdepth, withdirs, detail=detail)
        found: dict[str, dict[str, Any]] = {}
        async for page in self._store.names.below(path, prefix):
            names = [member.decode() for member in page]
            files = [name for name in names if not name.endswith(ROOT)]
            infos = [info for info in await self._store.infos(files) if info is not None]
            found.update((info.path, _described(info)) for info in infos)
            if withdirs:
                made = [name for name in names if name.endswith(ROOT)]
                for name in [*made, *(info.path for info in infos)]:
                    for folder in _folders_of(name, path):
                        found.setdefault(folder, _folder(folder))
        if withdirs or not found:
            try:
                own = await self._info(path)
                if withdirs or own["type"] == "file":
                    found[path] = own
            except FileNotFoundError:
                pass
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    def created(self, path: str) -> datetime:
        """Return when this generation of a file was written."""
        return datetime.fromtimestamp(self.info(path)["created"], UTC)

    def modified(self, path: str) -> datetime:
        """Return when a file was written: each writing makes another generation."""
        return self.created(path)

    # --- reading ----------------------------------------------------------------------------------

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        path = path_of(path)
        if not start and (end is None or end >= 0):
            return await self._store.read_from_start(path, end)
        return await self._store.read(await self._existing(path), start, end)

    async def _cat_ranges(
        self,
        paths: Sequence[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        if not isinstance(starts, Iterable):
            starts = [starts] * len(paths)
        if not isinstance(ends, Iterable):
            ends = [ends] * len(paths)
        different = list(dict.fromkeys(map(path_of, paths)))
        infos = dict(zip(different, await self._store.infos(different)))

        async def read(path: str, start: int | None, end: int | None) -> bytes:
            info = infos[path_of(path)]
            if info is None:
                raise missing(path)
            return await self._store.read(info, start, end)

        reads = [read(*each) for each in zip(paths, starts, ends, strict=True)]
        results = await asyncio.gather(*reads, return_exceptions=True)
        if on_error != "return":
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        return list(results)

    async def _get_file(
        self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **kwargs: Any
    ) -> None:
        rpath = path_of(rpath)
        info = await self._store.info(rpath)
        if info is None:
            if not await self._store.names.has_folder(rpath):
                raise missing(rpath)
            os.makedirs(lpath, exist_ok=True)
            return
        callback.set_size(info.size)
        with open(lpath, "wb") as local:
            for start in range(0, info.size, REQUEST_BYTES):
                data = await self._store.read(info, start, start + REQUEST_BYTES)
                local.write(data)
                callback.relative_update(len(data))

    async def _existing(self, path: str) -> FileInfo:
        info = await self._store.info(path)
        if info is None:
            raise missing(path)
        return info

    # --- writing ----------------------------------------------------------------------------------

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        staged = await self.stage(path_of(path), is_new=mode == "create")
        await self._store.finish(staged, value)
        await self._show(staged)

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        mode: str = "overwrite",
        callback: Any = DEFAULT_CALLBACK,
        **kwargs: Any,
    ) -> None:
        if os.path.isdir(lpath):
            await self._makedirs(rpath, exist_ok=True)
            return
        staged = await self.stage(path_of(rpath), is_new=mode == "create")
        callback.set_size(os.path.getsize(lpath))
        with open(lpath, "rb") as local:
            while data := local.read(REQUEST_BYTES):
                await self._store.append(staged, data)
                callback.relative_update(len(data))
        await self._store.finish(staged)
        await self._show(staged)

    async def _show(self, staged: Staged) -> None:
        if self._intrans:
            self.transaction.files.append(Deferred(self, staged))
        else:
            await self.publish([staged])

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> KvFile:
        return KvFile(
            self,
            path_of(path),
            mode,
            block_size=block_size,
            autocommit=autocommit,
            cache_options=cache_options,
            **kwargs,
        )

    # fsspec writes no return types, and the body of its `open_async` only raises.
    async def open_async(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, path: str, mode: str = "rb", **kwargs: Any
    ) -> KvStream:
        """Return a file whose methods are coroutines; it reads or writes from start to end."""
        path = path_of(path)
        if mode == "rb":
            return KvStream(self, path, await self._existing(path), None, **kwargs)
        if mode not in ("wb", "ab", "xb"):
            raise ValueError(f"mode is {mode!r}, must be rb, wb, ab or xb")
        staged = await self.stage(path, is_new=mode == "xb", appends=mode == "ab")
        return KvStream(self, path, None, staged, mode=mode, **kwargs)

    # What open files call, on the filesystem's loop.

    async def read_generation(self, info: FileInfo, start: int, end: int) -> bytes:
        """Return bytes of one generation of a file."""
        return await self._store.read(info, start, end)

    async def stage(self, path: str, *, is_new: bool = False, appends: bool = False) -> Staged:
        """Begin to write a file; FileExistsError if it must be new and is not."""
        if path == ROOT:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if is_new and await self._store.info(path) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return await self._store.stage(path, is_new=is_new, appends=appends)

    async def write_staged(self, staged: Staged, data: memoryview, final: bool) -> None:
        """Write more of a file, or the last of it."""
        await (self._store.finish if final else self._store.append)(staged, data)

    async def publish(self, files: Sequence[Staged]) -> None:
        """Show finished files under their names, or throw them away where that is impossible."""
        try:
            await self._store.publish(files)
        except OSError:
            await self._store.discard(files)
            raise

    async def discard(self, files: Sequence[Staged]) -> None:
        """Throw away what was not published."""
        await self._store.discard(files)

    # --- names ------------------------------------------------------------------------------------

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        await self._makedirs(path)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = path_of(path)
        try:
            found = await self._info(path)
        except FileNotFoundError:
            pass
        else:
            if not exist_ok or found["type"] == "file":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if path != ROOT:
            await self._store.names.add_folder(path)

    async def _rmdir(self, path: str) -> None:
        path = path_of(path)
        files, folders = await self._store.names.children(path)
        if any(await self._store.infos(files)) or folders:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        if await self._store.info(path) is not None:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if not await self._store.names.has_folder(path):
            raise missing(path)
        await self._store.names.remove([*files, prefix_of(path)])

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        sync(self.loop, self._rmdir, path)

    # fsspec's own `_rm` returns a None for each file, which nobody uses.
    async def _rm_file(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, path: str, **kwargs: Any
    ) -> None:
        path = path_of(path)
        if not await self._store.remove([path]):
            if await self._store.names.has_folder(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            raise missing(path)

    async def _rm(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        path: str | list[str],
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        paths: list[str] = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)
        files = [info.path for info in await self._store.infos(paths) if info is not None]
        await self._store.remove(files)
        for folder in sorted(set(paths) - set(files), reverse=True):
            if recursive and maxdepth is None:
                # Names without a file, too, which an eviction leaves behind.
                async for page in self._store.names.below(folder):
                    gone = [name for name in page if name.endswith(b"/")]
                    await self._store.remove([n.decode() for n in page if not n.endswith(b"/")])
                    await self._store.names.remove(gone)
                await self._store.names.remove([prefix_of(folder)])
            elif not recursive:
                await self._rmdir(folder)

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        source, target = path_of(path1), path_of(path2)
        if (await self._info(source))["type"] == "directory":
            await self._makedirs(target, exist_ok=True)
        else:
            await self._store.copy(source, target)

    async def _mv_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        await self._store.move(path_of(path1), path_of(path2))

    async def _mv(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        sources, targets = await self._places(path1, path2, recursive, maxdepth)
        infos = await self._store.infos(sources)
        folders = [path for path, info in zip(sources, infos) if info is None]
        if folders and not recursive:
            await self._info(folders[0])
            raise IsADirectoryError(errno.EISDIR, "a folder is moved recursively", folders[0])
        pairs = dict(zip(sources, targets, strict=True))
        moves = [
            (info.path, pairs[info.path])
            for info in infos
            if info is not None and info.path != pairs[info.path]
        ]
        taken = {target for _, target in moves}
        if len(taken) < len(moves) or not taken.isdisjoint(sources):
            raise OSError(errno.EINVAL, "a file would be moved over another that is moved", path1)
        for folder in folders:
            await self._makedirs(pairs[folder], exist_ok=True)
        for first in range(0, len(moves), _MOVES_AT_ONCE):
            some = moves[first : first + _MOVES_AT_ONCE]
            await asyncio.gather(*(self._store.move(*each) for each in some))
        gone = set(folders).difference(pairs.values())
        await self._store.names.remove([prefix_of(folder) for folder in gone])

    async def _places(
        self, path1: Any, path2: Any, recursive: bool, maxdepth: int | None
    ) -> tuple[list[str], list[str]]:
        """Return what is named by `path1`, and where that goes, as fsspec has it for copies."""
        is_one = isinstance(path1, str)
        if is_one and await self._store.info(path_of(path1)) is not None:
            sources, is_pattern = [path_of(path1)], False
        else:
            sources = await self._expand_path(path1, recursive=recursive, maxdepth=maxdepth)
            is_pattern = is_one and has_magic(path1)
        if isinstance(path2, str):
            if is_one and path_of(path1) == path_of(path2):
                return sources, sources
            is_folder = path2.endswith(ROOT) or await self._isdir(path2)
            is_named = is_one and not is_pattern and not path1.endswith(ROOT)
            goes_into = (is_named and is_folder) or (is_pattern and len(sources) == 1)
            path2 = other_paths(sources, path2, exists=goes_into, flatten=not is_one)
        return sources, list(map(path_of, path2))

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move a file, which on one node is a renaming; or a folder, file by file."""
        sync(self.loop, self._mv, path1, path2, recursive, maxdepth)


def _described(info: FileInfo) -> dict[str, Any]:
    return {
        "name": info.path,
        "size": info.size,
        "type": "file",
        "created": info.created,
        # By this name pyarrow knows it.
        "mtime": info.created,
        "generation": info.generation,
        "chunk": info.chunk,
    }


def _folder(path: str) -> dict[str, Any]:
    return {"name": path, "size": 0, "type": "directory"}


def _folders_of(name: str, root: str) -> list[str]:
    """Return the folders below `root` in which a name lies; of a folder, which ends in a slash."""
    found = []
    at = name.find(ROOT, len(prefix_of(root).decode()))
    while at > 0:
        found.append(name[:at])
        at = name.find(ROOT, at + 1)
    return found


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"])
