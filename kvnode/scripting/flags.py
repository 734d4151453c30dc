"""The flags of scripts and functions, and the shebang line that declares a script's."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from kvnode.command import DENYOOM, MAY_REPLICATE, STALE, WRITE
from kvprotocol.errors import ReplyError
from kvprotocol.requests import split_words

NO_WRITES: Final = 1 << 0
ALLOW_OOM: Final = 1 << 1
ALLOW_STALE: Final = 1 << 2
NO_CLUSTER: Final = 1 << 3
ALLOW_CROSS_SLOT: Final = 1 << 4
COMPATIBLE: Final = 1 << 5  # a script without a shebang: what it may do is not known before

FLAG_NAMES: Final = (
    (b"no-writes", NO_WRITES),
    (b"allow-oom", ALLOW_OOM),
    (b"allow-stale", ALLOW_STALE),
    (b"no-cluster", NO_CLUSTER),
    (b"allow-cross-slot-keys", ALLOW_CROSS_SLOT),
)


def flag_of(name: bytes) -> i64:
    """Return the flag of a name, 0 for an unknown one."""
    for known, flag in FLAG_NAMES:
        if known == name:
            return flag
    return 0


def read_shebang(code: bytes) -> tuple[int, int]:
    """Return a script's flags and the length of its shebang without the line feed.

    The line feed stays with the code, so that lines keep their numbers. ReplyError: a shebang that
    Redis does not take.
    """
    if not code.startswith(b"#!"):
        return COMPATIBLE, 0
    end = code.find(b"\n")
    if end < 0:
        raise ReplyError("ERR Invalid script shebang")
    words = split_words(code[:end])
    if not words:
        raise ReplyError("ERR Invalid engine in script shebang")
    if words[0] != b"#!lua":
        raise ReplyError(f"ERR Unexpected engine in script shebang: {_text(words[0])}")
    flags = 0
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise ReplyError(f"ERR Unknown lua shebang option: {_text(word)}")
        if word == b"flags=":
            continue
        for name in word[6:].split(b","):
            flag = int(flag_of(name))
            if flag == 0:
                raise ReplyError(f"ERR Unexpected flag in script shebang: {_text(name)}")
            flags |= flag
    return flags, end


def command_flags(command: i64, flags: i64) -> i64:
    """Return the flags of a call (of EVAL, FCALL) for admission, by the flags that a script has."""
    if flags & COMPATIBLE:
        return command
    command &= ~(STALE | DENYOOM | WRITE | MAY_REPLICATE)
    if not flags & (ALLOW_OOM | NO_WRITES):
        command |= DENYOOM
    if not flags & NO_WRITES:
        command |= WRITE
    if flags & ALLOW_STALE:
        command |= STALE
    return command


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
