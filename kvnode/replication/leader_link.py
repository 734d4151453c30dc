"""The follower's side: the connection to the leader, from the first PING to the stream of changes.

Sans-IO: a `Dialer` opens connections and tells the link what comes in; the link writes through the
`Line` it was given. It introduces itself, asks to go on from where its history ends, and takes a
snapshot where the leader cannot do that. A snapshot goes to a file (or into memory,
`repl-diskless-load`) while the old data is still served; only when it is whole the old data goes,
and it is loaded in slices. Whatever ends the connection, it is tried again each second, and what
was applied counts to the byte, so nothing is applied twice or left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.durability.effect_stream import request_bytes
from kvnode.replication.received import Snapshot
from kvnode.replication.stream import LeaderStream
from kvnode.session import Outlet, Session
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.replication.history import History

# The states; what INFO and ROLE call them depends on more than the state.
CONNECT: Final = 0  # to be dialled when its time comes
CONNECTING: Final = 1
HANDSHAKE: Final = 2
TRANSFER: Final = 3  # a snapshot comes, or is loaded
CONNECTED: Final = 4  # the stream comes

_RETRY_SECONDS: Final = 1.0
_ACK_SECONDS: Final = 1.0
_LINE_MAX: Final = 4096
_SLICE_BYTES: Final = 16384
_SLICE_SECONDS: Final = 0.005  # of the stream, between two looks at the clients
_NEVER: Final = 0.0
_WANTS_PASSWORD: Final = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")


@mypyc_attr(allow_interpreted_subclasses=True)
class Line:
    """Our end of a connection to another node; `local` is its address, as CLIENT LIST shows it."""

    def __init__(self) -> None:
        self.local = b""
        self.descriptor = -1

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def hold(self, is_held: bool) -> None:
        """Read no more for the time being, or go on."""

    def close(self) -> None:
        """End the connection; nothing is told of it any more."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Dialer:
    """Opens connections to other nodes; whoever owns the sockets has one that does."""

    def dial(self, host: str, port: int, link: LeaderLink) -> Line:
        """Begin to connect; `link` is told when that is done, or why it cannot be."""
        return Line()


