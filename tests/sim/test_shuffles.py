"""Shuffles keep their promises under faults; planted faults are caught."""

from __future__ import annotations

import pytest

from kvnode.shuffle.manifest import Manifest

from .shuffles import Plant, Violation, Words, shuffles

SEEDS = 150


@pytest.mark.parametrize("first", [0, 100_000])
def test_every_job_gets_exactly_what_one_attempt_of_each_map_gave(first: int) -> None:
    shuffles(first, SEEDS)


class TwoWinners(Plant):
    """A coordinator that lets every attempt win."""

    def after(self, manifest: Manifest | None, words: Words, reply: object) -> object:
        """Turn DUP into OK."""
        is_dup = isinstance(reply, bytes) and reply.startswith(b"DUP ")
        return b"OK" if words[0] == b"SHUFFLE.COMMIT" and is_dup else reply


class EarlyReads(Plant):
    """A coordinator that does not wait for the seal."""

    def __init__(self) -> None:
        self._left_out: set[int] = set()

    def before(self, manifest: Manifest | None, words: Words) -> None:
        """Make the shuffle look sealed to a FETCH."""
        if manifest is not None and words[0] == b"SHUFFLE.FETCH":
            self._left_out = manifest.left_out
            manifest.left_out = manifest.left_out | set(manifest.missing())

    def after(self, manifest: Manifest | None, words: Words, reply: object) -> object:
        """Undo that."""
        if manifest is not None and words[0] == b"SHUFFLE.FETCH":
            manifest.left_out = self._left_out
        return reply


class LoserServed(Plant):
    """A coordinator that tells owners the attempt that committed last, not first."""

    def before(self, manifest: Manifest | None, words: Words) -> None:
        """Put a later attempt in the winner's place."""
        if manifest is None or words[0] != b"SHUFFLE.COMMIT":
            return
        number = int(words[2])
        if number in manifest.attempts and not manifest.is_sealed():
            manifest.attempts[number] = int(words[3])


class ForgottenLoss(Plant):
    """A coordinator that seals without the maps that were lost."""

    def before(self, manifest: Manifest | None, words: Words) -> None:
        """Expect nothing of lost maps any more."""
        if manifest is not None and manifest.lost:
            manifest.left_out = manifest.left_out | manifest.lost
            manifest.lost = set()


@pytest.mark.parametrize(
    ("plant", "text"),
    [
        (TwoWinners(), "have both won"),
        (EarlyReads(), "served while"),
        (LoserServed(), "served attempt|: read "),
        (ForgottenLoss(), "the rows of map"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Plant) else "",
)
def test_planted_faults_are_caught(plant: Plant, text: str) -> None:
    with pytest.raises(Violation, match=text):
        shuffles(0, 400, plant)
