"""The owner's side of shuffles: blocks of map attempts in memory and in spill files.

An owner knows nothing of winners but what it is told. One object per node; all calls come from
the node's thread and none of them waits for a disk. Threads write, read and remove spill files;
when one of them has finished something it calls `wake`, from its own thread, and the node has to
call `tick` soon.

What the coordinator's side has to do:

- call `tick` with each tick of the node, after a `wake`, and at once while `is_busy`; when it
  returns True, ask the sessions again that wait for a fetch (`is_loading`) or for credit;
- after a restart: `recover` with the shuffles that its log knows, `lacks` for each committed
  winner, `keep_only` with those that are whole;
- `note_unread` the payloads of a reply, and again below 0 when its peer has taken them;
- when `fetch` says `lost`: `drop_attempt` those winners and open a new epoch;
- at the end of the node: `close`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, final

from mypy_extensions import i64

from kvnode.durability.disk import Disk
from kvnode.shuffle.budget import Budget
from kvnode.shuffle.loads import WINDOW_BLOCKS_MAX, Loads
from kvnode.shuffle.partition import (
    BLOCK_BYTES,
    CONTRIBUTION_BYTES,
    PARTITION_BYTES,
    Block,
    Contribution,
    Partition,
)
from kvnode.shuffle.spill import Spill
from kvnode.shuffle.spill_file import Run, SpillFile, checksum_of
from kvnode.shuffle.store import Attempt, Store
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.config.settings import Settings

Winners: TypeAlias = dict[int, int]
"""Map -> its attempt that won. The owner only reads it during a call."""
Cursor: TypeAlias = tuple[int, int]
"""(map, seq) of the first block that is wanted."""
Summary: TypeAlias = list[tuple[int, int, int, int]]
"""(partition, blocks, bytes, checksum) for each partition with blocks, ascending."""
FetchedBlock: TypeAlias = tuple[int, int, int, int, bytes]
"""(map, attempt, seq, checksum, payload)."""

# No call takes long: what is more comes with the next fetch, or is freed with the next tick.
_FETCH_BLOCKS_MAX: Final = 1024
_FREE_STEPS: Final = 1024
_FREE_STEP_BYTES: Final = 1 << 15

START: Final[Cursor] = (0, 0)


@final
class Fetched:
    """A part of a partition. `next` is None at its end.

    With `is_loading` there is no block yet though there will be: ask again after a tick that
    returned True. `lost` names all winners of the shuffle that lost a block on this node, ascending
    by map; then there is no block either.
    """

    def __init__(self) -> None:
        self.blocks: list[FetchedBlock] = []
        self.size: i64 = 0  # of their payloads
        self.next: Cursor | None = None
        self.is_loading = False
        self.lost: list[int] = []


@final
class Usage:
    """What a shuffle has here: payload bytes and blocks of all attempts, and where they are."""

    def __init__(self) -> None:
        self.bytes: i64 = 0
        self.blocks: i64 = 0
        self.memory: i64 = 0  # with overheads
        self.spilled: i64 = 0  # payload bytes in spill files


@final
class _Doomed:
    """Contributions to a partition to be freed, all of it where they are None."""

    def __init__(
        self, store: Store, place: Partition, contributions: list[Contribution] | None
    ) -> None:
        self.store = store
        self.place = place
        self.contributions = contributions


@final
class Owner:
    """All blocks of one node.

    Statistics, to be read at any time: `memory`, `memory_max`, `unread_bytes`, `spilled_bytes`
    (files now), `spill_writes_pending`, `spill_failure`, `pushed_bytes`, `fetched_bytes`,
    `refused`, `lost_blocks`.
    """

    def __init__(self, settings: Settings, disk: Disk, wake: Callable[[], None]) -> None:
        self.pushed_bytes: i64 = 0
        self.fetched_bytes: i64 = 0
        self.refused: i64 = 0
        self.lost_blocks: i64 = 0
        self._settings = settings
        self._stores: dict[bytes, Store] = {}
        self._doomed: list[_Doomed] = []
        self._budget = Budget()
        self._budget.set_max(settings.shuffle_memory)
        self._spill = Spill(settings, disk, self._budget, wake)
        self._loads = Loads(disk, self._budget, wake)

    @property
    def memory(self) -> i64:
        """What all shuffles take, with overheads."""
        return self._budget.used

    @property
    def memory_max(self) -> i64:
        """What they may take."""
        return self._budget.max

    @property
    def unread_bytes(self) -> i64:
        """How much of it is in replies that were not taken yet."""
        return self._budget.unread

    @property
    def spilled_bytes(self) -> i64:
        """What the spill files take."""
        return self._spill.bytes

    @property
    def spill_failure(self) -> str:
        """Why the last spill file could not be written; empty once one was."""
        return self._spill.failure

    @property
    def spill_writes_pending(self) -> i64:
        """How many files are being written."""
        return self._spill.pending

    # --- blocks in --------------------------------------------------------------------------------

    def push(
        self,
        shuffle: bytes,
        birth: i64,
        partition: i64,
        map: i64,
        attempt: i64,
        seq: i64,
        checksum: int,
        payload: bytes,
        quota: i64,
    ) -> None:
        """Take a block; one that is here already is ignored.

        `birth` is the shuffle's opening time in ms since the epoch; blocks of an earlier shuffle
        of the same id are dropped when a later one's first comes. `quota` in bytes of payload, 0
        is none. ReplyError: SHUFFLECHECK (the checksum is not the payload's, or the same block
        came with another), SHUFFLEFULL, SHUFFLEQUOTA, SHUFFLECONSUMED, NOSHUFFLE (an earlier
        birth).
        """
        if checksum_of(payload) != checksum:
            self._refuse(errors.SHUFFLE_DAMAGED)
        store = self._store(shuffle, birth)
        place = store.partition(partition)
        if place.is_consumed:
            self._refuse(errors.SHUFFLE_CONSUMED % partition)
        contribution = place.find(map, attempt)
        block = contribution.find(seq) if contribution is not None else None
        if block is not None and block.checksum != checksum:
            self._refuse(errors.SHUFFLE_DIFFERS)
        if block is not None and not block.is_lost:
            return
        length: i64 = len(payload)
        self._require_room(store, partition, length, quota)
        arriving = Block(partition, map, attempt, seq, checksum, length)
        if block is not None and contribution is not None:
            contribution.replace(arriving)
        else:
            store.add(store.contribution(partition, map, attempt), arriving)
        store.arrive(arriving, payload)
        self.pushed_bytes += length
        if self._spill.is_due():
            self._spill.start(self._stores)

    def _refuse(self, message: str) -> NoReturn:
        self.refused += 1
        raise ReplyError(message)

    def _store(self, shuffle: bytes, birth: i64) -> Store:
        """Return a shuffle's store, made if need be; an earlier one of its id is dropped."""
        store = self._stores.get(shuffle)
        if store is not None and store.birth != birth:
            if store.birth > birth:
                self._refuse(errors.SHUFFLE_EARLIER)
            self.drop(shuffle)
            store = None
        if store is None:
            store = Store(shuffle, birth, self._budget)
            self._stores[shuffle] = store
        return store

    def _require_room(self, store: Store, partition: i64, length: i64, quota: i64) -> None:
        """Raise ReplyError if a block of this length cannot be taken."""
        most = self._settings.shuffle_partition_max
        if quota > 0 and store.bytes + length > quota:
            self._refuse(errors.SHUFFLE_OVER_QUOTA % quota)
        if most > 0 and store.partition(partition).bytes + length > most:
            self._refuse(errors.SHUFFLE_PARTITION_FULL % partition)
        if not self._budget.can_ever_hold(length + BLOCK_BYTES):
            self._refuse(errors.SHUFFLE_TOO_LARGE % length)
        self._loads.give_way(length + BLOCK_BYTES)
        if not self._budget.has_room(length + BLOCK_BYTES):
            failure = self._spill.failure
            self._refuse(errors.SHUFFLE_DISK_FULL % failure if failure else errors.SHUFFLE_FULL)

    def credit(self, client: i64) -> i64:
        """Return how many bytes this client may push before it sees another reply; 0: wait.

        `client` is the session's id: what is free is divided among those that asked lately.
        """
        return self._budget.credit(client)

    def lacks(self, shuffle: bytes, map: i64, attempt: i64, summary: Summary) -> i64:
        """Return the first partition whose blocks differ from the summary, -1 if none does.

        Blocks in partitions that the summary does not name differ, too; consumed partitions never.
        """
        store = self._stores.get(shuffle)
        if store is None:
            return summary[0][0] if summary else -1
        named: dict[int, None] = {}
        for partition, blocks, size, checksum in summary:
            named[partition] = None
            place = store.known_partition(partition)
            if place is None:
                return partition
            if place.is_consumed:
                continue
            found = place.find(map, attempt)
            if found is None or not found.is_whole(blocks, size, checksum):
                return partition
        tried = store.find(map, attempt)
        if tried is not None:
            for contribution in tried.contributions:
                number = contribution.partition
                if number not in named and not store.partition(number).is_consumed:
                    return number
        return -1

    def fetch(
        self,
        shuffle: bytes,
        partition: i64,
        winners: Winners,
        cursor: Cursor,
        map_end: i64,
        bytes_max: i64,
        count: i64,
    ) -> Fetched:
        """Return blocks of winners in the order (map, seq), from the cursor on.

        Only maps below `map_end`; the first of a range is the cursor's. At least one block if there
        is one, then as many as fit into `bytes_max` and `count`, perhaps fewer: `next` says whether
        there are more. ReplyError: SHUFFLECONSUMED.
        """
        fetched = Fetched()
        bytes_max = self._budget.reply_bytes(bytes_max)
        store = self._stores.get(shuffle)
        place = store.known_partition(partition) if store is not None else None
        if store is None or place is None:
            return fetched
        if place.is_consumed:
            raise ReplyError(errors.SHUFFLE_CONSUMED % partition)
        if store.losses:
            lost = [map for map, attempt in store.losses if winners.get(map) == attempt]
            if lost:
                fetched.is_loading = store.is_searched  # more may be lost
                fetched.lost = [] if store.is_searched else sorted(lost)
                return fetched
        most = min(count, _FETCH_BLOCKS_MAX)
        window = self._loads.window_bytes() if place.spilled > 0 else 0
        blocks_max = most + 1 if window == 0 else most + WINDOW_BLOCKS_MAX
        ahead = place.ahead(winners, cursor, map_end, blocks_max, bytes_max + window)
        served = self._serve(fetched, ahead, most, bytes_max)
        if served < len(ahead):
            following = ahead[served]
            fetched.next = (following.map, following.seq)
            fetched.is_loading = served == 0
            if place.spilled > 0:
                self._loads.read(ahead[served:], fetched.is_loading)
        return fetched

    def _serve(self, fetched: Fetched, ahead: list[Block], most: i64, bytes_max: i64) -> i64:
        """Put the first of these blocks into the reply, as many as are in memory and fit."""
        size: i64 = 0
        served: i64 = 0
        for block in ahead:
            payload = block.payload
            if payload is None or served >= most:
                break
            if served > 0 and size + block.length > bytes_max:
                break
            size += block.length
            served += 1
            fetched.blocks.append((block.map, block.attempt, block.seq, block.checksum, payload))
            if block.file is not None:
                self._loads.hand_out(block)
        fetched.size = size
        self.fetched_bytes += size
        return served

    def has_share_of_replies(self) -> bool:
        """Return whether replies may have more than a block; if not, each peer gets one."""
        return self._budget.reply_bytes(1) > 0

    def note_unread(self, size: i64) -> None:
        """Count what a reply has of payloads, or below 0 what was taken of them."""
        self._budget.note_unread(size)

    # --- blocks out -------------------------------------------------------------------------------

    def drop_attempt(self, shuffle: bytes, map: i64, attempt: i64) -> None:
        """Let go of an attempt's blocks in all partitions; it need not be known."""
        store = self._stores.get(shuffle)
        tried = store.find(map, attempt) if store is not None else None
        if store is not None and tried is not None:
            self._doom_attempt(store, tried)
            self._free(_FREE_STEPS)

    def _doom_attempt(self, store: Store, tried: Attempt) -> None:
        store.remove(tried)
        store.losses.pop((tried.map, tried.attempt), None)
        for contribution in tried.contributions:
            place = store.partition(contribution.partition)
            if not place.is_consumed:
                place.remove(contribution)
                self._doomed.append(_Doomed(store, place, [contribution]))

    def keep_only(self, shuffle: bytes, winners: Winners) -> None:
        """Let go of all blocks but the winners'."""
        store = self._stores.get(shuffle)
        if store is not None:
            for tried in store.attempts():
                if winners.get(tried.map) != tried.attempt:
                    self._doom_attempt(store, tried)
            self._free(_FREE_STEPS)

    def consume(self, shuffle: bytes, birth: i64, partition: i64) -> None:
        """Let go of a partition's blocks, and take no more."""
        store = self._store(shuffle, birth)
        place = store.partition(partition)
        if not place.is_consumed:
            place.is_consumed = True
            self._doomed.append(_Doomed(store, place, None))
            self._free(_FREE_STEPS)

    def drop(self, shuffle: bytes) -> None:
        """Let go of all that is here of a shuffle; it need not be known."""
        store = self._stores.pop(shuffle, None)
        if store is not None:
            for place in store.partitions().values():
                self._doomed.append(_Doomed(store, place, None))
                store.account(-PARTITION_BYTES)
            self._free(_FREE_STEPS)

    def _free(self, steps: i64) -> None:
        """Free some of what nobody can reach any more."""
        while self._doomed and steps > 0:
            doomed = self._doomed[-1]
            contributions = doomed.contributions
            if contributions is None:
                contributions = doomed.place.take_all()
                doomed.contributions = contributions
                steps -= len(contributions) // 8
            while contributions and steps > 0:
                blocks = contributions[-1].blocks
                while blocks and steps > 0:
                    block = blocks.pop()
                    self._free_block(doomed.store, doomed.place, block)
                    steps -= 1 + block.length // _FREE_STEP_BYTES
                if not blocks:
                    contributions.pop()
                    doomed.store.account(-CONTRIBUTION_BYTES)
            if not contributions:
                self._doomed.pop()

    def _free_block(self, store: Store, place: Partition, block: Block) -> None:
        if block.file is not None:
            if block.payload is not None:
                self._loads.hand_out(block)
            self._spill.release(block)
        store.remove_block(place, block)

    def _lose(self, run: Run) -> None:
        """Note what is damaged of a spill file."""
        file = run.file
        lost: list[Block] = []
        for block, payload in zip(run.blocks, run.payloads, strict=True):
            if payload is None:
                lost.append(block)
        if run.is_short:
            lost += [block for block in file.blocks if block.place + block.length > run.size]
        self._lose_blocks(file, lost)
        if run.size < 0 and run.is_short:
            self._loads.search(file.store)  # perhaps others were removed with it

    def _lose_blocks(self, file: SpillFile, lost: list[Block]) -> None:
        for block in lost:
            if block.file is file:
                if block.payload is not None:
                    self._loads.hand_out(block)
                self._spill.release(block)
                file.store.lose(block)
                self.lost_blocks += 1

    # --- the node ---------------------------------------------------------------------------------

    def recover(self, known: dict[bytes, int]) -> None:
        """At start-up: index the spill files of known shuffles (id -> birth), remove all others.

        Reads the headers of all blocks, at once.
        """
        for shuffle, birth in known.items():
            self._store(shuffle, birth)
        self._spill.recover(self._stores)

    def usage(self, shuffle: bytes) -> Usage:
        """Return what a shuffle has here."""
        usage = Usage()
        store = self._stores.get(shuffle)
        if store is not None:
            usage.bytes = store.bytes
            usage.blocks = store.blocks
            usage.memory = store.memory
            usage.spilled = store.spilled
        return usage

    def tick(self, now: float) -> bool:
        """Take what threads have finished, and give them more to do.

        `now` in seconds of any clock that does not go back. True: sessions that wait for a fetch
        or for credit may be asked again.
        """
        self._budget.set_max(self._settings.shuffle_memory)
        self._budget.tick(now)
        has_news = self._spill.tick(now)
        for run in self._loads.tick(now):
            self._lose(run)
            has_news = True
        for search in self._loads.take_searches():
            for file in search.gone:
                self._lose_blocks(file, list(file.blocks))
            has_news = True
        self._free(_FREE_STEPS)
        self._spill.start(self._stores)
        if self._budget.has_relief():
            self._budget.note_relieved()
            has_news = True
        return has_news or self._loads.has_news()

    def is_busy(self) -> bool:
        """Return whether the next tick has something to do, so that it shall come at once."""
        return len(self._doomed) > 0 or self._loads.is_busy() or self._budget.has_relief()

    def close(self) -> None:
        """End the threads; files stay, for a start with the same log."""
        self._spill.close()
        self._loads.close()

    def check(self) -> None:
        """Assert the invariants; for tests."""
        for store in self._stores.values():
            store.check()
        if not self._doomed:
            assert self._budget.resident == sum(s.resident() for s in self._stores.values())
            held = sum(store.held() for store in self._stores.values())
            assert self._budget.used == held + self._loads.bytes + self._budget.unread
        self._loads.check()
