"""The names of all files of a namespace, in order: one sorted set, in which a folder is a range.

Members are paths, all with score 0, so that they stand in the order of their bytes; a folder that
was made has its path with a slash at the end. A name stands for nothing by itself: in a cluster it
is there a moment before its file, and it stays behind when the server evicts a file. Whoever lists
names asks for the files too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from kvclient.aio.client import AsyncClient
from kvclient.fsspec.locations import ROOT

PAGE: Final = 1000
"""Names that are asked for at once."""

_SLASH: Final = b"/"
_BEHIND_SLASH: Final = b"0"  # the next byte: what begins with a folder's path lies before it


def prefix_of(folder: str) -> bytes:
    """Return what the names in a folder begin with."""
    return (ROOT if folder == ROOT else folder + ROOT).encode()


class NameIndex:
    """The names under one key."""

    def __init__(self, client: AsyncClient[bytes], key: bytes) -> None:
        self._client = client
        self._key = key

    async def below(self, folder: str, begin: str = "") -> AsyncIterator[list[bytes]]:
        """Yield the names below a folder, in pages; those that go on with `begin`, if given."""
        prefix = prefix_of(folder)
        start = b"[" + prefix + begin.encode()
        # No name holds the byte 0xFF, which is not UTF-8.
        end = b"(" + (start[1:] + b"\xff" if begin else prefix[:-1] + _BEHIND_SLASH)
        page = [b""] * PAGE
        while len(page) == PAGE:
            page = await self._page(start, end, PAGE)
            if page:
                yield page
                start = b"(" + page[-1]

    async def children(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the paths of the files and of the folders in a folder.

        A page that ends inside of a folder is followed by what lies behind that folder, so what
        lies deeper is read in part only.
        """
        prefix = prefix_of(folder)
        start, end = b"[" + prefix, b"(" + prefix[:-1] + _BEHIND_SLASH
        files: list[str] = []
        folders: dict[str, None] = {}
        page = [b""] * PAGE
        while len(page) == PAGE:
            page = await self._page(start, end, PAGE)
            for member in page:
                start = b"(" + member
                name, slash, _ = member[len(prefix) :].partition(_SLASH)
                if slash:
                    folders[(prefix + name).decode()] = None
                    start = b"[" + prefix + name + _BEHIND_SLASH
                elif name:
                    files.append(member.decode())
        return files, list(folders)

    async def has_folder(self, folder: str) -> bool:
        """Say whether a folder was made or has anything in it."""
        prefix = prefix_of(folder)
        found = await self._page(b"[" + prefix, b"(" + prefix[:-1] + _BEHIND_SLASH, 1)
        return bool(found) or folder == ROOT

    async def add(self, *names: str) -> None:
        """Add names that may be there."""
        await self._client.zadd(self._key, dict.fromkeys(names, 0))

    async def add_folder(self, folder: str) -> None:
        """Add a folder, and the folders that it lies in."""
        slashes = [at for at, letter in enumerate(folder + ROOT) if letter == ROOT]
        await self.add(*(f"{folder}/"[: at + 1] for at in slashes[1:]))

    async def remove(self, names: Sequence[str | bytes]) -> None:
        """Remove names that may be missing."""
        for first in range(0, len(names), PAGE):
            await self._client.zrem(self._key, *names[first : first + PAGE])

    async def _page(self, start: bytes, end: bytes, size: int) -> list[bytes]:
        return await self._client.zrange(self._key, start, end, bylex=True, offset=0, num=size)
