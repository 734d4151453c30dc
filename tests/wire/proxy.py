"""A TCP proxy with faults, to stand between a follower and its leader.

The one that connects is the follower; what flows "down" comes from the leader. Faults are set on
the proxy and hold for every link through it, until `heal()`.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Final, Self

POLL_S: Final = 0.02
SETTLE_S: Final = 1.0
CHUNK: Final = 1 << 16
# A small window, so that a leader soon feels that nobody reads.
WINDOW_BYTES: Final = 1 << 14


class Link:
    """Two sockets that belong together."""

    def __init__(self, follower: socket.socket, leader: socket.socket) -> None:
        self.follower = follower
        self.leader = leader
        self.is_cut = False
        self.has_lost = False  # bytes, so that none may follow

    def cut(self) -> None:
        """End both directions; wakes the threads that read or write."""
        self.is_cut = True
        for end in (self.follower, self.leader):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Listens on `port` and connects each caller with `target`; runs inside a with block."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.links: list[Link] = []
        self.accepted = 0
        self.bytes_down = 0
        self.heal()
        self._closing = False
        self._passing = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def heal(self) -> None:
        """No fault from here on; what was cut stays cut."""
        self.refuses = False
        self.stalled = False
        self.swallows = False
        self.delay_s = 0.0
        self.rate_bytes_s = 0
        self._cut_at = -1
        self._marker = b""
        self._refuses_then = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._closing = True
        self._listener.close()
        self.cut()
        self._thread.join()

    # -- faults ----------------------------------------------------------------------------------

    def cut(self) -> None:
        """End every link now."""
        with self._lock:
            links = list(self.links)
            self.links.clear()
        for link in links:
            link.cut()

    def refuse(self) -> None:
        """End every link, and each new one at once."""
        self.refuses = True
        self.cut()

    def cut_after(self, count: int, for_good: bool = False) -> None:
        """End the link once it has carried so many bytes more down; `for_good`: then refuse."""
        self._refuses_then = for_good
        self._cut_at = self.bytes_down + count

    def cut_behind(self, marker: bytes, count: int) -> None:
        """End the link `count` bytes after a piece that holds the marker began to go down."""
        self._refuses_then = False
        self._cut_behind = count
        self._marker = marker

    def stall(self) -> None:
        """Read nothing more, so that both ends' buffers fill."""
        self.stalled = True
        self._settle()

    def swallow(self) -> None:
        """A black hole: read everything, hand on nothing. Only a cut mends it."""
        self.swallows = True
        self._settle()

    def _settle(self) -> None:
        """Wait until pieces that were on their way have passed, unless they are held up."""
        deadline = time.monotonic() + SETTLE_S
        while self._passing and time.monotonic() < deadline:
            time.sleep(0.001)

    def read_slowly(self, rate_bytes_s: int) -> None:
        """Carry so many bytes a second down."""
        self.rate_bytes_s = rate_bytes_s

    # -- the way of bytes ------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closing:
            try:
                if not select.select([self._listener], [], [], POLL_S)[0]:
                    continue
                follower, _ = self._listener.accept()
            except (OSError, ValueError):  # closed
                return
            self.accepted += 1
            if self.refuses:
                follower.close()
                continue
            leader = socket.socket()
            leader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
            try:
                leader.connect(("127.0.0.1", self.target))
            except OSError:
                follower.close()
                leader.close()
                continue
            self._open(Link(follower, leader))

    def _open(self, link: Link) -> None:
        with self._lock:
            self.links.append(link)
        for source, sink, down in (
            (link.leader, link.follower, True),
            (link.follower, link.leader, False),
        ):
            arguments = (link, source, sink, down)
            threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, link: Link, source: socket.socket, sink: socket.socket, down: bool) -> None:
        try:
            while not (link.is_cut or self._closing):
                if not select.select([source], [], [], POLL_S)[0]:
                    continue
                with self._lock:
                    goes = not self.stalled
                    self._passing += goes
                if not goes:
                    time.sleep(POLL_S)
                    continue
                try:
                    if not self._pass(link, source, sink, down):
                        break
                finally:
                    with self._lock:
                        self._passing -= 1
        except (OSError, ValueError):
            pass
        link.cut()
        with self._lock:
            if link in self.links:
                self.links.remove(link)
        source.close()

    def _pass(self, link: Link, source: socket.socket, sink: socket.socket, down: bool) -> bool:
        """Carry one piece; False at the end of the link."""
        slowly = down and self.rate_bytes_s
        size = max(1, int(self.rate_bytes_s * POLL_S)) if slowly else CHUNK
        data = source.recv(size)
        if slowly:
            time.sleep(POLL_S)
        if self.delay_s:
            time.sleep(self.delay_s)
        if not data:
            return False
        if self.swallows or link.has_lost:
            link.has_lost = True
            return True
        if not down:
            sink.sendall(data)
            return True
        if self._marker and self._marker in data:
            self._cut_at = self.bytes_down + data.index(self._marker) + self._cut_behind
            self._marker = b""
        room = self._cut_at - self.bytes_down
        ends = self._cut_at >= 0 and room <= len(data)
        if ends:
            self._cut_at = -1
            self.refuses = self._refuses_then
            data = data[: max(0, room)]
        sink.sendall(data)
        self.bytes_down += len(data)
        return not ends
