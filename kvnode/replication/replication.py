"""A node's part in replication: whom it follows, and who follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from mypy_extensions import i64

from kvnode.config.directives import BY_NAME
from kvnode.context import Blocked
from kvnode.gates import FOLLOWS, IS_STALE, LACKS_FOLLOWERS
from kvnode.replication.failover import Failover
from kvnode.replication.followers import Followers
from kvnode.replication.history import History
from kvnode.replication.leader_link import CONNECTED, Dialer, LeaderLink
from kvnode.session import Session
from kvprotocol.numbers import parse_int

if TYPE_CHECKING:
    from kvnode.node import Node

_ID_BYTES: Final = 40
_UNBLOCKED: Final = (
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)


@final
class _Wait:
    """A WAIT that is not satisfied yet."""

    def __init__(self, session: Session, blocked: Blocked, offset: i64, count: int) -> None:
        self.session = session
        self.blocked = blocked
        self.offset: i64 = offset
        self.count = count


@final
class Replication:
    """`link` leads to the leader, None while the node leads."""

    def __init__(self, node: Node, random: Random) -> None:
        self.history = History(random)
        self.followers = Followers(node, self.history, random)
        self.failover = Failover(node)
        self.link: LeaderLink | None = None
        self.dialer = Dialer()  # whoever owns the sockets sets another
        self._node = node
        self._waits: list[_Wait] = []

    # --- the part that the node has ---------------------------------------------------------------

    def is_leading(self) -> bool:
        """Return whether the node follows nobody."""
        return self.link is None

    def is_receiving(self) -> bool:
        """Return whether a snapshot comes from the leader."""
        return self.link is not None and self.link.snapshot is not None

    def is_failing_over(self) -> bool:
        """Return whether the lead is being handed over."""
        return self.failover.is_in_progress()

    def follow(self, host: str, port: int, is_handover: bool = False) -> None:
        """Follow another node from now on, or another one than before."""
        self.hand_on()
        was_leading = self.link is None
        self._end_link()
        if self._node.dispatcher.unit is not None:
            # What the transaction around this writes is part of no history.
            self.history.is_known = False
        if was_leading:
            self._node.blocking.force_out(_UNBLOCKED)
        self.followers.drop_all("the node follows another one now")
        link = LeaderLink(self._node, self.history, self.dialer, host, port, is_handover)
        self.link = link
        self._node.shuffles.follow()
        self._note_leader()
        self._node.journal.note("notice", "follows", {"leader": f"{host}:{port}"})
        self.update()
        link.dial()

    def begin(self, fields: dict[bytes, bytes]) -> None:
        """Take up the part that the configuration names, once the node's data is loaded.

        `fields` are those of the RDB file, if the data is of one.
        """
        leader = self._node.config.show("replicaof").split()
        name = fields.get(b"repl-id", b"")
        offset = parse_int(fields.get(b"repl-offset", b""))
        database = parse_int(fields.get(b"repl-stream-db", b"0"))
        is_whole = len(name) == _ID_BYTES and offset is not None and offset >= 0
        if is_whole and database is not None and 0 <= database < len(self._node.dataset.databases):
            assert offset is not None
            self.history.resume(name, offset, database, not leader)
        self.update()
        if leader:
            self.follow(leader[0], int(leader[1]))

    def lead(self) -> None:
        """Follow nobody any more, with the data as it is."""
        if self.link is None:
            return
        self.hand_on()  # followers had it as the leader's stream
        self._end_link()
        if self.history.is_known:
            self.history.branch()
        else:
            self.history.begin_anew()
        # They have to learn the new id; they can go on from where they are.
        self.followers.drop_all("the node leads now")
        self.followers.begin()
        self._node.effects.forget_database()
        self._node.requests.note_use(self._node.dataset.now_ms)
        self._note_leader()
        self._node.journal.note("notice", "leads", {})
        self.update()
        self._node.shuffles.lead()

    def note_other_data(self) -> None:
        """The data is no copy of the history any more: whoever follows takes all of it anew."""
        self.hand_on()
        link = self.link
        if link is not None:
            self.history.is_known = False
            link.lost("the data was reloaded")
        elif self.history.backlog is not None:
            self.history.begin_anew()
        self.followers.drop_all("the data was reloaded")

    def _end_link(self) -> None:
        link = self.link
        if link is not None:
            self.link = None
            link.end()

    def _note_leader(self) -> None:
        link = self.link
        words = ["no", "one"] if link is None else [link.host, str(link.port)]
        self._node.config.set_words(BY_NAME["replicaof"], words)

    def update(self) -> None:
        """Take over what follows from the node's part: who gets effects, what is refused."""
        node = self._node
        node.effects.is_followed = self.link is None and self.history.backlog is not None
        node.update_log()
        node.update_expiry()
        self.update_gate()

    def update_gate(self) -> None:
        """Refuse what may not be done in the node's part, and as it is configured."""
        node = self._node
        is_written = self.link is not None and not node.settings.replica_read_only
        if not is_written:
            node.dataset.own_deadlines = None
        elif node.dataset.own_deadlines is None:
            node.dataset.own_deadlines = {}
        gate = node.dispatcher.gate & ~(FOLLOWS | IS_STALE)
        link = self.link
        if link is not None:
            gate |= FOLLOWS
            if link.state != CONNECTED and not node.config.flag("replica-serve-stale-data"):
                gate |= IS_STALE
        node.dispatcher.gate = gate
        self.note_good_followers()

    def note_good_followers(self) -> None:
        """Refuse writes while too few followers keep up (min-replicas-to-write)."""
        node = self._node
        config = node.config
        least = config.number("min-replicas-to-write")
        is_checked = self.link is None and least > 0 and config.number("min-replicas-max-lag") > 0
        if is_checked and self.followers.good < least:
            node.dispatcher.gate |= LACKS_FOLLOWERS
        else:
            node.dispatcher.gate &= ~LACKS_FOLLOWERS

    # --- the stream -------------------------------------------------------------------------------

    def hand_on(self) -> None:
        """Bring the effects so far into the backlog."""
        self._node.effects.hand_on()

    def feed(self) -> None:
        """Send the followers what has come; called at the end of each round of the loop."""
        if len(self.followers):
            self._node.effects.hand_on()
            self.followers.feed_all()

    def tick(self, now: float) -> bool:
        """Do what is due by time; return whether that goes on without a pause."""
        link = self.link
        is_busy = link is not None and link.tick(now)
        self.hand_on()
        is_busy = self.followers.tick(now) or is_busy
        self.failover.tick(now)
        if self._waits:
            self._waits = [wait for wait in self._waits if wait.session.blocked is wait.blocked]
        return is_busy

    def forget(self, session: Session) -> None:
        """Take out a session that ends."""
        if session.follower is not None:
            self.followers.forget(session)
        if session.is_leader:
            link = self.link
            if link is not None and link.session is session:
                link.lost("its connection was closed")

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return what an RDB file says of the history that it is a copy of."""
        history = self.history
        link = self.link
        database = 0
        if link is not None:
            if not history.is_known or history.backlog is None:
                return []
            session = link.session
            database = history.database if session is None else session.keyspace.index
        elif history.backlog is None:
            return []
        self.hand_on()
        return [
            (b"repl-stream-db", b"%d" % database),
            (b"repl-id", history.id),
            (b"repl-offset", b"%d" % history.offset),
        ]

    # --- WAIT -------------------------------------------------------------------------------------

    def reach(self, session: Session) -> i64:
        """Return the offset up to which the stream holds the writes of a session."""
        if session.written_until == 0:
            return 0
        self.hand_on()
        # Requests to the followers stand between effects, so this may be a little later.
        return self.history.offset - (self._node.effects.offset - session.written_until)

    def wait(self, session: Session, blocked: Blocked, offset: i64, count: int) -> None:
        """Answer a WAIT when so many followers have the stream up to an offset."""
        self._waits.append(_Wait(session, blocked, offset, count))
        self.followers.ask()

    def lacks_anything(self) -> bool:
        """Return whether a follower that is online lacks a part of the stream."""
        followers = self.followers
        return self.link is None and followers.have(self.history.offset) < followers.online

    def note_acknowledged(self) -> None:
        """Answer those who waited for what a follower has said."""
        if self._waits:
            left: list[_Wait] = []
            for wait in self._waits:
                if wait.session.blocked is not wait.blocked:
                    continue
                found = self.followers.have(wait.offset)
                wait.blocked.on_timeout = found
                if found >= wait.count:
                    self._node.blocking.answer(wait.session, found)
                else:
                    left.append(wait)
            self._waits = left
            self._node.dispatcher.run_unblocked()
        self.failover.note_acknowledged()
