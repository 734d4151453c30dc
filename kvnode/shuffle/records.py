"""What the log and snapshots carry of shuffles: manifests and commits, never blocks.

A record is a line of words. In the log it stands as ECHO "kvnode:shuffle <record>", which a
redis-server passes over when it loads a log or follows, and which no client can forge: an ECHO by
a client changes nothing, so it is not logged. A snapshot has a field `kvnode-shuffle` for each
record that is needed to give its shuffles again.

    open <id> <birth> <maps> <partitions> <ttl> <quota> <codec> <0|1 deterministic>
    commit <id> <map> <attempt> <summary>
    without <id> <maps>              sealed by hand: these maps stay empty
    lost <id> <epoch> <maps>         a new epoch, in which these maps have to run again
    consumed <id> <partition>
    end <id> <why> <ms>              a tombstone until that time

Maps are written as ranges, `0-4,7`; `-` for none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

import orjson
from mypy_extensions import mypyc_attr

from kvnode.shuffle.manifest import CHECKSUM_MASK, Manifest, Row, Terms, Winner
from kvprotocol.numbers import parse_int

RECORD: Final = b"kvnode:shuffle "
FIELD: Final = b"kvnode-shuffle"
NOTHING: Final = b"-"
ATTEMPT_MAX: Final = (1 << 63) - 1
_NUMBER_MAX: Final = 1 << 62
_ROW_WIDTH: Final = 4
_BLOCKS_MAX: Final = (1 << 32) - 1


@mypyc_attr(native_class=False)
class RecordError(Exception):
    """Words that are no record."""


def opened(manifest: Manifest) -> bytes:
    """Return the record of an OPEN."""
    words = [b"open", manifest.name, b"%d" % manifest.birth, *manifest.terms.words()]
    return b" ".join(words)


def committed(name: bytes, number: int, attempt: int, rows: list[Row]) -> bytes:
    """Return the record of a COMMIT that won."""
    return b"commit %b %d %d %b" % (name, number, attempt, orjson.dumps(rows))


def left_out(manifest: Manifest) -> bytes:
    """Return the record of a SEAL that did not wait for all maps."""
    return b"without %b %b" % (manifest.name, ranges(manifest.left_out))


def lost(manifest: Manifest) -> bytes:
    """Return the record of a loss, or of all of them."""
    return b"lost %b %d %b" % (manifest.name, manifest.epoch, ranges(manifest.lost))


def consumed(name: bytes, partition: int) -> bytes:
    """Return the record of an ACK."""
    return b"consumed %b %d" % (name, partition)


def ended(name: bytes, reason: bytes, until_ms: int) -> bytes:
    """Return the record of a tombstone."""
    return b"end %b %b %d" % (name, reason, until_ms)


def ranges(numbers: Iterable[int]) -> bytes:
    """Return numbers as ascending ranges."""
    parts: list[bytes] = []
    first = last = -1
    for number in sorted(numbers):
        if parts and number == last + 1:
            parts[-1] = b"%d-%d" % (first, number)
        else:
            first = number
            parts.append(b"%d" % number)
        last = number
    return b",".join(parts) or NOTHING


def numbers_in(text: bytes, end: int) -> set[int]:
    """Return the numbers below `end` that ranges name. RecordError: they are none."""
    found: set[int] = set()
    if text == NOTHING:
        return found
    for part in text.split(b","):
        first, dash, last = part.partition(b"-")
        low = number_in(first, end - 1)
        found.update(range(low, (number_in(last, end - 1) if dash else low) + 1))
    return found


def number_in(word: bytes, high: int = _NUMBER_MAX) -> int:
    """Return a number from 0 on. RecordError: it is none."""
    number = parse_int(word)
    if number is None or not 0 <= number <= high:
        raise RecordError
    return number


def terms_in(words: list[bytes]) -> Terms:
    """Return what an OPEN's record says behind the birth. RecordError."""
    maps, partitions, ttl_seconds, quota = (number_in(word) for word in words[:4])
    return Terms(maps, partitions, ttl_seconds, quota, words[4], words[5] == b"1")


def summary_in(text: bytes, partitions: int) -> list[Row] | None:
    """Return what a summary says, None where it is none."""
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list):
        return None
    rows: list[Row] = []
    before = -1
    for item in found:
        if not (isinstance(item, list) and len(item) == _ROW_WIDTH):
            return None
        for number in item:
            if not isinstance(number, int) or isinstance(number, bool):
                return None
        partition, blocks, size, checksum = item
        is_ascending = before < partition < partitions
        if not (is_ascending and 1 <= blocks <= _BLOCKS_MAX and 0 <= size <= _NUMBER_MAX):
            return None
        if not 0 <= checksum <= CHECKSUM_MASK:
            return None
        before = partition
        rows.append((partition, blocks, size, checksum))
    return rows


@final
class SnapshotRecords:
    """The records of all shuffles at one moment, most of them encoded when they are asked for."""

    def __init__(self, manifests: Iterable[Manifest], tombstones: list[bytes]) -> None:
        self._ready = list(reversed(tombstones))
        self._winners: list[tuple[bytes, int, Winner]] = []
        for manifest in manifests:
            name = manifest.name
            for number in manifest.attempts:
                winner = manifest.winner(number)
                assert winner is not None
                self._winners.append((name, number, winner))
            heads = [opened(manifest), lost(manifest), left_out(manifest)]
            heads += [consumed(name, partition) for partition in sorted(manifest.consumed)]
            self._ready += reversed(heads)

    def next(self) -> bytes | None:
        """Return the next record, None at the end; those of a shuffle begin with its OPEN."""
        if self._ready:
            return self._ready.pop()
        if not self._winners:
            return None
        name, number, winner = self._winners.pop()
        return committed(name, number, winner.attempt, winner.rows())
