"""DEBUG: switches and looks inside for test suites. Off unless enable-debug-command allows it."""

import sys
from collections.abc import Callable
from time import sleep
from typing import Final, TypeAlias

from kvnode.command import ADMIN, LOADING, NOSCRIPT, STALE, command
from kvnode.commands.arguments import integer, not_negative
from kvnode.commands.permissions import require
from kvnode.config.kinds import memory_size
from kvnode.context import Context
from kvnode.datatypes import kinds
from kvnode.datatypes.lists import List
from kvnode.digest import dataset_digest, key_digest
from kvnode.durability.reloading import reload, reload_log
from kvnode.memory import value_size
from kvnode.structures.list_nodes import ListNodes
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import leading_integer, parse_float
from kvprotocol.replies import (
    OK,
    BigNumber,
    ErrorReply,
    Members,
    Pairs,
    Push,
    Reply,
    Simple,
    Verbatim,
    WithAttribute,
)

_Subcommand: TypeAlias = Callable[[Context, list[bytes]], Reply]

_SLEEP_SECONDS_MAX: Final = 3600.0
_PACKED_BYTES_MAX: Final = (4 << 30) - (1 << 20)
_SHARED_INTEGERS: Final = 10000
_SHARED_REFERENCES: Final = 2147483647
_HELP: Final = (
    b"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CHANGE-REPL-ID",
    b"    Give the node another replication id.",
    b"DIGEST",
    b"    Show one hash of the whole data set, equal to Redis's for equal data.",
    b"DIGEST-VALUE <key> [<key> ...]",
    b"    Show a hash of each key's value.",
    b"ERROR <string>",
    b"    Answer with this text as an error.",
    b"HTSTATS <dbid>",
    b"    Show how the keys of a database lie in its tables.",
    b"LISTPACK <key>",
    b"    Print a packed value's bytes on the node's standard output.",
    b"LOADAOF",
    b"    Drop all data and load the append-only log.",
    b"OBJECT <key>",
    b"    Show how a key's value is stored.",
    b"POPULATE <count> [<prefix>] [<size>]",
    b"    Create the string keys <prefix>:0 (key:0), <prefix>:1, ... where they do not exist.",
    b"PROTOCOL <type>",
    b"    Answer with a value of a reply type: string, integer, double, bignum, null, array,",
    b"    set, map, attrib, push, verbatim, true, false.",
    b"QUICKLIST-PACKED-THRESHOLD <size>",
    b"    Checked and accepted; lists have no separate nodes for large elements here.",
    b"RELOAD [option ...]",
    b"    Save the RDB file, drop all data, load the file. NOSAVE loads the file that is there,",
    b"    NOFLUSH drops nothing, MERGE replaces what is there by what the file has.",
    b"SET-ACTIVE-EXPIRE <0|1>",
    b"    Drop expired keys in the background, or only when they are met.",
    b"SET-DISABLE-DENY-SCRIPTS <0|1>",
    b"    Accepted; it has no effect.",
    b"SLEEP <seconds>",
    b"    Do nothing at all for so long, decimals allowed.",
    b"HELP",
    b"    Print this text.",
)


def _sleep(ctx: Context, argv: list[bytes]) -> Reply:
    seconds = parse_float(argv[2])
    if seconds is not None and seconds > 0.0:
        sleep(min(seconds, _SLEEP_SECONDS_MAX))
    return OK


def _present(ctx: Context, key: bytes) -> object:
    stored = ctx.keyspace.peek(key)
    if stored is None:
        raise ReplyError(errors.NO_SUCH_KEY)
    return stored


def _object(ctx: Context, argv: list[bytes]) -> Reply:
    stored = _present(ctx, argv[2])
    references = 1
    if isinstance(stored, int) and 0 <= stored < _SHARED_INTEGERS:
        references = _SHARED_REFERENCES
    line = (
        f"Value at:0x{id(stored):x} refcount:{references}"
        f" encoding:{kinds.encoding(stored).decode()}"
        f" serializedlength:{value_size(stored)}"
        f" lru:{int(ctx.now_ms // 1000) & 0xFFFFFF} lru_seconds_idle:0"
    )
    if kinds.type_name(stored) == b"list":
        nodes = 1
        if isinstance(stored, ListNodes):
            nodes = len(stored.nodes) - int(stored.first) + bool(stored.head) + bool(stored.tail)
        count = int(List.open(stored, ctx.encodings).count())
        line += (
            f" ql_nodes:{nodes} ql_avg_node:{count / max(nodes, 1):.2f}"
            f" ql_listpack_max:{ctx.node.config.show('list-max-listpack-size')}"
            f" ql_compressed:0 ql_uncompressed_size:{value_size(stored)}"
        )
    return Simple(line.encode())


def _listpack(ctx: Context, argv: list[bytes]) -> Reply:
    stored = _present(ctx, argv[2])
    if kinds.encoding(stored) != b"listpack":
        raise ReplyError("ERR Not a listpack encoded object.")
    assert isinstance(stored, bytes)
    sys.stdout.write(f"{stored[1:].hex(' ')}\n")
    sys.stdout.flush()
    return Simple(b"Listpack structure printed on stdout")


