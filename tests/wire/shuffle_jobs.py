"""What the fault rounds of shuffles run: a job whose rows are known, and a node behind one port.

Each row of a job follows from its place, and from the attempt that wrote it where attempts may
differ, so that a reader in any process can tell whether it has all rows, and no other ones.
"""

from __future__ import annotations

import random
import secrets
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from kvclient import Client
from kvclient.errors import ShuffleCommitted, ShuffleMismatch, Unavailable
from kvclient.shuffle import Shuffle
from kvnode.durability.disk import SystemDisk
from kvnode.shuffle.spill_file import checksum_of, read_block_header, read_file_header

from .client import Argument, Reply, Wire, wait_until
from .proxy import Link, Proxy
from .servers import Server, kvnode_server

LIMIT_S: Final = 60.0
POLL_S: Final = 0.02
FOLDER: Final = "shuffle"
DISK: Final = "8m"
NOISE_BYTES: Final = 1 << 21
NOISE: Final = random.Random(7).randbytes(NOISE_BYTES)


class WrongRows(AssertionError):
    """A reader got rows that are not its partition's, or fewer, or more."""


@dataclass(frozen=True)
class Job:
    """`rows` are what each map writes to each partition, of about `size` bytes each."""

    id: str
    maps: int = 8
    partitions: int = 4
    rows: int = 6
    size: int = 20_000
    is_deterministic: bool = True

    def row(self, map: int, partition: int, number: int, stamp: int) -> bytes:
        """Return a row; the stamp is its attempt's, 0 where attempts write the same."""
        place = (map * 7919 + partition * 104_729 + number * 1_299_709) % (NOISE_BYTES // 2)
        size = self.size - place % (self.size // 4 + 1)
        return b"%d %d %d %d " % (stamp, map, partition, number) + NOISE[place : place + size]

    def open(self, client: Client[Any], **terms: Any) -> Shuffle:
        """Open its shuffle."""
        terms = {"deterministic": self.is_deterministic, "deadline_s": LIMIT_S, **terms}
        return Shuffle.open(client, self.id, maps=self.maps, partitions=self.partitions, **terms)

    def write(self, task: Any, map: int, pause_s: float = 0.0) -> None:
        """Write what a map has to write."""
        stamp = 0 if self.is_deterministic else task.attempt
        for number in range(self.rows):
            for partition in range(self.partitions):
                task.write(partition, self.row(map, partition, number, stamp))
                if pause_s:
                    time.sleep(pause_s)

    def run_map(
        self, shuffle: Shuffle, map: int, block_bytes: int = 1 << 16, pause_s: float = 0.0
    ) -> int:
        """Run a map until an attempt of it is committed; return the one that has won."""
        while True:
            # A restart takes what an attempt had pushed, which its commit finds out.
            with suppress(ShuffleMismatch, ShuffleCommitted):
                with shuffle.map_task(map, block_bytes=block_bytes) as task:
                    self.write(task, map, pause_s)
                assert task.winner
                return task.winner

    def check(self, partition: int, rows: Iterable[bytes]) -> dict[int, int]:
        """Compare all rows of a partition; return the stamps of its maps. WrongRows."""
        stamps: dict[int, int] = {}
        seen = 0
        for row in rows:
            map, number = divmod(seen, self.rows)
            stamp = stamps.setdefault(map, int(row[: row.index(b" ")]))
            if row != self.row(map, partition, number, stamp):
                raise WrongRows(f"{self.id}/{partition}: row {seen} is {row[:40]!r}")
            seen += 1
        if seen != self.maps * self.rows:
            raise WrongRows(f"{self.id}/{partition}: {seen} rows, not {self.maps * self.rows}")
        return stamps

    def check_all(self, shuffle: Shuffle) -> dict[int, int]:
        """Compare all partitions: what a map wrote is everywhere of the same attempt."""
        stamps = [self.check(place, shuffle.read(place)) for place in range(self.partitions)]
        if any(stamp != stamps[0] for stamp in stamps):
            raise WrongRows(f"{self.id}: partitions with different attempts: {stamps}")
        return stamps[0]


def new_id() -> str:
    """Return an id that no other shuffle has."""
    return f"job-{secrets.token_hex(6)}"


class Service:
    """A node that is killed and started again behind a port that stays."""

    def __init__(self, *directives: str, interpreted: bool = False, proxy: Any = Proxy) -> None:
        self.server = kvnode_server(*directives, interpreted=interpreted)
        self._kind = proxy
        self.proxy: Any = None

    def __enter__(self) -> Self:
        self.server.start()
        self.proxy = self._kind(self.server.port).__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        if self.proxy is not None:
            self.proxy.__exit__(*failure)
        self.server.remove()

    def client(self, is_direct: bool = False) -> closing[Client[Any]]:
        """A client; `is_direct`: one that finds no other process of the node."""
        port = self.server.port if is_direct else self.proxy.port
        return closing(Client(f"kv://127.0.0.1:{port}?deadline=5"))

    def kill(self) -> None:
        """End the node as a crash does."""
        self.server.kill()

    def restart(self) -> None:
        """Start it again, on its own data."""
        self.server.start()
        self.proxy.target = self.server.port

    def wire(self) -> Wire:
        """A connection without the proxy."""
        return Wire(self.server.port, LIMIT_S)

    def call(self, *argv: Argument) -> Reply:
        """Send a request over a connection of its own."""
        with closing(self.wire()) as wire:
            return wire.call(*argv)

    def figure(self, name: str) -> int:
        """A number of INFO."""
        text = self.call("INFO", "everything").text().decode()
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return int(fields[name])

    def until(self, name: str, value: int = 0, limit_s: float = LIMIT_S) -> float:
        """Wait until a number of INFO is so much; return how long that took."""
        since = time.monotonic()
        if not wait_until(lambda: self.figure(name) == value, limit_s, POLL_S):
            raise AssertionError(f"{name} is {self.figure(name)}, not {value}, after {limit_s} s")
        return time.monotonic() - since

    def until_spilled(self) -> int:
        """Wait until no spill file is being written; return the bytes of all."""
        self.until("shuffle_spill_writes_pending")
        return self.figure("shuffle_spilled_bytes")

    def files(self) -> list[Path]:
        """The spill files."""
        assert self.server.folder is not None
        return sorted((self.server.folder / FOLDER).glob("spill-*.kvs"))


@contextmanager
def small_disk(server: Server, part: str) -> Iterator[None]:
    """Give a folder of a node that is not started yet a file system of 8 MB; needs root."""
    folder = server.made_folder() / part
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "kvnode", folder], check=True)
    try:
        yield
    finally:
        server.stop()
        subprocess.run(["umount", folder], check=True)


