"""The node's log: one line per event, `time level=... event=... key=value ...`.

Not the standard library's logging: importing that costs 12 ms of a start and every record an
object, while the node has one stream, four levels and one format.
"""

import time
from typing import Final, Protocol

LEVELS: Final = ("debug", "verbose", "notice", "warning")


class RawStream(Protocol):
    """A stream without a buffer: what could not be written must not wait for the process's end."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of the bytes."""


class Log:
    """Writes events of at least a level to a stream."""

    def __init__(self, level: str, stream: RawStream) -> None:
        self._stream = stream
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Change the level, one of LEVELS; ValueError for anything else."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no log level")
        self._lowest = LEVELS.index(level)

    def debug(self, event: str, **fields: object) -> None:
        """Log what only a developer wants to see."""
        if self._lowest <= 0:
            self._write("debug", event, fields)

    def verbose(self, event: str, **fields: object) -> None:
        """Log what is rarely useful, but not a flood."""
        if self._lowest <= 1:
            self._write("verbose", event, fields)

    def notice(self, event: str, **fields: object) -> None:
        """Log what an operator wants to see in production."""
        if self._lowest <= 2:
            self._write("notice", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what an operator must see."""
        self._write("warning", event, fields)

    def note(self, level: str, event: str, **fields: object) -> None:
        """Log an event at the level of this name."""
        if self._lowest <= LEVELS.index(level):
            self._write(level, event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        milliseconds = time.time_ns() // 1_000_000
        day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
        parts = [f"{day}.{milliseconds % 1000:03d}Z level={level} event={event}"]
        parts.extend(f"{name}={_shown(value)}" for name, value in fields.items())
        line = " ".join(parts) + "\n"
        try:
            self._stream.write(line.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            # A full disk or a reader that is gone costs the line, never the node: who logs is the
            # timer, a signal, a bug.
            pass


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    else:
        text = str(value)
    if text and text.isprintable() and not any(c in text for c in ' "=\\'):
        return text
    # One event is one line whatever a client put into the value.
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text) + '"'
