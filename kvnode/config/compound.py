"""Kinds of directives that hold several values: save points, buffer limits, addresses, events."""

import math
import os
from typing import Final

from kvnode.config.kinds import (
    INT_MAX,
    Choice,
    ConfigError,
    Kind,
    Text,
    Value,
    canonical_integer_within,
    loose_integer,
    memory_size,
    quoted,
    short_size,
)
from kvnode.config.settings import (
    NOTIFY_ALL,
    NOTIFY_CLASSES,
    NOTIFY_KEY_MISS,
    NOTIFY_KEYEVENT,
    NOTIFY_KEYSPACE,
    NOTIFY_NEW,
)

BIND_ADDRESSES_MAX: Final = 16
BUFFER_CLASSES: Final = ("normal", "slave", "pubsub")
_TITLE_VARIABLES: Final = (
    "title",
    "listen-addr",
    "server-mode",
    "port",
    "tls-port",
    "config-file",
    "unixsocket",
)


class SavePoints(Kind):
    """Pairs of seconds and changes; no pair turns snapshots off."""

    multi = True
    allowed = 'pairs of <seconds> <changes>, or ""'

    def parse(self, words: list[str], current: Value) -> Value:
        if len(words) % 2:
            raise ConfigError("Invalid save parameters")
        points: list[object] = []
        for i in range(0, len(words), 2):
            seconds = loose_integer(words[i])
            changes = loose_integer(words[i + 1])
            if seconds is None or changes is None or seconds < 1 or not 0 <= changes <= INT_MAX:
                raise ConfigError("Invalid save parameters")
            points.append((seconds, changes))
        return tuple(points)

    def show(self, value: Value) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in _pairs(value))

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        if not value:
            return [(f'{name} ""', True)]
        return [(f"{name} {seconds} {changes}", True) for seconds, changes in _pairs(value)]


class BufferLimits(Kind):
    """Hard limit, soft limit and soft seconds of each client class; unnamed classes stay."""

    multi = True
    allowed = "groups of normal|replica|pubsub <hard> <soft> <soft seconds>"

    def parse(self, words: list[str], current: Value) -> Value:
        assert isinstance(current, tuple)
        if len(words) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        limits = list(current)
        for i in range(0, len(words), 4):
            name = words[i].lower().replace("replica", "slave")
            if name not in BUFFER_CLASSES:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard = memory_size(words[i + 1])
            soft = memory_size(words[i + 2])
            seconds = loose_integer(words[i + 3])
            if hard is None or soft is None or seconds is None or not 0 <= seconds <= INT_MAX:
                raise ConfigError(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                )
            limits[BUFFER_CLASSES.index(name)] = (hard, soft, seconds)
        return tuple(limits)

    def show(self, value: Value) -> str:
        parts = []
        for name, (hard, soft, seconds) in zip(BUFFER_CLASSES, buffer_limits(value), strict=True):
            parts.append(f"{name} {hard} {soft} {seconds}")
        return " ".join(parts)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        lines = []
        rows = zip(BUFFER_CLASSES, buffer_limits(value), buffer_limits(default), strict=True)
        for client, limits, usual in rows:
            hard, soft, seconds = limits
            label = "replica" if client == "slave" else client
            text = f"{name} {label} {short_size(hard)} {short_size(soft)} {seconds}"
            lines.append((text, limits != usual))
        return lines


class OomScores(Kind):
    """Three adjustments of the out-of-memory score: leader, follower, background child."""

    multi = True
    allowed = "three whole numbers from -2000 to 2000"

    def parse(self, words: list[str], current: Value) -> Value:
        if len(words) != 3:
            raise ConfigError("wrong number of arguments")
        scores: list[object] = []
        for word in words:
            score = loose_integer(word)
            if score is None or not -2000 <= score <= 2000:
                raise ConfigError(
                    "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
                )
            scores.append(score)
        return tuple(scores)

    def show(self, value: Value) -> str:
        return _joined(value)


class Percentiles(Kind):
    """Percentiles of the latency section of INFO."""

    multi = True
    allowed = "numbers from 0 to 100"

    def parse(self, words: list[str], current: Value) -> Value:
        values: list[object] = []
        for word in words:
            number = _percentile(word)
            if not 0.0 <= number <= 100.0:
                raise ConfigError(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                )
            values.append(number)
        return tuple(values)

    def show(self, value: Value) -> str:
        assert isinstance(value, tuple)
        return " ".join(f"{number:f}".rstrip("0").rstrip(".") for number in value)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        # Redis writes this line even when the value is the default one.
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', True)]


