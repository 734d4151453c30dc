"""`Pair`: the same requests to kvnode and to a real redis-server, whose replies must be equal.

A test talks to both through named clients and may be written as lines, with redis-cli's quoting:

    SET a 1                send on the main client, read and compare one reply
    B: GET a               the same on client B
    B> BLPOP list 0        send only; returns when both servers have answered or parked the client
    B<                     read and compare one reply of client B
    B<!                    client B has nothing to read, on both servers
    # words                a comment
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from . import counting, normalise
from .client import CLOSED, Argument, Reply, Wire, encode_argument, wait_until
from .servers import Server

MAIN: Final = "main"
CHANGES: Final = "rdb_changes_since_last_save"
SETTLE_S: Final = 5.0
SILENCE_S: Final = 0.03
SCRIPT_LINE: Final = re.compile(
    r"^(?:(?P<client>[A-Z][A-Za-z0-9]*)(?P<mark>:|>|<!|<))?\s*(?P<rest>.*)$"
)
FIRST_TIME_MS: Final = 1_600_000_000_000
ESCAPES: Final = {"n": 10, "r": 13, "t": 9, "b": 8, "a": 7}


class Difference(AssertionError):
    """The two servers answered differently."""


class Channel:
    """One named client: a connection to each server."""

    def __init__(self, name: str, ours: Wire, theirs: Wire) -> None:
        self.name = name
        self.ours = ours
        self.theirs = theirs
        # Requests that were sent and whose replies were not read yet, oldest first.
        self.waiting: list[list[bytes]] = []
        self.last: list[bytes] = []

    def close(self) -> None:
        """Close both connections."""
        self.ours.close()
        self.theirs.close()


class Pair:
    """Both servers, seen by one test in one protocol version."""

    def __init__(self, ours: Server, theirs: Server, protocol: int = 2) -> None:
        self.servers = (ours, theirs)
        self.protocol = protocol
        self.channels: dict[str, Channel] = {}
        self.changed_settings: dict[str, tuple[bytes, bytes]] = {}
        # A log of Redis does not carry all that groups have read, nor consumers without pending
        # entries: its own replay shows it.
        self.compares_readers = True
        self.control = self._open("control", 2)

    # -- clients ---------------------------------------------------------------------------------

    def _open(self, name: str, protocol: int) -> Channel:
        channel = Channel(name, *(Wire(server.port) for server in self.servers))
        if protocol == 3:
            for wire in (channel.ours, channel.theirs):
                hello = wire.call("HELLO", "3")
                assert hello.kind == "map", f"HELLO 3 on port {wire.port}: {hello}"
        return channel

    def client(self, name: str = MAIN) -> Channel:
        """The named client; connected at its first use."""
        if name not in self.channels:
            self.channels[name] = self._open(name, self.protocol)
        return self.channels[name]

    def drop(self, name: str) -> None:
        """Close the named client's connections and wait until both servers noticed."""
        before = self.figures("connected_clients")
        self.channels.pop(name).close()
        wait_until(lambda: self._all_below("connected_clients", before), SETTLE_S)

    def reset(self) -> None:
        """Empty both servers."""
        for wire in (self.control.ours, self.control.theirs):
            for argv in (("FLUSHALL",), ("CONFIG", "RESETSTAT")):
                reply = wire.call(*argv)
                assert reply == Reply("simple", b"OK"), f"{argv} on port {wire.port}: {reply}"

    def close(self) -> None:
        """Restore the settings that the test changed and close every connection."""
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()
        try:
            for name, (ours, theirs) in self.changed_settings.items():
                self.control.ours.call("CONFIG", "SET", name, ours)
                self.control.theirs.call("CONFIG", "SET", name, theirs)
        finally:
            self.control.close()

    def config(self, name: str, value: Argument) -> None:
        """Set a directive on both servers until the end of the test."""
        old = []
        for wire in (self.control.ours, self.control.theirs):
            known = wire.call("CONFIG", "GET", name).items()
            assert len(known) == 2, f"CONFIG GET {name} on port {wire.port}: {known}"
            old.append(known[1].text())
            reply = wire.call("CONFIG", "SET", name, value)
            assert reply == Reply("simple", b"OK"), f"CONFIG SET {name} {value!r}: {reply}"
        self.changed_settings.setdefault(name, (old[0], old[1]))

    # -- requests --------------------------------------------------------------------------------

    def same(self, *argv: Argument, client: str = MAIN) -> Reply:
        """Send a request to both, compare the replies by the command's rule, return ours."""
        self._send(self.client(client), argv)
        return self.read(client)

    def same_exactly(self, *argv: Argument, client: str = MAIN) -> Reply:
        """As `same`, but the replies must be equal byte for byte whatever the command."""
        channel = self.client(client)
        self._send(channel, argv)
        return self.read(client, exactly=True)

    def same_shape(self, *argv: Argument, client: str = MAIN) -> tuple[Reply, Reply]:
        """Send to both and compare only kinds and sizes; returns both replies."""
        channel = self.client(client)
        request = [encode_argument(argument) for argument in argv]
        ours, theirs = channel.ours.call(*argv), channel.theirs.call(*argv)
        self._judge(channel, request, ours, theirs, normalise.shape(request, ours, theirs))
        return ours, theirs

    def both(self, *argv: Argument, client: str = MAIN) -> tuple[Reply, Reply]:
        """Send to both and return both replies without comparing them."""
        channel = self.client(client)
        return channel.ours.call(*argv), channel.theirs.call(*argv)

    def same_raw(self, data: bytes, replies: int = 1, client: str = MAIN) -> list[Reply]:
        """Send bytes as they are and compare this many replies (or the end of the connection)."""
        channel = self.client(client)
        channel.ours.send_raw(data)
        channel.theirs.send_raw(data)
        result = []
        for _ in range(replies):
            ours, theirs = channel.ours.read_or_closed(), channel.theirs.read_or_closed()
            self._judge(channel, [b"(raw)", data], ours, theirs, ours == theirs)
            result.append(ours)
            if ours == CLOSED:
                self.channels.pop(client).close()
                break
        return result

    def same_batch(self, requests: Sequence[Sequence[Argument]], client: str = MAIN) -> list[Reply]:
        """Send requests in one write to each server, then compare their replies in turn."""
        channel = self.client(client)
        for argv in requests:
            self._send(channel, argv)
        return [self.read(client) for _ in requests]

    def _send(self, channel: Channel, argv: Sequence[Argument]) -> None:
        channel.waiting.append([encode_argument(argument) for argument in argv])
        channel.ours.send(*argv)
        channel.theirs.send(*argv)

    def send(self, *argv: Argument, client: str) -> None:
        """Send without reading; returns when both servers have answered or parked the client."""
        channel = self.client(client)
        before = self.figures("blocked_clients")
        self._send(channel, argv)
        wires = (channel.ours, channel.theirs)

        def settled() -> bool:
            blocked = self.figures("blocked_clients")
            rows = zip(wires, blocked, before, strict=True)
            return all(wire.readable() or now > then for wire, now, then in rows)

        if not wait_until(settled, SETTLE_S):
            raise Difference(f"{argv} on client {client}: neither answered nor blocked")

    def read(self, client: str = MAIN, exactly: bool = False) -> Reply:
        """Read one reply of the named client from both servers, compare, return ours."""
        channel = self.client(client)
        if channel.waiting:
            channel.last = channel.waiting.pop(0)
        argv = channel.last
        ours, theirs = channel.ours.read(), channel.theirs.read()
        rule = normalise.exact if exactly else normalise.equal
        self._judge(channel, argv, ours, theirs, rule(argv, ours, theirs))
        return ours

    def silent(self, client: str) -> None:
        """Neither server has sent the named client anything."""
        channel = self.client(client)
        self.both_ping()
        for wire, server in zip((channel.ours, channel.theirs), self.servers, strict=True):
            if wire.readable(SILENCE_S):
                raise Difference(f"{server.name} sent client {client} {wire.read()}")

    def both_ping(self) -> None:
        """A round trip on the control connections: earlier work is done when it returns."""
        for wire in (self.control.ours, self.control.theirs):
            assert wire.call("PING") == Reply("simple", b"PONG")

    def _judge(
        self, channel: Channel, argv: list[bytes], ours: Reply, theirs: Reply, equal: bool
    ) -> None:
        name = counting.name_of(normalise.command_name(argv), ours.kind)
        counting.COMPARED[name] += 1
        if equal:
            return
        counting.DIFFERENT[name] += 1
        request = b" ".join(quoted(word) for word in argv).decode(errors="backslashreplace")
        raise Difference(
            f"{request[:2000]}  (client {channel.name}, RESP{self.protocol})\n"
            f"kvnode:\n{ours.shown(2)}\nredis-server:\n{theirs.shown(2)}"
        )

    def figures(self, field: str) -> tuple[int, int]:
        """One number of INFO, of each server."""
        wires = (self.control.ours, self.control.theirs)
        return (info_number(wires[0], field), info_number(wires[1], field))

    def same_growth(self, field: str, before: tuple[int, int]) -> None:
        """A number of INFO has grown by as much on both since `figures` gave `before`."""
        ours, theirs = (now - then for now, then in zip(self.figures(field), before, strict=True))
        last = [channel.last for channel in self.channels.values()]
        assert ours == theirs, f"{field} has grown by {ours} and {theirs} after {last}"

    def _all_below(self, field: str, limits: tuple[int, int]) -> bool:
        now = self.figures(field)
        return now[0] < limits[0] and now[1] < limits[1]

    # -- scripts ---------------------------------------------------------------------------------

    def same_script(self, text: str) -> list[Reply]:
        """Run lines (see the module's docstring); returns the replies that were read."""
        replies = []
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            reply = self._line(line)
            if reply is not None:
                replies.append(reply)
        return replies

    def _line(self, line: str) -> Reply | None:
        match = SCRIPT_LINE.match(line)
        assert match is not None
        name, mark, rest = match["client"] or MAIN, match["mark"] or ":", match["rest"]
        if mark == "<":
            return self.read(name)
        if mark == "<!":
            self.silent(name)
            return None
        argv = split_words(rest)
        if mark == ">":
            self.send(*argv, client=name)
            return None
        return self.same(*argv, client=name)

    # -- iteration and state ---------------------------------------------------------------------

    def same_scan(self, *argv: Argument, client: str = MAIN) -> list[bytes]:
        """Iterate SCAN/SSCAN/HSCAN/ZSCAN to the end on both; the elements must be equal.

        The cursor is left out of `argv`: same_scan("SSCAN", "key", "COUNT", 10).
        """
        channel = self.client(client)
        request = [encode_argument(argument) for argument in argv]
        name = request[0].upper()
        place = 1 if name == b"SCAN" else 2
        paired = name in (b"HSCAN", b"ZSCAN")
        wires = (channel.ours, channel.theirs)
        found = [scan_all(wire, request, place, paired) for wire in wires]
        counting.COMPARED[name.decode()] += 1
        if found[0] != found[1]:
            counting.DIFFERENT[name.decode()] += 1
            raise Difference(f"{request}\nkvnode:\n{found[0]}\nredis-server:\n{found[1]}")
        return found[0]

    def same_keyspace(self, encodings: bool = True) -> int:
        """Compare every key of the current database: type, encoding, TTL, content."""
        keys = sorted(reply.text() for reply in self.same("KEYS", "*").items())
        for key in keys:
            kind = self.same("TYPE", key).text()
            self.same("TTL", key)
            if encodings:
                self.same("OBJECT", "ENCODING", key)
            self.same(*content_request(kind, key))
            if kind == b"stream":
                self._same_groups(key)
        return len(keys)

    def _same_groups(self, key: bytes) -> None:
        """Compare the groups of a stream and its counters."""
        request = [b"XINFO", b"STREAM", key, b"FULL"]
        channel = self.client()
        ours, theirs = self.both(*request)
        left_out = () if self.compares_readers else (b"entries-read", b"lag", b"consumers")
        equal = reduced(ours.plain(), left_out) == reduced(theirs.plain(), left_out)
        self._judge(channel, request, ours, theirs, equal)


