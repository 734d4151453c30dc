"""Kinds of simple directive values: how each is parsed, shown and rewritten.

A kind turns the words after a directive's name into a value, a value into the text of CONFIG GET,
and a value into the lines of CONFIG REWRITE. The error texts are Redis's: clients match them.
Kinds that hold several values in one directive are in `compound.py`.
"""

from typing import Final

# What a directive can hold. Compound kinds use tuples, so that values compare and never alias.
Value = bool | int | str | tuple[object, ...]

INT_MAX: Final = 2**31 - 1
INT_MIN: Final = -(2**31)
UINT_MAX: Final = 2**32 - 1
LONG_MAX: Final = 2**63 - 1
ULONG_MAX: Final = 2**64 - 1

_UNITS: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1 << 10,
    "m": 1000**2,
    "mb": 1 << 20,
    "g": 1000**3,
    "gb": 1 << 30,
}
_ESCAPES: Final[dict[int, str]] = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
    0x07: "\\a",
    0x08: "\\b",
}


class ConfigError(Exception):
    """A refused configuration; the text is one line, without an error code."""


class Kind:
    """The type of a directive.

    `multi` kinds take any number of words; a single word is split at each space first. `allowed`
    says what is valid, where the error text of Redis does not.
    """

    multi = False
    allowed = ""
    choices: tuple[str, ...] = ()

    def parse(self, words: list[str], current: Value) -> Value:
        """Return the new value for these words, or raise ConfigError with Redis's reason."""
        raise NotImplementedError

    def show(self, value: Value) -> str:
        """Return the value as CONFIG GET prints it."""
        return str(value)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        """Return the lines CONFIG REWRITE wants, each with whether it may be appended.

        A line that may not be appended only replaces one that the file already has.
        """
        return [(f"{name} {self.show(value)}", value != default)]


class Flag(Kind):
    """A directive that is `yes` or `no`."""

    choices = ("yes", "no")

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0].lower()
        if word not in self.choices:
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def show(self, value: Value) -> str:
        return "yes" if value else "no"


class Number(Kind):
    """A whole number in decimal notation within bounds."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.allowed = f"a whole number from {low} to {high}"

    def parse(self, words: list[str], current: Value) -> Value:
        return within(canonical_integer(words[0]), self.low, self.high)


class Rate(Number):
    """The timer's frequency: every accepted number is brought into 1 to 500."""

    def parse(self, words: list[str], current: Value) -> Value:
        return min(max(canonical_integer_within(words[0], self.low, self.high), 1), 500)


class Memory(Kind):
    """A size in bytes, with the units b, k, kb, m, mb, g and gb; `floor` lifts smaller sizes."""

    def __init__(self, low: int, high: int, floor: int = 0) -> None:
        self.low = low
        self.high = high
        self.floor = floor
        self.allowed = f"a size such as 100mb, from {low} to {high} bytes"

    def parse(self, words: list[str], current: Value) -> Value:
        size = memory_size(words[0])
        if size is None:
            raise ConfigError("argument must be a memory value")
        return max(within(size, self.low, self.high), self.floor)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        assert isinstance(value, int)
        return [(f"{name} {short_size(value)}", value != default)]


class MemoryOrPercent(Kind):
    """A size in bytes, or a percentage of another one, kept as a negative number as Redis does."""

    allowed = "a size such as 100mb, or a percentage from 0% to 100%"

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0]
        if word.endswith("%"):
            try:
                percent = canonical_integer(word[:-1])
            except ConfigError:
                percent = -1
            if percent < 0:
                raise ConfigError("argument must be a memory or percent value")
            if percent > 100:
                raise ConfigError("percentage argument must be less or equal to 100")
            return -percent
        size = memory_size(word)
        if size is None or size > LONG_MAX:
            raise ConfigError("argument must be a memory or percent value")
        return size

    def show(self, value: Value) -> str:
        assert isinstance(value, int)
        return f"{-value}%" if value < 0 else str(value)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        assert isinstance(value, int)
        text = self.show(value) if value < 0 else short_size(value)
        return [(f"{name} {text}", value != default)]


class Octal(Kind):
    """File permissions in octal notation."""

    allowed = "an octal number from 0 to 777"

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0]
        if word.strip("01234567"):
            raise ConfigError("argument couldn't be parsed as an octal number")
        value = int(word, 8) if word else 0
        if value > 0o777:
            raise ConfigError("argument must be between 0 and 777 inclusive")
        return value

    def show(self, value: Value) -> str:
        assert isinstance(value, int)
        return f"{value:o}"


