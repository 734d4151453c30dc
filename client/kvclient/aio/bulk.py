"""A connection on an asyncio loop that carries large payloads; see `kvclient.wire.bulk`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from kvclient.aio.connection import Connection
from kvclient.aio.core import Core
from kvclient.errors import ConnectError
from kvclient.wire.bulk import BulkReader, Word, pieces_of
from kvclient.wire.channel import Argv

_UNSENT_BYTES_MAX: Final = 4 << 20


class Bulk(asyncio.BufferedProtocol):
    """A connection of one user: requests go out in pieces, and `reader` has their replies.

    `limit_s` is for how long anything may make no progress: then, and when the connection is lost,
    ConnectError.
    """

    def __init__(self, core: Core, connection: Connection, limit_s: float, room_bytes: int) -> None:
        self._core = core
        self._connection = connection
        self._limit_s = limit_s
        self.reader = BulkReader(room_bytes)
        self._waiter: asyncio.Future[None] | None = None
        self._failure: ConnectError | None = None
        self._may_write = True
        self._is_reading = True
        self._transport = connection.hand_over(self)
        self._transport.set_write_buffer_limits(_UNSENT_BYTES_MAX)

    # --- what the transport tells -----------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to receive."""
        return self.reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Wake the reader; read no more before it has caught up."""
        self.reader.received(nbytes)
        if self.reader.is_full():
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """The socket takes no more."""
        self._may_write = False

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._may_write = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        reason = exc or "the connection was closed"
        self._failure = self._failure or ConnectError(f"{self._connection.address}: {reason}")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what its user asks -----------------------------------------------------------------------

    async def send(self, words: Sequence[Word]) -> None:
        """Send a request; its reply is for `reader`."""
        if self._failure is None:
            self._transport.writelines(pieces_of(words))
        while not self._may_write and self._failure is None:
            await self._wait(self._limit_s)
        if self._failure is not None:
            raise self._failure

    async def fill(self, extra_s: float = 0.0) -> None:
        """Wait until more of a reply is there, which may take `extra_s` longer than the limit."""
        if self._failure is not None:
            raise self._failure
        if not self._is_reading:
            # What was received into must not move while somebody looks at a payload: only now.
            self._is_reading = True
            self._transport.resume_reading()
        await self._wait(self._limit_s + extra_s)

    async def take_in(self) -> None:
        """Receive what has come, without waiting."""
        await asyncio.sleep(0)

    async def _wait(self, limit_s: float) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit_s):
                await self._waiter
        except TimeoutError:
            raise ConnectError(
                f"{self._connection.address}: nothing came or went for {limit_s:g} s"
            ) from None
        finally:
            self._waiter = None

    async def close(self) -> None:
        """Close the connection."""
        self._transport.abort()
        await self._core.give_back(self._connection, False)


async def open_bulk(
    core: Core, argv: Argv, limit_s: float, deadline_s: float, room_bytes: int
) -> Bulk:
    """Return a new connection to the node of a request's key; ConnectError after `deadline_s`."""
    connection = await core.lend(lambda: core.address_of(argv), deadline_s)
    return Bulk(core, connection, limit_s, room_bytes)
