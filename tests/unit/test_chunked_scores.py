"""ChunkedScores beside a sorted list of pairs."""

import random
from bisect import bisect_left, insort

import pytest

from kvnode.structures.chunked_scores import CHUNK_MAX, MERGE_BELOW, ChunkedScores

Pair = tuple[float, bytes]


def build(pairs: list[Pair]) -> ChunkedScores:
    order = ChunkedScores()
    for score, member in pairs:
        order.insert(score, member)
    order.check()
    return order


def contents(order: ChunkedScores) -> list[Pair]:
    members, scores = order.slice(0, order.length, False)
    return list(zip(scores, members, strict=True))


def assert_same(order: ChunkedScores, model: list[Pair], rng: random.Random) -> None:
    order.check()
    assert order.length == len(model)
    assert contents(order) == model
    for _ in range(10):
        start, count = rng.randrange(len(model) + 2), rng.randrange(300)
        members, scores = order.slice(start, count, False)
        assert list(zip(scores, members, strict=True)) == model[start : start + count]
        members, scores = order.slice(start, count, True)
        assert list(zip(scores, members, strict=True)) == model[::-1][start : start + count]
        bound = float(rng.randrange(-2, 60)) if rng.random() < 0.9 else float("inf")
        end = bound + rng.choice([0.0, 1.0, 20.0])
        members, scores = order.between(bound, end)
        between = [pair for pair in model if bound <= pair[0] < end]
        assert list(zip(scores, members, strict=True)) == between
        assert order.rank_of_score(bound, False) == sum(1 for s, _m in model if s < bound)
        assert order.rank_of_score(bound, True) == sum(1 for s, _m in model if s <= bound)
    for _ in range(min(10, len(model))):
        rank = rng.randrange(len(model))
        assert order.at(rank) == model[rank]
        assert order.rank(*model[rank]) == rank


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("distinct_scores", [1, 5, 50, 1_000_000])
def test_random_changes_agree_with_a_sorted_list(seed: int, distinct_scores: int) -> None:
    rng = random.Random(seed * 1000 + distinct_scores)
    order = ChunkedScores()
    scores_of: dict[bytes, float] = {}
    model: list[Pair] = []
    growing = True
    for step in range(6000):
        if len(model) > 1500:
            growing = False
        elif len(model) < 5:
            growing = True
        dice = rng.random()
        if not model or dice < (0.6 if growing else 0.2):
            member = b"m%d" % rng.randrange(4000)
            score = float(rng.randrange(distinct_scores))
            if member in scores_of:
                old = scores_of[member]
                order.move(old, score, member)
                del model[bisect_left(model, (old, member))]
            else:
                order.insert(score, member)
            insort(model, (score, member))
            scores_of[member] = score
        elif dice < 0.9:
            score, member = model.pop(rng.randrange(len(model)))
            order.remove(score, member)
            del scores_of[member]
        elif dice < 0.94:
            pair = order.pop_min()
            assert pair == model.pop(0)
            del scores_of[pair[1]]
        elif dice < 0.98:
            pair = order.pop_max()
            assert pair == model.pop()
            del scores_of[pair[1]]
        else:
            start = rng.randrange(len(model))
            count = rng.choice([1, 3, 40, 200]) if growing else rng.randrange(1, 600)
            expected = [member for _score, member in model[start : start + count]]
            assert order.remove_range(start, count) == expected
            del model[start : start + count]
            for member in expected:
                del scores_of[member]
        if step % 100 == 0:
            assert_same(order, model, rng)
    assert_same(order, model, rng)


def test_every_range_can_be_removed() -> None:
    pairs = [(float(i // 3), b"%04d" % i) for i in range(700)]
    for start in (0, 1, 63, 64, 65, 127, 128, 300, 699):
        for count in (1, 2, 63, 64, 65, 128, 129, 400, 699, 700, 1000):
            order = build(pairs)
            assert order.rank(*pairs[start]) == start
            assert order.remove_range(start, count) == [m for _s, m in pairs[start : start + count]]
            order.check()
            assert contents(order) == pairs[:start] + pairs[start + count :]


def test_an_emptied_order_can_be_filled_again() -> None:
    order = build([(1.0, b"a"), (2.0, b"b")])
    assert order.remove_range(0, 5) == [b"a", b"b"]
    order.check()
    assert order.rank_of_score(5.0, False) == 0
    order.insert(-1.0, b"c")
    order.check()
    assert contents(order) == [(-1.0, b"c")]
    assert order.rank_of_score(-1.0, True) == 1


def test_members_compare_as_unsigned_bytes_with_a_prefix_first() -> None:
    members = [b"", b"\x00", b"a", b"a\x00", b"aa", b"b", b"\x7f", b"\x80", b"\xff"]
    order = build([(0.0, member) for member in reversed(members)])
    assert [member for _score, member in contents(order)] == members


def test_minus_zero_and_zero_are_one_score() -> None:
    order = build([(0.0, b"b"), (-0.0, b"a"), (-0.0, b"c")])
    assert [member for _score, member in contents(order)] == [b"a", b"b", b"c"]
    assert order.rank(0.0, b"c") == 2
    order.remove(0.0, b"a")
    assert order.length == 2


def test_infinite_scores_stand_at_the_ends() -> None:
    order = build([(float("inf"), b"high"), (0.0, b"middle"), (float("-inf"), b"low")])
    assert [member for _score, member in contents(order)] == [b"low", b"middle", b"high"]
    assert order.rank_of_score(float("-inf"), True) == 1
    assert order.rank_of_score(float("inf"), False) == 2


def test_member_bounds_give_ranks_among_equal_scores() -> None:
    members = sorted(b"%d" % i for i in range(1000))
    order = build([(7.0, member) for member in members])
    for bound in (b"", b"0", b"42", b"420", b"42a", b"999", b"z"):
        assert order.rank_of_member(bound, False) == sum(1 for m in members if m < bound)
        assert order.rank_of_member(bound, True) == sum(1 for m in members if m <= bound)


def test_a_missing_pair_is_a_key_error() -> None:
    order = build([(1.0, b"a")])
    for score, member in ((1.0, b"b"), (2.0, b"a"), (0.0, b"a")):
        with pytest.raises(KeyError):
            order.remove(score, member)
        with pytest.raises(KeyError):
            order.move(score, 9.0, member)
    with pytest.raises(IndexError):
        order.at(1)
    order.remove(1.0, b"a")
    with pytest.raises(IndexError):
        order.pop_min()
    with pytest.raises(IndexError):
        order.pop_max()


def test_ascending_insertion_fills_its_chunks() -> None:
    order = build([(float(i), b"%d" % i) for i in range(10 * CHUNK_MAX)])
    assert len(order.chunks) == 10


def test_scattered_removals_merge_small_chunks() -> None:
    pairs = [(float(i), b"%d" % i) for i in range(100 * CHUNK_MAX)]
    order = build(pairs)
    for i, (score, member) in enumerate(pairs):
        if i % 10:
            order.remove(score, member)
    order.check()
    assert len(order.chunks) <= 2 * order.length // MERGE_BELOW


def test_a_copy_shares_nothing_that_changes() -> None:
    pairs = [(float(i), b"%d" % i) for i in range(300)]
    order = build(pairs)
    other = order.copy()
    order.remove_range(0, 150)
    order.insert(1000.0, b"new")
    other.check()
    assert contents(other) == pairs


def test_memory_follows_the_content() -> None:
    order = build([(float(i), b"%d" % i) for i in range(1000)])
    full = order.memory()
    order.remove_range(0, 1000)
    assert full > 16 * 1000
    assert order.memory() == ChunkedScores().memory()
