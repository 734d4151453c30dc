"""DUMP and RESTORE: one key's value in Redis's serialised form."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64

from kvnode.access import COUNT_MAX, LAST_USE, USE_COUNT, last_use_clock, use_clock
from kvnode.command import ASKING, DENYOOM, READONLY, WRITE, command, key
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.keyspace import NEVER, Keyspace
from kvnode.rdb.encoding import Reader
from kvnode.rdb.loading import read_value
from kvnode.rdb.lzf import DamagedError
from kvnode.rdb.payload import seal, sealed_size
from kvnode.rdb.saving import type_of, write_value
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import I64_MAX
from kvprotocol.replies import OK, Reply

_NOT_GIVEN: Final = -1
_SECOND_MS: Final = 1000

_RESTORE_COMPLEXITY: Final = (
    "O(N*M) for a collection of N elements of average size M, O(1) for a short string,"
    " O(N*M*log(N)) for a sorted set"
)
_RESTORE_SYNTAX: Final = (
    "key:k#0 ttl:i serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0]"
    " [IDLETIME seconds:i@5.0.0] [FREQ frequency:i@5.0.0]"
)
_BUSY_KEY: Final = "BUSYKEY Target key name already exists."
_WRONG_FRAME: Final = "ERR DUMP payload version or checksum are wrong"
_WRONG_DATA: Final = "ERR Bad data format"
_WRONG_TTL: Final = "ERR Invalid TTL value, must be >= 0"
_WRONG_IDLE_TIME: Final = "ERR Invalid IDLETIME value, must be >= 0"
_WRONG_FREQUENCY: Final = "ERR Invalid FREQ value, must be >= 0 and <= 255"


@command(
    "DUMP",
    arity=2,
    flags=READONLY,
    keys=(key(1, 1, 1, "RO access"),),
    group="generic",
    acl="keyspace",
    since="2.6.0",
    complexity="O(N*M) for a collection of N elements of average size M, O(1) for a short string",
    summary="Return a key's value in a form that RESTORE takes.",
    syntax="key:k#0",
    tips=("nondeterministic_output",),
)
def dump(ctx: Context, argv: list[bytes]) -> Reply:
    stored = ctx.keyspace.read(argv[1])
    if stored is None:
        return None
    return dumped(stored, ctx.node.settings.rdbcompression)


def dumped(stored: object, compresses: bool) -> bytes:
    """Return a stored form as DUMP does."""
    out = BytesWriter()
    out.append(type_of(stored))
    write_value(out, stored, compresses)
    return seal(out.getvalue())


@final
class _Options:
    """What stands behind the payload of a RESTORE."""

    def __init__(self, argv: list[bytes]) -> None:
        self.replaces = False
        self.is_absolute = False
        self.idle_seconds = _NOT_GIVEN
        self.frequency = _NOT_GIVEN
        i = 4
        while i < len(argv):
            word = argv[i].upper()
            has_value = i + 1 < len(argv)
            if word == b"REPLACE":
                self.replaces = True
            elif word == b"ABSTTL":
                self.is_absolute = True
            elif word == b"IDLETIME" and has_value and self.frequency == _NOT_GIVEN:
                i += 1
                self.idle_seconds = integer(argv[i])
                if self.idle_seconds < 0:
                    raise ReplyError(_WRONG_IDLE_TIME)
            elif word == b"FREQ" and has_value and self.idle_seconds == _NOT_GIVEN:
                i += 1
                self.frequency = integer(argv[i])
                if not 0 <= self.frequency <= COUNT_MAX:
                    raise ReplyError(_WRONG_FREQUENCY)
            else:
                raise ReplyError(errors.SYNTAX)
            i += 1


@command(
    "RESTORE",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "OW update"),),
    group="generic",
    acl="keyspace dangerous",
    since="2.6.0",
    complexity=_RESTORE_COMPLEXITY,
    summary="Make a key of a value that DUMP returned.",
    syntax=_RESTORE_SYNTAX,
)
def restore(ctx: Context, argv: list[bytes]) -> Reply:
    options = _Options(argv)
    keyspace = ctx.keyspace
    name = argv[1]
    was_there = keyspace.for_write(name) is not None
    if was_there and not options.replaces:
        raise ReplyError(_BUSY_KEY)
    ttl = integer(argv[2])
    if ttl < 0:
        raise ReplyError(_WRONG_TTL)
    stored = restored(ctx, argv[3])
    deadline: i64 = NEVER
    if ttl:
        deadline = ttl if options.is_absolute else i64(min(ttl + int(ctx.now_ms), I64_MAX))
    if deadline != NEVER and deadline <= ctx.now_ms and keyspace.dataset.expires_keys:
        if was_there:
            lazily = ctx.node.settings.lazyfree_lazy_server_del
            keyspace.remove(name, lazily)
            keyspace.changed(name, b"del")
            ctx.effect(b"UNLINK" if lazily else b"DEL", name)
        return OK
    keyspace.put(name, stored)
    if deadline != NEVER:
        keyspace.expire_at(name, deadline)
        if not options.is_absolute:
            ctx.effect(argv[0], name, b"%d" % deadline, argv[3], *argv[4:], b"ABSTTL")
    note_use(keyspace, name, options.idle_seconds, options.frequency)
    keyspace.changed(name, b"restore")
    return OK


command(
    "RESTORE-ASKING",
    arity=-4,
    flags=WRITE | DENYOOM | ASKING,
    keys=(key(1, 1, 1, "OW update"),),
    group="server",
    acl="keyspace dangerous",
    since="3.0.0",
    complexity=_RESTORE_COMPLEXITY,
    summary="RESTORE for a slot that is being moved between the nodes of a cluster.",
    syntax=_RESTORE_SYNTAX,
    internal=True,
)(restore)


def restored(ctx: Context, payload: bytes) -> object:
    """Return the stored form in a payload of DUMP. Raises ReplyError."""
    size = sealed_size(payload)
    if size < 0:
        raise ReplyError(_WRONG_FRAME)
    reader = Reader(payload[:size])
    try:
        stored = read_value(reader, int(reader.byte()), ctx.encodings)
    except DamagedError:
        raise ReplyError(_WRONG_DATA) from None
    if stored is None:
        raise ReplyError(_WRONG_DATA)
    return stored


def note_use(keyspace: Keyspace, name: bytes, idle_seconds: int, frequency: int) -> None:
    """Give a key the clock that it had elsewhere, as far as this node's policy keeps such."""
    rules = keyspace.dataset.access_rules
    now_ms = keyspace.dataset.now_ms
    if frequency != _NOT_GIVEN and rules.purpose == USE_COUNT:
        keyspace.set_clock(name, use_clock(frequency, now_ms))
    elif idle_seconds != _NOT_GIVEN and rules.purpose == LAST_USE:
        idle_ms = min(idle_seconds, int(now_ms) // _SECOND_MS) * _SECOND_MS
        keyspace.set_clock(name, last_use_clock(now_ms - i64(idle_ms)))
