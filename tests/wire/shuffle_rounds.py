"""Faults of shuffles, again and again: readers get exactly their rows, or an error with a type.

    python -m tests.wire.shuffle_rounds --rounds 100 [--fault racing_attempts] [--gib 3]

Each fault is a function that runs one round on a node of its own or on the one it is given, and
returns a line of figures; `WrongRows`, or any assertion, ends the run.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from kvclient.errors import (
    ShuffleGone,
    ShuffleLost,
    ShuffleOpen,
    ShuffleStale,
)
from kvclient.shuffle import Shuffle
from kvnode.shuffle.spill_file import checksum_of

from .proxy import Proxy
from .shuffle_jobs import (
    FOLDER,
    LIMIT_S,
    NOISE,
    CommitDropper,
    Job,
    Service,
    Spilled,
    WrongRows,
    blocks_in,
    lost_maps,
    new_id,
    small_disk,
    until_reachable,
)
from .shuffle_load import READERS, ROUGH_READERS, stalled_load
from .shuffle_workers import Worker

LOGGED: Final = ("--appendonly", "yes")
LOST: Final = (ShuffleLost, ShuffleOpen, ShuffleStale)
TTL_S: Final = 2
RELEASE_S: Final = TTL_S + 10.0


# -- workers die, and race -------------------------------------------------------------------------


def killed_workers(service: Service, draw: random.Random) -> str:
    """kill -9 of the process of each map, at any moment; each map runs again as a new attempt."""
    job = Job(new_id(), maps=3, is_deterministic=False)
    with service.client() as client, job.open(client) as shuffle:
        workers = [Worker.mapping(service.proxy.port, job, map) for map in range(job.maps)]
        for worker in workers:
            worker.until_started()
            time.sleep(draw.uniform(0.0, 0.3))
            worker.kill()
        committed = shuffle.status().committed
        winners = {map: job.run_map(shuffle, map) for map in range(job.maps)}
        if job.check_all(shuffle) != winners:
            raise WrongRows(f"{job.id}: not the rows of the attempts that have won")
        until_only_winners(shuffle)
    return f"{committed} of {job.maps} were committed before the kill"


def until_only_winners(shuffle: Shuffle) -> None:
    """Wait until what attempts wrote that did not win is freed."""
    deadline = time.monotonic() + 10.0
    while shuffle.status().details["losers"]:
        assert time.monotonic() < deadline, shuffle.status()
        time.sleep(0.01)


def racing_attempts(service: Service, draw: random.Random) -> str:
    """Two attempts of every map at a time, while half of all replies to COMMIT are lost."""
    job = Job(new_id(), maps=6, is_deterministic=False)
    dropper: CommitDropper = service.proxy
    dropper.draw = random.Random(draw.random())
    before = dropper.dropped
    with ExitStack() as stack:
        clients = [stack.enter_context(service.client()) for _ in range(3)]
        shuffle = stack.enter_context(job.open(clients[0]))
        handles = [Shuffle.attach(client, job.id) for client in clients]
        order = [(map, handle) for map in range(job.maps) for handle in handles[1:]]
        draw.shuffle(order)
        pool = stack.enter_context(ThreadPoolExecutor(4))
        futures = [(map, pool.submit(job.run_map, handle, map)) for map, handle in order]
        said = [(map, future.result()) for map, future in futures]
        winners = dict(said)
        if any(winners[map] != winner for map, winner in said):
            raise WrongRows(f"{job.id}: two winners of a map: {said}")
        if job.check_all(shuffle) != winners:
            raise WrongRows(f"{job.id}: not the rows of the attempts that have won")
        until_only_winners(shuffle)
    return f"{dropper.dropped - before} replies lost"


# -- the node dies ---------------------------------------------------------------------------------


def run_missing(job: Job, shuffle: Shuffle) -> list[int]:
    """Run the maps that are missing; return them."""
    maps = shuffle.missing()
    for map in maps:
        job.run_map(shuffle, map)
    return maps


def wanted_blocks(
    job: Job, shuffle: Shuffle, consumed: Sequence[int]
) -> dict[tuple[int, int], int]:
    """How many blocks each map has in each partition that is not consumed."""
    return {
        (map, partition): shuffle.partition_status(partition, range(map, map + 1)).blocks
        for map in range(job.maps)
        for partition in range(job.partitions)
        if partition not in consumed
    }


def node_killed_in_reduce(service: Service, draw: random.Random) -> str:
    """kill -9 of the node while a partition is read: exactly the lost maps run again."""
    is_deterministic = draw.random() < 0.5
    job = Job(new_id(), 12, 2, 16, 60_000, is_deterministic)
    with service.client() as client, job.open(client) as shuffle:
        run_missing(job, shuffle)
        epoch = shuffle.wait(10.0)
        stamps = job.check(0, shuffle.read(0))
        consumed = [0] if draw.random() < 0.3 else []
        for partition in consumed:
            shuffle.acknowledge(partition)
        wanted = wanted_blocks(job, shuffle, consumed)
        rows = shuffle.read(1)
        read = [next(rows) for _ in range(draw.randrange(1, job.rows * job.maps // 2))]
        service.kill()
        lost = lost_maps(service.files(), job, wanted)
        if lost and consumed and not is_deterministic:
            lost = list(range(job.maps))
        service.restart()
        until_reachable(client)
        refused = True
        try:
            read += rows
            job.check(1, read)
            refused = False
        except LOST:
            pass
        missing = shuffle.missing()
        if missing != lost:
            raise WrongRows(f"{job.id}: {missing} are missing, {lost} were lost")
        assert lost or not refused
        if run_missing(job, shuffle) != lost:
            raise WrongRows(f"{job.id}: others than {lost} ran again")
        assert shuffle.wait(10.0) == epoch + bool(lost)
        all_again = bool(lost) and not is_deterministic
        again = range(job.partitions) if all_again else range(len(consumed), job.partitions)
        found = [job.check(place, shuffle.read(place)) for place in again]
        if any(other != found[0] for other in found):
            raise WrongRows(f"{job.id}: partitions with different attempts")
        kept = {map: stamp for map, stamp in stamps.items() if map not in lost}
        if any(found[0][map] != stamp for map, stamp in kept.items()):
            raise WrongRows(f"{job.id}: others than the lost maps have changed")
    return f"{len(lost)} of {job.maps} lost, the reader {'was refused' if refused else 'went on'}"


def node_killed_anywhere(service: Service, draw: random.Random) -> str:
    """kill -9 of the node at any moment of a whole job, twice."""
    job = Job(new_id(), 10, 3, is_deterministic=draw.random() < 0.5)
    over = threading.Event()
    kills: list[float] = []

    def attack() -> None:
        for _ in range(2):
            if over.wait(draw.uniform(0.0, 0.4)):
                return
            kills.append(time.monotonic())
            service.kill()
            service.restart()

    with service.client() as client, job.open(client) as shuffle:
        attacker = threading.Thread(target=attack)
        attacker.start()
        try:
            runs = drive(job, shuffle, acknowledges=draw.random() < 0.5)
        finally:
            over.set()
            attacker.join()
            until_reachable(client)
    return f"{len(kills)} kills, {runs} runs of maps"


def drive(job: Job, shuffle: Shuffle, acknowledges: bool) -> int:
    """Run a job as a driver does, whatever is lost on the way; return how many maps ran."""
    found: dict[int, dict[int, int]] = {}
    runs = 0
    while len(found) < job.partitions:
        for map in shuffle.missing():
            job.run_map(shuffle, map, pause_s=0.001)
            runs += 1
        try:
            epoch = shuffle.wait(1.0)
            for place in range(job.partitions):
                if place not in found:
                    rows = paced(shuffle.read(place, epoch=epoch))
                    found[place] = job.check(place, rows)
                    if acknowledges:
                        shuffle.acknowledge(place)
        except (*LOST, TimeoutError):
            if not job.is_deterministic:
                found.clear()
    stamps = list(found.values())
    if any(stamp != stamps[0] for stamp in stamps):
        raise WrongRows(f"{job.id}: partitions with different attempts: {stamps}")
    return runs


def paced(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Read slowly."""
    for row in rows:
        time.sleep(0.001)
        yield row


