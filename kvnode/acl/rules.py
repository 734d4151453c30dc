"""The rules of ACL SETUSER, of `user` lines and of ACL files, applied one word at a time.

As in Redis most words end at a zero byte for comparisons, because it compares them as C does.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from kvnode.acl.command_sets import READ, WRITES
from kvnode.acl.passwords import hashed, is_hash
from kvnode.acl.patterns import READ_AND_WRITE, KeyPattern
from kvnode.acl.selectors import Selector
from kvnode.acl.users import SANITIZE, SANITIZE_SKIPPED, User
from kvprotocol.requests import split_words

UNKNOWN_NAME: Final = "Unknown command or category name in ACL"
SYNTAX: Final = "Syntax error"
BEHIND_ALL_KEYS: Final = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns"
)
BEHIND_ALL_CHANNELS: Final = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels"
)
NO_SUCH_PASSWORD: Final = "The password you are trying to remove from the user does not exist"
BAD_HASH: Final = (
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters"
)
SUBCOMMAND_ARGUMENT: Final = "Allowing first-arg of a subcommand is not supported"

_BLANKS: Final = b" \t\n\v\f\r\0"


@mypyc_attr(native_class=False)
class RuleError(Exception):
    """A rule that cannot be applied; `reason` is the sentence that Redis says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rule = b""  # filled in by who applies a list of rules


@mypyc_attr(native_class=False)
class OpenParenthesis(Exception):
    """A selector without its end; `word` is its first one."""

    def __init__(self, word: bytes) -> None:
        super().__init__(word)
        self.word = word


def has_blanks(text: bytes) -> bool:
    """Return whether a name or pattern holds white space or a zero byte."""
    for byte in text:
        if byte in _BLANKS:
            return True
    return False


def joined_selectors(words: list[bytes]) -> list[bytes]:
    """Return the words with each selector `(+get ~a*)` as one; raises OpenParenthesis.

    As in Redis a selector that is not closed before the next one begins is dropped.
    """
    found: list[bytes] = []
    parts: list[bytes] = []
    for word in words:
        if word.startswith(b"(") and not word.endswith(b")"):
            parts = [word]
        elif not parts:
            found.append(word)
        else:
            parts.append(word)
            if word.endswith(b")"):
                found.append(b" ".join(parts))
                parts = []
    if parts:
        raise OpenParenthesis(parts[0])
    return found


def apply_rule(user: User, word: bytes, channels_by_default: bool) -> None:
    """Change a user by one rule; raises RuleError. The user has to be sealed afterwards."""
    if not word:
        return
    rule = word.partition(b"\0")[0].lower()
    head = word[:1]
    if rule == b"on":
        user.enabled = True
    elif rule == b"off":
        user.enabled = False
    elif rule == b"nopass":
        user.no_password = True
        user.passwords = []
    elif rule == b"resetpass":
        user.no_password = False
        user.passwords = []
    elif rule == b"skip-sanitize-payload":
        user.sanitizing = SANITIZE_SKIPPED
    elif rule == b"sanitize-payload":
        user.sanitizing = SANITIZE
    elif head == b">" or head == b"#":
        _add_password(user, _hash_in(word))
    elif head == b"<" or head == b"!":
        _remove_password(user, _hash_in(word))
    elif head == b"(" and word.endswith(b")"):
        user.selectors.append(_read_selector(user.selectors[0], word, channels_by_default))
    elif rule == b"clearselectors":
        del user.selectors[1:]
    elif rule == b"reset":
        _reset(user, channels_by_default)
    else:
        _apply_to(user.selectors[0], word, rule)


def _reset(user: User, channels_by_default: bool) -> None:
    user.enabled = False
    user.no_password = False
    user.passwords = []
    user.sanitizing = SANITIZE
    user.selectors = [Selector(user.selectors[0].sets, channels_by_default)]


def _hash_in(word: bytes) -> bytes:
    """Return the hash that a password rule means."""
    if word[:1] in (b">", b"<"):
        return hashed(word[1:])
    if not is_hash(word[1:]):
        raise RuleError(BAD_HASH)
    return word[1:]


def _add_password(user: User, digest: bytes) -> None:
    if digest not in user.passwords:
        user.passwords.append(digest)
    user.no_password = False