@dataclass(frozen=True)
class Spilled:
    """A whole block in a spill file."""

    path: Path
    job: Job
    partition: int
    map: int
    attempt: int
    seq: int
    place: int
    length: int


def blocks_in(files: Iterable[Path], job: Job) -> Iterator[Spilled]:
    """Yield the blocks of a job in spill files whose payloads are what their headers say."""
    disk = SystemDisk()
    for path in files:
        with closing(disk.open(str(path))) as file:
            header = read_file_header(file)
            is_of_job = header is not None and header[0] == job.id.encode()
            place = header[2] if header is not None and is_of_job else path.stat().st_size
            while (found := read_block_header(file, place)) is not None:
                partition, map, attempt, seq, checksum, length, begin = found
                file.seek(begin)
                if checksum_of(file.read(length)) == checksum:
                    yield Spilled(path, job, partition, map, attempt, seq, begin, length)
                place = begin + length


def lost_maps(files: Iterable[Path], job: Job, committed: dict[tuple[int, int], int]) -> list[int]:
    """The maps that a killed node has not whole in its files.

    `committed` says how many blocks each map has in each partition that is still wanted.
    """
    kept = {(block.map, block.partition, block.seq) for block in blocks_in(files, job)}
    gone = {
        map
        for (map, partition), count in committed.items()
        if any((map, partition, seq) not in kept for seq in range(count))
    }
    return sorted(gone)


class CommitDropper(Proxy):
    """Cuts links between a COMMIT and its reply, or on its way: every so many of them."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.draw = random.Random(1)
        self.share = 0.5
        self.dropped = 0
        self._doomed: set[Link] = set()

    def _pass(self, link: Link, source: Any, sink: Any, down: bool) -> bool:
        if down and link in self._doomed:
            self._doomed.discard(link)
            self.dropped += 1
            return False
        if not down:
            sink = _Watched(self, link, sink)
        return super()._pass(link, source, sink, down)

    def note(self, link: Link, data: bytes) -> None:
        """Look at what goes up."""
        if b"SHUFFLE.COMMIT" in data and self.draw.random() < self.share:
            self._doomed.add(link)


class _Watched:
    """The node's end of a link, whose data the dropper sees first."""

    def __init__(self, dropper: CommitDropper, link: Link, sink: Any) -> None:
        self._dropper = dropper
        self._link = link
        self._sink = sink

    def sendall(self, data: bytes) -> None:
        self._dropper.note(self._link, data)
        self._sink.sendall(data)


def until_reachable(client: Client[Any]) -> None:
    """Wait until a node that was started again answers."""

    def answers() -> bool:
        try:
            return bool(client.ping())
        except Unavailable:
            return False

    assert wait_until(answers, LIMIT_S, POLL_S)