CONTENT: Final = {
    b"string": (b"GET",),
    b"list": (b"LRANGE", b"0", b"-1"),
    b"set": (b"SMEMBERS",),
    b"hash": (b"HGETALL",),
    b"zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"),
    b"stream": (b"XRANGE", b"-", b"+"),
    b"none": (b"EXISTS",),
}


def content_request(kind: bytes, key: bytes) -> tuple[bytes, ...]:
    """The request that reads the whole value of a key of this type."""
    name, *rest = CONTENT[kind]
    return (name, key, *rest)


def reduced(value: object, left_out: Sequence[bytes]) -> object:
    """What XINFO shows, less the times of deliveries and of consumers and the named fields."""
    if isinstance(value, list):
        return [
            reduced(item, left_out)
            for before, item in zip([None, *value], value, strict=False)
            if not (_is_time(item) or before in left_out)
        ]
    if isinstance(value, dict):
        return {
            name: reduced(item, left_out) for name, item in value.items() if name not in left_out
        }
    return value


def _is_time(value: object) -> bool:
    return isinstance(value, int) and value > FIRST_TIME_MS


def scan_all(wire: Wire, request: list[bytes], place: int, paired: bool) -> list[bytes]:
    """One server's whole iteration, without repetitions, sorted."""
    cursor = b"0"
    seen: set[bytes] = set()
    for _ in range(1_000_000):
        reply = wire.call(*request[:place], cursor, *request[place:])
        assert reply.kind == "array", f"{request}: {reply}"
        cursor = reply.items()[0].text()
        page = [item.text() for item in reply.items()[1].items()]
        if paired:
            page = [b"\x00".join(pair) for pair in zip(page[::2], page[1::2], strict=True)]
        seen.update(page)
        if cursor == b"0":
            return sorted(seen)
    raise Difference(f"{request}: the iteration on port {wire.port} does not end")


