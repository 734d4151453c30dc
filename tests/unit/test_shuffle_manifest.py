"""The coordinator's state machine of one shuffle: the first commit wins, a loss begins an epoch."""

from __future__ import annotations

import random

import pytest

from kvnode.shuffle.manifest import Manifest, Row, Terms
from kvprotocol.errors import ReplyError

ROWS: list[Row] = [(0, 1, 10, 7), (2, 3, 30, 1 << 63)]


def manifest_of(maps: int = 3, is_deterministic: bool = True) -> Manifest:
    return Manifest(b"job", 1, Terms(maps, 4, 600, 0, b"none", is_deterministic))


def code(error: pytest.ExceptionInfo[ReplyError]) -> str:
    return error.value.message.partition(" ")[0]


def test_the_first_attempt_that_commits_wins() -> None:
    manifest = manifest_of()
    assert manifest.commit(1, 11, ROWS) == 11
    assert manifest.commit(1, 12, []) == 11
    assert manifest.commit(1, 11, ROWS) == 11
    assert manifest.attempts == {1: 11}
    assert manifest.missing() == [0, 2]
    manifest.check()


def test_it_is_sealed_when_all_maps_are_in() -> None:
    manifest = manifest_of()
    for number in range(3):
        assert not manifest.is_sealed()
        with pytest.raises(ReplyError) as error:
            manifest.check_readable(0)
        assert error.value.message == f"SHUFFLEOPEN {3 - number} of 3 maps have not been committed"
        manifest.commit(number, 1, ROWS)
    assert manifest.is_sealed()
    assert manifest.missing() == []
    manifest.check_readable(1)


def test_a_seal_by_hand_leaves_out_what_has_no_winner_and_names_how_many_have() -> None:
    manifest = manifest_of()
    manifest.commit(1, 11, ROWS)
    for maps in (-1, 0, 2, 3):
        with pytest.raises(ReplyError) as error:
            manifest.seal(maps)
        assert error.value.message.startswith("SHUFFLEOPEN 2 of 3 ")
    assert manifest.seal(1)
    assert manifest.is_sealed() and manifest.missing() == []
    assert not manifest.seal(1)
    assert not manifest.seal(-1)
    with pytest.raises(ReplyError) as error:
        manifest.seal(2)
    assert code(error) == "SHUFFLECOMMITTED"
    for late in (lambda: manifest.commit(0, 5, ROWS), lambda: manifest.admit(0, 5, 0, 0)):
        with pytest.raises(ReplyError) as error:
            late()
        assert code(error) == "SHUFFLECOMMITTED"
    manifest.check()


def test_an_empty_shuffle_is_sealed_with_no_maps() -> None:
    manifest = manifest_of()
    assert manifest.seal(0)
    assert manifest.is_sealed()
    assert manifest.partition_totals(0, 0, 2).blocks == 0


def test_blocks_of_losers_are_refused_and_repeats_of_the_winner_are_not() -> None:
    manifest = manifest_of()
    manifest.admit(1, 12, 0, 5)
    manifest.commit(1, 11, ROWS)
    with pytest.raises(ReplyError) as error:
        manifest.admit(1, 12, 0, 0)
    assert error.value.message.startswith("SHUFFLEDUP 11 ")
    manifest.admit(1, 11, 2, 2)
    for partition, seq in ((2, 3), (0, 1), (1, 0)):
        with pytest.raises(ReplyError) as error:
            manifest.admit(1, 11, partition, seq)
        assert code(error) == "SHUFFLECOMMITTED"


def test_a_winner_cannot_abort() -> None:
    manifest = manifest_of()
    manifest.abort(1, 11)
    manifest.commit(1, 11, ROWS)
    manifest.abort(1, 12)
    with pytest.raises(ReplyError) as error:
        manifest.abort(1, 11)
    assert code(error) == "SHUFFLECOMMITTED"


