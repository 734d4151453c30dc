"""Selectors: a set of commands with the keys and the channels on which they may be run.

A user has one of its own rules and any number in parentheses; a request is allowed if one of them
allows the whole of it.
"""

from typing import Final, final

from mypy_extensions import i64

from kvnode.acl.command_sets import (
    CHANNEL_PATTERNS,
    EVERY_COMMAND,
    KEYS_VARY,
    NO_CHANNELS,
    NO_KEYS,
    ONE_CHANNEL,
    CommandSets,
    access_of,
    contains,
    keys_of,
    to_bytes,
)
from kvnode.acl.patterns import KeyPattern
from kvnode.command import NO_AUTH, Command
from kvnode.globs import matches

# A decision: 0, or one of these, with the place of the argument above PLACE_SHIFT. Their order is
# Redis's: of the denials of several selectors the greatest is told.
ALLOWED: Final = 0
DENIED_COMMAND: Final = 1
DENIED_KEY: Final = 2
DENIED_CHANNEL: Final = 3
PLACE_SHIFT: Final = 2
KIND_MASK: Final = 3


@final
class Selector:
    """What one list of rules allows.

    `commands` is the set that rules change; `first_arguments` are those with which commands outside
    of it are allowed all the same, by bit.
    """

    def __init__(self, sets: CommandSets, all_channels: bool) -> None:
        self.sets = sets
        self.all_commands = False
        self.all_keys = False
        self.all_channels = all_channels
        self.keys: list[KeyPattern] = []
        self.channels: list[bytes] = []
        self.commands = 0
        self.first_arguments: dict[int, list[bytes]] = {}
        self._packed = to_bytes(0)

    def copy(self) -> "Selector":
        """Return a selector that allows the same and can be changed apart."""
        other = Selector(self.sets, self.all_channels)
        other.all_commands = self.all_commands
        other.all_keys = self.all_keys
        other.keys = list(self.keys)
        other.channels = list(self.channels)
        other.commands = self.commands
        other.first_arguments = {bit: list(words) for bit, words in self.first_arguments.items()}
        other.seal()
        return other

    def seal(self) -> None:
        """Bring what the check reads up to date with the rules."""
        self._packed = to_bytes(self.commands)

    def is_unrestricted(self) -> bool:
        """Return whether no request needs a check."""
        return self.all_commands and self.all_keys and self.all_channels

    def allow_commands(self, mask: int) -> None:
        """Add commands; lists of first arguments are superseded."""
        self.commands |= mask
        self._forget_first_arguments(mask)

    def deny_commands(self, mask: int) -> None:
        """Take commands out."""
        self.commands &= ~mask
        self.all_commands = False
        self._forget_first_arguments(mask)

    def allow_every_command(self) -> None:
        """Add all commands, also those of later versions."""
        self.commands = EVERY_COMMAND
        self.all_commands = True
        self.first_arguments = {}

    def deny_every_command(self) -> None:
        """Take all commands out."""
        self.commands = 0
        self.all_commands = False
        self.first_arguments = {}

    def _forget_first_arguments(self, mask: int) -> None:
        if self.first_arguments:
            for bit in list(self.first_arguments):
                if mask >> bit & 1:
                    del self.first_arguments[bit]

    # --- the check --------------------------------------------------------------------------------

    def decide(self, command: Command, argv: list[bytes]) -> i64:
        """Return ALLOWED, or why the request is denied and by which argument."""
        bit = command.acl_bit
        if not (self.all_commands or contains(self._packed, bit) or command.flags & NO_AUTH):
            if not self._allows_first_argument(bit, argv):
                return DENIED_COMMAND
        sets = self.sets
        if not self.all_keys:
            place: i64 = sets.only_keys[bit]
            if place == KEYS_VARY:
                for index, flags in keys_of(command, argv):
                    if not self.allows_key(argv[index], access_of(flags)):
                        return DENIED_KEY | i64(index) << PLACE_SHIFT
            elif place != NO_KEYS and place < len(argv):
                access: i64 = sets.access[bit]
                if not self.allows_key(argv[place], access):
                    return DENIED_KEY | place << PLACE_SHIFT
        if not self.all_channels:
            form: i64 = sets.channels[bit]
            if form != NO_CHANNELS:
                return self._decide_channels(form, argv)
        return ALLOWED

    def _allows_first_argument(self, bit: i64, argv: list[bytes]) -> bool:
        if not self.first_arguments or len(argv) < 2:
            return False
        words = self.first_arguments.get(int(bit))
        return words is not None and argv[1].lower() in [word.lower() for word in words]

    def allows_key(self, key: bytes, access: i64) -> bool:
        """Return whether a pattern matches the key and gives all of the access."""
        for pattern in self.keys:
            if pattern.access & access == access and pattern.matches(key):
                return True
        return False

    def _decide_channels(self, form: i64, argv: list[bytes]) -> i64:
        end: i64 = 2 if form == ONE_CHANNEL else len(argv)
        place: i64 = 1
        while place < end:
            if not self.allows_channel(argv[place], form == CHANNEL_PATTERNS):
                return DENIED_CHANNEL | place << PLACE_SHIFT
            place += 1
        return ALLOWED

    def allows_channel(self, channel: bytes, is_pattern: bool) -> bool:
        """Return whether the channel matches; a pattern has to be allowed literally."""
        if self.all_channels:
            return True
        for allowed in self.channels:
            if allowed == channel if is_pattern else matches(allowed, channel):
                return True
        return False

    def reaches_every_key(self, access: i64) -> bool:
        """Return whether the access is given to all keys there are."""
        if self.all_keys:
            return True
        for pattern in self.keys:
            if pattern.text == b"*" and pattern.access & access == access:
                return True
        return False
