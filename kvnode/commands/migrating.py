"""MIGRATE: keys that move to another server, which may be a Redis.

The node waits for the other one, for all clients: a key must not change between its copy and its
removal. A key that the target has acknowledged is removed here, whatever becomes of the others.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.command import MOVABLEKEYS, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer
from kvnode.commands.dumping import dumped
from kvnode.context import Context
from kvnode.durability.effect_stream import write_request
from kvnode.keyspace import NEVER
from kvnode.peers import UNKNOWN, KeptPeer
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import leading_integer
from kvprotocol.replies import OK, Reply, Simple

_DEFAULT_TIMEOUT_MS: Final = 1000
_CHUNK_BYTES: Final = 1 << 16  # the timeout is for each
_KEY_AND_KEYS: Final = (
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
)
_CANNOT_CONNECT: Final = "IOERR error or timeout connecting to the client"
_BROKEN: Final = "IOERR error or timeout %s to target instance"
_WRITING: Final = "writing"
_READING: Final = "reading"
_REFUSED: Final = "ERR Target instance replied with error: %s"


@final
class _Request:
    """A MIGRATE's arguments."""

    def __init__(self, argv: list[bytes]) -> None:
        self.copies = False
        self.replaces = False
        self.credentials: list[bytes] = []
        self.names = argv[3:4]
        self._read_options(argv)
        self.host = argv[1]
        self.port = leading_integer(argv[2])
        timeout_ms = integer(argv[5])
        self.database = integer(argv[4])
        self.seconds = (timeout_ms if timeout_ms > 0 else _DEFAULT_TIMEOUT_MS) / 1000

    def _read_options(self, argv: list[bytes]) -> None:
        i = 6
        while i < len(argv):
            word = argv[i].upper()
            left = len(argv) - i - 1
            if word == b"COPY":
                self.copies = True
            elif word == b"REPLACE":
                self.replaces = True
            elif word == b"AUTH" and left >= 1:
                self.credentials = argv[i + 1 : i + 2]
                i += 1
            elif word == b"AUTH2" and left >= 2:
                self.credentials = argv[i + 1 : i + 3]
                i += 2
            elif word == b"KEYS":
                if argv[3]:
                    raise ReplyError(_KEY_AND_KEYS)
                self.names = argv[i + 1 :]
                return
            else:
                raise ReplyError(errors.SYNTAX)
            i += 1


