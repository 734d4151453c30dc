"""Reading the configuration at start: redis.conf, standard input, and the command line.

All three give the same statements, a directive's name and its words; later ones win. Whatever
cannot be obeyed is refused with one line that says where, what, and what would be allowed.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final

from kvnode.config.directives import BY_NAME, IGNORED, SENSITIVE, STATEMENTS, find
from kvnode.config.kinds import ConfigError
from kvnode.config.store import Config
from kvprotocol.requests import split_words

INCLUDE_DEPTH_MAX: Final = 16
STDIN: Final = "-"


class Statement:
    """A directive's name and words, and where they stand."""

    __slots__ = ("name", "place", "words")

    def __init__(self, name: str, words: list[str], place: str) -> None:
        self.name = name
        self.words = words
        self.place = place

    def refused(self, reason: str, allowed: str = "") -> ConfigError:
        """Return the one-line error for this statement."""
        shown = " ".join(word if word and " " not in word else f'"{word}"' for word in self.words)
        line = f"{self.place}: {self.name} {shown}".rstrip() + f": {reason}"
        if allowed:
            line += f" (allowed: {allowed})"
        return ConfigError(line.replace("\n", " "))


def load(path: str, overrides: list[Statement]) -> Config:
    """Return the configuration of a file ("" for none, "-" for standard input) and overrides.

    A wrong statement raises ConfigError.
    """
    config = Config()
    if path == STDIN:
        for statement in parse(sys.stdin.buffer.read(), "standard input"):
            _obey(config, statement, 0)
    elif path:
        _read_file(config, path, 0, "")
        config.file = os.path.abspath(path)
    for statement in overrides:
        _obey(config, statement, 0)
    if config.users and config.text("aclfile"):
        raise ConfigError(
            "user: users may be declared in the configuration file or in aclfile, not in both"
        )
    return config


def parse(text: bytes, source: str) -> Iterator[Statement]:
    """Yield the statements of a configuration text."""
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.strip(b" \t\r\n")
        if not line or line.startswith(b"#"):
            continue
        place = f"{source}, line {number}"
        words = split_words(line)
        if words is None:
            raise ConfigError(f"{place}: unbalanced quotes: {_text(line)}")
        if words:
            yield Statement(_text(words[0]).lower(), [_text(word) for word in words[1:]], place)


def from_arguments(arguments: list[str]) -> list[Statement]:
    """Return the statements of a command line `--name value ... --name value ...`.

    The word behind a name always is its value, even if it begins with `--`; only `--save` may
    stand without one, and then turns snapshots off. `"--name value"` may be one argument.
    """
    statements: list[Statement] = []
    wants_value = False
    for i, argument in enumerate(arguments):
        if argument.startswith("--") and not wants_value:
            words = split_words(argument[2:].encode("utf-8", "surrogateescape")) or [b""]
            statement = Statement(_text(words[0]).lower(), [], "command line")
            statement.words = [_text(word) for word in words[1:]]
            statements.append(statement)
            following = arguments[i + 1] if i + 1 < len(arguments) else "--"
            if statement.name == "save" and following.startswith("--"):
                continue
            wants_value = len(words) == 1
        elif statements:
            statements[-1].words.append(argument)
            wants_value = False
        else:
            raise ConfigError(f"command line: {argument}: a configuration name begins with --")
    return statements


def _read_file(config: Config, path: str, depth: int, place: str) -> None:
    prefix = f"{place}: include " if place else ""
    if depth > INCLUDE_DEPTH_MAX:
        raise ConfigError(f"{prefix}{path}: includes are nested deeper than {INCLUDE_DEPTH_MAX}")
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ConfigError(f"{prefix}{path}: cannot read the file: {reason}") from None
    for statement in parse(text, path):
        _obey(config, statement, depth)


def _obey(config: Config, statement: Statement, depth: int) -> None:
    row = find(statement.name)
    if row is not None:
        try:
            config.set_words(row, statement.words)
        except ConfigError as error:
            if row.flags & SENSITIVE:
                statement.words = ["(hidden)"]
            raise statement.refused(str(error), row.kind.allowed) from None
    elif statement.name == "include":
        if len(statement.words) != 1:
            raise statement.refused("wrong number of arguments", "one file name or pattern")
        _include(config, statement, depth)
    elif statement.name == "rename-command":
        _rename_command(config, statement)
    elif statement.name == "user":
        _declare_user(config, statement)
    elif statement.name == "loadmodule":
        if not statement.words:
            raise statement.refused("wrong number of arguments", "<path> [<argument> ...]")
        config.modules.append(statement.words)
    elif statement.name == "sentinel":
        raise statement.refused("sentinel directive while not in sentinel mode")
    elif statement.name not in IGNORED:
        raise statement.refused(_unknown(statement.name))


def _include(config: Config, statement: Statement, depth: int) -> None:
    import glob  # few configurations include others

    pattern = statement.words[0]
    # A pattern may match nothing; a plain name must be there.
    paths = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
    for path in paths:
        _read_file(config, path, depth + 1, statement.place)


def _rename_command(config: Config, statement: Statement) -> None:
    if len(statement.words) != 2:
        raise statement.refused("wrong number of arguments", '<command> <new name or "">')
    old, new = statement.words
    config.renamed_commands.append((old, new))


def _declare_user(config: Config, statement: Statement) -> None:
    if not statement.words:
        raise statement.refused("wrong number of arguments", "<name> [<rule> ...]")
    if any(words[0] == statement.words[0] for words in config.users):
        # The rules may hold passwords: only the name is shown.
        statement.words = statement.words[:1]
        raise statement.refused("a user can only be defined once")
    config.users.append(statement.words)


def _unknown(name: str) -> str:
    import difflib  # only an error needs it, and it is a tenth of the program's start

    near = difflib.get_close_matches(name, [*BY_NAME, *STATEMENTS], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown configuration name{hint}"


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
