"""The configuration in force: values, CONFIG GET and CONFIG SET, and who is told of a change."""

import os
from collections.abc import Callable, Iterable

from kvnode.config.compound import buffer_limits
from kvnode.config.directives import (
    BY_NAME,
    DIRECTIVES,
    HIDDEN,
    IMMUTABLE,
    PROTECTED,
    VOLATILE,
    Directive,
    find,
)
from kvnode.config.kinds import LONG_MAX, ConfigError, Value
from kvnode.config.rewriting import rewrite_file
from kvnode.config.settings import Settings
from kvnode.globs import matches

OnChange = Callable[[], None]


class Config:
    """The values of all directives.

    Text is `str` with surrogate escapes, so that any bytes of a client pass through unharmed.
    """

    def __init__(self) -> None:
        self._values: dict[str, Value] = {row.name: row.default for row in DIRECTIVES}
        self._values["dir"] = os.getcwd()
        self._subscribers: dict[str, list[OnChange]] = {}
        self._mirrors: list[object] = []
        self._save_read = False
        self.file = ""  # absolute path of the configuration file; empty when there is none
        self.renamed_commands: list[tuple[str, str]] = []  # from, to; an empty `to` disables
        self.users: list[list[str]] = []  # the words after `user`, per user
        self.modules: list[list[str]] = []  # the words after `loadmodule`
        # Set by the access control list, which alone knows its users' rules; until then CONFIG
        # REWRITE keeps the file's `user` lines.
        self.user_lines: Callable[[], list[str]] | None = None
        self.settings = Settings()
        self.mirror(self.settings)
        self.subscribe("client-output-buffer-limit", self._copy_buffer_limits)

    # Typed reading, for code that knows the name.

    def flag(self, name: str) -> bool:
        """Return a yes/no directive."""
        value = self._values[name]
        assert isinstance(value, bool), name
        return value

    def number(self, name: str) -> int:
        """Return a directive that holds a number or a size in bytes."""
        value = self._values[name]
        assert isinstance(value, int), name
        return value

    def text(self, name: str) -> str:
        """Return a directive that holds one word or text."""
        value = self._values[name]
        assert isinstance(value, str), name
        return value

    def show(self, name: str) -> str:
        """Return any directive's value as CONFIG GET prints it."""
        return BY_NAME[name].kind.show(self._values[name])

    def bind_addresses(self) -> list[str]:
        """Return the addresses to listen on; `-` in front marks one that may be missing."""
        value = self._values["bind"]
        assert isinstance(value, tuple)
        return [str(address) for address in value]

    def save_points(self) -> list[tuple[int, int]]:
        """Return (seconds, changes) pairs."""
        words = self.show("save").split()
        return [(int(words[i]), int(words[i + 1])) for i in range(0, len(words), 2)]

    def percentiles(self) -> list[float]:
        """Return the percentiles of the latency section of INFO."""
        value = self._values["latency-tracking-info-percentiles"]
        assert isinstance(value, tuple)
        return [number for number in value if isinstance(number, float)]

    def without_effect(self) -> list[tuple[str, str]]:
        """Return (name, value) of directives set away from their defaults that do nothing here."""
        rows = [
            (row.name, row.kind.show(self._values[row.name]))
            for row in DIRECTIVES
            if not row.effective and self._values[row.name] != row.default
        ]
        rows.extend(("loadmodule", " ".join(words)) for words in self.modules)
        return rows

    # CONFIG GET, CONFIG SET, CONFIG REWRITE.

    def get(self, patterns: list[str]) -> list[tuple[str, str]]:
        """Return (name, text) of the directives that match, each once, sorted by name.

        A name without wildcards is answered in the spelling of the question.
        """
        found: dict[str, tuple[str, str]] = {}
        for pattern in patterns:
            for name in _matching(pattern):
                if name.lower() not in found:
                    found[name.lower()] = (name, self.show(BY_NAME[name.lower()].name))
        return [found[key] for key in sorted(found)]

    def set_many(self, pairs: list[tuple[str, str]], *, local: bool = True) -> None:
        """Set all of the (name, text) pairs, or none and raise ConfigError.

        `local` says whether the caller is on this machine (for enable-protected-configs local).
        """
        rows = self._admit(pairs, local)
        before = dict(self._values)
        changed: list[Directive] = []
        current = ""
        applied: list[Directive] = []
        try:
            for (name, text), row in zip(pairs, rows, strict=True):
                current = name.lower()
                self._values[row.name] = row.kind.parse(_split(row, [text]), self._values[row.name])
                differs = self._values[row.name] != before[row.name] or row.flags & VOLATILE
                if differs and row not in changed:
                    changed.append(row)
            for row in changed:
                current = _name_given(row, pairs)
                applied.append(row)
                self._tell(row)
        except ConfigError as error:
            self._values = before
            for row in applied:
                self._restore(row)
            raise ConfigError(_set_failed(current, str(error))) from None

    def set_words(self, row: Directive, words: list[str]) -> None:
        """Set a directive from the words of a configuration file or command line."""
        if not row.kind.multi and len(words) != 1:
            raise ConfigError("wrong number of arguments")
        words = _split(row, words)
        before = self._values[row.name]
        value = row.kind.parse(words, before)
        if row.name == "save" and words and self._save_read:
            # Save points of several lines add up; the first line replaces the defaults.
            assert isinstance(before, tuple)
            assert isinstance(value, tuple)
            value = before + value
        self._values[row.name] = value
        self._save_read = self._save_read or row.name == "save"
        if self._values[row.name] != before:
            self._tell(row)

    def rewrite(self) -> None:
        """Write the values in force into the configuration file, keeping its order and comments."""
        if not self.file:
            raise ConfigError("The server is running without a config file")
        rows = [
            (row, row.kind.rewrite(row.name, self._values[row.name], row.default))
            for row in DIRECTIVES
        ]
        user_lines = self.user_lines() if self.user_lines is not None else None
        try:
            rewrite_file(self.file, rows, user_lines)
        except OSError as error:
            raise ConfigError(f"Rewriting config file: {error.strerror}") from None

    # Who is told.

    def subscribe(self, name: str, on_change: OnChange) -> None:
        """Call `on_change` after each change of a directive, whose new value is then in force.

        It may raise ConfigError to refuse the change: CONFIG SET then restores all values, and
        calls it again.
        """
        self._subscribers.setdefault(BY_NAME[name].name, []).append(on_change)

    def mirror(self, target: object) -> None:
        """Keep the attributes of an object equal to the directives of the same names.

        `maxmemory_policy` mirrors maxmemory-policy, and so on; other attributes are left alone.
        """
        self._mirrors.append(target)
        for row in DIRECTIVES:
            self._copy(row, target)

    def _admit(self, pairs: list[tuple[str, str]], local: bool) -> list[Directive]:
        """Return the directives to set, or refuse the first name that cannot be set."""
        guard = self._values["enable-protected-configs"]
        rows: list[Directive] = []
        seen: set[str] = set()
        for name, _ in pairs:
            row = find(name)
            if row is None:
                raise ConfigError(
                    f"Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            if row.flags & IMMUTABLE:
                raise ConfigError(_set_failed(name, "can't set immutable config"))
            if row.flags & PROTECTED and not (guard == "yes" or (guard == "local" and local)):
                raise ConfigError(_set_failed(name, "can't set protected config"))
            if name.lower() in seen:
                raise ConfigError(_set_failed(name, "duplicate parameter"))
            seen.add(name.lower())
            rows.append(row)
        return rows

    def _tell(self, row: Directive) -> None:
        for target in self._mirrors:
            self._copy(row, target)
        for on_change in self._subscribers.get(row.name, ()):
            on_change()

    def _restore(self, row: Directive) -> None:
        """Tell of a value that came back; nobody can refuse the value that was in force before."""
        try:
            self._tell(row)
        except ConfigError:
            return

    def _copy(self, row: Directive, target: object) -> None:
        attribute = row.name.replace("-", "_")
        if hasattr(target, attribute):
            value = self._values[row.name]
            # Attributes are native 64-bit integers; beyond them a limit is no limit anyway.
            setattr(target, attribute, min(value, LONG_MAX) if type(value) is int else value)

    def _copy_buffer_limits(self) -> None:
        normal, replica, pubsub = buffer_limits(self._values["client-output-buffer-limit"])
        settings = self.settings
        settings.output_normal.set(*_native(normal))
        settings.output_replica.set(*_native(replica))
        settings.output_pubsub.set(*_native(pubsub))


def _matching(pattern: str) -> Iterable[str]:
    lowered = pattern.lower()
    if not any(wildcard in pattern for wildcard in "[*?"):
        return [pattern] if lowered in BY_NAME else []
    glob = lowered.encode("utf-8", "surrogateescape")
    return [
        name
        for name, row in BY_NAME.items()
        if not row.flags & HIDDEN and matches(glob, name.encode())
    ]


def _split(row: Directive, words: list[str]) -> list[str]:
    """Return a directive's words; one word of a multi kind is split (`save "900 1"`)."""
    if not row.kind.multi or len(words) != 1:
        return words
    return words[0].split(" ") if words[0] else []


def _name_given(row: Directive, pairs: list[tuple[str, str]]) -> str:
    for name, _ in pairs:
        if find(name) is row:
            return name.lower()
    return row.name


def _native(limits: tuple[int, int, int]) -> tuple[int, int, int]:
    hard, soft, seconds = limits
    return min(hard, LONG_MAX), min(soft, LONG_MAX), seconds


def _set_failed(name: str, reason: str) -> str:
    return f"CONFIG SET failed (possibly related to argument '{name}') - {reason}"