def info_number(wire: Wire, field: str) -> int:
    """One number of INFO."""
    text = wire.call("INFO", "everything").text().decode()
    match = re.search(rf"^{field}:(\d+)", text, re.MULTILINE)
    assert match is not None, f"INFO on port {wire.port} has no {field}"
    return int(match[1])


def words(text: str) -> list[str]:
    """The words of a compact list."""
    return text.split()


def quoted(word: bytes) -> bytes:
    """The word as redis-cli accepts it."""
    if word and re.fullmatch(rb"[!#-&(-\[\]-~]+", word):
        return word
    body = "".join(
        {34: '\\"', 92: "\\\\", 10: "\\n", 13: "\\r", 9: "\\t"}.get(byte)
        or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in word
    )
    return b'"' + body.encode() + b'"'


def split_words(line: str) -> list[bytes]:
    """Split a line as redis-cli does: words, "double quoted with escapes", 'single quoted'."""
    words: list[bytes] = []
    place = 0
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        if line[place] in "\"'":
            word, place = _quoted_word(line, place)
        else:
            end = place
            while end < len(line) and not line[end].isspace():
                end += 1
            word, place = line[place:end].encode(), end
        words.append(word)
    return words


def _quoted_word(line: str, start: int) -> tuple[bytes, int]:
    quote = line[start]
    word = bytearray()
    place = start + 1
    while place < len(line):
        letter = line[place]
        if letter == quote:
            assert line[place + 1 : place + 2].strip() == "", f"text after a quote: {line}"
            return bytes(word), place + 1
        if letter == "\\" and quote == '"':
            code = line[place + 1]
            if code == "x":
                word.append(int(line[place + 2 : place + 4], 16))
                place += 4
                continue
            word += bytes([ESCAPES[code]]) if code in ESCAPES else code.encode()
            place += 2
        elif letter == "\\" and line[place + 1] == "'":
            word += b"'"
            place += 2
        else:
            word += letter.encode()
            place += 1
    raise AssertionError(f"a quote is not closed: {line}")