def node_without_log_killed(service: Service, draw: random.Random) -> str:
    """kill -9 of a node without a log: a reader and a writer get the error that says so."""
    job = Job(new_id())
    with service.client() as client:
        shuffle = job.open(client)
        run_missing(job, shuffle)
        rows = shuffle.read(1)
        for _ in range(draw.randrange(1, job.rows * job.maps)):
            next(rows)
        service.kill()
        service.restart()
        until_reachable(client)
        calls: list[Callable[[], object]] = [
            lambda: list(rows),
            lambda: list(shuffle.read(0)),
            shuffle.missing,
            lambda: job.run_map(shuffle, 0),
        ]
        refused = 0
        for call in calls:
            try:
                call()
            except ShuffleGone as error:
                refused += "restarted without appendonly" in str(error)
        # What the reader had asked for before may be all that it wants.
        assert refused >= len(calls) - 1, refused
        assert service.files() == []
    return f"{refused} refused"


# -- the disk --------------------------------------------------------------------------------------


def full_disk(service: Service, draw: random.Random) -> str:
    """No room in memory nor on the disk: writers wait until something is freed; nothing is lost."""
    held = Job(new_id(), maps=2, partitions=2, rows=8, size=60_000)
    job = Job(new_id(), maps=4, partitions=4, rows=8, size=60_000)
    with service.client() as client, ThreadPoolExecutor(1) as pool:
        whole = held.open(client)
        run_missing(held, whole)
        pushed = fill(service, job.id + "-filler")
        shuffle = job.open(client)
        writing = pool.submit(run_missing, job, shuffle)
        time.sleep(draw.uniform(0.5, 1.5))
        assert not writing.done() and shuffle.status().blocks == 0
        # What is there can be read, though there is no room.
        held.check_all(whole)
        held.check_all(whole)
        service.call("SHUFFLE.END", job.id + "-filler")
        assert len(writing.result(LIMIT_S)) == job.maps
        job.check_all(shuffle)
        held.check_all(whole)
        shuffle.end()
        whole.end()
    released(service)
    return f"full after {pushed >> 20} MB"