class EventClasses(Kind):
    """The keyspace events that are published, as bits (see settings.NOTIFY_CLASSES)."""

    allowed = "characters out of Ag$lshzxeKEtmdn"

    def parse(self, words: list[str], current: Value) -> Value:
        flags = 0
        for character in words[0]:
            if character == "A":
                flags |= NOTIFY_ALL
            elif character in NOTIFY_CLASSES:
                flags |= NOTIFY_CLASSES[character]
            else:
                raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return flags

    def show(self, value: Value) -> str:
        assert isinstance(value, int)
        if value & NOTIFY_ALL == NOTIFY_ALL:
            # A hides `n`, although it does not include it: Redis prints it so.
            text = "A"
        else:
            text = "".join(c for c in "g$lshzxetd" if value & NOTIFY_CLASSES[c])
            text += "n" if value & NOTIFY_NEW else ""
        text += "K" if value & NOTIFY_KEYSPACE else ""
        text += "E" if value & NOTIFY_KEYEVENT else ""
        return text + ("m" if value & NOTIFY_KEY_MISS else "")

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        return [(f"{name} {quoted(self.show(value))}", value != default)]


class Addresses(Kind):
    """Addresses to listen on; `-` in front marks one that may be missing on this machine."""

    multi = True
    allowed = f"up to {BIND_ADDRESSES_MAX} addresses"

    def parse(self, words: list[str], current: Value) -> Value:
        if len(words) > BIND_ADDRESSES_MAX:
            raise ConfigError("Too many bind addresses specified.")
        return tuple(words)

    def show(self, value: Value) -> str:
        return _joined(value)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        # Redis drops the line when the value is its default. Our default is another one (this
        # machine only), and a file without the line would open a redis-server to everybody.
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', value != default)]


class LeaderAddress(Kind):
    """Host and port of the node to follow, or `no one`."""

    multi = True
    allowed = "<host> <port>, or no one"

    def parse(self, words: list[str], current: Value) -> Value:
        if len(words) != 2:
            raise ConfigError("wrong number of arguments")
        host, port = words
        if host.lower() == "no" and port.lower() == "one":
            return ()
        try:
            return (host, canonical_integer_within(port, 0, 65535))
        except ConfigError:
            raise ConfigError("Invalid master port") from None

    def show(self, value: Value) -> str:
        return _joined(value)

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        return [(f"{name} {self.show(value)}", True)] if value else []


class ShutdownFlags(Choice):
    """What a signal does: several words at once, kept in the order of the choices."""

    multi = True

    def parse(self, words: list[str], current: Value) -> Value:
        given = {word.lower() for word in words}
        if not given or not given <= set(self.choices):
            raise self.refusal()
        if {"save", "nosave"} <= given:
            raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        named = tuple(choice for choice in self.choices if choice in given - {"default"})
        return named or ("default",)

    def show(self, value: Value) -> str:
        return _joined(value)


class Folder(Text):
    """The working folder; it must exist."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = "a folder that exists"

    def parse(self, words: list[str], current: Value) -> Value:
        try:
            os.stat(os.path.join(words[0], ".") if words[0] else "")
        except OSError as error:
            raise ConfigError(error.strerror or str(error)) from None
        return os.path.realpath(words[0])

    def rewrite(self, name: str, value: Value, default: Value) -> list[tuple[str, bool]]:
        assert isinstance(value, str)
        return [(f"{name} {quoted(value)}", True)]


class HostName(Text):
    """A host name that other nodes and clients are told."""

    def parse(self, words: list[str], current: Value) -> Value:
        word = words[0]
        if len(word) >= 256:
            raise ConfigError("Hostnames must be less than 256 characters")
        if not all(c.isascii() and (c.isalnum() or c in "-.") for c in word):
            raise ConfigError("Hostnames may only contain alphanumeric characters, hyphens or dots")
        return word


class TitleTemplate(Text):
    """The template of the process title, with {variables}."""

    def parse(self, words: list[str], current: Value) -> Value:
        text = words[0]
        for variable in _TITLE_VARIABLES:
            text = text.replace("{" + variable + "}", "x")
        if not text or "{" in text or "}" in text:
            raise ConfigError("template format is invalid or contains unknown variables")
        return words[0]


def buffer_limits(value: Value) -> list[tuple[int, int, int]]:
    """Return the (hard, soft, soft seconds) of each client class, in BUFFER_CLASSES' order."""
    assert isinstance(value, tuple)
    limits = []
    for row in value:
        assert isinstance(row, tuple)
        hard, soft, seconds = row
        limits.append((int(hard), int(soft), int(seconds)))
    return limits


def _pairs(value: Value) -> list[tuple[int, int]]:
    assert isinstance(value, tuple)
    pairs = []
    for row in value:
        assert isinstance(row, tuple)
        pairs.append((int(row[0]), int(row[1])))
    return pairs


def _joined(value: Value) -> str:
    assert isinstance(value, tuple)
    return " ".join(str(word) for word in value)


def _percentile(word: str) -> float:
    """Return a number as C's strtod reads it; what Python alone accepts is refused."""
    try:
        if word[:1].isspace() or word[-1:].isspace() or "_" in word or not word.isascii():
            raise ValueError(word)
        is_hex = word.lower().lstrip("+-").startswith("0x")
        number = float.fromhex(word) if is_hex else float(word)
    except (ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
    return number
