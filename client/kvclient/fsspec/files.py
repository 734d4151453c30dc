"""Files as hashes in the store: written aside, shown at once, read as one generation.

A file is one hash: its `size`, `chunk` (bytes of a part), `generation` (a random name), `created`,
and its bytes in the fields "0", "1", ... It is written under a key of its own that expires when its
writer is silent for long; when it is complete a script gives it the file's name. What had the name
before lingers under a key that is named after its successor, for readers that are in the middle of
it: they find that the generation has changed, go from successor to successor until they meet the
one that they read, and keep it for a while longer. So everybody reads one generation as a whole, a
writer that dies leaves nothing, and an eviction takes a file as a whole.

One hash, and not one string for each part, since one command then renames, copies, expires or
removes a file of any size; a read takes whole parts, though, so they are of moderate size.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from kvclient.aio.client import AsyncClient
from kvclient.errors import OutcomeUnknown
from kvclient.fsspec.locations import FileKeys
from kvclient.fsspec.names import PAGE, NameIndex

R = TypeVar("R")

REQUEST_BYTES: Final = 4 << 20
"""Bytes of a file that one request carries, unless its parts are larger."""
_TRIES: Final = 5
_READS_AHEAD: Final = 2
"""Requests of one read that are under way together: one is parsed while the next arrives."""

_ABOUT: Final = ("generation", "size", "chunk", "created")

# For each file: its staged key, its key, the key for what it replaces; its path, its generation,
# its number of fields, and the generation that it has to replace: "" for none, "*" for any. Before
# them may stand the key of the names. Nothing is changed unless all can be; run again, it says the
# same.
_PUBLISH: Final = """
local first, linger = #KEYS % 3, tonumber(ARGV[1])
local waiting, shown = {}, {}
for i = first + 1, #KEYS, 3 do
    local j = 2 + (i - first - 1) / 3 * 4
    local found = shown[ARGV[j]] or redis.call('HGET', KEYS[i + 1], 'generation') or ''
    if found ~= ARGV[j + 1] then
        if ARGV[j + 3] ~= '*' and ARGV[j + 3] ~= found then
            return {'other', ARGV[j], ARGV[j + 1]}
        end
        if redis.call('HLEN', KEYS[i]) ~= tonumber(ARGV[j + 2]) then
            return {'gone', ARGV[j], ''}
        end
        waiting[#waiting + 1] = i
    end
    shown[ARGV[j]] = ARGV[j + 1]
end
for _, i in ipairs(waiting) do
    if linger > 0 and redis.call('EXISTS', KEYS[i + 1]) == 1 then
        redis.call('RENAME', KEYS[i + 1], KEYS[i + 2])
        redis.call('PEXPIRE', KEYS[i + 2], linger)
    end
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('PERSIST', KEYS[i + 1])
    if first == 1 then
        redis.call('ZADD', KEYS[1], 0, ARGV[2 + (i - 2) / 3 * 4])
    end
end
return {'done', '', ''}
"""
# The names, the source, the target, the key for what it replaces; linger and the two paths.
_MOVE: Final = """
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if tonumber(ARGV[1]) > 0 and redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('RENAME', KEYS[3], KEYS[4])
    redis.call('PEXPIRE', KEYS[4], ARGV[1])
end
redis.call('RENAME', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], 0, ARGV[3])
return 1
"""


class FileInfo(NamedTuple):
    """One generation of a file: its size in bytes, that of its parts, and its Unix time."""

    path: str
    generation: str
    size: int
    chunk: int
    created: float


@dataclass
class Staged:
    """A file that is being written, not visible yet; `tail` is the beginning of its next part.

    `replaces` is the generation in whose place alone it may be shown: "" for none, "*" for any.
    """

    path: str
    generation: str
    key: bytes
    chunk: int
    is_new: bool
    replaces: str = "*"
    parts: int = 0
    size: int = 0
    tail: bytes = field(default=b"", repr=False)

    @property
    def fields(self) -> int:
        """How many fields it has when it is finished."""
        return len(_ABOUT) + self.parts


class FileStore:
    """The files of one namespace, over one client.

    `linger_s` is how long a replaced generation stays for readers that do not read on, and
    `abandoned_s` how long a writer may be silent.
    """

    def __init__(
        self,
        client: AsyncClient[bytes],
        namespace: str,
        chunk_bytes: int,
        linger_s: float,
        abandoned_s: float,
    ) -> None:
        self._client = client
        self._keys = FileKeys(namespace)
        self.names = NameIndex(client, self._keys.names)
        self._chunk_bytes = chunk_bytes
        self._linger_ms = round(linger_s * 1000)
        self._abandoned_ms = round(abandoned_s * 1000)
        # Where all keys are on one node, a change is one script or transaction with its names.
        self._is_one_node = client.options.mode == "standalone"
        self._publish = client.script(_PUBLISH)
        self._move = client.script(_MOVE)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    # --- reading ----------------------------------------------------------------------------------

    async def infos(self, paths: Sequence[str]) -> list[FileInfo | None]:
        """Return what there is under some paths, None for each that is no file."""
        found: list[FileInfo | None] = []
        for first in range(0, len(paths), PAGE):
            page = paths[first : first + PAGE]
            replies = await self._client.many(
                [("HMGET", self._keys.file(path), *_ABOUT) for path in page]
            )
            found.extend(map(_info, page, replies))
        return found

    async def info(self, path: str) -> FileInfo | None:
        """Return what there is under a path, None if it is no file."""
        return _info(path, await self._client.hmget(self._keys.file(path), _ABOUT))

    async def read_from_start(self, path: str, end: int | None) -> bytes:
        """Return a file up to `end`: in one round trip if it has one part."""
        reply = await self._client.hmget(self._keys.file(path), (*_ABOUT, "0"))
        info = _info(path, reply)
        if info is None:
            raise missing(path)
        size = info.size if end is None else min(end, info.size)
        if 0 <= size <= info.chunk:
            return (reply[-1] or b"")[:size]
        return await self.read(info, 0, end)

    async def read(self, info: FileInfo, start: int | None, end: int | None) -> bytes:
        """Return the bytes of one generation; bounds are as those of a slice."""
        begin, stop, _ = slice(start, end).indices(info.size)
        if begin >= stop:
            return b""
        first, last = begin // info.chunk, (stop - 1) // info.chunk
        parts_each = max(1, REQUEST_BYTES // info.chunk)
        ranges = [
            range(number, min(number + parts_each, last + 1))
            for number in range(first, last + 1, parts_each)
        ]
        pieces: list[bytes] = []
        for some in range(0, len(ranges), _READS_AHEAD):
            reads = [self._parts(info, numbers) for numbers in ranges[some : some + _READS_AHEAD]]
            for piece in await asyncio.gather(*reads):
                pieces.extend(piece)
        skipped, needed = first * info.chunk, stop - begin
        if begin > skipped:
            pieces[0] = pieces[0][begin - skipped :]
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return data if len(data) == needed else data[:needed]

    async def _parts(self, info: FileInfo, numbers: range) -> list[bytes]:
        """Return some parts, from wherever their generation is by now."""
        wanted = info.generation.encode()
        key = self._keys.file(info.path)
        seen: set[bytes] = set()
        while True:
            found, *parts = await self._client.hmget(key, "generation", *numbers)
            if found == wanted:
                break
            if found is None or found in seen:
                raise OSError(errno.ESTALE, "the file was removed while it was read", info.path)
            seen.add(found)
            key = self._keys.replaced(info.path, found.decode())
        if seen:
            await self._client.pexpire(key, self._linger_ms)
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            raise OSError(errno.EIO, "parts of the file are missing", info.path)
        return whole

    # --- writing ----------------------------------------------------------------------------------

    async def stage(self, path: str, *, is_new: bool = False, appends: bool = False) -> Staged:
        """Begin to write a file: an empty one, or with `appends` a copy of what there is.

        The copy is shown only while that is still there, else what another one appends is lost.
        """
        generation = secrets.token_hex(16)
        key = self._keys.staged(path, generation)
        staged = Staged(path, generation, key, self._chunk_bytes, is_new)
        if is_new:
            staged.replaces = ""
        if appends:
            about = await self._copy(self._keys.file(path), staged, path)
            staged.replaces = "" if about is None else about.generation
            if about is not None:
                staged.chunk, staged.size = about.chunk, about.size
                staged.parts = about.size // about.chunk
                if about.size % about.chunk:
                    staged.tail = await self._client.hget(key, staged.parts) or b""
                    await self._client.hdel(key, staged.parts)
                    staged.size -= len(staged.tail)
        return staged

    async def append(self, staged: Staged, data: bytes | memoryview) -> None:
        """Write more of a file; it is counted in parts, the rest waits for more."""
        view = memoryview(data)
        if staged.tail:
            head = view[: staged.chunk - len(staged.tail)]
            staged.tail += head
            view = view[len(head) :]
            if len(staged.tail) < staged.chunk:
                return
            tail, staged.tail = staged.tail, b""
            await self._write(staged, [tail])
        step = max(1, REQUEST_BYTES // staged.chunk) * staged.chunk
        whole = len(view) - len(view) % staged.chunk
        for first in range(0, whole, step):
            stop = min(first + step, whole)
            parts = [view[at : at + staged.chunk] for at in range(first, stop, staged.chunk)]
            await self._write(staged, parts)
        staged.tail = bytes(view[whole:])

    async def finish(self, staged: Staged, data: bytes | memoryview = b"") -> None:
        """Write the last of a file; it can be published then."""
        if len(data) + len(staged.tail) > staged.chunk:
            await self.append(staged, data)
            data = b""
        rest = staged.tail + data if staged.tail else data
        staged.tail = b""
        size = staged.size + len(rest)
        about = (staged.generation, size, staged.chunk, time.time())
        await self._write(staged, [rest] if rest else [], zip(_ABOUT, about))

    async def _write(
        self,
        staged: Staged,
        parts: Sequence[bytes | memoryview],
        about: Iterable[tuple[str, Any]] = (),
    ) -> None:
        fields: dict[Any, Any] = dict(about)
        fields.update(zip(range(staged.parts, staged.parts + len(parts)), parts))

        async def write() -> None:
            change = self._client.transaction()
            change.hset(staged.key, mapping=fields)
            # With each write: had it expired meanwhile, this one would live for ever.
            change.pexpire(staged.key, self._abandoned_ms)
            await change.execute()

        await _insist(write)
        staged.parts += len(parts)
        staged.size += sum(map(len, parts))

    async def publish(self, files: Sequence[Staged]) -> None:
        """Show finished files under their names: on one node all at once, else one by one.

        FileExistsError if one must be new and is not, OSError if one was appended to another state
        of its file; on one node nothing is shown then.
        """
        if self._is_one_node:
            await self._show(files, [self._keys.names])
            return
        for staged in files:
            # Before, so that a file that is seen is listed, and again, since somebody who removed
            # the file before may have removed its name in between.
            await self.names.add(staged.path)
            await self._show([staged], [])
            await self.names.add(staged.path)

    async def _show(self, files: Sequence[Staged], names: list[bytes]) -> None:
        keys, words = names, [str(self._linger_ms)]
        for staged in files:
            replaced = self._keys.replaced(staged.path, staged.generation)
            keys = [*keys, staged.key, self._keys.file(staged.path), replaced]
            words += [staged.path, staged.generation, str(staged.fields), staged.replaces]
        outcome, path, generation = await _insist(lambda: self._publish(keys, words))
        if outcome == b"other":
            if any(each.is_new for each in files if each.generation == generation.decode()):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path.decode())
            changed = "the file was changed while it was appended to"
            raise OSError(errno.ESTALE, changed, path.decode())
        if outcome == b"gone":
            raise OSError(errno.ESTALE, "what was written has expired", path.decode())

    async def discard(self, files: Sequence[Staged]) -> None:
        """Remove files that were not published."""
        for staged in files:
            await self._client.unlink(staged.key)

    # --- files as wholes --------------------------------------------------------------------------

    async def copy(self, source: str, target: str) -> None:
        """Copy a file: within the server, or through this process where keys are on many nodes."""
        staged = await self.stage(target)
        if self._is_one_node:
            info = await self._copy(self._keys.file(source), staged, source)
            if info is None:
                raise missing(source)
            staged.parts = -(-info.size // info.chunk)
        else:
            info = await self.info(source)
            if info is None:
                raise missing(source)
            staged.chunk = info.chunk
            step = max(1, REQUEST_BYTES // info.chunk) * info.chunk
            for first in range(0, info.size, step):
                await self.append(staged, await self.read(info, first, first + step))
            await self.finish(staged)
        await self.publish([staged])

    async def _copy(self, source: bytes, staged: Staged, path: str) -> FileInfo | None:
        """Copy a file's hash to a staged key, and return what was copied; None if there is none."""
        change = self._client.transaction()
        copied = change.copy(source, staged.key)
        about = change.hmget(staged.key, _ABOUT)
        change.hset(staged.key, mapping={"generation": staged.generation, "created": time.time()})
        change.pexpire(staged.key, self._abandoned_ms)
        await change.execute()
        if copied.value:
            return _info(path, about.value)
        await self._client.unlink(staged.key)
        return None

    async def move(self, source: str, target: str) -> None:
        """Rename a file, over another if need be."""
        if not self._is_one_node:
            await self.copy(source, target)
            await self.remove([source])
            return
        # A generation that comes after it will find that of `replaced` by its name.
        info = await self.info(source)
        if info is None:
            raise missing(source)
        if source == target:
            return
        keys = (
            self._keys.names,
            self._keys.file(source),
            self._keys.file(target),
            self._keys.replaced(target, info.generation),
        )
        if not await self._move(keys, (self._linger_ms, source, target)):
            raise missing(source)

    async def remove(self, paths: Sequence[str]) -> int:
        """Remove files with their names; return how many there were."""
        removed = 0
        for first in range(0, len(paths), PAGE):
            page = paths[first : first + PAGE]
            keys = [self._keys.file(path) for path in page]
            if self._is_one_node:
                change = self._client.transaction()
                counted = change.unlink(*keys)
                change.zrem(self._keys.names, *page)
                await change.execute()
                removed += counted.value
                continue
            removed += await self._client.unlink(*keys)
            await self.names.remove(page)
            # Who published one of them in between has to find its name again.
            exist = await self._client.many([("EXISTS", key) for key in keys])
            if back := [path for path, there in zip(page, exist) if there]:
                await self.names.add(*back)
        return removed


async def _insist(call: Callable[[], Awaitable[R]]) -> R:
    """Do what may be done twice: again, where a reply was lost."""
    for _ in range(_TRIES - 1):
        try:
            return await call()
        except OutcomeUnknown:
            continue
    return await call()


def missing(path: str) -> FileNotFoundError:
    """Return the error for a path under which nothing is."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _info(path: str, reply: Sequence[bytes | None]) -> FileInfo | None:
    """Make a FileInfo of the fields `_ABOUT`."""
    generation, size, chunk, created = reply[:4]
    if generation is None or size is None or chunk is None or created is None:
        return None
    return FileInfo(path, generation.decode(), int(size), int(chunk), float(created))
