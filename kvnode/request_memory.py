"""Which requests of which clients were run, and their replies: so each is run at most once.

A client has an id that the node issued, `<birth in ms>-<random digits>`, and numbers its requests.
What was run is remembered here until the client acknowledges the reply or a bound is reached; a
repeat gets the first reply. A request that was run and is no longer remembered is refused, never
run again. For that two numbers are enough, whatever was forgotten:

- a client's *floor*: of the requests up to it, only those still remembered are answered;
- the node's *watermark*: a client that is not known and was born up to it had been forgotten.

Forgetting only ever raises one of them, so it needs no entry in the log, and every node does it by
bounds of its own: at each moment, on each node, whatever is in the data is remembered or refused.
The one case to look at is a record that comes, from a leader or a log, for a client that this node
has forgotten: it is known again, but *closed*, its floor above every number, because nobody can say
which of its requests were run before. (Trimming that is itself logged, so that all nodes agree,
was the alternative: more entries, and nothing that is safer by it.)

What was run is put down as a *record* inside the same unit of the log as its effects:

    ECHO "kvnode:request <id> <acknowledged> <seq> <bytes> <bytes> <reply in RESP2><in RESP3>"

ECHO, because redis-server runs it without an effect when it loads a log or follows; and because no
client can forge it: what changes nothing is not logged. The second reply is left out, of 0 bytes,
where both are equal. A snapshot has a field for each client: `<id> <floor> `, and its replies in
the same form.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import parse_int
from kvprotocol.replies import Prepared, Reply, ReplyWriter

if TYPE_CHECKING:
    from kvnode.config.settings import Settings

RECORD: Final = b"kvnode:request "
CLIENT_FIELD: Final = b"kvnode-request-client"
WATERMARK_FIELD: Final = b"kvnode-request-watermark"
SEQ_MAX: Final = 1 << 61
# By how much the clocks of nodes may differ: an id that is further ahead is none of theirs.
_AHEAD_MS_MAX: Final = 60_000
_ID_BYTES_MAX: Final = 64
_ID_RANDOM_BYTES: Final = 8
_BIRTH_DIGITS_MAX: Final = 18
_NO_BIRTH: Final = -1
# Measured: a client with its dict, name and place; a reply with its place, beside its content.
CLIENT_BYTES: Final = 500
REPLY_BYTES: Final = 160


@mypyc_attr(native_class=False)
class RecordError(Exception):
    """Bytes that are no record or no field of a client."""


@final
class ReplyRecorder:
    """Encodes a reply for whichever protocol its repeat is asked in."""

    def __init__(self) -> None:
        self._resp2 = ReplyWriter(2)
        self._resp3 = ReplyWriter(3)

    def array(self, count: i64) -> None:
        """Begin an array; its elements follow."""
        self._resp2.array(count)
        self._resp3.array(count)

    def write(self, reply: Reply) -> None:
        """Write a reply, or an element of one."""
        self._resp2.write(reply)
        self._resp3.write(reply)

    def encoded(self, reply: Reply) -> Prepared:
        """Return a whole reply; the common ones need no writer."""
        if isinstance(reply, Prepared):
            return reply
        if isinstance(reply, int) and not isinstance(reply, bool):
            wire = b":%d\r\n" % reply
            return Prepared(wire, wire)
        self.write(reply)
        return self.take()

    def take(self) -> Prepared:
        """Return what was written."""
        resp2 = _taken(self._resp2)
        resp3 = _taken(self._resp3)
        return Prepared(resp2, resp2 if resp2 == resp3 else resp3)


def _taken(writer: ReplyWriter) -> bytes:
    return b"".join(writer.take_chunks()) if writer.chunks else writer.take()


@final
class RequestClient:
    """A client that has run requests; `replies` are by number, in the order in which they ran."""

    def __init__(self, name: bytes, birth: int, floor: int, now_ms: i64) -> None:
        self.name = name
        self.birth = birth
        self.floor = floor
        self.used_ms: i64 = now_ms
        self.replies: dict[int, Prepared] = {}


@final
class RequestMemory:
    """The requests of one node's clients; those used last stand last."""

    def __init__(self, settings: Settings) -> None:
        self.watermark = 0
        self.bytes: i64 = 0
        self.reply_count: i64 = 0
        self.repeats = 0  # answered with the first reply
        self.refused = 0  # not remembered, and maybe run before
        self.trimmed_clients = 0
        self.trimmed_replies = 0  # that no client had acknowledged
        self.recorder = ReplyRecorder()
        self._settings = settings
        self._clients: dict[bytes, RequestClient] = {}
        self._newest: RequestClient | None = None  # used last

    def __len__(self) -> int:
        return len(self._clients)

    # --- clients' requests ------------------------------------------------------------------------

    def issue(self, now_ms: i64) -> bytes:
        """Return an id that no client has; nothing is kept of it until its first request."""
        birth = max(int(now_ms), self.watermark + 1)
        # From the system: who can guess an id can ask for the replies of its client.
        return b"%d-%b" % (birth, token_hex(_ID_RANDOM_BYTES).encode())

    def is_repeat(self, name: bytes, seq: int) -> bool:
        """Return whether a request's first reply is remembered."""
        client = self._clients.get(name)
        return client is not None and seq in client.replies

    def find(self, name: bytes, seq: int, acknowledged: int, now_ms: i64) -> Prepared | None:
        """Return the first reply to a request; None: it has not been run, and may be.

        ReplyError: it may have been run, and is not remembered.
        """
        client = self._clients.get(name)
        if client is None:
            birth = birth_of(name)
            if birth == _NO_BIRTH:
                raise ReplyError(errors.REQUEST_ID)
            latest = max(int(now_ms), self.watermark) + _AHEAD_MS_MAX
            if birth <= self.watermark or birth > latest:
                raise self._unknown()
            return None
        client.used_ms = now_ms
        self._move_last(client)
        if acknowledged > client.floor:
            self._acknowledge(client, acknowledged)
        reply = client.replies.get(seq)
        if reply is not None:
            self.repeats += 1
        elif seq <= client.floor:
            raise self._unknown()
        return reply

    def _unknown(self) -> ReplyError:
        self.refused += 1
        return ReplyError(errors.UNKNOWN_REQUEST)

    def remember(
        self, name: bytes, seq: int, acknowledged: int, reply: Prepared, now_ms: i64
    ) -> None:
        """Note that a request was run."""
        client = self._clients.get(name)
        if client is None:
            client = self._add(name, acknowledged, now_ms)
        else:
            client.used_ms = now_ms
            self._move_last(client)
            if acknowledged > client.floor:
                self._acknowledge(client, acknowledged)
        self._put(client, seq, reply)
        self._keep_bounds(client)

    def _add(self, name: bytes, floor: int, now_ms: i64) -> RequestClient:
        birth = birth_of(name)
        if birth <= self.watermark:
            floor = SEQ_MAX  # it had been forgotten
        client = RequestClient(name, birth, floor, now_ms)
        self._clients[name] = client
        self._newest = client
        self.bytes += CLIENT_BYTES
        return client

    def _move_last(self, client: RequestClient) -> None:
        if self._newest is not client:
            del self._clients[client.name]
            self._clients[client.name] = client
            self._newest = client

    def _put(self, client: RequestClient, seq: int, reply: Prepared) -> None:
        if seq in client.replies:
            self._drop(client, seq)
        client.replies[seq] = reply
        self.reply_count += 1
        self.bytes += _size(reply)

    def _drop(self, client: RequestClient, seq: int) -> None:
        self.bytes -= _size(client.replies.pop(seq))
        self.reply_count -= 1

    def _acknowledge(self, client: RequestClient, acknowledged: int) -> None:
        """Forget the replies that a client has."""
        replies = client.replies
        if acknowledged - client.floor <= len(replies):
            for seq in range(client.floor + 1, acknowledged + 1):
                if seq in replies:
                    self._drop(client, seq)
        else:  # the numbers have gaps
            for seq in list(replies):
                if seq <= acknowledged:
                    self._drop(client, seq)
        client.floor = acknowledged

    # --- bounds -----------------------------------------------------------------------------------

    def _keep_bounds(self, client: RequestClient) -> None:
        """Forget what is too much, first of who asked least lately, after a client's request."""
        settings = self._settings
        while len(client.replies) > settings.request_max_replies:
            self._trim_reply(client)
        clients = self._clients
        while len(clients) > settings.request_max_clients:
            self._trim_client(next(iter(clients.values())))
        while self.bytes > settings.request_max_memory and clients:
            # One that is too large alone takes nobody else's with it.
            newest = next(reversed(client.replies.values())) if client.replies else None
            is_alone = newest is not None and _size(newest) > settings.request_max_memory
            first = client if is_alone else next(iter(clients.values()))
            if first.replies:
                self._trim_reply(first)
            else:
                self._trim_client(first)

    def _trim_reply(self, client: RequestClient) -> None:
        seq = next(iter(client.replies))
        self._drop(client, seq)
        client.floor = max(client.floor, seq)
        self.trimmed_replies += 1

    def _trim_client(self, client: RequestClient) -> None:
        self.trimmed_clients += 1
        self.trimmed_replies += len(client.replies)
        for seq in list(client.replies):
            self._drop(client, seq)
        self.bytes -= CLIENT_BYTES
        del self._clients[client.name]
        if self._newest is client:
            self._newest = None
        self.watermark = max(self.watermark, client.birth)

    def forget_idle(self, now_ms: i64) -> None:
        """Forget the clients that asked for nothing for too long."""
        until = now_ms - self._settings.request_max_idle * 1000
        while self._clients:
            client = next(iter(self._clients.values()))
            if client.used_ms >= until:
                return
            self._trim_client(client)

    def note_use(self, now_ms: i64) -> None:
        """Begin to count everybody's idle time anew: the node did not see their requests."""
        for client in self._clients.values():
            client.used_ms = now_ms

    # --- the log and snapshots --------------------------------------------------------------------

    def record(self, name: bytes, acknowledged: int, seq: int, reply: Prepared) -> bytes:
        """Return what the log carries of a request that was run."""
        out = BytesWriter()
        out.write(b"%b%b %d " % (RECORD, name, acknowledged))
        _write_reply(out, seq, reply)
        return out.getvalue()

    def restore(self, record: bytes, now_ms: i64) -> None:
        """Take over a record, of a log or a leader. RecordError: it is none."""
        data = _Fields(record, len(RECORD))
        name = data.name()
        acknowledged = data.number()
        seq = data.number()
        reply = data.reply()
        if data.has_more():
            raise RecordError
        self.remember(name, seq, acknowledged, reply, now_ms)

    def clear(self) -> None:
        """Forget everything: the data that it belongs to is gone."""
        self._clients = {}
        self._newest = None
        self.watermark = 0
        self.bytes = 0
        self.reply_count = 0

    def distrust(self, now_ms: i64) -> None:
        """Refuse all clients born before now that are not known.

        The data has been where nothing of this was kept, such as with a redis-server.
        """
        self.watermark = max(self.watermark, int(now_ms) + _AHEAD_MS_MAX)

    def copies(self) -> list[RequestClient]:
        """Return all clients as they are, who asked last first, for a snapshot written later."""
        found: list[RequestClient] = []
        for client in reversed(self._clients.values()):
            twin = RequestClient(client.name, client.birth, client.floor, client.used_ms)
            twin.replies = client.replies.copy()
            found.append(twin)
        return found

    def restore_client(self, field: bytes, now_ms: i64) -> None:
        """Take over a client of a snapshot, before its watermark. RecordError: it is none."""
        data = _Fields(field, 0)
        name = data.name()
        floor = data.number()
        client = self._clients.get(name)
        if client is None:
            client = self._add(name, floor, now_ms)
        client.floor = max(client.floor, floor)
        while data.has_more():
            seq = data.number()
            self._put(client, seq, data.reply())
        self._keep_bounds(client)

    def check(self) -> None:
        """Assert that the sums are right; for tests and the simulator."""
        count = 0
        size = 0
        for name, client in self._clients.items():
            assert client.name == name and client.birth == birth_of(name)
            assert client.floor >= 0
            count += len(client.replies)
            size += CLIENT_BYTES
            for reply in client.replies.values():
                size += int(_size(reply))
        assert count == self.reply_count, f"counted {self.reply_count}, found {count}"
        assert size == self.bytes, f"accounted {self.bytes}, found {size}"


