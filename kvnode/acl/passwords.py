"""Passwords: only their SHA-256 hashes are kept, as lower-case hexadecimal text."""

from hashlib import sha256
from hmac import compare_digest
from typing import Final

_HASH_LENGTH: Final = 64
_DIGITS: Final = b"0123456789abcdef"


def hashed(password: bytes) -> bytes:
    """Return the hash of a password."""
    return sha256(password).hexdigest().encode()


def is_hash(text: bytes) -> bool:
    """Return whether a text has the form of a hash."""
    return len(text) == _HASH_LENGTH and not text.strip(_DIGITS)


def is_one_of(password: bytes, hashes: list[bytes]) -> bool:
    """Return whether a password's hash is among these; the time does not tell which, or how near.

    A match does not end the search: the time depends on the number of hashes alone.
    """
    wanted = hashed(password)
    found = False
    for candidate in hashes:
        found = compare_digest(wanted, candidate) or found
    return found
