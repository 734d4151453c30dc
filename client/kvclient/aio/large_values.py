"""Strings of many megabytes in pieces, so that nothing else waits for long behind one.

A value is written under a key of its own, which then takes the name of the real one at once. It is
read under WATCH, on a connection of its own: where the key changed meanwhile it is read again. So
nobody sees parts of two values.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from kvclient.aio.core import Core
from kvclient.aio.scripts import Script
from kvclient.aio.watching import Watch
from kvclient.arguments import Seconds, in_units
from kvclient.errors import ArgumentError, TransactionAborted, Unavailable, UsageError
from kvclient.neighbours import beside
from kvclient.wire.encoding import Argument, as_wire

if TYPE_CHECKING:
    from kvclient.commands import Commands

_LEFT_OVER_S: Final = 3600
"""When what a writer left that ended halfway is gone."""
_TRIES: Final = 8
# A part may be lost before it is whole: FLUSHALL, eviction, a follower that takes over without all
# of it. SETRANGE by itself would fill the hole with zeros.
_WRITE: Final = """
if redis.call('STRLEN', KEYS[1]) < tonumber(ARGV[1]) then
    return 0
end
return redis.call('SETRANGE', KEYS[1], ARGV[1], ARGV[2])
"""
_FINISH: Final = """
if redis.call('STRLEN', KEYS[1]) < tonumber(ARGV[1]) then
    return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
if ARGV[2] then
    redis.call(ARGV[2], KEYS[2], ARGV[3])
else
    redis.call('PERSIST', KEYS[2])
end
return 1
"""


async def get_large(core: Core, key: Argument, piece_bytes: int) -> bytes | None:
    """Return a string, None if the key is missing."""
    if core.options.decode:
        raise UsageError("get_large reads bytes: a client with decode=True cannot")
    check_piece(piece_bytes)
    for _ in range(_TRIES):
        watch: Watch[Any] = Watch(core, [key], core.options.deadline_s)
        async with watch:
            length = await watch.strlen(key)
            pieces: list[bytes] = []
            for start in range(0, length, piece_bytes):
                pieces.append(await watch.getrange(key, start, start + piece_bytes - 1))
            check = watch.transaction()
            exists = check.exists(key)
            try:
                await check.execute()
            except TransactionAborted:
                continue
            return b"".join(pieces) if exists.value else None
    # It changes faster than it can be read in pieces.
    value: bytes | None = await core.sender(core.options.deadline_s).send((b"GET", key))
    return value


async def set_large(
    commands: Commands[Any],
    key: Argument,
    value: Argument,
    ex: Seconds | None,
    piece_bytes: int,
    deadline_s: float,
) -> None:
    """Set a string, with a lifetime of `ex` seconds, None for ever."""
    check_piece(piece_bytes)
    data = memoryview(as_wire(value))
    name = as_wire(key)
    if len(data) <= piece_bytes:
        await commands.set(name, bytes(data), ex=ex)
        return
    lifetime = () if ex is None else in_units(ex, b"EXPIRE", b"PEXPIRE")
    write = Script(commands, _WRITE)
    finish = Script(commands, _FINISH)
    for _ in range(_TRIES):
        part = beside(name, secrets.token_hex(8).encode())
        await commands.set(part, bytes(data[:piece_bytes]), ex=_LEFT_OVER_S)
        for start in range(piece_bytes, len(data), piece_bytes):
            piece = bytes(data[start : start + piece_bytes])
            if not await write.repeated([part], [start, piece], deadline_s):
                break
        else:
            if await finish.repeated([part, name], [len(data), *lifetime], deadline_s):
                return
    raise Unavailable(f"a large value was lost {_TRIES} times while it was written")


def check_piece(piece_bytes: int) -> None:
    """Raise ArgumentError unless pieces have a size."""
    if piece_bytes < 1:
        raise ArgumentError(f"piece_bytes is {piece_bytes}, must be at least 1")