def _set_active_expire(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.active_expiry = leading_integer(argv[2]) != 0
    return OK


def _ignored(ctx: Context, argv: list[bytes]) -> Reply:
    return OK


def _packed_threshold(ctx: Context, argv: list[bytes]) -> Reply:
    size = memory_size(argv[2].decode("latin-1"))
    if size is None or size > _PACKED_BYTES_MAX:
        raise ReplyError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return OK


def _change_replication_id(ctx: Context, argv: list[bytes]) -> Reply:
    ctx.node.replication.history.begin_anew()
    return OK


def _error(ctx: Context, argv: list[bytes]) -> Reply:
    """Return the error as a value: it is an answer like any other, so no statistics count it."""
    return ErrorReply(argv[2].decode("utf-8", "surrogateescape"))


def _digest(ctx: Context, argv: list[bytes]) -> Reply:
    return Simple(dataset_digest(ctx.keyspace.dataset, ctx.encodings).hex().encode())


def _digest_value(ctx: Context, argv: list[bytes]) -> Reply:
    replies: list[Reply] = []
    for name in argv[2:]:
        replies.append(Simple(key_digest(ctx.keyspace, name, ctx.encodings).hex().encode()))
    return replies


def _table_statistics(ctx: Context, argv: list[bytes]) -> Reply:
    index = integer(argv[2])
    databases = ctx.keyspace.dataset.databases
    if index < 0 or index >= len(databases):
        raise ReplyError("ERR Out of range database")
    database = databases[index]
    sizes = [len(keys) for keys in database.groups if keys]
    lines = [
        "[Dictionary HT]",
        f" tables: {len(database.groups)}",
        f" number of elements: {database.count}",
        f" tables in use: {len(sizes)}",
        f" largest table: {max(sizes) if sizes else 0}",
        "[Expires HT]",
        f" number of elements: {database.expiry.count()}",
    ]
    return Verbatim(("\n".join(lines) + "\n").encode())


def _populate(ctx: Context, argv: list[bytes]) -> Reply:
    count = not_negative(argv[2])
    prefix = argv[3] if len(argv) > 3 else b"key"
    size = not_negative(argv[4]) if len(argv) > 4 else 0
    keyspace = ctx.keyspace
    for number in range(count):
        name = b"%s:%d" % (prefix, number)
        if keyspace.contains(name):
            continue
        value = b"value:%d" % number
        if size:
            value = value[:size].ljust(size, b"\0")
        keyspace.put(name, value)
        keyspace.changed(name, b"set")
    ctx.no_effect()
    return OK


def _reload(ctx: Context, argv: list[bytes]) -> Reply:
    options = {word.upper() for word in argv[2:]}
    if options - {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise ReplyError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    reload(ctx, b"NOSAVE" not in options, b"NOFLUSH" not in options, b"MERGE" in options)
    return OK


def _load_log(ctx: Context, argv: list[bytes]) -> Reply:
    reload_log(ctx)
    return OK


def _protocol(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[2].lower()
    if name == b"attrib":
        about: list[Reply] = [b"key-popularity", [b"key:123", 90]]
        return WithAttribute(Pairs(about), b"Some real reply following the attribute")
    if name == b"push":
        if ctx.session.writer.protocol < 3:
            raise ReplyError("ERR RESP2 is not supported by this command")
        ctx.session.send(Push([b"server-cpu-usage", 42]))
        return b"Some real reply following the push reply"
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    raise ReplyError(
        "ERR Wrong protocol type name. Please use one of the following:"
        " string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
    )


_NUMBERS: Final[list[Reply]] = [0, 1, 2]
_TRUTHS: Final[list[Reply]] = [0, False, 1, True, 2, False]
_EXAMPLES: Final[dict[bytes, Reply]] = {
    b"string": b"Hello World",
    b"integer": 12345,
    b"double": 3.141,
    b"null": None,
    b"array": [0, 1, 2],
    b"set": Members(_NUMBERS),
    b"map": Pairs(_TRUTHS),
    b"verbatim": Verbatim(b"This is a verbatim\nstring"),
    b"true": True,
    b"false": False,
    b"bignum": BigNumber(b"1234567999999999999999999999999999999"),
}


def _help(ctx: Context, argv: list[bytes]) -> Reply:
    return [Simple(line) for line in _HELP]


_MANY: Final = 1 << 30
# Least and greatest length of argv, and what runs.
_SUBCOMMANDS: Final[dict[bytes, tuple[int, int, _Subcommand]]] = {
    b"change-repl-id": (2, 2, _change_replication_id),
    b"digest": (2, 2, _digest),
    b"digest-value": (2, _MANY, _digest_value),
    b"error": (3, 3, _error),
    b"help": (2, 2, _help),
    b"htstats": (3, 4, _table_statistics),
    b"listpack": (3, 3, _listpack),
    b"loadaof": (2, _MANY, _load_log),
    b"object": (3, 3, _object),
    b"populate": (3, 5, _populate),
    b"protocol": (3, 3, _protocol),
    b"quicklist-packed-threshold": (3, 3, _packed_threshold),
    b"reload": (2, _MANY, _reload),
    b"set-active-expire": (3, 3, _set_active_expire),
    b"set-disable-deny-scripts": (3, 3, _ignored),
    b"sleep": (3, 3, _sleep),
}


@command(
    "DEBUG",
    arity=-2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    group="server",
    since="1.0.0",
    complexity="Depends on subcommand.",
    summary="Look inside the node and switch its behaviour, for tests.",
    internal=True,
)
def debug(ctx: Context, argv: list[bytes]) -> Reply:
    require(ctx, "enable-debug-command", "DEBUG")
    entry = _SUBCOMMANDS.get(argv[1].lower())
    if entry is None or not entry[0] <= len(argv) <= entry[1]:
        raise ReplyError(errors.wrong_subcommand(argv))
    return entry[2](ctx, argv)
