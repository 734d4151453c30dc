"""MONITOR: every command as one line, as redis-cli shows it."""

from typing import Final

from kvnode.admission import CARRIED_FROM
from kvnode.command import ADMIN, SKIP_MONITOR, Command
from kvnode.config.directives import SENSITIVE, find
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

_SECRET: Final = b"(redacted)"


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


def without_secrets(command: Command, argv: list[bytes]) -> list[bytes]:
    """Return an argv that may be shown: user names and passwords are replaced."""
    name = command.full_name
    if name == b"request" and len(argv) > CARRIED_FROM:
        words = argv[CARRIED_FROM:]
        carried = words[0].lower()
        if carried in (b"acl", b"config") and len(words) > 1:
            carried += b"|" + words[1].lower()
        return argv[:CARRIED_FROM] + _without_secrets(carried, words)
    return _without_secrets(name, argv)


def _without_secrets(name: bytes, argv: list[bytes]) -> list[bytes]:
    if name == b"auth":
        return argv[:1] + [_SECRET] * (len(argv) - 1)
    if name == b"acl|setuser":
        return argv[:2] + [_SECRET] * (len(argv) - 2)
    if name == b"config|set":
        return _hide_values(argv)
    if name == b"hello":
        return _hide_after(argv, 2, b"AUTH", 2)
    if name == b"migrate":
        return _hide_after(_hide_after(argv, 6, b"AUTH2", 2), 6, b"AUTH", 1)
    return argv


def _hide_values(argv: list[bytes]) -> list[bytes]:
    """Replace the values of the secret directives of a CONFIG SET."""
    shown = list(argv)
    for place in range(2, len(argv) - 1, 2):
        directive = find(argv[place].decode("latin-1"))
        if directive is not None and directive.flags & SENSITIVE:
            shown[place + 1] = _SECRET
    return shown


def _hide_after(argv: list[bytes], first: int, option: bytes, count: int) -> list[bytes]:
    """Replace the `count` words behind an option."""
    shown = list(argv)
    for place in range(first, len(argv) - count):
        if argv[place].upper() == option:
            shown[place + 1 : place + 1 + count] = [_SECRET] * count
    return shown


def feed_monitors(
    monitors: dict[Session, None], session: Session, command: Command, argv: list[bytes], at: float
) -> None:
    """Show one command to every monitoring session, after it ran; administration is left out."""
    if not command.flags & (SKIP_MONITOR | ADMIN):
        show_call(monitors, session, command, argv, at)


def show_call(
    monitors: dict[Session, None], session: Session, command: Command, argv: list[bytes], at: float
) -> None:
    """Show one command to every monitoring session.

    Scripts call this themselves before they run, so that their commands come behind their call;
    the session that runs those has `lua` for an address.
    """
    words = b" ".join([quoted(word) for word in without_secrets(command, argv)])
    source = session.peer
    if session.is_unix:
        source = b"unix:" + source.removesuffix(b":0")
    line = b"%.6f [%d %s] %s" % (at, session.keyspace.index, source, words)
    for monitor in monitors:
        monitor.send(Simple(line))
