"""Open files, and the transaction that shows several at once."""

from __future__ import annotations

import errno
import os
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from fsspec.asyn import AbstractAsyncStreamedFile, sync
from fsspec.spec import AbstractBufferedFile
from fsspec.transaction import Transaction

from kvclient.fsspec.files import REQUEST_BYTES, FileInfo, Staged

if TYPE_CHECKING:
    from kvclient.fsspec.filesystem import KvFileSystem


class KvFile(AbstractBufferedFile):
    """A file that is read, from one generation; or written, and seen when it is closed.

    The end of a `with` by an exception throws away what was written, and so does its collection.
    """

    DEFAULT_BLOCK_SIZE = REQUEST_BYTES

    def __init__(self, fs: KvFileSystem, path: str, mode: str = "rb", **options: Any) -> None:
        self.staged: Staged | None = None
        if mode != "rb":
            appends = mode == "ab"
            self.staged = sync(fs.loop, fs.stage, path, is_new=mode == "xb", appends=appends)
        super().__init__(fs, path, mode, **options)
        if self.staged is not None:
            self.loc = self.staged.size + len(self.staged.tail)
        elif self.details["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def _fetch_range(self, start: int, end: int) -> bytes:
        found = self.details
        info = FileInfo(
            self.path, found["generation"], found["size"], found["chunk"], found["created"]
        )
        return cast(bytes, sync(self.fs.loop, self.fs.read_generation, info, start, end))

    def _upload_chunk(self, final: bool = False) -> None:
        with self.buffer.getbuffer() as data:
            sync(self.fs.loop, self.fs.write_staged, self.staged, data, final)
        if final and self.autocommit:
            self.commit()

    def commit(self) -> None:
        """Show the file under its name."""
        sync(self.fs.loop, self.fs.publish, [self.staged])

    def discard(self) -> None:
        """Throw away what was written."""
        if self.staged is not None:
            staged, self.staged = self.staged, None
            self.closed = True
            sync(self.fs.loop, self.fs.discard, [staged])

    def __exit__(self, *args: object) -> None:
        if args[0] is None:
            self.close()
        elif not self.closed:
            self.closed = True
            self.discard()

    def __del__(self) -> None:
        lose(self)


def lose(file: KvFile | KvStream) -> None:
    """Let go of a file that is collected.

    No call to the server: where objects are collected nobody may wait, least of all at the end of
    the process, when the loop's thread is gone.
    """
    if not file.closed:
        file.closed = True
        if file.staged is not None:
            warnings.warn(f"{file} was not closed: it is lost", ResourceWarning, stacklevel=3)


class KvStream(AbstractAsyncStreamedFile):
    """A file whose methods are coroutines, over one generation; written ones as with `KvFile`."""

    DEFAULT_BLOCK_SIZE = REQUEST_BYTES

    def __init__(
        self,
        fs: KvFileSystem,
        path: str,
        info: FileInfo | None,
        staged: Staged | None,
        mode: str = "rb",
        **options: Any,
    ) -> None:
        super().__init__(fs, path, mode, size=info.size if info else None, **options)
        self._info = info
        self.staged = staged
        if staged is not None:
            self.loc = staged.size + len(staged.tail)

    async def _fetch_range(self, start: int, end: int) -> bytes:
        assert self._info is not None, "it was opened to write"
        return await self.fs.read_generation(self._info, start, end)

    async def _upload_chunk(self, final: bool = False) -> None:
        with self.buffer.getbuffer() as data:
            await self.fs.write_staged(self.staged, data, final)
        if final:
            await self.fs.publish([self.staged])

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        elif not self.closed:
            self.closed: bool = True
            if self.staged is not None:
                await self.fs.discard([self.staged])

    def __del__(self) -> None:
        lose(self)


class KvTransaction(Transaction):
    """Files that are shown together at the end: at one moment where all keys are on one node."""

    def complete(self, commit: bool = True) -> None:
        """Show the files, or throw them away."""
        fs, files = self.fs, list(self.files)
        assert fs is not None, "the transaction has ended"
        self.files.clear()
        try:
            if commit:
                for file in files:
                    file.close()
                staged = [file.staged for file in files if file.staged is not None]
                sync(fs.loop, fs.publish, staged)
            else:
                for file in files:
                    file.discard()
        finally:
            super().complete(commit)


class Deferred:
    """A file that was written as a whole within a transaction."""

    def __init__(self, fs: KvFileSystem, staged: Staged) -> None:
        self._fs = fs
        self.staged = staged

    def close(self) -> None:
        """Nothing is open."""

    def discard(self) -> None:
        """Throw the file away."""
        sync(self._fs.loop, self._fs.discard, [self.staged])
