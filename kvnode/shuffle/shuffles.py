"""All shuffles of a node: the coordinators' manifests, their leases, and the way to the owner.

A shuffle lives while somebody uses it: each request renews its lease, and one that nobody used for
its TTL is expired. A lease runs only while the node does: when the clock was set, or the machine
slept, nobody could have renewed it. What has ended leaves a tombstone for the TTL, so that a late
request finds out, and neither brings it back nor reaches a later shuffle of the same id: until then
the id is taken.

The owner of the partitions is asked and told by plain calls. What it has to be told after a
restart follows from the manifests, which come back from the log: see `begin`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.shuffle import records
from kvnode.shuffle.manifest import (
    MAPS_MAX,
    PARTITIONS_MAX,
    Manifest,
    Row,
    Terms,
)
from kvnode.shuffle.owner import Cursor, Fetched, Owner
from kvnode.shuffle.records import RecordError, SnapshotRecords, number_in, numbers_in
from kvprotocol import errors
from kvprotocol.errors import ReplyError, shown

if TYPE_CHECKING:
    from kvnode.config.settings import Settings
    from kvnode.durability.disk import Disk

SHUFFLES_MAX: Final = 10_000
TOMBSTONES_MAX: Final = 10_000
ENDED: Final = b"ended"
EXPIRED: Final = b"expired"
FORGOTTEN: Final = b"forgotten"
_SWEEP_SECONDS: Final = 1.0
_STEP_SECONDS_MAX: Final = 10.0  # between two ticks, however far the clock has moved
_WHOLE: Final = -1  # of `Owner.lacks`


@final
class Shuffles:
    """The shuffles of one node. `log` takes a record of each change of a manifest."""

    def __init__(self, settings: Settings, disk: Disk, wake: Callable[[], None]) -> None:
        self.owner = Owner(settings, disk, wake)
        self.log: Callable[[bytes], None] | None = None
        self.manifests: dict[bytes, Manifest] = {}
        self.dup_commits = 0
        self.expired = 0
        self.keeps_all = False  # while files are read again, of which nothing is wanted
        self._settings = settings
        # Why a shuffle is no more, and until when that is kept, in ms.
        self._tombstones: dict[bytes, tuple[bytes, int]] = {}
        self._leads = True
        self._has_begun = False  # the owner has what it has from before the start
        self._now = 0.0  # at the last tick, 0 before the first
        self._elapsed = 0.0  # seconds for which the node has run
        self._next_sweep = 0.0
        self._wake = wake
        self._is_hastened = False  # a tick was asked for
        self._has_news = False  # for those who wait

    # --- which there are --------------------------------------------------------------------------

    def open(self, name: bytes, terms: Terms, now_ms: i64) -> Manifest:
        """Return a new shuffle, or the one that is open with equal terms. ReplyError."""
        manifest = self.manifests.get(name)
        if manifest is not None and not self._expire_if_due(manifest, now_ms):
            if manifest.terms.words() != terms.words():
                raise ReplyError(errors.SHUFFLE_EXISTS % shown(name))
        else:
            gone = self._gone(name, now_ms)
            if gone is not None:
                raise gone
            if len(self.manifests) >= SHUFFLES_MAX:
                raise ReplyError(errors.SHUFFLES_TOO_MANY % SHUFFLES_MAX)
            manifest = self._add(name, int(now_ms), terms)
            self._record(records.opened(manifest))
        self._renew(manifest)
        return manifest

    def _add(self, name: bytes, birth: int, terms: Terms) -> Manifest:
        self._tombstones.pop(name, None)  # whose time is over
        manifest = Manifest(name, birth, terms)
        self.manifests[name] = manifest
        return manifest

    def use(self, name: bytes, now_ms: i64) -> Manifest:
        """Return a shuffle and renew its lease. ReplyError: there is none."""
        manifest = self.manifests.get(name)
        if manifest is None or self._expire_if_due(manifest, now_ms):
            raise self.gone_error(name, now_ms)
        self._renew(manifest)
        return manifest

    def is_open(self, manifest: Manifest) -> bool:
        """Return whether a shuffle is still there: it has neither ended nor expired."""
        return self.manifests.get(manifest.name) is manifest

    def gone_error(self, name: bytes, now_ms: i64) -> ReplyError:
        """Return the error for a shuffle that is not there."""
        return self._gone(name, now_ms) or ReplyError(errors.SHUFFLE_UNKNOWN % shown(name))

    def _gone(self, name: bytes, now_ms: i64) -> ReplyError | None:
        """Return the error for a shuffle that has left a tombstone, None without one."""
        tombstone = self._tombstones.get(name)
        if tombstone is None or tombstone[1] <= now_ms:
            return None
        seconds = (tombstone[1] - int(now_ms) + 999) // 1000
        return ReplyError(errors.SHUFFLE_GONE % (shown(tombstone[0]), shown(name), seconds))

    def _renew(self, manifest: Manifest) -> None:
        manifest.expires = self._elapsed + float(manifest.terms.ttl_seconds)

    def seconds_left(self, manifest: Manifest) -> float:
        """Return when the lease ends, unless it is renewed before."""
        return max(manifest.expires - self._elapsed, 0.0)

    def _expire_if_due(self, manifest: Manifest, now_ms: i64) -> bool:
        """End a shuffle that nobody used for its TTL; a follower does not see who uses it."""
        if not self._leads or self._elapsed < manifest.expires:
            return False
        self.expired += 1
        self._has_news = True
        self._end(manifest, EXPIRED, now_ms)
        return True

    def end(self, name: bytes, now_ms: i64) -> bool:
        """Let go of a shuffle and all that belongs to it; return whether it was there."""
        manifest = self.manifests.get(name)
        if manifest is None or self._expire_if_due(manifest, now_ms):
            return False
        self._end(manifest, ENDED, now_ms)
        return True

    def _end(self, manifest: Manifest, reason: bytes, now_ms: i64) -> None:
        until_ms = int(now_ms) + manifest.terms.ttl_seconds * 1000
        self._bury(manifest.name, reason, until_ms)
        self._record(records.ended(manifest.name, reason, until_ms))

    def _bury(self, name: bytes, reason: bytes, until_ms: int) -> None:
        if self.manifests.pop(name, None) is not None:
            self.owner.drop(name)
        self._tombstones.pop(name, None)
        self._tombstones[name] = (reason, until_ms)
        if len(self._tombstones) > TOMBSTONES_MAX:
            del self._tombstones[next(iter(self._tombstones))]

    # --- map tasks --------------------------------------------------------------------------------

    def push(
        self,
        manifest: Manifest,
        partition: int,
        number: int,
        attempt: int,
        seq: int,
        checksum: int,
        payload: bytes,
    ) -> None:
        """Take a block of a map's attempt. ReplyError.

        What comes for a partition that is consumed, from a map that runs again, is not kept.
        """
        manifest.admit(number, attempt, partition, seq)
        if partition not in manifest.consumed:
            self.owner.push(
                manifest.name,
                manifest.birth,
                partition,
                number,
                attempt,
                seq,
                checksum,
                payload,
                manifest.terms.quota,
            )
            self.hasten()

    def commit(self, manifest: Manifest, number: int, attempt: int, rows: list[Row]) -> int:
        """Let an attempt win its map, if none has and all its blocks are here.

        Return the attempt that has won. ReplyError: blocks are missing.
        """
        winner = manifest.winner(number)
        if winner is None:
            lacking = int(self.owner.lacks(manifest.name, number, attempt, rows))
            if lacking != _WHOLE:
                raise ReplyError(errors.SHUFFLE_LACKS % (lacking, number, attempt))
            manifest.commit(number, attempt, rows)
            self._record(records.committed(manifest.name, number, attempt, rows))
            if manifest.is_sealed():
                self.owner.keep_only(manifest.name, manifest.attempts)
            return attempt
        if winner.attempt != attempt:
            self.dup_commits += 1
            self.owner.drop_attempt(manifest.name, number, attempt)
        elif winner.rows() != rows:
            raise ReplyError(errors.SHUFFLE_OTHER_SUMMARY % (attempt, number))
        return winner.attempt

    def abort(self, manifest: Manifest, number: int, attempt: int) -> None:
        """Let an attempt give up. ReplyError: it has won."""
        manifest.abort(number, attempt)
        self.owner.drop_attempt(manifest.name, number, attempt)

    def seal(self, manifest: Manifest, maps: int) -> None:
        """Seal with so many maps, -1 for all. ReplyError: others are committed."""
        if manifest.seal(maps):
            self._record(records.left_out(manifest))
            self.owner.keep_only(manifest.name, manifest.attempts)

    # --- reduce tasks -----------------------------------------------------------------------------

    def fetch(
        self,
        manifest: Manifest,
        partition: int,
        cursor: Cursor,
        map_end: int,
        bytes_max: int,
        count: int,
    ) -> Fetched:
        """Return winners' blocks of a partition. ReplyError: some are lost, so a new epoch begins.

        The shuffle is sealed.
        """
        if partition in manifest.consumed:
            raise ReplyError(errors.SHUFFLE_CONSUMED % partition)
        fetched = self.owner.fetch(
            manifest.name, partition, manifest.attempts, cursor, map_end, bytes_max, count
        )
        if fetched.lost:
            self._lose(manifest, set(fetched.lost))
            raise manifest.open_error()
        return fetched

    def acknowledge(self, manifest: Manifest, partition: int) -> None:
        """Let go of a partition that was read. ReplyError: it cannot have been."""
        if not manifest.is_sealed():
            raise manifest.open_error()
        if partition not in manifest.consumed:
            manifest.consumed.add(partition)
            self.owner.consume(manifest.name, manifest.birth, partition)
            self._record(records.consumed(manifest.name, partition))

    def _lose(self, manifest: Manifest, maps: set[int]) -> None:
        """Begin a new epoch, in which the maps have to run again that lost a block."""
        self._take_losses(manifest, maps, manifest.epoch + 1)
        self._has_news = True
        self._record(records.lost(manifest))

    def _take_losses(self, manifest: Manifest, maps: set[int], epoch: int) -> None:
        attempts = dict(manifest.attempts)
        had_consumed = bool(manifest.consumed)
        found = manifest.lose(maps, epoch)
        if had_consumed and not manifest.consumed:
            self.owner.drop(manifest.name)  # all maps run again, for all partitions
        else:
            for number in found:
                self.owner.drop_attempt(manifest.name, number, attempts[number])

    # --- time -------------------------------------------------------------------------------------

    def tick(self, now: float) -> bool:
        """Do what is due by time; return whether those who wait may be asked again."""
        self._is_hastened = False
        if self._now > 0.0:
            self._elapsed += min(max(now - self._now, 0.0), _STEP_SECONDS_MAX)
        self._now = now
        has_news = bool(self.owner.tick(self._elapsed)) or self._has_news
        self._has_news = False
        if self._elapsed >= self._next_sweep:
            self._next_sweep = self._elapsed + _SWEEP_SECONDS
            has_news = self._sweep(i64(int(now * 1000.0))) or has_news
        self.hasten()
        return has_news

    def hasten(self) -> None:
        """Have `tick` called at once if the owner has more to do than one call should take."""
        if self.owner.is_busy() and not self._is_hastened:
            self._is_hastened = True
            self._wake()

    def note_room(self) -> None:
        """Have those who wait asked again soon: one of them may be sent something now."""
        self._has_news = True
        self._wake()

    def _sweep(self, now_ms: i64) -> bool:
        """Expire what nobody uses, and forget old tombstones; return whether anything expired."""
        has_expired = False
        for manifest in list(self.manifests.values()):
            has_expired = self._expire_if_due(manifest, now_ms) or has_expired
        for name, tombstone in list(self._tombstones.items()):
            if tombstone[1] <= now_ms:
                del self._tombstones[name]
        return has_expired

    # --- the log, snapshots, restarts -------------------------------------------------------------

    def _record(self, record: bytes) -> None:
        log = self.log
        if log is not None:
            log(record)

    def snapshot(self) -> SnapshotRecords:
        """Return the records that give all shuffles again, as they are now."""
        tombstones = [records.ended(name, *entry) for name, entry in self._tombstones.items()]
        return SnapshotRecords(self.manifests.values(), tombstones)

    def restore(self, record: bytes) -> None:
        """Take over a record, of a log, a snapshot or a leader. RecordError: it is none.

        One of a shuffle that is not known is passed over: where a redis-server kept the data,
        its snapshots have lost the OPEN.
        """
        if self.keeps_all:
            return
        self._has_news = True
        words = record.split(b" ")
        try:
            self._restore(words[0], words)
        except (IndexError, ValueError):
            raise RecordError from None

    def _restore(self, kind: bytes, words: list[bytes]) -> None:
        name = words[1]
        manifest = self.manifests.get(name)
        if kind == b"open":
            terms = records.terms_in(words[3:])
            if not (1 <= terms.maps <= MAPS_MAX and 1 <= terms.partitions <= PARTITIONS_MAX):
                raise RecordError
            self._renew(self._add(name, number_in(words[2]), terms))
        elif kind == b"end":
            self._bury(name, words[2], number_in(words[3]))
        elif manifest is None:
            return
        elif kind == b"commit":
            rows = records.summary_in(words[4], manifest.terms.partitions)
            if rows is None:
                raise RecordError
            number = number_in(words[2], manifest.terms.maps - 1)
            manifest.commit(number, number_in(words[3], records.ATTEMPT_MAX), rows)
        elif kind == b"without":
            manifest.leave_out(numbers_in(words[2], manifest.terms.maps))
        elif kind == b"lost":
            maps = numbers_in(words[3], manifest.terms.maps)
            self._take_losses(manifest, maps, number_in(words[2]))
            # In a snapshot they have no winners to begin with.
            manifest.lost |= {n for n in maps if manifest.winner(n) is None}
        elif kind == b"consumed":
            partition = number_in(words[2], manifest.terms.partitions - 1)
            manifest.consumed.add(partition)
            if self._has_begun:
                self.owner.consume(name, manifest.birth, partition)
        else:
            raise RecordError

    def forget(self, now_ms: i64) -> None:
        """Drop all manifests of a snapshot that is no log's: what was done since is not known.

        Their tombstones say so to who asks.
        """
        for manifest in list(self.manifests.values()):
            until_ms = int(now_ms) + manifest.terms.ttl_seconds * 1000
            self._bury(manifest.name, FORGOTTEN, until_ms)

    def clear(self) -> None:
        """Drop everything: the data that it belongs to is gone."""
        for name in list(self.manifests):
            self.owner.drop(name)
        self.manifests = {}
        self._tombstones = {}

    def begin(self, leads: bool) -> None:
        """Find what files of known shuffles are left, once the log is loaded.

        A follower has none of the blocks, and decides nothing about them.
        """
        known = {m.name: m.birth for m in self.manifests.values()} if leads else {}
        self.owner.recover(known)
        self._has_begun = True
        self._leads = leads
        if leads:
            self._reconcile()

    def follow(self) -> None:
        """Leave leases to the leader."""
        self._leads = False

    def lead(self) -> None:
        """Decide from now on: nobody was seen to use anything, and blocks were the leader's."""
        self._leads = True
        for manifest in self.manifests.values():
            self._renew(manifest)
        self._reconcile()

    def _reconcile(self) -> None:
        """Begin a new epoch where winners' blocks are not here."""
        for manifest in self.manifests.values():
            for partition in manifest.consumed:
                self.owner.consume(manifest.name, manifest.birth, partition)
            gone: set[int] = set()
            for number, attempt in manifest.attempts.items():
                winner = manifest.winner(number)
                assert winner is not None
                if self.owner.lacks(manifest.name, number, attempt, winner.rows()) != _WHOLE:
                    gone.add(number)
            if gone:
                self._lose(manifest, gone)
            if manifest.is_sealed():
                self.owner.keep_only(manifest.name, manifest.attempts)

    def check(self) -> None:
        """Assert the invariants; for tests and the simulator."""
        for name, manifest in self.manifests.items():
            assert manifest.name == name and name not in self._tombstones
            manifest.check()
