"""The manifest of an append-only file: which files it consists of, in Redis 7's form.

    # kvnode crc32 9efd8e06
    file appendonly.aof.1.base.rdb seq 1 type b
    file appendonly.aof.1.incr.aof seq 1 type i
    file appendonly.aof.2.incr.aof seq 2 type i

One base at most (`b`), the increments behind it in the order of their numbers (`i`), and files of
the past that may be removed (`h`). A name with blanks or quotes stands in double quotes.

The comment is ours, and Redis passes over it: a line that is lost, or an `i` that turned into an
`h`, would lose data that nobody misses. What Redis wrote has none, and is taken as it is.
"""

from __future__ import annotations

from typing import Final, final
from zlib import crc32

from kvprotocol.requests import split_words

BASE: Final = "b"
INCREMENT: Final = "i"
HISTORY: Final = "h"

_SUM: Final = "# kvnode crc32 "
_LINE_MAX: Final = 1024
_DIGITS_MAX: Final = 18


class ManifestError(Exception):
    """A manifest that cannot be used; the text names the line."""


@final
class Part:
    """One file of the log."""

    def __init__(self, name: str, number: int, kind: str) -> None:
        self.name = name
        self.number = number
        self.kind = kind

    def line(self) -> str:
        """Return the part as a line of the manifest."""
        name = self.name
        if not name.isprintable() or any(letter in name for letter in ' "\\'):
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            name = f'"{escaped}"'
        return f"file {name} seq {self.number} type {self.kind}\n"


@final
class Manifest:
    """The files of one append-only file."""

    def __init__(self) -> None:
        self.base: Part | None = None
        self.increments: list[Part] = []
        self.history: list[Part] = []

    @staticmethod
    def parse(text: str) -> Manifest:
        """Return what a manifest says. ManifestError: it is none, or contradicts itself."""
        manifest = Manifest()
        if not text:
            raise ManifestError("the manifest is empty")
        if not text.endswith("\n"):
            raise ManifestError(f"line {text.count(chr(10)) + 1} does not end")
        first, _, rest = text.partition("\n")
        if first.startswith(_SUM) and first != _sum_line(rest):
            raise ManifestError(f"line 1: wrong checksum (the lines behind it give {_sum(rest)})")
        for number, line in enumerate(text.split("\n")[:-1], 1):
            if line.startswith("#"):
                continue
            try:
                manifest._add(_part_of(line))
            except ManifestError as error:
                raise ManifestError(f"line {number}: {error}") from None
        return manifest

    def _add(self, part: Part) -> None:
        if part.kind == BASE:
            if self.base is not None:
                raise ManifestError("a second base file")
            self.base = part
        elif part.kind == INCREMENT:
            if self.increments and self.increments[-1].number >= part.number:
                raise ManifestError("increments out of order")
            self.increments.append(part)
        else:
            self.history.append(part)

    def text(self) -> str:
        """Return the manifest as a file's content."""
        lines = "".join(part.line() for part in [*self.parts(), *self.history])
        return f"{_sum_line(lines)}\n{lines}"

    def parts(self) -> list[Part]:
        """Return the files that give the dataset, in the order in which they are read."""
        return [*([self.base] if self.base is not None else []), *self.increments]

    def is_empty(self) -> bool:
        """Return whether no file gives a dataset."""
        return self.base is None and not self.increments

    def copy(self) -> Manifest:
        """Return a manifest of the same parts."""
        twin = Manifest()
        twin.base = self.base
        twin.increments = self.increments.copy()
        twin.history = self.history.copy()
        return twin


def _sum(lines: str) -> str:
    return f"{crc32(lines.encode('utf-8', 'surrogateescape')):08x}"


def _sum_line(lines: str) -> str:
    return f"{_SUM}{_sum(lines)}"


def number_in(name: str, log_name: str) -> tuple[int, bool]:
    """Return a file's number in the log of this name and whether it is a base; 0 if it is none."""
    number, _, kind = name.removeprefix(f"{log_name}.").partition(".")
    if not name.startswith(f"{log_name}.") or not _is_number(number):
        return 0, False
    if kind not in ("base.rdb", "base.aof", "incr.aof"):
        return 0, False
    return int(number), kind != "incr.aof"


def _part_of(line: str) -> Part:
    if not line or len(line) > _LINE_MAX:
        raise ManifestError("a line that is empty or too long")
    words = split_words(line.encode("utf-8", "surrogateescape"))
    if words is None or len(words) < 6 or len(words) % 2:
        raise ManifestError("not: file NAME seq NUMBER type LETTER")
    values = {
        words[i].lower(): words[i + 1].decode("utf-8", "surrogateescape")
        for i in range(0, len(words), 2)
    }
    name = values.get(b"file", "")
    number = values.get(b"seq", "")
    kind = values.get(b"type", "")
    if not name or "/" in name or not _is_number(number) or int(number) == 0:
        raise ManifestError("not: file NAME seq NUMBER type LETTER")
    if kind not in (BASE, INCREMENT, HISTORY):
        raise ManifestError(f"type {kind}, which is none of b, i and h")
    return Part(name, int(number), kind)


def _is_number(text: str) -> bool:
    """Return whether a text is the number of a file."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
