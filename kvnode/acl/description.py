"""Users as rules that would make them: the canonical form that GETUSER, LIST and files show.

The rules on commands are found as Redis 7.0 finds them. From `+@all` or `-@all` on, the category is
taken, again and again, that differs least from what is left to say, and at last the single commands
in which the result is still wrong. Their order is that of the command table; in Redis it is that of
a hash table with a random seed.
"""

from typing import Final

from kvnode.acl.command_sets import EVERY_COMMAND, FUTURE, CommandSets
from kvnode.acl.selectors import Selector
from kvnode.acl.users import SANITIZE, SANITIZE_SKIPPED, User

_NO_DIFFERENCE_YET: Final = 1 << 30


def describe_commands(selector: Selector) -> bytes:
    """Return the rules on commands."""
    sets = selector.sets
    wanted = selector.commands
    adds = not wanted & FUTURE
    reached = 0 if adds else EVERY_COMMAND
    sign = b"+" if adds else b"-"
    words = [b"-@all" if adds else b"+@all"]
    left = wanted
    applied: set[bytes] = set()
    while True:
        best = _best_category(sets, left, adds, applied)
        if not best:
            break
        applied.add(best)
        words.append(sign + b"@" + best)
        mask = sets.of_category(best)
        if adds:
            reached |= mask
            left &= ~mask
        else:
            reached &= ~mask
            left |= mask
    _single_commands(selector, reached, words)
    return b" ".join(words)


def _best_category(sets: CommandSets, left: int, adds: bool, applied: set[bytes]) -> bytes:
    """Return the category with the fewest differences, empty if none has more in common."""
    best = b""
    fewest = _NO_DIFFERENCE_YET
    most = 0
    for name, mask in sets.counted.items():
        if name in applied:
            continue
        on = (left & mask).bit_count()
        off = mask.bit_count() - on
        different, same = (off, on) if adds else (on, off)
        if same > different and (different < fewest or (different == fewest and same > most)):
            best = name
            fewest = different
            most = same
    return best


def _single_commands(selector: Selector, reached: int, words: list[bytes]) -> None:
    """Append the single commands in which `reached` differs from the selector's set."""
    sets = selector.sets
    wanted = selector.commands
    differs = reached ^ wanted
    if not differs and not selector.first_arguments:
        return
    for bit, name in enumerate(sets.names):
        one = 1 << bit
        if differs & one:
            allows = bool(wanted & one)
            words.append((b"+" if allows else b"-") + name)
            members = sets.members[bit]
            reached = reached | members if allows else reached & ~members
            differs = reached ^ wanted
        if not wanted & one:
            for word in selector.first_arguments.get(bit, ()):
                words.append(b"+%b|%b" % (name, word))


def describe_keys(selector: Selector) -> bytes:
    """Return the rules on keys."""
    if selector.all_keys:
        return b"~*"
    return b" ".join([pattern.describe() for pattern in selector.keys])


def describe_channels(selector: Selector) -> bytes:
    """Return the rules on channels."""
    if selector.all_channels:
        return b"&*"
    return b" ".join([b"&" + channel for channel in selector.channels])


def flags_of(user: User) -> list[bytes]:
    """Return a user's flags in Redis's order."""
    flags = [b"on" if user.enabled else b"off"]
    if user.no_password:
        flags.append(b"nopass")
    if user.sanitizing == SANITIZE_SKIPPED:
        flags.append(b"skip-sanitize-payload")
    elif user.sanitizing == SANITIZE:
        flags.append(b"sanitize-payload")
    return flags


def _describe_selector(selector: Selector) -> bytes:
    words: list[bytes] = []
    keys = describe_keys(selector)
    if keys:
        words.append(keys)
    if not selector.all_channels:
        words.append(b"resetchannels")
    channels = describe_channels(selector)
    if channels:
        words.append(channels)
    words.append(describe_commands(selector))
    return b" ".join(words)


def describe_user(user: User) -> bytes:
    """Return a user's line, without `user` and the name."""
    words = flags_of(user)
    words += [b"#" + digest for digest in user.passwords]
    words.append(_describe_selector(user.selectors[0]))
    words += [b"(" + _describe_selector(selector) + b")" for selector in user.selectors[1:]]
    return b" ".join(words)