class Choice(Kind):
    """One word out of a list, in any case."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0].lower()
        if word not in self.choices:
            raise self.refusal()
        return word

    def refusal(self) -> ConfigError:
        """Return the error that lists the choices."""
        return ConfigError("argument(s) must be one of the following: " + ", ".join(self.choices))


class Text(Kind):
    """Any text; with `unset_when_empty`, CONFIG REWRITE writes no line for an empty one."""

    def __init__(self, *, unset_when_empty: bool = False) -> None:
        self.unset_when_empty = unset_when_empty
        self.allowed = "one word, or text in quotes"

    def parse(self, words: list[str], current: Value) -> Value:
        return words[0]

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        assert isinstance(value, str)
        if self.unset_when_empty and not value:
            return []
        return [(f"{name} {quoted(value)}", value != default)]


class FileName(Text):
    """The name of a file or folder inside `dir`: never a path, and not empty unless allowed."""

    def __init__(self, directive: str, *, folder: bool = False, may_be_empty: bool = False) -> None:
        super().__init__()
        self.directive = directive
        self.noun = "dirname" if folder else "filename"
        self.may_be_empty = may_be_empty
        self.allowed = f"a {self.noun} without /"

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0]
        if not word and not self.may_be_empty:
            raise ConfigError(f"{self.directive} can't be empty")
        if "/" in word:
            raise ConfigError(f"{self.directive} can't be a path, just a {self.noun}")
        return word


class FolderPath(Text):
    """A folder that is made when it is needed; relative to `dir`."""

    allowed = "a path"

    def parse(self, words: list[str], current: Value) -> Value:
        if not words[0]:
            raise ConfigError("argument must be a path")
        return words[0]


def canonical_integer(word: str) -> int:
    """Return a signed 64-bit integer written without sign, zeros or spaces in front of it."""
    digits = word[1:] if word.startswith("-") else word
    if word != "0":
        if not digits.isascii() or not digits.isdigit() or digits[0] == "0" or len(digits) > 19:
            raise ConfigError("argument couldn't be parsed into an integer")
        if not -LONG_MAX - 1 <= int(word) <= LONG_MAX:
            raise ConfigError("argument couldn't be parsed into an integer")
    return int(word)


def canonical_integer_within(word: str, low: int, high: int) -> int:
    """Return a canonical integer within bounds."""
    return within(canonical_integer(word), low, high)


def within(value: int, low: int, high: int) -> int:
    """Return the value, or refuse it when it is out of bounds."""
    if not low <= value <= high:
        raise ConfigError(f"argument must be between {low} and {high} inclusive")
    return value


def loose_integer(word: str) -> int | None:
    """Return an integer as C's strtoll reads it (saturating, empty is 0), or None."""
    word = word.lstrip()
    digits = word[1:] if word[:1] in ("+", "-") else word
    if not word:
        return 0
    if not digits.isascii() or not digits.isdigit():
        return None
    # Digits beyond 20 only saturate further, and int() refuses very long ones.
    value = int(digits.lstrip("0")[:20] or "0")
    return max(-value, -LONG_MAX - 1) if word[0] == "-" else min(value, LONG_MAX)


def memory_size(word: str) -> int | None:
    """Return a size with its unit in bytes, or None if it is not one; an empty word is 0."""
    end = 0
    while end < len(word) and "0" <= word[end] <= "9":
        end += 1
    unit = _UNITS.get(word[end:].lower())
    if unit is None or (end == 0 and word):
        return None
    # The number saturates and the product wraps at 64 bits, as Redis's do.
    number = min(int(word[:end].lstrip("0")[:21] or "0"), ULONG_MAX)
    return number * unit & ULONG_MAX


def short_size(value: int) -> str:
    """Return a size in the largest unit that divides it."""
    for unit, size in (("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def quoted(text: str) -> str:
    """Return the text between double quotes, with the escapes that redis.conf reads back."""
    out = ['"']
    for byte in text.encode("utf-8", "surrogateescape"):
        escape = _ESCAPES.get(byte)
        if escape is not None:
            out.append(escape)
        elif 0x20 <= byte < 0x7F:
            out.append(chr(byte))
        else:
            out.append(f"\\x{byte:02x}")
    out.append('"')
    return "".join(out)