def _remove_password(user: User, digest: bytes) -> None:
    if digest not in user.passwords:
        raise RuleError(NO_SUCH_PASSWORD)
    user.passwords.remove(digest)


def _read_selector(model: Selector, word: bytes, channels_by_default: bool) -> Selector:
    """Return the selector in parentheses; one with unbalanced quotes is empty, as in Redis."""
    selector = Selector(model.sets, channels_by_default)
    for rule in split_words(word[1:-1]) or []:
        _apply_to(selector, rule, rule.partition(b"\0")[0].lower())
    return selector


def _apply_to(selector: Selector, word: bytes, rule: bytes) -> None:
    """Apply one rule on commands, keys or channels."""
    head = rule[:1]
    if rule in (b"allkeys", b"~*"):
        selector.all_keys = True
        selector.keys = []
    elif rule == b"resetkeys":
        selector.all_keys = False
        selector.keys = []
    elif rule in (b"allchannels", b"&*"):
        selector.all_channels = True
        selector.channels = []
    elif rule == b"resetchannels":
        selector.all_channels = False
        selector.channels = []
    elif rule in (b"allcommands", b"+@all"):
        selector.allow_every_command()
    elif rule in (b"nocommands", b"-@all"):
        selector.deny_every_command()
    elif head == b"~" or head == b"%":
        _add_key_pattern(selector, word)
    elif head == b"&":
        _add_channel(selector, word[1:])
    elif rule.startswith((b"+@", b"-@")):
        mask = selector.sets.of_category(rule[2:])
        if mask < 0:
            raise RuleError(UNKNOWN_NAME)
        _change(selector, head, mask)
    elif head == b"+" and b"|" in rule:
        _allow_below(selector, word.partition(b"\0")[0][1:])
    elif head == b"+" or head == b"-":
        _change(selector, head, selector.sets.members[_bit_of(selector, rule[1:])])
    else:
        raise RuleError(SYNTAX)


def _change(selector: Selector, sign: bytes, mask: int) -> None:
    if sign == b"+":
        selector.allow_commands(mask)
    else:
        selector.deny_commands(mask)


def _bit_of(selector: Selector, name: bytes) -> int:
    bit = selector.sets.find(name)
    if bit < 0:
        raise RuleError(UNKNOWN_NAME)
    return bit


def _allow_below(selector: Selector, name: bytes) -> None:
    """Allow a subcommand, or a command with a certain first argument."""
    container, _, word = name.rpartition(b"|")
    bit = _bit_of(selector, container)
    if b"|" in container:
        raise RuleError(SUBCOMMAND_ARGUMENT)
    if not word:
        raise RuleError(SYNTAX)
    if container.lower() in selector.sets.containers:
        selector.allow_commands(selector.sets.members[_bit_of(selector, name)])
        return
    words = selector.first_arguments.setdefault(bit, [])
    if word.lower() not in [other.lower() for other in words]:
        words.append(word)


def _add_key_pattern(selector: Selector, word: bytes) -> None:
    if selector.all_keys:
        raise RuleError(BEHIND_ALL_KEYS)
    access = READ_AND_WRITE
    text = word[1:]
    if word.startswith(b"%"):
        access, text = _read_access(text)
    if has_blanks(text):
        raise RuleError(SYNTAX)
    for i, pattern in enumerate(selector.keys):
        if pattern.text == text:
            selector.keys[i] = KeyPattern(text, int(pattern.access) | access)
            return
    selector.keys.append(KeyPattern(text, access))


def _read_access(text: bytes) -> tuple[int, bytes]:
    """Return the access and the pattern of `R~pattern`; without `~` the pattern is empty."""
    letters, _, pattern = text.partition(b"~")
    access = 0
    for letter in letters.upper():
        bit = READ if letter == 82 else WRITES if letter == 87 else 0
        if bit == 0 or access & bit:
            raise RuleError(SYNTAX)
        access |= bit
    if access == 0:
        raise RuleError(SYNTAX)
    return access, pattern


def _add_channel(selector: Selector, text: bytes) -> None:
    if selector.all_channels:
        raise RuleError(BEHIND_ALL_CHANNELS)
    if has_blanks(text):
        raise RuleError(SYNTAX)
    if text not in selector.channels:
        selector.channels.append(text)