def test_a_loss_begins_an_epoch_and_only_the_lost_maps_run_again() -> None:
    manifest = manifest_of()
    for number in range(3):
        manifest.commit(number, 1, ROWS)
    assert manifest.lose({1}, 2) == {1}
    assert (manifest.epoch, manifest.missing(), manifest.committed()) == (2, [1], 2)
    with pytest.raises(ReplyError) as error:
        manifest.check_readable(0)
    assert error.value.message == "SHUFFLELOST 1 maps have to run again, in epoch 2"
    assert manifest.commit(1, 2, ROWS) == 2
    assert manifest.is_sealed()
    manifest.check_readable(1)  # deterministic: what was read of other partitions stays right
    manifest.check()


def test_readers_begin_anew_after_a_loss_of_maps_that_are_not_deterministic() -> None:
    manifest = manifest_of(is_deterministic=False)
    for number in range(3):
        manifest.commit(number, 1, ROWS)
    manifest.lose({1}, 2)
    manifest.commit(1, 2, ROWS)
    manifest.check_readable(0)
    manifest.check_readable(2)
    for other in (1, 3):
        with pytest.raises(ReplyError) as error:
            manifest.check_readable(other)
        assert error.value.message.startswith("SHUFFLESTALE 2 ")


def test_what_is_consumed_cannot_be_read_anew_so_all_maps_run_again() -> None:
    for is_deterministic, lost in ((True, {1}), (False, {0, 1, 2})):
        manifest = manifest_of(is_deterministic=is_deterministic)
        for number in range(3):
            manifest.commit(number, 1, ROWS if number else [])
        manifest.consumed.add(2)
        assert manifest.lose({1}, 2) == lost
        assert manifest.consumed == ({2} if is_deterministic else set())
        manifest.check()


def test_what_was_lost_cannot_be_left_out() -> None:
    manifest = manifest_of()
    manifest.commit(0, 1, ROWS)
    manifest.commit(1, 1, ROWS)
    manifest.lose({1}, 2)
    with pytest.raises(ReplyError) as error:
        manifest.seal(1)
    assert code(error) == "SHUFFLELOST"
    manifest.commit(1, 2, ROWS)
    assert manifest.seal(2)


def test_after_a_loss_what_was_left_out_stays_out() -> None:
    manifest = manifest_of()
    manifest.commit(0, 1, ROWS)
    manifest.commit(1, 1, ROWS)
    manifest.seal(2)
    manifest.lose({1}, 2)
    assert manifest.missing() == [1]
    manifest.commit(1, 2, ROWS)
    assert manifest.is_sealed()
    manifest.check()


def test_totals_are_sums_over_winners_by_partition_and_range_of_maps() -> None:
    manifest = manifest_of(3)
    manifest.commit(0, 1, ROWS)
    manifest.commit(2, 1, [(2, 1, 5, (1 << 64) - 1)])
    manifest.commit(1, 1, [])
    total = manifest.partition_totals(2, 0, 2)
    assert (total.blocks, total.bytes, total.checksum) == (4, 35, (1 << 63) - 1)
    part = manifest.partition_totals(2, 1, 2)
    assert (part.blocks, part.bytes, part.checksum) == (1, 5, (1 << 64) - 1)
    assert manifest.partition_totals(3, 0, 2).blocks == 0
    assert manifest.totals().blocks == 5


@pytest.mark.parametrize("seed", range(20))
def test_random_histories_keep_the_invariants(seed: int) -> None:
    rng = random.Random(seed)
    manifest = manifest_of(5, rng.random() < 0.5)
    winners: dict[int, int] = {}
    for _ in range(200):
        number, attempt = rng.randrange(5), rng.randrange(1, 4)
        draw = rng.random()
        try:
            if draw < 0.6:
                rows = [(p, 1, p, rng.getrandbits(64)) for p in range(4) if rng.random() < 0.5]
                assert manifest.commit(number, attempt, rows) == winners.setdefault(number, attempt)
            elif draw < 0.7:
                manifest.seal(manifest.committed())
            elif draw < 0.8 and manifest.is_sealed():
                manifest.consumed.add(rng.randrange(4))
            elif winners:
                for lost in manifest.lose({rng.choice(list(winners))}, manifest.epoch + 1):
                    del winners[lost]
        except ReplyError:
            pass
        assert manifest.attempts == winners
        manifest.check()
