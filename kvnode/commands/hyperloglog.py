"""The HyperLogLog commands: how many different elements were seen, within a percent."""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from kvnode.command import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE, command, key
from kvnode.context import Context
from kvnode.datatypes.hyperloglog import HyperLogLog
from kvnode.keyspace import Keyspace
from kvnode.structures import hyperloglog as layout
from kvnode.structures.hyperloglog import CorruptRegisters
from kvprotocol.errors import ReplyError
from kvprotocol.replies import OK, Reply, Simple

_CORRUPT: Final = "INVALIDOBJ Corrupted HLL object detected"
# The estimate may be off by four standard errors, 1.04 / sqrt(16384) each.
_TESTED: Final = (1, 10, 100, 1000, 10_000, 50_000)
_ERROR_MAX: Final = 4 * 1.04 / 128


@command(
    "PFADD",
    arity=-2,
    flags=WRITE | DENYOOM | FAST,
    keys=(key(1, 1, 1, "RW insert"),),
    group="hyperloglog",
    acl="hyperloglog",
    since="2.8.9",
    complexity="O(N) with N elements given",
    summary="Add elements to a HyperLogLog, made if absent; return whether it changed.",
    syntax="key:k#0 [element ...]",
)
def pfadd(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[1]
    keyspace = ctx.keyspace
    bytes_max = ctx.encodings.hll_sparse_max_bytes
    stored = keyspace.for_write(name)
    value = HyperLogLog.open(stored)
    updated: i64 = 1 if stored is None else 0
    count: i64 = len(argv)
    i: i64 = 2
    try:
        while i < count:
            if value.add(argv[i], bytes_max):
                updated += 1
            i += 1
    except CorruptRegisters:
        if updated:
            # The elements before the one that met the corrupt run are in, as in Redis.
            keyspace.store(name, value.body)
            keyspace.noted(name, b"", 0)
            ctx.effect(b"SET", name, value.text(), b"KEEPTTL")
        raise ReplyError(_CORRUPT) from None
    if updated:
        value.forget_estimate()
        keyspace.store(name, value.body)
        keyspace.changed(name, b"pfadd", updated)
        return 1
    _keep_unshared(keyspace, name, stored, value)
    return 0


def _keep_unshared(keyspace: Keyspace, name: bytes, stored: object, value: HyperLogLog) -> None:
    """Store a value that is as it was in the form of one that may change, as Redis does."""
    if isinstance(stored, bytes):
        body = value.body
        if not isinstance(body, bytes):
            keyspace.for_write(name)
            keyspace.store(name, body)


@command(
    "PFCOUNT",
    arity=-2,
    flags=READONLY | MAY_REPLICATE,
    keys=(key(1, -1, 1, "RW access"),),
    group="hyperloglog",
    acl="hyperloglog",
    since="2.8.9",
    complexity="O(1) for one key, O(N) for N keys and slower",
    summary="Return about how many different elements the HyperLogLogs of keys have seen together.",
    syntax="key:k#0 ...",
)
def pfcount(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        registers = layout.no_registers()
        _merge_keys(ctx, argv, registers)
        return layout.estimate(layout.histogram_of(registers))
    name = argv[1]
    keyspace = ctx.keyspace
    stored = keyspace.read(name)
    if stored is None:
        return 0
    value = HyperLogLog.open(stored)
    cached = value.cached_estimate()
    if cached >= 0:
        _keep_unshared(keyspace, name, stored, value)
        return int(cached)
    try:
        estimate = value.estimate()
    except CorruptRegisters:
        raise ReplyError(_CORRUPT) from None
    keyspace.for_write(name)
    value.keep_estimate(estimate)
    keyspace.store(name, value.body)
    keyspace.changed(name, b"")  # a change of bytes, for which Redis has no event
    return estimate


def _merge_keys(ctx: Context, argv: list[bytes], registers: vec[i64]) -> bool:
    """Raise registers to those of all keys; return whether any of them is in the dense layout."""
    keyspace = ctx.keyspace
    any_dense = False
    i: i64 = 1
    while i < len(argv):
        stored = keyspace.read(argv[i])
        if stored is not None:
            value = HyperLogLog.open(stored)
            if value.dense is not None:
                any_dense = True
            try:
                layout.merge(registers, value.text())
            except CorruptRegisters:
                raise ReplyError(_CORRUPT) from None
        i += 1
    return any_dense


@command(
    "PFMERGE",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=(key(1, 1, 1, "RW access insert"), key(2, -1, 1, "RO access")),
    group="hyperloglog",
    acl="hyperloglog",
    since="2.8.9",
    complexity="O(N) with N HyperLogLogs",
    summary="Merge HyperLogLogs into the one of the first key.",
    syntax="destkey:k#0 sourcekey:k#1 ...",
    idempotent=True,
)
def pfmerge(ctx: Context, argv: list[bytes]) -> Reply:
    registers = layout.no_registers()
    any_dense = _merge_keys(ctx, argv, registers)
    name = argv[1]
    keyspace = ctx.keyspace
    value = HyperLogLog.open(keyspace.for_write(name))
    if any_dense:
        value.to_dense()
    value.set_all(registers, ctx.encodings.hll_sparse_max_bytes)
    value.forget_estimate()
    keyspace.store(name, value.body)
    keyspace.changed(name, b"pfadd")
    return OK


@command(
    "PFDEBUG",
    arity=3,
    flags=WRITE | DENYOOM | ADMIN,
    keys=(key(2, 2, 1, "RW access"),),
    group="hyperloglog",
    acl="hyperloglog",
    since="2.8.9",
    complexity="O(1): a HyperLogLog has a fixed number of registers",
    summary="Look into a HyperLogLog: its registers, its runs, its layout; or make it dense.",
    syntax="subcommand key:k#0",
    internal=True,
)
def pfdebug(ctx: Context, argv: list[bytes]) -> Reply:
    name = argv[2]
    keyspace = ctx.keyspace
    stored = keyspace.for_write(name)
    if stored is None:
        raise ReplyError("ERR The specified key does not exist")
    value = HyperLogLog.open(stored)
    word = argv[1].upper()
    if word in (b"GETREG", b"TODENSE"):
        try:
            converted = value.to_dense()
        except CorruptRegisters:
            raise ReplyError(_CORRUPT) from None
        if converted:
            keyspace.store(name, value.body)
            keyspace.changed(name, b"")
        if word == b"TODENSE":
            return 1 if converted else 0
        registers = layout.no_registers()
        layout.merge(registers, value.text())
        return [int(register) for register in registers]
    _keep_unshared(keyspace, name, stored, value)
    if word == b"ENCODING":
        return Simple(b"sparse" if value.dense is None else b"dense")
    if word != b"DECODE":
        shown = argv[1].decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown PFDEBUG subcommand '{shown}'")
    if value.dense is not None:
        raise ReplyError("ERR HLL encoding is not sparse")
    return layout.sparse_runs(value.sparse)


@command(
    "PFSELFTEST",
    arity=1,
    flags=ADMIN,
    group="hyperloglog",
    acl="hyperloglog",
    since="2.8.9",
    complexity="O(1)",
    summary="Test the registers and the estimates of HyperLogLogs.",
    internal=True,
)
def pfselftest(ctx: Context, argv: list[bytes]) -> Reply:
    registers = layout.no_registers()
    i: i64 = 0
    while i < layout.REGISTERS:
        registers[i] = ctx.random.randrange(64)
        i += 1
    value = bytes(layout.dense(layout.EMPTY, registers))
    copy = layout.no_registers()
    layout.merge(copy, value)
    if copy != registers:
        raise ReplyError("TESTFAILED a register has not the value that was stored")
    sparse = HyperLogLog.open(None)
    dense = HyperLogLog.open(None)
    dense.to_dense()
    seed = ctx.random.randrange(1 << 60)
    i = 0
    for count in _TESTED:
        while i < count:
            element = b"%d" % (seed + i)
            sparse.add(element, ctx.encodings.hll_sparse_max_bytes)
            dense.add(element, 0)
            i += 1
        estimate = dense.estimate()
        if sparse.estimate() != estimate:
            raise ReplyError(f"TESTFAILED the layouts differ at {count} elements")
        if abs(estimate - count) > max(count * _ERROR_MAX, 1.0):
            raise ReplyError(f"TESTFAILED the estimate of {count} elements is {estimate}")
    return OK
