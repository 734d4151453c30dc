"""Key patterns of rules: what they match, which access they give."""

from typing import Final, final

from mypy_extensions import i64

from kvnode.acl.command_sets import READ, WRITES
from kvnode.globs import matches

READ_AND_WRITE: Final = READ | WRITES

_EXACT: Final = 0
_PREFIX: Final = 1  # the pattern's only wildcard is a `*` at its end
_GLOB: Final = 2
_WILDCARDS: Final = (b"*", b"?", b"[", b"\\")


def _has_wildcard(text: bytes) -> bool:
    for wildcard in _WILDCARDS:
        if wildcard in text:
            return True
    return False


@final
class KeyPattern:
    """A glob of keys and the access it gives: READ, WRITES or both."""

    def __init__(self, text: bytes, access: int) -> None:
        self.text = text
        self.access: i64 = access
        self._form: i64 = _EXACT
        self._prefix = b""
        if text.endswith(b"*") and not _has_wildcard(text[:-1]):
            self._form = _PREFIX
            self._prefix = text[:-1]
        elif _has_wildcard(text):
            self._form = _GLOB

    def matches(self, key: bytes) -> bool:
        """Return whether the key is one of the pattern's."""
        if self._form == _PREFIX:
            return key.startswith(self._prefix) and bool(key)  # no wildcard matches an empty key
        if self._form == _EXACT:
            return key == self.text
        return matches(self.text, key)

    def describe(self) -> bytes:
        """Return the rule that makes this pattern."""
        if self.access == READ_AND_WRITE:
            return b"~" + self.text
        return (b"%R~" if self.access == READ else b"%W~") + self.text