def full_disk_beside_the_log(service: Service, draw: random.Random) -> str:
    """All other data can be written and logged when shuffles have no room any more."""
    id = new_id()
    pushed = fill(service, id)
    value = NOISE[: draw.randrange(100_000, 200_000)]
    for number in range(10):
        assert service.call("SET", f"key:{number}", value).text() == b"OK"
    service.call("SHUFFLE.END", id)
    released(service)
    service.kill()
    service.restart()
    assert service.call("GET", "key:9").text() == value
    service.call("FLUSHALL")
    service.call("BGREWRITEAOF")
    return f"full after {pushed >> 20} MB"


def fill(service: Service, id: str) -> int:
    """Push until a push is refused for longer than a moment; return how much was taken."""
    size = 200_000
    assert service.call("SHUFFLE.OPEN", id, 1, 2).kind == "array"
    payload = NOISE[:size]
    seq = refused = 0
    wire = service.wire()
    while refused < 4:
        reply = wire.call(
            "SHUFFLE.PUSH", f"{id}/{seq % 2}", 0, 1, seq // 2, checksum_of(payload), payload
        )
        if reply.kind == "error":
            assert reply.text().startswith(b"SHUFFLEFULL "), reply
            refused += 1
            time.sleep(0.4)
        else:
            refused = 0
            seq += 1
    wire.close()
    return seq * size


def released(service: Service, limit_s: float = 10.0) -> float:
    """Wait until neither memory nor a file is held; return how long that took."""
    took = service.until("shuffle_memory", 0, limit_s)
    took += service.until("shuffle_spilled_bytes", 0, limit_s)
    assert service.files() == [], service.files()
    return took


def flipped_byte(service: Service, draw: random.Random) -> str:
    """A byte of a spill file flips: exactly the block's map runs again."""

    def damage(block: Spilled) -> list[Spilled]:
        flip(block.path, block.place + draw.randrange(block.length))
        return [block]

    return damaged_file(service, draw, damage)


