"""Which history the data is a copy of: ids, offsets, and who may go on from where."""

from __future__ import annotations

from librt.random import Random

from kvnode.replication.history import NO_ID, NO_OFFSET, History

OTHER = b"b" * 40


def new() -> History:
    history = History(Random(1))
    history.keep()
    return history


def continues(history: History, name: bytes, wanted: int) -> bool:
    return history.is_own(name, wanted) and history.has(wanted)


def test_a_follower_goes_on_from_any_byte_that_is_kept() -> None:
    history = new()
    history.append(b"x" * 100)
    assert [n for n in range(-2, 105) if continues(history, history.id, n)] == [*range(1, 102)]
    assert continues(history, history.id.upper(), 101)
    assert not continues(history, OTHER, 50)
    assert not any(continues(history, NO_ID, n) for n in (-1, 0, 1))


def test_without_a_backlog_the_bytes_count_and_nobody_goes_on() -> None:
    history = History(Random(1))
    history.append(b"x" * 10)
    assert history.offset == 10
    assert not history.has(11)
    history.keep()
    assert history.has(11) and not history.has(10)
    history.drop_backlog()
    assert not history.has(11)
    assert history.memory() == 0


def test_a_promoted_follower_lets_others_go_on_up_to_the_promotion() -> None:
    history = new()
    history.adopt(OTHER, 50)
    history.append(b"x" * 10)
    history.branch()
    history.append(b"y" * 10)
    assert history.id != OTHER
    assert (history.second_id, history.second_offset) == (OTHER, 61)
    assert continues(history, OTHER, 61)  # it has all that both have
    assert not continues(history, OTHER, 62)  # it has a byte of the other branch
    assert not continues(history, OTHER, 50)  # before what is kept
    assert continues(history, history.id, 71)


def test_a_leader_with_another_id_is_the_same_history() -> None:
    history = new()
    history.adopt(OTHER, 50)
    assert not history.rename(OTHER)
    assert history.rename(b"c" * 40)
    assert (history.second_id, history.second_offset) == (OTHER, 51)
    assert history.offset == 50


def test_a_full_sync_forgets_what_was_before() -> None:
    history = new()
    history.append(b"x" * 100)
    history.branch()
    history.is_known = False
    history.adopt(OTHER, 7)
    assert (history.id, history.offset, history.is_known) == (OTHER, 7, True)
    assert (history.second_id, history.second_offset) == (NO_ID, NO_OFFSET)
    assert not history.has(7) and history.has(8)


def test_after_a_restart_a_leader_begins_a_branch_and_a_follower_goes_on() -> None:
    leader, follower = History(Random(1)), History(Random(2))
    leader.resume(OTHER, 30, 2, True)
    assert leader.id != OTHER
    assert continues(leader, OTHER, 31) and not continues(leader, OTHER, 32)
    follower.resume(OTHER, 30, 2, False)
    assert (follower.id, follower.offset, follower.database) == (OTHER, 30, 2)
    assert follower.second_id == NO_ID


def test_a_history_begun_anew_is_nobodys_and_known() -> None:
    history = new()
    history.append(b"x" * 10)
    before = history.id
    history.is_known = False
    history.branch()
    history.begin_anew()
    assert not continues(history, before, 11)
    assert history.is_known