@final
class _Transfer:
    """The keys on their way; `moved` are those that are no longer here."""

    def __init__(self, ctx: Context, request: _Request, names: list[bytes]) -> None:
        self.moved: list[bytes] = []
        self.may_repeat = False  # the last attempt broke before anything was answered
        self._ctx = ctx
        self._request = request
        self._names = names
        self._answers = 0  # to AUTH and SELECT, before those to RESTORE

    def attempt(self) -> str:
        """Send all keys and take the answers; return what broke, an empty text where nothing did.

        ReplyError: no connection, or the target refused something.
        """
        request = self._request
        node = self._ctx.node
        self.may_repeat = True
        try:
            kept = node.peers.get(request.host, request.port, request.seconds, node.clock.now())
        except ConnectionError:
            return _WRITING  # a refusal shows in Redis when it writes
        except OSError:
            raise ReplyError(_CANNOT_CONNECT) from None
        data = self._payload(kept.database != request.database)
        try:
            for begin in range(0, len(data), _CHUNK_BYTES):
                kept.peer.send(data[begin : begin + _CHUNK_BYTES], request.seconds)
        except OSError as error:
            return self._break_off(_WRITING, error)
        return self._take_answers(kept)

    def _payload(self, selects: bool) -> bytes:
        """Return the requests to the target; keys that have expired meanwhile stay out."""
        out = BytesWriter()
        request = self._request
        keyspace = self._ctx.keyspace
        self._answers = 0
        if request.credentials:
            write_request(out, [b"AUTH", *request.credentials])
            self._answers += 1
        if selects:
            write_request(out, [b"SELECT", b"%d" % request.database])
            self._answers += 1
        now_ms = i64(int(self._ctx.node.clock.now() * 1000.0))
        names: list[bytes] = []
        for name in self._names:
            deadline = keyspace.deadline(name)
            stored = keyspace.peek(name)
            if stored is None or (deadline != NEVER and deadline < now_ms):
                continue
            ttl_ms: i64 = max(deadline - now_ms, 1) if deadline != NEVER else 0
            payload = dumped(stored, self._ctx.node.settings.rdbcompression)
            argv = [b"RESTORE", name, b"%d" % ttl_ms, payload]
            write_request(out, [*argv, b"REPLACE"] if request.replaces else argv)
            names.append(name)
        self._names = names
        return out.getvalue()

    def _take_answers(self, kept: KeptPeer) -> str:
        """Remove each key here that the target took."""
        seconds = self._request.seconds
        peer = kept.peer
        refusal = b""  # of AUTH or SELECT: then it is not known where the keys went
        broken = ""
        try:
            for _ in range(self._answers):
                line = peer.line(seconds)
                refusal = refusal or _error_of(line)
        except OSError as error:
            return self._break_off(_READING, error)
        first_error = b""
        answered = 0
        for name in self._names:
            try:
                line = peer.line(seconds)
            except OSError as error:
                broken = self._break_off(_READING, error)
                break
            answered += 1
            error_text = refusal or _error_of(line)
            if error_text:
                first_error = first_error or error_text
            elif not self._request.copies:
                self._remove(name)
        if answered:
            self.may_repeat = False
        if not broken:
            first_error = first_error or refusal
        if first_error:
            kept.database = UNKNOWN
            raise ReplyError(_REFUSED % first_error.decode("utf-8", "surrogateescape"))
        if not broken:
            kept.database = self._request.database
        return broken

    def _remove(self, name: bytes) -> None:
        ctx = self._ctx
        if ctx.keyspace.remove(name, ctx.node.settings.lazyfree_lazy_server_del):
            ctx.keyspace.changed(name, b"del")
            self.moved.append(name)

    def _break_off(self, what: str, error: OSError) -> str:
        """Give the connection up; after a timeout a second attempt would only wait again."""
        self._ctx.node.peers.drop(self._request.host, self._request.port)
        self.may_repeat = not isinstance(error, TimeoutError)
        return what


def _error_of(line: bytes) -> bytes:
    """Return the text of an error, nothing where the line is none."""
    return line[1:] if line.startswith(b"-") else b""


@command(
    "MIGRATE",
    arity=-6,
    flags=WRITE | MOVABLEKEYS,
    keys=(
        key(3, 3, 1, "RW access delete"),
        KeySpec(-2, "RW access delete incomplete", keyword="KEYS", last=-1),
    ),
    group="generic",
    acl="keyspace dangerous",
    since="2.6.0",
    complexity="DUMP and DEL here and RESTORE there for each key, and O(N) with N bytes to send",
    summary="Move keys to another server; nobody is served meanwhile.",
    syntax=(
        "host port:i key_or_empty_string=<key:k#0|empty_string=> destination-db:i timeout:i"
        " [COPY@3.0.0] [REPLACE@3.0.0]"
        " [authentication=<[AUTH password@4.0.7]"
        "|[AUTH2 username_password=(username password)@6.0.0]>]"
        " [KEYS key:k#1 ...@3.0.6]"
    ),
    tips=("nondeterministic_output",),
)
def migrate(ctx: Context, argv: list[bytes]) -> Reply:
    request = _Request(argv)
    names = [name for name in request.names if ctx.keyspace.read(name) is not None]
    if not names:
        return Simple(b"NOKEY")
    transfer = _Transfer(ctx, request, names)
    try:
        broken = transfer.attempt()
        if broken and transfer.may_repeat:
            # A connection that was kept may have ended long ago.
            broken = transfer.attempt()
    finally:
        if transfer.moved:
            ctx.effect(b"DEL", *transfer.moved)
    if broken:
        raise ReplyError(_BROKEN % broken)
    return OK