def torn_file(service: Service, draw: random.Random) -> str:
    """A spill file is cut, or gone: exactly the maps run again that had blocks there."""

    def damage(block: Spilled) -> list[Spilled]:
        others = list(blocks_in([block.path], block.job))
        if draw.random() < 0.3:
            block.path.unlink()
            return others
        os.truncate(block.path, block.place + draw.randrange(block.length))
        return [other for other in others if other.place >= block.place]

    return damaged_file(service, draw, damage)


def damaged_file(
    service: Service, draw: random.Random, damage: Callable[[Spilled], list[Spilled]]
) -> str:
    """Damage a file around a block; exactly the maps run again whose blocks that takes."""
    job = Job(new_id(), 12, 3, is_deterministic=draw.random() < 0.5, size=30_000)
    with service.client() as client, job.open(client) as shuffle:
        assert len(run_missing(job, shuffle)) == job.maps
        service.until_spilled()
        blocks = list(blocks_in(service.files(), job))
        damaged = damage(draw.choice(blocks))
        expected = sorted({block.map for block in damaged})
        lost: list[int] = []
        for partition in range(job.partitions):
            try:
                job.check(partition, shuffle.read(partition))
            except ShuffleLost:
                lost = shuffle.missing()
                break
        if lost != expected:
            raise WrongRows(f"{job.id}: {lost} are missing, {damaged} are damaged")
        assert run_missing(job, shuffle) == lost
        job.check_all(shuffle)
    return f"{len(damaged)} blocks damaged, of {len(blocks)}"


def flipped_byte_before_start(service: Service, draw: random.Random) -> str:
    """A byte flips anywhere in a file, headers too, while the node is down."""
    job = Job(
        new_id(), 12, 3, is_deterministic=draw.random() < 0.5, size=draw.choice([500, 30_000])
    )
    with service.client() as client, job.open(client) as shuffle:
        filler = Job(new_id(), 12, 3, size=30_000)
        for other in (job, filler):
            run_missing(other, other.open(client))
        service.until_spilled()
        wanted = wanted_blocks(job, shuffle, ())
        service.kill()
        path = draw.choice(service.files())
        place = draw.randrange(path.stat().st_size)
        flip(path, place)
        # What is not found in it at the start, and what is when it is read.
        lost = lost_maps(service.files(), job, wanted)
        service.restart()
        until_reachable(client)
        runs: list[int] = []
        while True:
            runs += run_missing(job, shuffle)
            try:
                job.check_all(shuffle)
                break
            except LOST:
                continue
        if sorted(runs) != lost:
            raise WrongRows(f"{job.id}: {sorted(runs)} ran again, {lost} were lost")
        service.call("SHUFFLE.END", filler.id)
    return f"byte {place} of {path.stat().st_size if path.exists() else 'a removed file'}"


