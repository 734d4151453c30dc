"""Sets of commands, each as the bits of one integer; and what a check reads of a command.

A set is a Python integer because rules work on categories of hundreds of commands: adding one is an
OR, and the canonical description counts the bits of all categories again and again. For the check
of a request a selector keeps the same set as bytes, of which one bit is read.
"""

from typing import Final, final

from mypy_extensions import i64

from kvnode.categories import CATEGORIES, categories
from kvnode.command import MOVABLEKEYS, Card, Command, KeySpec
from kvnode.key_positions import has_keys, key_positions
from kvprotocol.errors import ReplyError

READ: Final = 1
WRITES: Final = 2

# The highest bit is no command: it stands for those that later versions will have.
SET_BYTES: Final = 128
FUTURE: Final = 1 << (SET_BYTES * 8 - 1)
EVERY_COMMAND: Final = (1 << (SET_BYTES * 8)) - 1

# How a command names its channels.
NO_CHANNELS: Final = 0
ONE_CHANNEL: Final = 1
CHANNELS: Final = 2
CHANNEL_PATTERNS: Final = 3
_CHANNELS_OF: Final = {
    b"publish": ONE_CHANNEL,
    b"spublish": ONE_CHANNEL,
    b"subscribe": CHANNELS,
    b"ssubscribe": CHANNELS,
    b"psubscribe": CHANNEL_PATTERNS,
}

# Instead of the place of a command's only key.
NO_KEYS: Final = 0
KEYS_VARY: Final = 255

_WRITING: Final = ("insert", "delete", "update")
# What Redis 7.0.15 does not have stays out of the counting that finds the canonical description.
_NEWER: Final = (b"client|setinfo", b"client|no-touch", b"request")
_OURS: Final = b"shuffle."  # they are counted in their own category alone


def access_of(flags: str) -> int:
    """Return the permissions that a key specification's flags ask for."""
    access = 0
    for word in flags.split():
        if word == "access":
            access |= READ
        elif word in _WRITING:
            access |= WRITES
    return access


def _only_key(card: Card) -> int:
    """Return the place of a command's one key, or NO_KEYS, or KEYS_VARY."""
    if not has_keys(card):
        return NO_KEYS
    if len(card.keys) != 1 or card.flags & MOVABLEKEYS:
        return KEYS_VARY
    spec: KeySpec = card.keys[0]
    is_plain = not (spec.unknown or spec.keyword or spec.keynum >= 0 or spec.last)
    return spec.index if is_plain and "variable_flags" not in spec.flags else KEYS_VARY


@final
class CommandSets:
    """The bits of one node's commands, by name and by category; all by their original names.

    `members` are a command's own bit and those of its subcommands. `counted` are the categories as
    the canonical description counts them.
    """

    def __init__(self, table: dict[bytes, Command]) -> None:
        self.commands: dict[bytes, Command] = {}
        self.names: list[bytes] = []
        self.bits: dict[bytes, int] = {}
        self.members: list[int] = []
        self.containers: set[bytes] = set()
        self.categories: dict[bytes, int] = {name.encode(): 0 for name in CATEGORIES}
        self.counted: dict[bytes, int] = {name.encode(): 0 for name in CATEGORIES}
        self._only_keys = bytearray()
        self._access = bytearray()
        self._channels = bytearray()
        for command in table.values():
            self._add(command)
            if command.subcommands is not None:
                for child in command.subcommands.values():
                    self._add(child)
        # What a check reads, by bit.
        self.only_keys = bytes(self._only_keys)
        self.access = bytes(self._access)
        self.channels = bytes(self._channels)

    def _add(self, command: Command) -> None:
        self.commands[command.full_name] = command
        command.acl_bit = self._enter(command.full_name, categories(command.card))
        card = command.card
        place = _only_key(card)
        self._only_keys.append(place)
        single = place != NO_KEYS and place != KEYS_VARY
        self._access.append(access_of(card.keys[0].flags) if single else 0)
        self._channels.append(_CHANNELS_OF.get(command.full_name, NO_CHANNELS))

    def _enter(self, name: bytes, groups: list[str]) -> int:
        """Give a command the next bit."""
        bit = len(self.names)
        mask = 1 << bit
        assert mask < FUTURE
        self.names.append(name)
        self.bits[name] = bit
        self.members.append(mask)
        parent, bar, _ = name.partition(b"|")
        if bar:
            self.containers.add(parent)
            self.members[self.bits[parent]] |= mask
        for group in groups:
            self.categories[group.encode()] |= mask
            is_ours = name in _NEWER or name.startswith(_OURS)
            if not is_ours or group == "shuffle":
                self.counted[group.encode()] |= mask
        return bit

    def find(self, name: bytes) -> int:
        """Return the bit of a command by its name in any case, `container|child`; -1 for none."""
        return self.bits.get(name.lower(), -1)

    def of_category(self, name: bytes) -> int:
        """Return a category's commands, each container with all that it holds; -1 for none."""
        mask = self.categories.get(name.lower(), -1)
        if mask > 0:
            for container in self.containers:
                bit = self.bits[container]
                if mask >> bit & 1:
                    mask |= self.members[bit]
        return mask


def keys_of(command: Command, argv: list[bytes]) -> list[tuple[int, str]]:
    """Return the keys of a request with their access flags, none where it names them wrongly."""
    if not has_keys(command.card) or len(argv) < command.argc_min:
        return []
    try:
        return key_positions(command.card, argv)
    except ReplyError:
        return []


def to_bytes(mask: int) -> bytes:
    """Return a set in the form that the check reads."""
    return mask.to_bytes(SET_BYTES, "little")


def contains(packed: bytes, bit: i64) -> bool:
    """Return whether a set in the form of `to_bytes` holds a command."""
    byte: i64 = packed[bit >> 3]
    return bool((byte >> (bit & 7)) & 1)
