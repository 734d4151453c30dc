"""The leader's side: who follows this node, what each is sent, and how far each one is.

A follower that asks for a sync either continues from the backlog, or gets a snapshot first: while
it is made (REPLCONF capa eof), or from the file of a save. The stream behind that snapshot waits in
the backlog, which keeps what any follower still needs. So a slow one costs what it is behind, once
for all of them, and is dropped when that passes `client-output-buffer-limit replica`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from mypy_extensions import i64

from kvnode.durability.disk import reason_of
from kvnode.durability.snapshot_job import SnapshotJob
from kvnode.identity import random_id
from kvnode.replication.follower import (
    CANDIDATE,
    FILE,
    ONLINE,
    SNAPSHOT,
    WAITS,
    WINDOW_BYTES,
    Follower,
)
from kvnode.replication.transfer import Transfer
from kvnode.session import REPLY_OFF, Session
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.node import Node
    from kvnode.replication.history import History

_PIECE_BYTES: Final = 1 << 18
_CRON_SECONDS: Final = 1.0
_WHOLE: Final = 1 << 62


@final
class Followers:
    """All followers of a node."""

    def __init__(self, node: Node, history: History, random: Random) -> None:
        self.online = 0  # followers that get the stream, or wait for it
        self.good = 0  # of those, the ones that were heard of lately
        self.full_syncs = 0
        self.partial_syncs = 0
        self.refused_partial_syncs = 0
        self.sent_bytes: i64 = 0
        self._node = node
        self._history = history
        self._random = random
        self._all: dict[Session, Follower] = {}
        self._job: SnapshotJob | None = None  # the snapshot that is being made for followers
        self._is_direct_job = False  # whether it goes to them while it is made
        self._file_name = ""  # that it gets otherwise
        self._next_cron = 0.0
        self._next_ping = 0.0
        self._none_since = node.clock.now()

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> list[Follower]:
        """Return the followers in the order in which they came."""
        return list(self._all.values())

    def begin(self) -> None:
        """Begin to lead: for a while the history is kept for those that may come."""
        self._none_since = self._node.clock.now()

    def reset_statistics(self) -> None:
        """Count syncs anew."""
        self.full_syncs = 0
        self.partial_syncs = 0
        self.refused_partial_syncs = 0
        self.sent_bytes = 0

    # --- asking for a sync ------------------------------------------------------------------------

    def introduced(self, session: Session) -> Follower:
        """Return what is known of a session that speaks REPLCONF."""
        follower = session.follower
        if follower is None:
            follower = Follower(session, self._node.clock.now())
            session.follower = follower
        return follower

    def sync(self, session: Session, name: bytes, wanted: int) -> None:
        """Let a session follow from byte `wanted` of a history on; an empty name asks for all.

        ReplyError: not now.
        """
        follower = self.introduced(session)
        assert not follower.is_fed(), "its connection carries a stream already"
        if session.writer.size() or session.outlet.unsent_bytes():
            raise ReplyError(errors.SYNC_WITH_OUTPUT)
        session.gate |= REPLY_OFF
        self._node.replication.hand_on()
        if self._continues(follower, name, wanted):
            return
        self._enter(follower)
        follower.state = WAITS
        self.full_syncs += 1
        history = self._history
        if history.backlog is None:
            # What was before it is known to nobody.
            history.begin_anew()
            history.keep()
        self._node.replication.update()
        self._node.journal.note("notice", "full-sync-asked", self._about(follower))

    def _about(self, follower: Follower) -> dict[str, object]:
        return {"follower": f"{follower.shown_address()}:{follower.port}"}

    def _enter(self, follower: Follower) -> None:
        now = self._node.clock.now()
        follower.since = now
        follower.heard_seconds = now
        self._all[follower.session] = follower

    def _continues(self, follower: Follower, name: bytes, wanted: int) -> bool:
        """Let a follower go on where it was, if that part of the stream is still there."""
        history = self._history
        if not name or name == b"?":
            return False
        if not (history.is_own(name, wanted) and history.has(wanted)):
            self.refused_partial_syncs += 1
            return False
        self._enter(follower)
        follower.sent = wanted - 1
        follower.acknowledged = wanted - 1
        self._go_online(follower)
        self.partial_syncs += 1
        follower.send(
            b"+CONTINUE %b\r\n" % history.id if follower.takes_other_id else b"+CONTINUE\r\n"
        )
        fields = self._about(follower)
        fields["bytes"] = int(history.offset) - follower.sent
        self._node.journal.note("notice", "partial-sync", fields)
        self._node.replication.update()
        self.feed(follower)
        return True

    def _go_online(self, follower: Follower) -> None:
        follower.state = ONLINE
        follower.heard_seconds = self._node.clock.now()
        self._count(follower.heard_seconds)

    # --- snapshots --------------------------------------------------------------------------------

    def _begin_snapshots(self, now: float) -> None:
        """Begin one for those that wait, when no other one is being made."""
        node = self._node
        waiting = [follower for follower in self._all.values() if follower.state == WAITS]
        if not waiting or node.saver.is_saving() or node.append_log.job is not None:
            return
        first = waiting[0]
        group = [follower for follower in waiting if self._is_alike(first, follower)]
        if not self._is_direct(first):
            self._begin_file(group)
            return
        delay = node.config.number("repl-diskless-sync-delay")
        most = node.config.number("repl-diskless-sync-max-replicas")
        if now - first.since >= delay or 0 < most <= len(group):
            self._begin_transfer(group)

    def _is_direct(self, follower: Follower) -> bool:
        """Return whether it is sent a snapshot while that is made."""
        wanted = self._node.config.flag("repl-diskless-sync") or follower.is_filtered()
        return wanted and follower.takes_mark

    def _is_alike(self, one: Follower, other: Follower) -> bool:
        return (
            self._is_direct(one) == self._is_direct(other)
            and one.wants_data == other.wants_data
            and one.wants_functions == other.wants_functions
        )

    def _announce(self, group: list[Follower]) -> None:
        """Tell followers from which offset the stream goes on behind the snapshot that begins."""
        self._node.replication.hand_on()
        # The stream behind must say its database: followers begin in the first one.
        self._node.effects.forget_database()
        history = self._history
        for follower in group:
            follower.state = SNAPSHOT
            follower.sent = history.offset
            follower.acknowledged = 0  # until it has loaded it, and says so
            if follower.speaks_psync:
                follower.send(b"+FULLRESYNC %b %d\r\n" % (history.id, history.offset))

    def _begin_transfer(self, group: list[Follower]) -> None:
        self._announce(group)
        node = self._node
        first = group[0]
        transfer = Transfer(group, random_id(self._random))
        job = SnapshotJob(node, transfer, False, first.wants_data, first.wants_functions)
        node.saver.start_transfer(job)
        self._job = job
        self._is_direct_job = True
        node.journal.note("notice", "snapshot-to-followers", {"followers": len(group)})

    def _begin_file(self, group: list[Follower]) -> None:
        self._announce(group)
        self._node.saver.start()
        self._file_name = self._node.config.text("dbfilename")
        self._job = self._node.saver.job
        self._is_direct_job = False
        self._node.journal.note("notice", "save-for-followers", {"followers": len(group)})

    def note_made(self, job: SnapshotJob) -> None:
        """Go on with those for whom a snapshot was made, before another file takes its place."""
        if job is not self._job:
            return
        self._job = None
        for follower in self.all():
            if follower.state != SNAPSHOT:
                continue
            if job.error:
                self.drop(follower, f"snapshot failed: {job.error}")
            elif self._is_direct_job:
                follower.awaits_ack = True
                self._go_online(follower)
            else:
                self._begin_sending(follower)

    def _begin_sending(self, follower: Follower) -> None:
        disk = self._node.disk
        name = self._file_name
        try:
            size = disk.size(name)
            follower.file = disk.open(name)
        except OSError as error:
            self.drop(follower, f"{name}: {reason_of(error)}")
            return
        follower.state = FILE
        follower.send(b"$%d\r\n" % size)
        self.feed(follower)

    def _send_file(self, follower: Follower) -> None:
        """Send what fits of the file."""
        file = follower.file
        assert file is not None
        while follower.unsent() < WINDOW_BYTES:
            try:
                data = file.read(_PIECE_BYTES)
            except OSError as error:
                self.drop(follower, reason_of(error))
                return
            if not data:
                follower.close_file()
                self._go_online(follower)
                self._remove_file()
                return
            follower.send(data)
            self.sent_bytes += len(data)

    def _remove_file(self) -> None:
        """Leave no file that was made for followers alone (rdb-del-sync-files)."""
        node = self._node
        saves = bool(node.config.save_points()) or node.append_log.is_logging()
        if saves or not node.config.flag("rdb-del-sync-files"):
            return
        if not any(follower.state in (SNAPSHOT, FILE) for follower in self._all.values()):
            try:
                node.disk.remove(self._file_name)
            except OSError as error:
                node.journal.note("warning", "cannot-remove-file", {"reason": reason_of(error)})

    # --- the stream -------------------------------------------------------------------------------

    def feed_all(self) -> None:
        """Send what has come to those that keep up."""
        for follower in self.all():
            if follower.state >= FILE:
                self.feed(follower)

    def feed(self, follower: Follower) -> None:
        """Send what a follower lacks, as far as it takes it."""
        if follower.state == FILE:
            self._send_file(follower)
        backlog = self._history.backlog
        if follower.state != ONLINE or follower.awaits_ack or backlog is None:
            return
        left = min(backlog.end - follower.sent, WINDOW_BYTES - follower.unsent())
        if left > 0:
            data = backlog.read(follower.sent, left)
            follower.sent += len(data)
            self.sent_bytes += len(data)
            follower.send(data)

    def acknowledge(self, follower: Follower, offset: int) -> None:
        """Take a follower's word that it has the stream up to an offset."""
        now = self._node.clock.now()
        follower.heard_seconds = now
        follower.acknowledged = max(follower.acknowledged, offset)
        if follower.state == SNAPSHOT:
            return
        if follower.awaits_ack:
            follower.awaits_ack = False
            if follower.is_gone_after_snapshot:
                self.drop(follower, "it wanted the snapshot alone")
                return
            self._node.journal.note("notice", "follower-online", self._about(follower))
            self.feed(follower)
        self._count(now)

    def have(self, offset: i64) -> int:
        """Return how many followers acknowledged the stream up to an offset."""
        count = 0
        for follower in self._all.values():
            if follower.state == ONLINE and follower.acknowledged >= offset:
                count += 1
        return count

    def ask(self) -> None:
        """Ask all followers how far they are."""
        self._node.effects.tell_followers([b"REPLCONF", b"GETACK", b"*"])
        self.feed_all()

    # --- ends and times ---------------------------------------------------------------------------

    def drop(self, follower: Follower, reason: str) -> None:
        """End a follower's connection."""
        session = follower.session
        self._node.note_dropped(session, reason)
        session.closing = True
        self.forget(session)
        session.outlet.abort()

    def drop_all(self, reason: str) -> None:
        """End the connections of all followers: they have to ask anew."""
        for follower in self.all():
            self.drop(follower, reason)

    def forget(self, session: Session) -> None:
        """Take out a session that ends."""
        follower = self._all.pop(session, None)
        if follower is None:
            return
        follower.state = CANDIDATE
        follower.close_file()
        now = self._node.clock.now()
        if not self._all:
            self._none_since = now
        self._count(now)
        self._node.replication.update()

    def tick(self, now: float) -> bool:
        """Do what is due by time; return whether a snapshot is on its way."""
        if not self._all:
            self._age(now)
            return False
        self._begin_snapshots(now)
        self._enforce(now)
        if now >= self._next_cron:
            self._next_cron = now + _CRON_SECONDS
            self._look_after(now)
        self.feed_all()
        needed: i64 = _WHOLE
        for follower in self._all.values():
            if follower.state != WAITS:
                needed = min(needed, follower.sent)
        self._history.trim(self._node.config.number("repl-backlog-size"), needed)
        return any(follower.state == FILE for follower in self._all.values())

    def _age(self, now: float) -> None:
        """Forget the history when nobody followed for long; a follower keeps its leader's."""
        history = self._history
        if history.backlog is None:
            return
        history.trim(self._node.config.number("repl-backlog-size"))
        seconds = self._node.config.number("repl-backlog-ttl")
        if self._node.replication.is_leading() and 0 < seconds < now - self._none_since:
            self._node.replication.hand_on()
            history.drop_backlog()
            history.begin_anew()
            self._node.replication.update()

    def _enforce(self, now: float) -> None:
        """Drop those whose lag passes the limit; a lag within the backlog is none."""
        limits = self._node.settings.output_replica
        backlog_size = self._node.config.number("repl-backlog-size")
        for follower in self.all():
            if follower.state == WAITS:
                continue
            pending = follower.lag(self._history.offset) + follower.unsent()
            if pending <= backlog_size:
                pending = 0
            if follower.session.passes(limits, pending, now):
                self._node.stats.dropped_for_output += 1
                self.drop(follower, "output-buffer-limit")

    def _look_after(self, now: float) -> None:
        """Keep connections alive, drop those that are silent, once a second."""
        timeout = self._node.config.number("repl-timeout")
        for follower in self.all():
            if follower.state == ONLINE:
                # Lines without a word count too: it loads a snapshot, and says that it is there.
                heard = max(follower.heard_seconds, follower.session.last_active)
                if follower.speaks_psync and now - heard > timeout:
                    self.drop(follower, "silent for repl-timeout")
                continue
            follower.note_progress(now)
            if now - follower.heard_seconds > timeout:
                self.drop(follower, "silent for repl-timeout")
            elif follower.state == WAITS or (
                follower.state == SNAPSHOT and not self._is_direct_job
            ):
                follower.send(b"\n")
        replication = self._node.replication
        pings = replication.is_leading() and not replication.is_failing_over()
        if pings and now >= self._next_ping:
            self._next_ping = now + self._node.config.number("repl-ping-replica-period")
            self._node.effects.tell_followers([b"PING"])
        self._count(now)

    def _count(self, now: float) -> None:
        """Count who keeps up, for min-replicas-to-write."""
        lag_max = self._node.config.number("min-replicas-max-lag")
        self.online = 0
        self.good = 0
        for follower in self._all.values():
            if follower.state == ONLINE:
                self.online += 1
                if int(now) - int(follower.heard_seconds) <= lag_max:
                    self.good += 1
        self._node.replication.note_good_followers()
