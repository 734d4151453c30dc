"""More data than the budget, readers that stall, and what GET of another client takes meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .client import Wire, encode_request
from .proxy import Proxy
from .servers import Server, kvnode_server
from .shuffle_jobs import Job, Service, new_id
from .shuffle_workers import Worker

PACE_S: Final = 0.001
READERS: Final = 1  # that take a row, and the others at the end
ROUGH_READERS: Final = 4  # that ask again and again, and take nothing
ROUGH_REQUESTS: Final = 400
PHASES: Final = ("push", "stall", "read")
MB: Final = 1 << 20


class Prober(threading.Thread):
    """GETs one after the other from a busy node and from an idle one; notes how long each took."""

    def __init__(self, busy: Server, idle: Server) -> None:
        super().__init__(daemon=True)
        self.phase = ""
        self.times: dict[tuple[str, bool], list[float]] = {}
        self._is_over = threading.Event()
        self._wires = [Wire(server.port, 60.0) for server in (busy, idle)]
        for wire in self._wires:
            wire.call("SET", "key", "x" * 100)

    def run(self) -> None:
        """Measure until it is over."""
        while not self._is_over.wait(PACE_S):
            phase = self.phase
            for wire, is_busy in zip(self._wires, (True, False), strict=True):
                since = time.perf_counter()
                wire.call("GET", "key")
                took = time.perf_counter() - since
                self.times.setdefault((phase, is_busy), []).append(took)

    def stop(self) -> None:
        """End it."""
        self._is_over.set()
        self.join()
        for wire in self._wires:
            wire.close()

    def shown(self, phase: str, is_busy: bool) -> str:
        """The median, the 99th percentile and the worst, in ms."""
        times = sorted(self.times.get((phase, is_busy), [0.0]))
        places = (len(times) // 2, len(times) * 99 // 100, len(times) - 1)
        return "/".join(f"{times[place] * 1000:.2f}" for place in places)


def peak_rss(server: Server) -> int:
    """The most memory that a process had, in bytes."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["VmHWM"].split()[0]) << 10


def rough_reader(port: int, job: Job, partition: int) -> socket.socket:
    """A client that asks for a partition again and again, and never reads a reply."""
    rough = socket.socket()
    rough.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    rough.connect(("127.0.0.1", port))
    key = f"{job.id}/{partition}"
    request = encode_request(("SHUFFLE.FETCH", key, "0", "CREDIT", 64 * MB))
    rough.sendall(request * ROUGH_REQUESTS)
    return rough


@dataclass
class Figures:
    """What was seen."""

    budget: int
    size: int
    rss: int = 0
    rss_at_start: int = 0
    rss_of: dict[str, int] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)
    latencies: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [
            f"stalled_reader: {self.size / MB:.0f} MB through {self.budget / MB:.0f} MB; RSS"
            f" {self.rss_at_start / MB:.0f} MB at the start, at most {self.rss / MB:.0f} MB:"
            f" {self.rss / self.budget:.2f} of the budget"
        ]
        for phase in PHASES:
            busy, idle = self.latencies[phase]
            rows.append(
                f"  {phase}: {self.took_s[phase]:.1f} s, peak RSS {self.rss_of[phase] / MB:.0f} MB;"
                f" GET p50/p99/max in ms: {busy}, of an idle node {idle}"
            )
        return "\n".join(rows)


def finish(worker: Worker) -> None:
    """Wait for a worker's end, which must be a good one."""
    worker.process.join()
    assert worker.process.exitcode == 0, "a worker has failed"


def stalled_load(
    budget_mb: int,
    gib: float,
    interpreted: bool = False,
    readers: int = READERS,
    rough_readers: int = ROUGH_READERS,
) -> Figures:
    """Write, stall, read; return figures. WrongRows in a reader, or RSS without bounds."""
    maps = max(2, round(gib * 16))
    job = Job(new_id(), maps=maps, partitions=16, rows=4, size=MB)
    early = Job(new_id(), maps=2, partitions=max(readers, 4), rows=max(1, budget_mb // 16), size=MB)
    figures = Figures(budget_mb * MB, maps * 64 * MB)
    service = Service(*("--shuffle-memory", f"{budget_mb}mb"), interpreted=interpreted, proxy=Proxy)
    idle = kvnode_server(interpreted=interpreted)
    with ExitStack() as stack:
        for server in (service, idle):
            stack.enter_context(server)
        client = stack.enter_context(service.client(is_direct=True))
        port = service.server.port
        figures.rss_at_start = peak_rss(service.server)
        prober = Prober(service.server, idle)
        stack.callback(prober.stop)
        prober.start()
        # One that is sealed early, whose readers take a little and then nothing.
        other = early.open(client)
        for map in range(early.maps):
            early.run_map(other, map, block_bytes=MB)
        polite = [other.read(place) for place in range(readers)]
        begun = [[next(rows)] for rows in polite]
        shuffle = job.open(client)

        def phase(name: str) -> None:
            prober.phase = name
            since = time.monotonic()
            if name == "stall":
                for number in range(rough_readers):
                    rough = rough_reader(port, job, number)
                    stack.callback(rough.close)
                time.sleep(5.0 if gib >= 1 else 1.0)
            else:
                finish(Worker.whole(port, job, name == "read"))
            figures.took_s[name] = time.monotonic() - since
            figures.rss_of[name] = peak_rss(service.server)
            figures.latencies[name] = (prober.shown(name, True), prober.shown(name, False))

        for name in PHASES:
            phase(name)
        assert shuffle.status().is_sealed
        for place, rows in enumerate(polite):
            early.check(place, [*begun[place], *rows])
        figures.rss = peak_rss(service.server)
    return figures
