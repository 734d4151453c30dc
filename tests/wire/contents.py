"""The comparer: do two servers hold the same data, whatever each of them is?

Equal are, in every database: the names of the keys, and of each key its type, its deadline in ms
and its whole content (of streams also groups, consumers and what is pending); and the libraries of
functions. Nothing that depends on a server's own forms is looked at: no DUMP, no encodings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from .bulk_client import BulkClient
from .harness import CONTENT, Difference, reduced

PAGE: Final = 500
SHOWN: Final = 5  # differences in a message
# A key may expire between the reading of one server and of the other.
SECOND_LOOK_S: Final = 0.05
FORMS: Final = ("radix-tree-keys", "radix-tree-nodes")
# What a log of Redis does not carry: how much groups have read, consumers without pending entries.
NOT_LOGGED: Final = ("entries-read", "lag", "consumers")


def same_contents(
    ours: int, theirs: int, logged: bool = False, passwords: tuple[str, str] = ("", "")
) -> int:
    """Compare the servers on two ports; return the number of keys.

    `logged`: the data went through a log or a replication stream, not through a snapshot alone, so
    that of streams only what Redis's log carries is compared.
    """
    comparer = Comparer(ours, theirs, logged, passwords)
    try:
        return comparer.run()
    finally:
        comparer.close()


class Comparer:
    """Both servers, read side by side."""

    def __init__(self, ours: int, theirs: int, logged: bool, passwords: tuple[str, str]) -> None:
        self.clients = (BulkClient(ours), BulkClient(theirs))
        self.left_out = frozenset((*FORMS, *NOT_LOGGED) if logged else FORMS)
        self.logged = logged
        self.differences: list[str] = []
        for client, password in zip(self.clients, passwords, strict=True):
            if password:
                client.call("AUTH", password)

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()

    def run(self) -> int:
        """Compare everything; raises Difference with the first few."""
        count = sum(self._database(number) for number in self._databases())
        mine, others = (libraries(client) for client in self.clients)
        if mine != others:
            self.differences.append(f"functions: {sorted(mine)} and {sorted(others)}")
        if self.differences:
            ports = " and ".join(str(client.port) for client in self.clients)
            raise Difference(f"ports {ports}:\n" + "\n".join(self.differences[:SHOWN]))
        return count

    def _databases(self) -> list[int]:
        used = set()
        for client in self.clients:
            lines = client.call("INFO", "keyspace").decode().splitlines()
            used |= {int(line[2 : line.index(":")]) for line in lines if line.startswith("db")}
        return sorted(used)

    def _database(self, number: int) -> int:
        for client in self.clients:
            client.call("SELECT", number)
        names: set[bytes] = set()
        for page in pages(self.clients[0]):
            fresh = [name for name in page if name not in names]
            names.update(fresh)
            for name in self._unequal(fresh):
                self._note(number, name)
            if len(self.differences) >= SHOWN:
                return len(names)
        if len(names) == self.clients[1].call("DBSIZE"):
            return len(names)
        for page in pages(self.clients[1]):
            for name in self._unequal([name for name in page if name not in names]):
                self._note(number, name)
        return len(names)

    def _unequal(self, names: list[bytes]) -> list[bytes]:
        """The names whose values differ, also at a second look."""
        mine, others = (self._values(client, names) for client in self.clients)
        wrong = [names[i] for i in range(len(names)) if mine[i] != others[i]]
        if not wrong:
            return []
        time.sleep(SECOND_LOOK_S)
        mine, others = (self._values(client, wrong) for client in self.clients)
        return [wrong[i] for i in range(len(wrong)) if mine[i] != others[i]]

    def _values(self, client: BulkClient, names: list[bytes]) -> list[object]:
        """Type, deadline and content of each key."""
        heads: list[Any] = client.ask(
            [request for name in names for request in (("TYPE", name), ("PEXPIRETIME", name))]
        )
        kinds = heads[::2]
        contents = client.ask([self._request(kind, name) for kind, name in zip(kinds, names)])
        return [
            (kind, deadline, self._content(kind, content))
            for kind, deadline, content in zip(kinds, heads[1::2], contents, strict=True)
        ]

    def _request(self, kind: bytes, name: bytes) -> tuple[bytes, ...]:
        if kind == b"stream":
            return (b"XINFO", b"STREAM", name, b"FULL", b"COUNT", b"0")
        command, *rest = CONTENT[kind]
        return (command, name, *rest)

    def _content(self, kind: bytes, reply: Any) -> object:
        """The reply in a form that does not depend on the order in a server's tables."""
        if kind == b"set":
            return sorted(reply)
        if kind == b"hash":
            return dict(zip(reply[::2], reply[1::2], strict=True))
        if kind == b"stream":
            return self._stream(as_fields(reply))
        return reply

    def _stream(self, fields: dict[str, object]) -> object:
        groups = fields.pop("groups")
        assert isinstance(groups, list)
        shown = {name: value for name, value in fields.items() if name not in self.left_out}
        named = [as_fields(group) for group in groups]
        kept = [
            {name: value for name, value in group.items() if name not in self.left_out}
            for group in named
        ]
        # Times of deliveries and of consumers are in a snapshot, and only there all of them.
        return (shown, reduced(kept, ()) if self.logged else kept)

    def _note(self, database: int, name: bytes) -> None:
        both = [self._values(client, [name])[0] for client in self.clients]
        shown = " and ".join(repr(value)[:400] for value in both)
        self.differences.append(f"db {database}, key {name!r}: {shown}")


def as_fields(reply: Any) -> dict[str, object]:
    """A flat array of names and values as a dictionary."""
    names = [name.decode() for name in reply[::2]]
    return dict(zip(names, reply[1::2], strict=True))


def pages(client: BulkClient) -> Iterator[list[bytes]]:
    """The names of a database; a name may come twice."""
    cursor = b"0"
    while True:
        cursor, page = client.call("SCAN", cursor, "COUNT", PAGE)
        yield page
        if cursor == b"0":
            return


def libraries(client: BulkClient) -> dict[bytes, object]:
    """The code of each library of functions, by its name."""
    found = {}
    for reply in client.call("FUNCTION", "LIST", "WITHCODE"):
        fields = as_fields(reply)
        name = fields["library_name"]
        assert isinstance(name, bytes)
        found[name] = fields["library_code"]
    return found
