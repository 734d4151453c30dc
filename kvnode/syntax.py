"""A card's syntax line read into the argument tree of COMMAND DOCS, and printed for people.

The line is written as in a manual, with what COMMAND DOCS tells beyond that as short suffixes:

    name             a string            name:i  an integer      name:d  a double
    name:k#0         a key, described by the command's key specification 0
    name:p           a pattern           name:t  a unix time
    WITHSCORES       a token by itself, named in lower case
    other=TOKEN      a token by itself under another name; `other=` is the empty token
    COUNT count:i    an argument behind a token; `""` for the empty token
    name=<a|b>       one of several      name=(a b)  several together
    [a]              may be left out     a ...       may be repeated
    a ...+           is repeated with its token
    a@6.2.0          is there since that version       a!2.8.12    is deprecated since that version

The suffixes come in the order kind, key, repetition, versions: `key:k#0 ...@6.2.0`.
"""

from typing import Final, final

_KINDS: Final = {
    "": "string",
    "i": "integer",
    "d": "double",
    "k": "key",
    "p": "pattern",
    "t": "unix-time",
}
_MANY: Final = " ..."
_NOTHING: Final = '""'
_ENDS_WORD: Final = " @!|<>()[]"
_MAKES_NAME: Final = "abcdefghijklmnopqrstuvwxyz"


@final
class Argument:
    """One argument: `kind` is Redis's word for its type, `token` None where it has none."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.token: str | None = None
        self.key_spec = -1
        self.since = ""
        self.deprecated_since = ""
        self.optional = False
        self.multiple = False
        self.multiple_token = False
        self.arguments: list[Argument] = []

    def flags(self) -> list[str]:
        """Return Redis's words for how often the argument may stand."""
        found: list[str] = []
        if self.optional:
            found.append("optional")
        if self.multiple:
            found.append("multiple")
        if self.multiple_token:
            found.append("multiple_token")
        return found


@final
class _Reader:
    """Reads one line from left to right."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.place = 0

    def sequence(self, end: str) -> list[Argument]:
        """Read arguments between blanks up to `end` (empty: up to the end of the line)."""
        found = [self.argument()]
        while self.place < len(self.line) and self.line[self.place] == " ":
            self.place += 1
            found.append(self.argument())
        self.expect(end)
        return found

    def alternatives(self) -> list[Argument]:
        """Read arguments between bars up to `>`."""
        found = [self.argument()]
        while self.place < len(self.line) and self.line[self.place] == "|":
            self.place += 1
            found.append(self.argument())
        self.expect(">")
        return found

    def expect(self, end: str) -> None:
        """Read a closing mark, or refuse the line."""
        if end and not self.line.startswith(end, self.place):
            raise ValueError(f"{self.line!r}: {end} is wanted at {self.place}")
        self.place += len(end)
        if not end and self.place != len(self.line):
            raise ValueError(f"{self.line!r}: nothing is wanted at {self.place}")

    def argument(self) -> Argument:
        """Read one argument with its brackets, token and suffixes."""
        if self.line.startswith("[", self.place):
            self.place += 1
            argument = self.argument()
            self.expect("]")
            argument.optional = True
            return argument
        argument = self.core()
        if self.line.startswith(_MANY, self.place):
            self.place += len(_MANY)
            argument.multiple = True
            if self.line.startswith("+", self.place):
                self.place += 1
                argument.multiple_token = True
        if self.line.startswith("@", self.place):
            self.place += 1
            argument.since = self.word()
        if self.line.startswith("!", self.place):
            self.place += 1
            argument.deprecated_since = self.word()
        return argument

    def core(self) -> Argument:
        """Read a token, an argument behind a token, or an argument."""
        word = self.word()
        if word == _NOTHING:
            self.expect(" ")
            argument = self.named(self.word())
            argument.token = ""
            return argument
        if _is_token(word):
            if self._name_follows():
                self.expect(" ")
                argument = self.named(self.word())
                argument.token = word
                return argument
            argument = Argument(word.lower(), "pure-token")
            argument.token = word
            return argument
        return self.named(word)

    def named(self, word: str) -> Argument:
        """Read the rest of an argument that begins with its name."""
        name, equals, token = word.partition("=")
        if not equals:
            return self.plain(word)
        if not token and self.line.startswith("<", self.place):
            self.place += 1
            argument = Argument(name, "oneof")
            argument.arguments = self.alternatives()
        elif not token and self.line.startswith("(", self.place):
            self.place += 1
            argument = Argument(name, "block")
            argument.arguments = self.sequence(")")
        else:
            argument = Argument(name, "pure-token")
            argument.token = token
        return argument

    def plain(self, word: str) -> Argument:
        """Return the argument that a name with its suffixes means; a name may hold a colon."""
        text, _, key_spec = word.partition("#")
        name, _, mark = text.rpartition(":")
        if mark not in _KINDS:
            name = text
            mark = ""
        if not name:
            raise ValueError(f"{self.line!r}: an argument is wanted at {self.place}")
        argument = Argument(name, _KINDS[mark])
        if key_spec:
            argument.key_spec = int(key_spec)
        return argument

    def word(self) -> str:
        """Read up to the next mark."""
        begin = self.place
        while self.place < len(self.line) and self.line[self.place] not in _ENDS_WORD:
            self.place += 1
        return self.line[begin : self.place]

    def _name_follows(self) -> bool:
        """Return whether the next word names an argument that the token just read belongs to."""
        line = self.line
        begin = self.place + 1
        if not line.startswith(" ", self.place) or begin >= len(line):
            return False
        return line[begin] in _MAKES_NAME


def _is_token(word: str) -> bool:
    """Return whether a word stands for itself; names are written in lower case."""
    return word != "" and "=" not in word and word[0] not in _MAKES_NAME


def parse(line: str) -> list[Argument]:
    """Return the arguments of a syntax line; raises ValueError where it is malformed."""
    if not line:
        return []
    return _Reader(line).sequence("")


def printed(arguments: list[Argument]) -> str:
    """Return the arguments as a manual prints them."""
    return " ".join([_printed_one(argument) for argument in arguments])


def _printed_one(argument: Argument) -> str:
    text = _printed_core(argument)
    token = argument.token if argument.kind != "pure-token" else None
    if argument.kind == "oneof" and (
        not argument.optional or token is not None or argument.multiple
    ):
        text = f"<{text}>"
    once = text
    if token is not None:
        text = f"{token or _NOTHING} {text}"
    if argument.multiple:
        text = f"{text} [{text if argument.multiple_token else once} ...]"
    return f"[{text}]" if argument.optional else text


def _printed_core(argument: Argument) -> str:
    if argument.kind == "pure-token":
        return argument.token or _NOTHING
    if argument.kind == "oneof":
        return " | ".join([_printed_one(inner) for inner in argument.arguments])
    if argument.kind == "block":
        return printed(argument.arguments)
    return argument.name


def minimal(arguments: list[Argument]) -> int:
    """Return the number of words of the shortest request that the arguments allow."""
    return sum([_minimal_one(argument) for argument in arguments])


def _minimal_one(argument: Argument) -> int:
    if argument.optional:
        return 0
    if argument.kind == "pure-token":
        return 1
    own = 1
    if argument.kind == "oneof":
        own = min([_minimal_one(inner) for inner in argument.arguments])
    elif argument.kind == "block":
        own = minimal(argument.arguments)
    return own + (1 if argument.token is not None else 0)
