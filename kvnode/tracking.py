"""CLIENT TRACKING: which session may hold which keys in a cache of its own, and who is told.

Ordinary mode: the table remembers for each key the sessions that read it. The first change of the
key tells them once and forgets the key; so the table costs memory, and `tracking-table-max-keys`
bounds it: what is dropped over the limit counts as changed. Names only, no databases: a change of a
key of the same name in another database invalidates too, as in Redis.

Broadcasting mode: a session names prefixes and hears of every change below them, whoever read the
key; the keys of one read of the socket go out together.

What a session changes itself is told after its reply, or after EXEC's. Messages are pushes under
RESP3. A session under RESP2 names another one, which gets them as messages of the channel
`__redis__:invalidate` if it is subscribed to anything.

The table is 1,024 dicts, dealt by the CRC of the whole key: one dict of a million keys would pause
the node for its growth. One reader is kept as a number, several as a dict. A million keys of 12
bytes with one reader each take 88 MB; redis-server takes 99 MB for the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import PUBSUB, READONLY, Command
from kvnode.dataset import ChangeListener
from kvnode.gates import TRACKS_TOO_MANY
from kvnode.key_positions import key_positions
from kvnode.session import TRACKING, ClientTracking, Session
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Push, Reply, ReplyWriter
from kvprotocol.slots import crc16

if TYPE_CHECKING:
    from kvnode.node import Node

CHANNEL: Final = b"__redis__:invalidate"
_GROUP_COUNT: Final = 1024
_NO_KEYS: Final[dict[bytes, object]] = {}
_DROPS_PER_STEP: Final = 100
_DRAWS: Final = 16  # of a random group, before the first one with keys is taken
# Commands that read through the commands inside them.
_SCRIPTS: Final = frozenset((b"eval_ro", b"evalsha_ro", b"fcall_ro"))
_WITHOUT_CHANGER: Final = frozenset((b"expired", b"evicted"))


@final
class _Prefix:
    """Who hears of the keys below a prefix, and the keys that changed since they last did.

    Each key stands with the session that changed it, None where nobody's command did.
    """

    def __init__(self) -> None:
        self.sessions: dict[Session, None] = {}
        self.changed: dict[bytes, Session | None] = {}


@final
class Tracking(ChangeListener):
    """The tables of all tracking sessions of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._groups: list[dict[bytes, object]] = [_NO_KEYS] * _GROUP_COUNT
        self._prefixes: dict[bytes, _Prefix] = {}
        self._lengths: list[int] = []
        self._pending: list[bytes | None] = []  # for the caller, after its reply; None: all keys
        self._caller: Session | None = None
        self._is_running = False
        self._drops: i64 = _DROPS_PER_STEP
        self.sessions = 0
        self.keys: i64 = 0
        self.items: i64 = 0
        self.has_broadcasts = False

    # --- who tracks -------------------------------------------------------------------------------

    def enable(self, session: Session, wanted: ClientTracking) -> None:
        """Make a session track as it wants; the prefixes that it has stay."""
        old = session.tracking
        if old is None:
            self.sessions += 1
        else:
            wanted.caching = old.caching
            wanted.prefixes = {**old.prefixes, **wanted.prefixes}
        session.tracking = wanted
        session.gate |= TRACKING
        if session.transaction is not None:
            self.begin(session)  # EXEC runs: what it changes from here on is told after its reply
        for name in wanted.prefixes:
            prefix = self._prefixes.get(name)
            if prefix is None:
                prefix = _Prefix()
                self._prefixes[name] = prefix
                self._measure()
            prefix.sessions[session] = None
        self._node.update_listeners()

    def disable(self, session: Session) -> None:
        """End a session's tracking; the keys it had read leave the table as they change.

        With the last session the whole table goes: nobody would be told, so nobody listens.
        """
        state = session.tracking
        if state is None:
            return
        session.tracking = None
        session.gate &= ~TRACKING
        self.sessions -= 1
        if self.sessions == 0:
            self._forget_all()
        for name in state.prefixes:
            prefix = self._prefixes[name]
            del prefix.sessions[session]
            if not prefix.sessions:
                del self._prefixes[name]
                self._measure()
        self._node.update_listeners()

    def is_used(self) -> bool:
        """Return whether any session tracks."""
        return self.sessions > 0

    def prefix_count(self) -> int:
        """Return the number of different prefixes."""
        return len(self._prefixes)

    def _measure(self) -> None:
        """Note which lengths of prefixes there are: a key's change looks each of them up."""
        self._lengths = sorted({len(name) for name in self._prefixes})

    # --- the caller -------------------------------------------------------------------------------

    def begin(self, session: Session) -> None:
        """Note that a tracking session's request runs: its own changes are told after the reply.

        What is served while a long script waits is not the caller.
        """
        if not self._is_running:
            self._caller = session
            self._is_running = True

    def is_calling(self, session: Session) -> bool:
        """Return whether a session's request runs whose end is to be told."""
        return self._is_running and session is self._caller

    def end(self, session: Session, command: Command, argv: list[bytes]) -> None:
        """Remember what the request read and tell what it changed; its reply is written."""
        self.remember(session, command, argv)
        self._is_running = False
        if self._pending:
            pending = self._pending
            self._pending = []
            for key in pending:
                self._send_to(session, None if key is None else [key])
        if not self._node.dataset.heard:
            self._caller = None
        self.forget_caching(session, command)

    def leave(self) -> None:
        """Forget the caller, when all that follows from its request is done."""
        self._caller = None

    def abandon(self) -> None:
        """Forget a request that failed by a bug of ours."""
        self._caller = None
        self._is_running = False
        self._pending = []

    def forget_caching(self, session: Session, command: Command | None) -> None:
        """End what CLIENT CACHING said, which holds for one command or transaction."""
        state = session.tracking
        if state is None or not state.caching or session.transaction is not None:
            return
        if command is None or not command.full_name.startswith(b"client"):
            state.caching = False

    # --- keys that were read ----------------------------------------------------------------------

    def remember(self, session: Session, command: Command, argv: list[bytes]) -> None:
        """Remember that a session read the keys of a request, if it was a reading one.

        Scripts are left to the commands in them: see `remember_script`.
        """
        if command.flags & READONLY and command.full_name not in _SCRIPTS:
            self._remember(session, command, argv)

    def remember_script(self, session: Session, argv: list[bytes]) -> None:
        """Remember the keys of a script's call, of which a command has read something.

        As in Redis 7.0 these are the keys that the call declares, whatever was read.
        """
        command = self._node.commands.get(argv[0].lower())
        if command is not None:
            self._remember(session, command, argv)

    def _remember(self, session: Session, command: Command, argv: list[bytes]) -> None:
        state = session.tracking
        if state is None or state.broadcast or command.flags & PUBSUB:
            return
        if (state.optin and not state.caching) or (state.optout and state.caching):
            return
        try:
            positions = key_positions(command.card, argv)
        except ReplyError:
            return
        for position, _ in positions:
            self._add(argv[position], session.number)
        self.note_limit()

    def _add(self, key: bytes, number: int) -> None:
        group = _group_of(key)
        keys = self._groups[group]
        if keys is _NO_KEYS:
            keys = {}
            self._groups[group] = keys
        found = keys.get(key)
        if found is None:
            keys[key] = number
            self.keys += 1
        elif isinstance(found, dict):
            if number in found:
                return
            found[number] = None
        elif found == number:
            return
        else:
            keys[key] = {found: None, number: None}
        self.items += 1

    def note_limit(self) -> None:
        """Have the next request or tick make room in the table if it is over its limit."""
        limit = self._node.settings.tracking_table_max_keys
        dispatcher = self._node.dispatcher
        if 0 < limit < self.keys:
            dispatcher.gate |= TRACKS_TOO_MANY
        else:
            dispatcher.gate &= ~TRACKS_TOO_MANY
            self._drops = _DROPS_PER_STEP

    def make_room(self) -> None:
        """Drop random keys until the table is within its limit, as if they had changed.

        At most 100 in one step, and 100 more in each one after it that is still over.
        """
        limit = self._node.settings.tracking_table_max_keys
        random = self._node.ctx.random
        drops = self._drops
        while drops > 0 and 0 < limit < self.keys:
            drops -= 1
            keys = _NO_KEYS
            draws = _DRAWS
            while not keys and draws > 0:
                draws -= 1
                keys = self._groups[random.randrange(_GROUP_COUNT)]
            if not keys:
                keys = next(group for group in self._groups if group)
            self._invalidate(next(iter(keys)))
        self._drops += _DROPS_PER_STEP
        self.note_limit()

    # --- changes ----------------------------------------------------------------------------------

    def on_change(self, index: int, key: bytes, event: bytes) -> None:
        """Tell the sessions that read a key, and note it for those that hear of its prefix."""
        if self._prefixes:
            changer: Session | None = None
            # In a script another session is the one that changes: NOLOOP does not spare its caller.
            caller = self._caller
            if caller is not None and caller is self._node.ctx.session:
                changer = None if event in _WITHOUT_CHANGER else caller
            self._note_broadcast(key, changer)
        if self.keys:
            self._invalidate(key)

    def _note_broadcast(self, key: bytes, changer: Session | None) -> None:
        length: i64 = len(key)
        for size in self._lengths:
            if size > length:
                return
            prefix = self._prefixes.get(key[:size])
            if prefix is not None:
                prefix.changed[key] = changer
                self.has_broadcasts = True

    def _invalidate(self, key: bytes) -> None:
        found = self._groups[_group_of(key)].pop(key, None)
        if found is None:
            return
        self.keys -= 1
        if isinstance(found, dict):
            self.items -= len(found)
            for number in found:
                self._tell(number, key)
        else:
            assert isinstance(found, int)
            self.items -= 1
            self._tell(found, key)

    def _tell(self, number: int, key: bytes) -> None:
        session = self._node.sessions.get(number)
        if session is None:
            return
        state = session.tracking
        if state is None or state.broadcast:
            return
        if session is self._caller:
            if state.noloop:
                return
            if self._is_running:
                self._pending.append(key)
                return
        self._send_to(session, [key])

    def flush(self) -> None:
        """Tell all tracking sessions that any key may have changed, and forget the table."""
        for session in self._node.sessions.values():
            if session.tracking is None:
                continue
            if session is self._caller and self._is_running:
                self._pending.append(None)
            else:
                self._send_to(session, None)
        self._forget_all()

    def _forget_all(self) -> None:
        if self.keys:
            self._node.dataset.freeing.groups(self._groups)
            self._groups = [_NO_KEYS] * _GROUP_COUNT
            self.keys = 0
            self.items = 0

    def broadcast(self) -> None:
        """Tell the broadcasting sessions what changed below their prefixes since the last call."""
        self.has_broadcasts = False
        for name in sorted(self._prefixes):
            prefix = self._prefixes[name]
            changed = prefix.changed
            if not changed:
                continue
            prefix.changed = {}
            keys = sorted(changed)
            body = _encoded(keys)
            for session in prefix.sessions:
                state = session.tracking
                if state is None or not state.noloop:
                    self._send_encoded(session, body)
                    continue
                others = [key for key in keys if changed[key] is not session]
                if others:
                    self._send_encoded(session, _encoded(others))

    def _send_to(self, session: Session, keys: list[bytes] | None) -> None:
        """Send one message about some keys, or about all."""
        target = self._target_of(session)
        if target is None:
            return
        if target.writer.protocol == 3:
            target.send(Push([b"invalidate", keys]))
        elif target is not session and target.is_subscribed():
            target.send([b"message", CHANNEL, keys])

    def _send_encoded(self, session: Session, body: bytes) -> None:
        """Send one message about the keys of an encoded array."""
        target = self._target_of(session)
        if target is None or target.closing:
            return
        if target.writer.protocol == 3:
            target.writer.raw(_PUSH_HEAD)
        elif target is not session and target.is_subscribed():
            target.writer.raw(_MESSAGE_HEAD)
        else:
            return
        target.writer.raw(body)
        target.announce()

    def _target_of(self, session: Session) -> Session | None:
        """Return who gets a session's messages; where that one is gone, the session is told so."""
        state = session.tracking
        if state is None or state.redirect == 0:
            return session
        target = self._node.sessions.get(state.redirect)
        if target is None:
            state.broken_redirect = True
            if session.writer.protocol == 3:
                session.send(Push([b"tracking-redir-broken", state.redirect]))
        return target

    def check(self) -> None:
        """Assert that the counts are those of the tables."""
        keys = 0
        items = 0
        for group, found in enumerate(self._groups):
            keys += len(found)
            for key, readers in found.items():
                assert _group_of(key) == group
                items += len(readers) if isinstance(readers, dict) else 1
        assert not _NO_KEYS
        assert (keys, items) == (self.keys, self.items)
        tracking = [s for s in self._node.sessions.values() if s.tracking is not None]
        assert len(tracking) == self.sessions
        for name, prefix in self._prefixes.items():
            assert prefix.sessions
            for session in prefix.sessions:
                assert session.tracking is not None
                assert name in session.tracking.prefixes


def _group_of(key: bytes) -> i64:
    return crc16(key, 0, len(key)) & (_GROUP_COUNT - 1)


def _encoded(keys: list[bytes]) -> bytes:
    """Return keys as an array, which is the same in both protocols."""
    reply: Reply = keys
    writer = ReplyWriter(3)
    writer.write(reply)
    return b"".join(writer.take_chunks())


_PUSH_HEAD: Final = b">2\r\n$10\r\ninvalidate\r\n"
_MESSAGE_HEAD: Final = b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n" % (len(CHANNEL), CHANNEL)