@final
class LeaderLink:
    """The way to one leader; `session` is what its stream of changes runs as."""

    def __init__(
        self,
        node: Node,
        history: History,
        dialer: Dialer,
        host: str,
        port: int,
        is_handover: bool,
    ) -> None:
        self.state: i64 = CONNECT
        self.host = host
        self.port = port
        self.session: Session | None = None
        self.snapshot: Snapshot | None = None
        self.heard_seconds = _NEVER  # when anything came last
        self.down_since = node.clock.now()
        self._node = node
        self._history = history
        self._dialer = dialer
        self._is_handover = is_handover  # the other node is asked to lead (FAILOVER)
        self._line: Line | None = None
        self._next_dial = _NEVER
        self._next_ack = _NEVER
        self._expected: list[str] = []  # the requests of the handshake that are not answered yet
        self._buffer = b""  # of the handshake, what is not a whole line
        self._asks_sync = False  # with SYNC: the leader knows no PSYNC
        self._stream: LeaderStream | None = None
        self._unrun = b""  # of the stream, what came and waits
        self._failure = ""  # what was last said about it in the log

    # --- connecting -------------------------------------------------------------------------------

    def dial(self) -> None:
        """Begin to connect."""
        now = self._node.clock.now()
        self._next_dial = now + _RETRY_SECONDS
        self.heard_seconds = now
        self.state = CONNECTING
        self._buffer = b""
        self._expected = []
        self._line = self._dialer.dial(self.host, self.port, self)

    def connected(self, line: Line) -> None:
        """The connection stands; introduce ourselves."""
        self._line = line
        self.state = HANDSHAKE
        self.heard_seconds = self._node.clock.now()
        self._ask("PING", [b"PING"])

    def lost(self, reason: str) -> None:
        """The connection is gone, or could not be made."""
        if self.state == CONNECT:
            return
        node = self._node
        if self.state == CONNECTED:
            self.down_since = node.clock.now()
        snapshot = self.snapshot
        if snapshot is not None and snapshot.is_received and not snapshot.error:
            # All of it is there: it is loaded though nobody may have the data any more but we.
            self._hang_up()
        else:
            self._close()
        if reason != self._failure:
            self._failure = reason
            fields: dict[str, object] = {"leader": f"{self.host}:{self.port}", "reason": reason}
            node.journal.note("warning", "leader-lost", fields)
        node.replication.update()

    def end(self) -> None:
        """Stop following."""
        self._close()

    def _hang_up(self) -> None:
        line = self._line
        self._line = None
        if line is not None:
            line.close()

    def _close(self) -> None:
        self._hang_up()
        self.state = CONNECT
        snapshot = self.snapshot
        self.snapshot = None
        self._stream = None
        self._unrun = b""
        if snapshot is not None:
            snapshot.give_up()
        session = self.session
        self.session = None
        if session is not None:
            self._history.database = session.keyspace.index
            self._node.disconnect(session)

    def _ask(self, what: str, argv: list[bytes]) -> None:
        """Send a request of the handshake."""
        line = self._line
        assert line is not None
        self._expected.append(what)
        line.write(request_bytes(argv))

    # --- what comes in ----------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Take what the leader sent."""
        self.heard_seconds = self._node.clock.now()
        if self.state == CONNECTED:
            self._run(self._unrun + data)
        elif self.state == TRANSFER:
            self._take_snapshot(data)
        else:
            self._take_lines(data)

    def _take_lines(self, data: bytes) -> None:
        """Take answers of the handshake, a line each."""
        self._buffer += data
        while self.state == HANDSHAKE:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                if len(line) > _LINE_MAX:
                    self.lost("it does not speak Redis's protocol")
                return
            self._buffer = rest
            line = line.rstrip(b"\r")
            if line:  # empty ones keep the connection alive
                self._answered(line)
        rest = self._buffer
        self._buffer = b""
        if rest and self.state != CONNECT:
            self.received(rest)

    def _answered(self, line: bytes) -> None:
        if not self._expected:
            self.lost("it answered what nobody asked")
            return
        what = self._expected.pop(0)
        is_error = line.startswith(b"-")
        if what == "PING":
            self._greeted(line)
        elif what == "AUTH" and is_error:
            self.lost(f"it refused masterauth: {_text(line)}")
        elif what == "PSYNC" or what == "SYNC":
            self._sync_answered(line)
        elif not self._expected:
            # It refuses PSYNC while answers are on their way. What an old leader does not know of
            # REPLCONF it does without.
            self._ask_sync()

    def _greeted(self, line: bytes) -> None:
        """Introduce ourselves."""
        if line.startswith(b"-") and not line.startswith(_WANTS_PASSWORD):
            self.lost(f"it answered PING with: {_text(line)}")
            return
        config = self._node.config
        password = config.text("masterauth")
        user = config.text("masteruser")
        if password:
            words = [user, password] if user else [password]
            self._ask("AUTH", [b"AUTH", *[_bytes(word) for word in words]])
        port = config.number("replica-announce-port") or self._own_port()
        self._ask("port", [b"REPLCONF", b"listening-port", b"%d" % port])
        address = config.text("replica-announce-ip")
        if address:
            self._ask("address", [b"REPLCONF", b"ip-address", _bytes(address)])
        self._ask("capa", [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"])

    def _own_port(self) -> int:
        config = self._node.config
        if config.flag("tls-replication"):
            return config.number("tls-port")
        return config.number("port")

    def _ask_sync(self) -> None:
        history = self._history
        if self._asks_sync:
            self._ask("SYNC", [b"SYNC"])
            return
        argv = [b"PSYNC", b"?", b"-1"]
        if history.is_known:
            argv = [b"PSYNC", history.id, b"%d" % (history.offset + 1)]
        if self._is_handover:
            argv.append(b"FAILOVER")
        self._ask("PSYNC", argv)

    def _sync_answered(self, line: bytes) -> None:
        replication = self._node.replication
        words = line.split()
        if words[0] == b"+CONTINUE":
            if self._is_handover:
                self._is_handover = False
                replication.failover.note_accepted()
            if len(words) > 1 and self._history.rename(words[1]):
                # Our own followers have to learn the new id.
                replication.followers.drop_all("the leader's history has another id")
            self._history.keep()
            self._connect("partial-sync-done", {})
        elif words[0] == b"+FULLRESYNC" and len(words) == 3:
            if self._is_handover:
                self._is_handover = False
                replication.failover.note_accepted()
            offset = parse_int(words[2])
            if offset is None or len(words[1]) != 40:
                self.lost(f"it answered PSYNC with: {_text(line)}")
                return
            self._begin_snapshot(words[1].lower(), offset)
        elif self._is_handover:
            self.lost(f"it refused to lead: {_text(line)}")
            replication.failover.note_refused()
        elif words[0].startswith(b"$"):
            # The answer to SYNC is the snapshot itself.
            self._begin_snapshot(b"", 0)
            self._take_snapshot(line + b"\r\n")
        elif line.startswith(b"-ERR unknown command") and not self._asks_sync:
            self._asks_sync = True
            self._ask_sync()
        elif line.startswith(b"-"):
            self.lost(f"not now: {_text(line)}")
        else:
            self.lost(f"it answered PSYNC with: {_text(line)}")

    # --- a snapshot -------------------------------------------------------------------------------

    def _begin_snapshot(self, name: bytes, offset: int) -> None:
        self.state = TRANSFER
        self.snapshot = Snapshot(self._node, name, offset)
        fields: dict[str, object] = {"leader": f"{self.host}:{self.port}", "offset": offset}
        self._node.journal.note("notice", "full-sync-begins", fields)

    def _take_snapshot(self, data: bytes) -> None:
        snapshot = self.snapshot
        line = self._line
        assert snapshot is not None and line is not None
        snapshot.take(data)
        if snapshot.error:
            self.lost(snapshot.error)
        elif snapshot.is_received or snapshot.is_full():
            line.hold(True)

    def _go_on_with_snapshot(self, snapshot: Snapshot) -> None:
        """Do a slice of what is to be done with it: written, loaded, counted as ours."""
        line = self._line
        if not snapshot.is_received:
            if line is not None and not snapshot.is_full():
                line.hold(False)
            return
        was_loading = snapshot.is_loading
        snapshot.step()
        if snapshot.is_loading and not was_loading:
            # From here on the data is no copy of anything until all of it is loaded.
            self._node.replication.followers.drop_all("the data is replaced by the leader's")
        if snapshot.error:
            self.lost(snapshot.error)
        elif snapshot.is_done:
            self.snapshot = None
            history = self._history
            history.adopt(snapshot.name, snapshot.offset)
            history.database = snapshot.database
            if not snapshot.name:
                # SYNC gave no id: nobody can continue from this history.
                history.begin_anew()
            if line is None:
                self._close()  # the connection ended meanwhile: the stream is asked for again
                return
            size = int(snapshot.size)
            self._connect("full-sync-done", {"bytes": size, "keys": snapshot.keys})
            line.hold(False)
            if snapshot.rest:
                self._run(snapshot.rest)

    # --- the stream -------------------------------------------------------------------------------

    def _connect(self, event: str, fields: dict[str, object]) -> None:
        """The data is the leader's at an offset: the stream goes on from there."""
        node = self._node
        line = self._line
        assert line is not None
        self.state = CONNECTED
        self._failure = ""
        session = node.connect(_LinkOutlet(self))
        session.is_leader = True
        session.peer = f"{self.host}:{self.port}".encode("utf-8", "surrogateescape")
        session.local = line.local
        session.descriptor = line.descriptor
        self.session = session
        self._stream = LeaderStream(node, self._history, session)
        databases = node.dataset.databases
        if self._history.database < len(databases):
            session.keyspace = databases[self._history.database]
        fields["leader"] = f"{self.host}:{self.port}"
        node.journal.note("notice", event, fields)
        node.replication.update()
        self.acknowledge()

    def _run(self, data: bytes) -> None:
        """Run what came, for a while: the rest waits, and the leader with it, for the next tick.

        A follower that has much to catch up on serves its clients all the same.
        """
        stream = self._stream
        line = self._line
        assert stream is not None and line is not None
        clock = self._node.clock
        until = clock.now() + _SLICE_SECONDS
        place: i64 = 0
        end: i64 = len(data)
        while place < end and (place == 0 or clock.now() < until):
            piece = data if end <= _SLICE_BYTES else data[place : place + _SLICE_BYTES]
            place += len(piece)
            self._node.stats.replication_input_bytes += len(piece)
            reason = stream.take(piece)
            if reason:
                # Who knows what was wrong with it before.
                self._history.is_known = False
                self.lost(reason)
                return
        if stream.asks_ack:
            stream.asks_ack = False
            self.acknowledge()
        self._node.replication.feed()
        if place < end or self._unrun:
            line.hold(place < end)
        self._unrun = data[place:]
        # Whoever waited for what came goes on now; this may end the link, so it is the last.
        self._node.dispatcher.run_unblocked()

    def acknowledge(self) -> None:
        """Tell the leader how far this node is."""
        line = self._line
        if line is not None and self.state == CONNECTED:
            self._next_ack = self._node.clock.now() + _ACK_SECONDS
            line.write(request_bytes([b"REPLCONF", b"ACK", b"%d" % self._history.offset]))

    # --- time -------------------------------------------------------------------------------------

    def tick(self, now: float) -> bool:
        """Do what is due by time; return whether something goes on without a pause."""
        if self.state == CONNECT:
            if now >= self._next_dial:
                self.dial()
            return False
        snapshot = self.snapshot
        if snapshot is not None and snapshot.is_received:
            # The leader waits for us meanwhile; a newline tells it that we are there.
            self.heard_seconds = now
            if now >= self._next_ack and self._line is not None:
                self._next_ack = now + _ACK_SECONDS
                self._line.write(b"\n")
        if now - self.heard_seconds > self._node.config.number("repl-timeout"):
            self.lost("silent for repl-timeout")
            return False
        if snapshot is not None:
            self._go_on_with_snapshot(snapshot)
            return True
        if self.state == CONNECTED and now >= self._next_ack:
            self.acknowledge()
        if self._unrun:
            self.heard_seconds = now
            self._run(self._unrun)
            return True
        return False

    def is_up(self) -> bool:
        """Return whether the stream comes."""
        return self.state == CONNECTED

    def role_state(self) -> bytes:
        """Return the state as ROLE shows it."""
        names = (b"connect", b"connecting", b"handshake", b"sync", b"connected")
        return names[self.state]


@final
class _LinkOutlet(Outlet):
    """The leader's stream gets no replies; who ends its session ends the connection."""

    def __init__(self, link: LeaderLink) -> None:
        self._link = link

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._link.lost("its connection was killed")


def _text(line: bytes) -> str:
    return line[1:200].decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
