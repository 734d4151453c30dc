"""MONITOR: every command as one line, as redis-cli shows it."""

from typing import Final

from kvnode.command import SKIP_MONITOR, Command
from kvnode.session import Session
from kvprotocol.replies import Simple

_ESCAPED: Final = {
    0x5C: b"\\\\",
    0x22: b'\\"',
    0x0A: b"\\n",
    0x0D: b"\\r",
    0x09: b"\\t",
    0x07: b"\\a",
    0x08: b"\\b",
}


def quoted(word: bytes) -> bytes:
    """Return a word in double quotes, with escapes for what does not print."""
    if word.isalnum():
        return b'"%s"' % word
    parts = [b'"']
    for byte in word:
        escaped = _ESCAPED.get(byte)
        if escaped is not None:
            parts.append(escaped)
        elif 32 <= byte < 127:
            parts.append(bytes((byte,)))
        else:
            parts.append(b"\\x%02x" % byte)
    parts.append(b'"')
    return b"".join(parts)


def feed_monitors(
    monitors: dict[Session, None], session: Session, command: Command, argv: list[bytes], at: float
) -> None:
    """Show one command to every monitoring session; commands with secrets are left out."""
    if command.flags & SKIP_MONITOR:
        return
    words = b" ".join([quoted(word) for word in argv])
    line = b"%.6f [%d %s] %s" % (at, session.keyspace.index, session.peer, words)
    for monitor in monitors:
        monitor.send(Simple(line))