def flip(path: Any, place: int) -> None:
    """Change a bit of a byte."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


# -- clients die -----------------------------------------------------------------------------------


def killed_clients(service: Service, draw: random.Random) -> str:
    """kill -9 of the only client of a shuffle, while it pushes or reads: all is released."""
    job = Job(new_id(), maps=20, partitions=3, rows=10, size=30_000)
    reads = draw.random() < 0.5
    worker = (Worker.reading if reads else Worker.writing)(service.proxy.port, job, TTL_S)
    worker.until_started()
    time.sleep(draw.uniform(0.1, 0.5))
    held = service.figure("shuffle_memory") + service.figure("shuffle_spilled_bytes")
    assert held, "nothing was pushed"
    worker.kill()
    since = time.monotonic()
    released(service, RELEASE_S)
    took = time.monotonic() - since
    assert took < RELEASE_S, took
    error = service.call("SHUFFLE.MISSING", job.id)
    assert error.text().startswith(b"NOSHUFFLE expired"), error
    did = "reading" if reads else "pushing"
    return f"{held >> 20} MB released in {took:.1f} s after a kill while {did}"


# -- rounds ----------------------------------------------------------------------------------------

Round = Callable[[Service, random.Random], str]
SMALL: Final = ("--shuffle-memory", "4mb")
NO_RESERVE: Final = ("--shuffle-disk-reserve", "0")
RESERVE: Final = ("--shuffle-disk-reserve", "4mb")
# Each fault with what its node is started with.
FAULTS: Final[dict[str, tuple[Round, tuple[str, ...]]]] = {
    "killed_workers": (killed_workers, ()),
    "racing_attempts": (racing_attempts, ()),
    "node_killed_in_reduce": (node_killed_in_reduce, (*LOGGED, "--shuffle-memory", "16mb")),
    "node_killed_anywhere": (node_killed_anywhere, (*LOGGED, *SMALL)),
    "node_without_log_killed": (node_without_log_killed, SMALL),
    "full_disk": (full_disk, (*SMALL, *NO_RESERVE)),
    "full_disk_with_log": (full_disk, (*LOGGED, *SMALL, *NO_RESERVE)),
    "reserve_for_the_log": (full_disk_beside_the_log, (*LOGGED, *SMALL, *RESERVE)),
    "limited_disk": (full_disk, (*SMALL, "--shuffle-disk-max", "8mb")),
    "flipped_byte": (flipped_byte, (*LOGGED, "--shuffle-memory", "2mb")),
    "torn_file": (torn_file, (*LOGGED, "--shuffle-memory", "2mb")),
    "flipped_byte_before_start": (flipped_byte_before_start, (*LOGGED, "--shuffle-memory", "2mb")),
    "killed_clients": (killed_clients, SMALL),
}


# The folder, in the node's, that has a small file system of its own; to mount it takes root.
ON_SMALL_DISKS: Final = {"full_disk": FOLDER, "full_disk_with_log": "", "reserve_for_the_log": ""}


@contextmanager
def service_of(fault: str, interpreted: bool = False) -> Iterator[Service]:
    """The node of a fault, running."""
    kind = CommitDropper if fault == "racing_attempts" else Proxy
    service = Service(*FAULTS[fault][1], interpreted=interpreted, proxy=kind)
    with ExitStack() as stack:
        if fault in ON_SMALL_DISKS:
            stack.enter_context(small_disk(service.server, ON_SMALL_DISKS[fault]))
        yield stack.enter_context(service)


def rounds_of(fault: str, rounds: int, seed: int, interpreted: bool = False) -> list[str]:
    """Run so many rounds of a fault on one node; return what each says of itself."""
    draw = random.Random(f"{fault} {seed}")
    said = []
    with service_of(fault, interpreted) as service:
        for number in range(rounds):
            try:
                said.append(FAULTS[fault][0](service, draw))
            except AssertionError as error:
                tail = service.server.log_tail(size_max=1000)
                raise WrongRows(f"{fault}, round {number}, seed {seed}: {error}\n{tail}") from error
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print what was wrong or what each fault did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", action="append", choices=(*FAULTS, "stalled_reader"))
    parser.add_argument("--gib", type=float, default=3.0, help="of data, for stalled_reader")
    parser.add_argument("--budget-mb", type=int, default=256, help="for stalled_reader")
    parser.add_argument("--readers", type=int, default=READERS, help="that stall for a while")
    parser.add_argument("--rough-readers", type=int, default=ROUGH_READERS, help="that never read")
    parser.add_argument("--interpreted", action="store_true", help="kvnode from the source tree")
    options = parser.parse_args(arguments)
    try:
        for fault in options.fault or [*FAULTS, "stalled_reader"]:
            since = time.monotonic()
            if fault == "stalled_reader":
                readers = (options.readers, options.rough_readers)
                load = (options.budget_mb, options.gib, options.interpreted, *readers)
                print(stalled_load(*load), flush=True)
                continue
            said = rounds_of(fault, options.rounds, options.seed, options.interpreted)
            took_s = time.monotonic() - since
            print(
                f"{fault}: {len(said)} rounds in {took_s:.0f} s; {said[0]}; {said[-1]}", flush=True
            )
    except AssertionError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
