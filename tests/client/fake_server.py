"""A server by script: it counts what it received, and fails where a test says.

`faults["INCR"] = [DROP]` has the next INCR end its connection. What is no fault is answered from a
small store, which is enough for the commands that the tests use.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from typing import Final, Self

import hiredis

DROP: Final = "drop"  # read the request, and close
PARTIAL: Final = "partial"  # send a part of the reply, and close
SWALLOW: Final = "swallow"  # read the request, and reply nothing more on this connection
Fault = str | bytes
"""One of the above, or the very bytes to reply."""

HANDSHAKE_S: Final = 5.0
GREETINGS: Final = ("HELLO", "AUTH", "SELECT", "CLIENT", "READONLY")
HELLO_OK: Final = b"%1\r\n$6\r\nserver\r\n$4\r\nfake\r\n"


class FakeServer:
    """Listens on `port` of 127.0.0.1 inside of a with block."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent: Counter[str] = Counter()
        self.greetings: Counter[str] = Counter()
        self.faults: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.accepted = 0
        self.connections: set[socket.socket] = set()
        self._values: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *failure: object) -> None:
        # Wakes the thread that accepts, which closing alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self.drop_all()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def drop_all(self) -> None:
        """Close every connection now."""
        with self._lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection.settimeout(HANDSHAKE_S)
                connection = self._context.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
            with self._lock:
                self.connections.add(connection)
            self._answer(connection)
        except (OSError, hiredis.ProtocolError):
            pass
        finally:
            with self._lock:
                self.connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        reader = hiredis.Reader()
        queued: list[list[bytes]] | None = None
        is_mute = False
        while data := connection.recv(65536):
            reader.feed(data)
            while argv := reader.gets():
                name = _name(argv)
                fault = self._fault(name)
                if name == "MULTI" and fault is None:
                    queued, reply = [], b"+OK\r\n"
                elif name == "EXEC" and fault is None:
                    replies = [self._reply(argv) for argv in queued or ()]
                    queued, reply = None, b"*%d\r\n" % len(replies) + b"".join(replies)
                elif queued is not None and fault is None:
                    queued.append(argv)
                    reply = b"+QUEUED\r\n"
                elif isinstance(fault, bytes):
                    reply = fault
                else:
                    reply = self._reply(argv)
                is_mute = is_mute or fault == SWALLOW
                if is_mute:
                    continue
                if fault == DROP:
                    return
                if fault == PARTIAL:
                    connection.sendall(reply[:-1])
                    return
                connection.sendall(reply)

    def _fault(self, name: str) -> Fault | None:
        with self._lock:
            (self.greetings if name in GREETINGS else self.sent)[name] += 1
            due = self.faults.get(name)
            return due.pop(0) if due else self.always.get(name)

    def _reply(self, argv: list[bytes]) -> bytes:
        name = _name(argv)
        with self._lock:
            if name == "HELLO":
                return HELLO_OK
            if name == "GET":
                value = self._values.get(argv[1])
                return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)
            if name == "SET":
                self._values[argv[1]] = argv[2]
            if name == "INCR":
                number = int(self._values.get(argv[1], b"0")) + 1
                self._values[argv[1]] = b"%d" % number
                return b":%d\r\n" % number
            if name in ("DEL", "LPUSH"):
                return b":1\r\n"
            if name in ("XREAD", "BLPOP"):
                return b"*-1\r\n"
            if name.startswith("EVAL"):
                return b"$4\r\ndone\r\n"
        return b"+OK\r\n"


def _name(argv: list[bytes]) -> str:
    """Return a command's name; incr() says INCRBY."""
    return argv[0].decode().upper().replace("INCRBY", "INCR")
