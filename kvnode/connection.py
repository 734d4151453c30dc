"""A session on an asyncio transport: reads go in, and the writes of a loop round go out together.

The connection is a plain class with the methods of an asyncio protocol, so that it compiles; the
loop calls it by name. Output is not written when it arises: all connections that have some are
flushed once at the end of the loop's round. With 50 clients that halves the time in write(2) at a
pipeline of 16 (0.53 to 0.41 us of system time a request), because a round's replies are few and
large.

Back-pressure: a peer that does not read its replies is not read from, so its output is bounded by
what it had asked for; output that others cause (pub/sub, MONITOR) is bounded by the output buffer
limits.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, final

from mypy_extensions import i64

from kvnode.node import Node
from kvnode.session import Outlet, Session, is_loopback
from kvnode.tls import Encryption, TlsError

_LIMITS_FROM: Final = 65536  # bytes pending before the limits are looked at
_SLICE_BYTES: Final = 16384  # of a large read, between two looks at the output
_REPLIES_BYTES_MAX: Final = 1 << 20  # written at once; more may wait for the end of the round
_GONE: Final = Outlet()  # of a session whose connection ended


@final
class FlushRound:
    """The connections that have output in the current round of the loop."""

    def __init__(self, node: Node, call_soon: Any, stop: Any) -> None:
        self.node = node
        self._call_soon = call_soon
        self._stop = stop
        self._ready: list[Connection] = []
        # Who waits until what was logged is durable, with the offset of the log that must be.
        self._held: deque[tuple[int, list[Connection]]] = deque()
        node.append_log.on_failure = self.cut_off
        self._choked: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """Flush a connection at the end of the round."""
        if not self._ready:
            self._call_soon(self.flush)
        self._ready.append(connection)

    def flush(self) -> None:
        """Write the output of every connection that has some."""
        node = self.node
        node.stats.rounds += 1
        if node.effects.is_followed:
            node.replication.feed()
        is_held = self.defers()
        ready = self._ready
        self._ready = []
        if is_held:
            self._held.append((int(node.append_log.stream.offset), ready))
            return
        for connection in ready:
            connection.flush_out()
        if node.stop_requested:
            self._stop()

    def release(self) -> None:
        """Flush those whose effects have become durable; called when a sync is over.

        When it failed they are cut off: nobody is told that something was done which may be lost.
        """
        self._release_held()
        # What was written meanwhile is next.
        if self.node.append_log.file.sync_soonest():
            self._release_held()
        if self.node.stop_requested and not self._held:
            self._stop()

    def _release_held(self) -> None:
        log = self.node.append_log
        log.note_error()
        is_over = bool(log.error()) or not log.is_logging()
        held = self._held
        while held and (is_over or held[0][0] <= log.syncer.done):
            offset, connections = held.popleft()
            for connection in connections:
                if offset <= log.syncer.done:
                    connection.flush_out()
                else:
                    connection.abort()

    def cut_off(self) -> None:
        """Cut off who has output in this round: its effects may be lost, and who has read them."""
        for connection in self._ready:
            connection.abort()

    def defers(self) -> bool:
        """Write what was logged; return whether replies must wait until that is synced."""
        log = self.node.append_log
        if not log.is_logging():
            return False
        log.write_out()
        return not log.is_durable()

    def flush_now(self) -> None:
        """Write without waiting for the end of the round, which a script keeps from coming."""
        if self.defers():
            return
        for connection in self._ready:
            connection.flush_now()

    def choked(self, connection: Connection, is_choked: bool) -> None:
        """Note whether a peer leaves output unread."""
        if is_choked:
            self._choked[connection] = None
        else:
            self._choked.pop(connection, None)

    def enforce_limits(self) -> None:
        """Drop the peers whose time over a soft limit is up; called with each tick of the node."""
        for connection in list(self._choked):
            connection.enforce_limits()


@final
class Connection(Outlet):
    """One client's transport."""

    session: Session  # from connection_made on, unless the peer was refused

    def __init__(self, rounds: FlushRound, encryption: Encryption | None = None) -> None:
        self.node = rounds.node
        self._round = rounds
        self._encryption = encryption
        self._transport: Any = None
        self._write: Any = None
        self._choked = False
        self._unfed = b""  # the rest of a read whose replies the peer does not take
        self._ending = False
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        """Take the transport; refuse the peer where the node has no room or no trust for it.

        A connection that was accepted by hand (`busy.py`) is made twice: the loop's transport takes
        the place of that one.
        """
        if self._transport is not None:
            unsent = self._transport.unsent
            self._transport = transport
            self._write = transport.write
            if unsent:
                transport.write(unsent)
            return
        node = self.node
        peer, local, is_unix = _addresses(transport)
        refusal = node.refusal(is_unix or is_loopback(peer))
        if refusal:
            self._refused = True
            if self._encryption is None:  # a peer that expects TLS cannot read the reason
                transport.write(b"-%s\r\n" % refusal.encode())
            transport.close()
            return
        self._transport = transport
        self._write = transport.write
        session = node.connect(self)
        session.peer = peer
        session.local = local
        session.is_unix = is_unix
        session.descriptor = transport.get_extra_info("socket").fileno()
        self.session = session

    def data_received(self, data: bytes) -> None:
        """Run what a read holds."""
        if self._refused:
            return
        session = self.session
        stats = self.node.stats
        stats.reads += 1
        stats.input_bytes += len(data)
        if self._encryption is not None:
            data = self._decrypted(self._encryption, data)
        if len(data) > _SLICE_BYTES:
            self._feed_slices(data)
        else:
            session.feed(data)
        parser = session.parser
        if parser.buffered() > self.node.settings.client_query_buffer_limit:
            stats.dropped_for_query += 1
            self._abort("query-buffer-limit")
        if self._encryption is not None and self._encryption.is_ended and not self._ending:
            self.close()

    def _decrypted(self, encryption: Encryption, data: bytes) -> bytes:
        """Return what a read says; a peer that does not speak TLS as it must is cut off."""
        try:
            data = encryption.decrypt(data)
        except TlsError as error:
            self.node.note_dropped(self.session, f"tls-{error}")
            self.session.closing = True
            self._ending = True
            data = b""
        answer = encryption.take()
        if answer and self._transport is not None:
            self._write(answer)
        if self._ending and self._transport is not None:
            self._transport.close()
        return data

    def _feed_slices(self, data: bytes) -> None:
        """Run a large read in parts, and stop while the peer does not take the replies.

        A read of 256 KiB can ask for 20,000 values; replies to all of it would be held for a peer
        that never reads.
        """
        session = self.session
        parser = session.parser
        place: i64 = 0
        end: i64 = len(data)
        while end - place > _SLICE_BYTES and not parser.is_collecting():
            session.feed(data[place : place + _SLICE_BYTES])
            place += _SLICE_BYTES
            if session.writer.size() > _REPLIES_BYTES_MAX:
                self.flush()
                if self._choked:
                    self._unfed = data[place:]
                    return
            if session.closing:
                return
        session.feed(data[place:])

    def eof_received(self) -> bool:
        """Let the transport close; the replies to what came right before are on their way then."""
        if not self._refused:
            self.flush()
        return False

    def connection_lost(self, error: object) -> None:
        """Forget the session."""
        self._transport = None
        self._write = None
        self._round.choked(self, False)
        if not self._refused:
            self.node.disconnect(self.session)
            # Session and connection refer to each other, and the collector may never look.
            self.session.outlet = _GONE

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read."""
        self._choked = True
        self._round.choked(self, True)
        # A follower goes on saying how far it is.
        if self._transport is not None and self.session.follower is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._choked = False
        self._round.choked(self, False)
        if self._transport is None:
            return
        follower = self.session.follower
        if follower is not None:
            self.node.replication.followers.feed(follower)
            return
        self._transport.resume_reading()
        self._note_drained()
        if self._unfed:
            data = self._unfed
            self._unfed = b""
            self._feed_slices(data)

    def ready(self) -> None:
        self._round.add(self)

    def close(self) -> None:
        self._ending = True
        self._round.add(self)

    def abort(self) -> None:
        transport = self._transport
        self._transport = None
        if transport is not None:
            transport.abort()

    def is_choked(self) -> bool:
        """Return whether the peer leaves output unread."""
        return self._choked

    def flush_now(self) -> None:
        """Write without waiting for the loop, which would write at the end of its round."""
        transport = self._transport
        if transport is not None:
            transport.set_write_buffer_limits(high=0)
            self.flush()
            transport.set_write_buffer_limits()

    def unsent_bytes(self) -> int:
        transport = self._transport
        return int(transport.get_write_buffer_size()) if transport is not None else 0

    def flush(self) -> None:
        """Write what the session has before the round is over, where that may be."""
        if self._round.defers():
            self._round.add(self)
        else:
            self.flush_out()

    def flush_out(self) -> None:
        """Write what the session has, then close if it is to end."""
        transport = self._transport
        if transport is None:
            return
        session = self.session
        if self._encryption is not None:
            self._flush_encrypted(self._encryption)
            return
        whole = session.take_whole()
        size: i64 = 0
        if whole is not None:
            size = len(whole)
            if size > 0:
                self._write(whole)
        else:
            chunks = session.take_output()
            for chunk in chunks:
                size += len(chunk)
            if chunks:
                transport.writelines(chunks)
        self._written(size)

    def _flush_encrypted(self, encryption: Encryption) -> None:
        data = encryption.encrypt(b"".join(self.session.take_output()))
        if self._ending and not self.session.is_held():
            data += encryption.close()
        if data:
            self._write(data)
        self._written(len(data))

    def _written(self, size: i64) -> None:
        """Count what was written; close if the session is to end."""
        session = self.session
        session.output_bytes += size
        stats = self.node.stats
        stats.output_bytes += size
        stats.writes += 1
        if self._ending and not session.is_held():
            self._transport.close()
        elif self._choked:
            self.enforce_limits()
        else:
            self._note_drained()

    def _note_drained(self) -> None:
        if self.session.blocked is not None:
            self.node.shuffle_waits.note_drained()

    def enforce_limits(self) -> None:
        """Drop a peer whose unread output passes the limits of its class."""
        session = self.session
        # What a follower has not been sent yet stands in the backlog and is looked at there.
        if self._transport is None or session.follower is not None:
            return
        pending = session.pending_bytes()
        if pending < _LIMITS_FROM:
            session.over_soft_limit_since = 0.0
            return
        settings = self.node.settings
        # What others cause needs a limit; Redis counts monitors as normal clients, without one.
        is_fed = session.monitor or session.is_subscribed()
        limits = settings.output_pubsub if is_fed else settings.output_normal
        if session.passes(limits, pending, self.node.clock.now()):
            self.node.stats.dropped_for_output += 1
            self._abort("output-buffer-limit")

    def _abort(self, reason: str) -> None:
        """End the connection at once; what is unsent is lost to this peer."""
        transport = self._transport
        if transport is not None:
            self.node.note_dropped(self.session, reason)
            self.session.closing = True
            self.abort()


def _addresses(transport: Any) -> tuple[bytes, bytes, bool]:
    """Return the peer's address, ours, and whether it is a UNIX socket."""
    peer = transport.get_extra_info("peername")
    local = transport.get_extra_info("sockname")
    if isinstance(peer, tuple) and isinstance(local, tuple):
        return _address(peer), _address(local), False
    path = local.encode() if isinstance(local, str) else b""
    return path + b":0", path + b":0", True


def _address(place: tuple[Any, ...]) -> bytes:
    host = str(place[0])
    return f"[{host}]:{place[1]}".encode() if ":" in host else f"{host}:{place[1]}".encode()
