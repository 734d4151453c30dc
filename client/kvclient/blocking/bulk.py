"""A blocking connection that carries large payloads; see `kvclient.wire.bulk`."""

from __future__ import annotations

from collections.abc import Sequence

from kvclient.blocking.connection import Connection
from kvclient.blocking.core import Core
from kvclient.blocking.timed import is_time_limit
from kvclient.errors import ConnectError
from kvclient.wire.bulk import BulkReader, Word, pieces_of
from kvclient.wire.channel import Argv


class Bulk:
    """A connection of one user: requests go out in pieces, and `reader` has their replies.

    `limit_s` is for how long anything may make no progress: then, and when the connection is lost,
    ConnectError.
    """

    def __init__(self, core: Core, connection: Connection, limit_s: float, room_bytes: int) -> None:
        self._core = core
        self._connection = connection
        self._socket = connection.timed
        self._limit_s = limit_s
        self.reader = BulkReader(room_bytes)

    def send(self, words: Sequence[Word]) -> None:
        """Send a request; its reply is for `reader`."""
        self._socket.limit(self._limit_s)
        try:
            self._socket.send_pieces(pieces_of(words))
        except OSError as error:
            raise self._failed(error) from error

    def fill(self, extra_s: float = 0.0) -> None:
        """Wait until more of a reply is there, which may take `extra_s` longer than the limit."""
        self._socket.limit(self._limit_s + extra_s)
        try:
            count = self._socket.receive_into(self.reader.room())
        except OSError as error:
            raise self._failed(error) from error
        if not count:
            raise ConnectError(f"{self._connection.address}: the connection was closed")
        self.reader.received(count)

    def take_in(self) -> None:
        """Receive what has come, without waiting."""
        if self._socket.has_input():
            self.fill()

    def _failed(self, error: OSError) -> ConnectError:
        address = self._connection.address
        if is_time_limit(error):
            return ConnectError(f"{address}: nothing came or went for {self._limit_s:g} s")
        return ConnectError(f"{address}: {error.strerror or error}")

    def close(self) -> None:
        """Close the connection."""
        self._core.give_back(self._connection, False)


def open_bulk(core: Core, argv: Argv, limit_s: float, deadline_s: float, room_bytes: int) -> Bulk:
    """Return a new connection to the node of a request's key; ConnectError after `deadline_s`."""
    connection = core.lend(lambda: core.address_of(argv), deadline_s)
    return Bulk(core, connection, limit_s, room_bytes)