def client_field(client: RequestClient) -> bytes:
    """Return what a snapshot carries of a client."""
    out = BytesWriter()
    out.write(b"%b %d " % (client.name, client.floor))
    for seq, reply in client.replies.items():
        _write_reply(out, seq, reply)
    return out.getvalue()


def birth_of(name: bytes) -> int:
    """Return when a client was born, in ms since the epoch; _NO_BIRTH: this is no id."""
    digits, dash, rest = name.partition(b"-")
    is_number = digits.isdigit() and len(digits) <= _BIRTH_DIGITS_MAX
    if not (is_number and dash and rest.isalnum() and len(name) <= _ID_BYTES_MAX):
        return _NO_BIRTH
    return int(digits)


def _size(reply: Prepared) -> i64:
    size: i64 = REPLY_BYTES + len(reply.resp2)
    if reply.resp3 is not reply.resp2:
        size += len(reply.resp3)
    return size


def _write_reply(out: BytesWriter, seq: int, reply: Prepared) -> None:
    is_same = reply.resp3 is reply.resp2
    out.write(b"%d %d %d " % (seq, len(reply.resp2), 0 if is_same else len(reply.resp3)))
    out.write(reply.resp2)
    if not is_same:
        out.write(reply.resp3)


@final
class _Fields:
    """Words, numbers and replies read from the front. RecordError: there are none."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def has_more(self) -> bool:
        return self._at < len(self._data)

    def word(self) -> bytes:
        end = self._data.find(b" ", self._at)
        if end < 0:
            raise RecordError
        found = self._data[self._at : end]
        self._at = end + 1
        return found

    def name(self) -> bytes:
        found = self.word()
        if birth_of(found) == _NO_BIRTH:
            raise RecordError
        return found

    def number(self) -> int:
        value = parse_int(self.word())
        if value is None or not 0 <= value <= SEQ_MAX:
            raise RecordError
        return value

    def reply(self) -> Prepared:
        first = self.number()
        second = self.number()
        resp2 = self._bytes(first)
        return Prepared(resp2, self._bytes(second) if second else resp2)

    def _bytes(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise RecordError
        found = self._data[self._at : end]
        self._at = end
        return found
