"""ACL files: one `user` line per user; read as a whole or not at all, replaced as a whole."""

import os
from typing import Final

from mypy_extensions import mypyc_attr

from kvnode.acl.command_sets import CommandSets
from kvnode.acl.description import describe_user
from kvnode.acl.rules import (
    UNKNOWN_NAME,
    OpenParenthesis,
    RuleError,
    apply_rule,
    has_blanks,
    joined_selectors,
)
from kvnode.acl.users import User
from kvnode.config.rewriting import replace_file

_BLANKS: Final = b" \t\r\n"
_UNCHANGED: Final = (
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)


@mypyc_attr(native_class=False)
class AclFileError(Exception):
    """A file that cannot be used; `reason` says why, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_users(path: str, sets: CommandSets, channels_by_default: bool) -> dict[bytes, User]:
    """Return the users that a file declares; raises AclFileError with all that is wrong in it."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        reason = f"Error loading ACLs, opening file '{path}': {error.strerror}"
        raise AclFileError(reason) from None
    users: dict[bytes, User] = {}
    problems: list[str] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.strip(_BLANKS).split(b" ")
        if words != [b""]:
            place = f"{path}:{number}"
            _declare(words, place, number, users, problems, sets, channels_by_default)
    if problems:
        raise AclFileError(" ".join([*problems, _UNCHANGED]))
    return users


def _declare(
    words: list[bytes],
    place: str,
    number: int,
    users: dict[bytes, User],
    problems: list[str],
    sets: CommandSets,
    channels_by_default: bool,
) -> None:
    """Take the user of one line, or append what is wrong with it."""
    if words[0] != b"user" or len(words) < 2:
        problems.append(f"{place} should start with user keyword followed by the username.")
        return
    name = words[1]
    shown = _text(name)
    if has_blanks(name):
        problems.append(f"'{place}: username '{shown}' contains invalid characters.")
        return
    if name in users:
        problems.append(f"WARNING: Duplicate user '{shown}' found on line {number}.")
        return
    user = users[name] = User(name, sets, channels_by_default)
    try:
        rules = joined_selectors(words[2:])
    except OpenParenthesis:
        problems.append(f"{place}: Unmatched parentheses in user definition.")
        return
    tells_syntax = True
    for rule in rules:
        rule = rule.strip(b"\t\r\n")
        try:
            apply_rule(user, rule, channels_by_default)
        except RuleError as error:
            if error.reason == UNKNOWN_NAME:
                # A name is no secret; other rules may hold passwords and are not shown.
                operation = _text(rule)
                problems.append(
                    f"{place}: Error in applying operation '{operation}': {error.reason}."
                )
            elif tells_syntax:
                problems.append(f"{place}: {error.reason}.")
                tells_syntax = False
    user.seal()


def write_users(path: str, users: dict[bytes, User]) -> None:
    """Replace the file by the users' descriptions, atomically; OSError when that fails."""
    lines: list[bytes] = []
    for name in sorted(users):
        lines.append(b"user %b %b\n" % (name, describe_user(users[name])))
    replace_file(os.path.abspath(path), b"".join(lines).decode("utf-8", "surrogateescape"))


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
