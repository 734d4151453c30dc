"""Users: passwords and selectors under a name."""

from typing import Final, final

from mypy_extensions import i64

from kvnode.acl.command_sets import CommandSets
from kvnode.acl.selectors import ALLOWED, DENIED_COMMAND, KIND_MASK, PLACE_SHIFT, Selector
from kvnode.command import Command

# What a user's RESTORE payloads are checked for; unsaid is as Redis's default.
SANITIZE_UNSAID: Final = 0
SANITIZE: Final = 1
SANITIZE_SKIPPED: Final = 2


@final
class User:
    """One user. `selectors[0]` holds the rules outside of parentheses."""

    def __init__(self, name: bytes, sets: CommandSets, all_channels: bool) -> None:
        self.name = name
        self.enabled = False
        self.no_password = False
        self.sanitizing = SANITIZE_UNSAID
        self.passwords: list[bytes] = []
        self.selectors: list[Selector] = [Selector(sets, all_channels)]
        self.unrestricted = False

    def copy(self) -> "User":
        """Return a user with the same rights, which can be changed apart."""
        other = User(self.name, self.selectors[0].sets, False)
        other.take(self)
        return other

    def take(self, other: "User") -> None:
        """Take over everything but the name."""
        self.enabled = other.enabled
        self.no_password = other.no_password
        self.sanitizing = other.sanitizing
        self.passwords = list(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.seal()

    def seal(self) -> None:
        """Bring what the check reads up to date with the rules."""
        self.unrestricted = False
        for selector in self.selectors:
            selector.seal()
            if selector.is_unrestricted():
                self.unrestricted = True

    def decide(self, command: Command, argv: list[bytes]) -> i64:
        """Return ALLOWED, or the denial that Redis tells: the gravest, then the last argument."""
        if self.unrestricted:
            return ALLOWED
        worst: i64 = DENIED_COMMAND
        place: i64 = 0
        for selector in self.selectors:
            decision = selector.decide(command, argv)
            if decision == ALLOWED:
                return ALLOWED
            kind = decision & KIND_MASK
            at = decision >> PLACE_SHIFT
            if kind > worst or (kind == worst and at > place):
                worst = kind
                place = at
        return worst | place << PLACE_SHIFT

    def reaches_every_key(self, command: Command, argv: list[bytes], access: i64) -> bool:
        """Return whether a selector allows the request and gives the access to all keys."""
        if self.unrestricted:
            return True
        for selector in self.selectors:
            if selector.decide(command, argv) == ALLOWED and selector.reaches_every_key(access):
                return True
        return False

    def needs_login(self) -> bool:
        """Return whether, being the default user, it makes connections log in."""
        return not (self.no_password and self.enabled)


def everything(name: bytes, sets: CommandSets) -> User:
    """Return a user who may do everything without a password, as the default user at the start."""
    user = User(name, sets, True)
    user.enabled = True
    user.no_password = True
    user.selectors[0].all_keys = True
    user.selectors[0].allow_every_command()
    user.seal()
    return user
