"""SortedSet in both stored forms beside a plain dict."""

import math
import random

import pytest
from librt.vecs import append, vec

from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.score_ranges import (
    LexRange,
    ScoreRange,
    parse_lex_bound,
    parse_score_bound,
)
from kvnode.datatypes.sorted_sets import (
    ADDED,
    GT,
    INCR,
    LT,
    NOT_A_NUMBER,
    NX,
    SKIPPED,
    UNCHANGED,
    UPDATED,
    XX,
    SortedSet,
)
from kvnode.structures.score_table import ScoreTable
from kvprotocol.errors import WrongType

Pair = tuple[float, bytes]

PACKED = 128
TABLE = 0  # no packed sorted set has so few members


def limits(max_entries: int) -> Encodings:
    encodings = Encodings()
    encodings.zset_max_listpack_entries = max_entries
    return encodings


def filled(pairs: list[Pair], max_entries: int) -> SortedSet:
    value = SortedSet.open(None, limits(max_entries))
    for score, member in pairs:
        assert value.put(member, score, 0) == ADDED
    value.check()
    return value


def pairs_of(result: tuple[list[bytes], object]) -> list[Pair]:
    members, scores = result
    return list(zip(scores, members, strict=True))  # type: ignore[call-overload]


def score_range(low: bytes, high: bytes) -> ScoreRange:
    first, last = parse_score_bound(low), parse_score_bound(high)
    assert first is not None and last is not None
    return ScoreRange(first, last)


def lex_range(low: bytes, high: bytes) -> LexRange:
    first, last = parse_lex_bound(low), parse_lex_bound(high)
    assert first is not None and last is not None
    return LexRange(first, last)


def limited(pairs: list[Pair], reverse: bool, offset: int, limit: int) -> list[Pair]:
    if offset < 0:
        return []
    seen = pairs[::-1] if reverse else pairs
    return seen[offset:] if limit < 0 else seen[offset : offset + limit]


class Model:
    """What a sorted set has to do, done the slow way."""

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}

    def pairs(self) -> list[Pair]:
        return sorted((score, member) for member, score in self.scores.items())

    def put(self, member: bytes, score: float, flags: int) -> int:
        present = self.scores.get(member)
        if present is None:
            if flags & XX:
                return SKIPPED
            self.scores[member] = score
            return ADDED
        if flags & NX:
            return SKIPPED
        if flags & INCR:
            score += present
        if math.isnan(score):
            return NOT_A_NUMBER
        if (flags & GT and score <= present) or (flags & LT and score >= present):
            return SKIPPED
        self.scores[member] = score
        return UNCHANGED if score == present else UPDATED

    def within(self, low: bytes, high: bytes) -> list[Pair]:
        least, most = float(low.lstrip(b"(")), float(high.lstrip(b"("))
        return [
            (score, member)
            for score, member in self.pairs()
            if (score > least if low[:1] == b"(" else score >= least)
            and (score < most if high[:1] == b"(" else score <= most)
        ]

    def within_lex(self, low: bytes, high: bytes) -> list[Pair]:
        pairs = self.pairs()
        if low == b"+" or high == b"-":
            return []
        if low != b"-":
            pairs = [p for p in pairs if (p[1] > low[1:] if low[:1] == b"(" else p[1] >= low[1:])]
        if high != b"+":
            pairs = [
                p for p in pairs if (p[1] < high[1:] if high[:1] == b"(" else p[1] <= high[1:])
            ]
        return pairs


def random_score(rng: random.Random, kinds: int) -> float:
    dice = rng.random()
    if dice < 0.02:
        return rng.choice([math.inf, -math.inf, 2.0**62, -(2.0**62), 1e19, 5e-324, 0.0])
    if dice < 0.3:
        return rng.randrange(kinds) / 7
    return float(rng.randrange(-kinds, kinds))


def score_bound(rng: random.Random, kinds: int) -> bytes:
    text = b"%.17g" % random_score(rng, kinds)
    return b"(" + text if rng.random() < 0.4 else text


def lex_bound(rng: random.Random) -> bytes:
    dice = rng.random()
    if dice < 0.15:
        return b"-"
    if dice < 0.3:
        return b"+"
    return (b"[" if dice < 0.65 else b"(") + b"m%d" % rng.randrange(400)


def assert_reads_agree(
    value: SortedSet, model: Model, rng: random.Random, kinds: int, one_score: bool
) -> None:
    pairs = model.pairs()
    size = len(pairs)
    value.check()
    assert value.count() == size
    assert pairs_of(value.items()) == pairs
    for _ in range(6):
        member = b"m%d" % rng.randrange(400)
        assert value.score(member) == model.scores.get(member)
        rank = pairs.index((model.scores[member], member)) if member in model.scores else -1
        assert value.rank(member, False) == rank
        assert value.rank(member, True) == (size - 1 - rank if rank >= 0 else -1)
        reverse, offset, limit = rng.random() < 0.5, rng.randrange(-1, 9), rng.randrange(-2, 9)
        low, high = score_bound(rng, kinds), score_bound(rng, kinds)
        expected = model.within(low, high)
        bounds = score_range(low, high)
        assert value.count_in_score_range(bounds) == len(expected)
        found = value.range_by_score(bounds, reverse, offset, limit)
        assert pairs_of(found) == limited(expected, reverse, offset, limit)
        start, stop = rng.randrange(-size - 3, size + 3), rng.randrange(-size - 3, size + 3)
        first = max(start + size, 0) if start < 0 else start
        last = stop + size if stop < 0 else stop
        expected = limited(pairs, reverse, first, max(last - first + 1, 0))
        assert pairs_of(value.range_by_rank(start, stop, reverse)) == expected
        if one_score:
            low, high = lex_bound(rng), lex_bound(rng)
            expected = model.within_lex(low, high)
            assert value.count_in_lex_range(lex_range(low, high)) == len(expected)
            found = value.range_by_lex(lex_range(low, high), reverse, offset, limit)
            assert pairs_of(found) == limited(expected, reverse, offset, limit)


def change(value: SortedSet, model: Model, rng: random.Random, kinds: int, one_score: bool) -> None:
    dice = rng.random()
    pairs = model.pairs()
    if dice < 0.7 or not pairs:
        member = b"m%d" % rng.randrange(400)
        flags = rng.choice([0, 0, 0, NX, XX, GT, LT, INCR, XX | GT, XX | LT | INCR, NX | INCR])
        score = 0.0 if one_score else random_score(rng, kinds)
        before = value.score(member)
        code = value.put(member, score, flags)
        assert code == model.put(member, score, flags)
        if code >= UNCHANGED:
            assert value.last_score == model.scores[member]
        else:
            assert value.score(member) == before
        return
    if dice < 0.9:
        member = b"m%d" % rng.randrange(400)
        assert value.remove(member) == (model.scores.pop(member, None) is not None)
        return
    if dice < 0.92:
        start, stop = rng.randrange(len(pairs)), rng.randrange(len(pairs))
        expected, removed = pairs[start : stop + 1], value.remove_range_by_rank(start, stop)
    elif dice < 0.94:
        low, high = score_bound(rng, kinds), score_bound(rng, kinds)
        expected, removed = (
            model.within(low, high),
            value.remove_range_by_score(score_range(low, high)),
        )
    elif dice < 0.96 and one_score:
        low, high = lex_bound(rng), lex_bound(rng)
        expected, removed = (
            model.within_lex(low, high),
            value.remove_range_by_lex(lex_range(low, high)),
        )
    elif dice < 0.98:
        from_max, count = rng.random() < 0.5, rng.randrange(20)
        expected = limited(pairs, from_max, 0, count)
        popped = value.pop(from_max, count)
        assert pairs_of(popped) == expected
        removed = popped[0]
    else:
        from_max = rng.random() < 0.5
        expected = [pairs[-1 if from_max else 0]]
        removed = [value.pop_one(from_max)]
        assert value.last_score == expected[0][0]
    assert removed == [member for _score, member in expected]
    for member in removed:
        del model.scores[member]


@pytest.mark.parametrize("max_entries", [PACKED, TABLE, 20])
@pytest.mark.parametrize("kinds", [1, 4, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_random_commands_agree_with_a_dict(max_entries: int, kinds: int, seed: int) -> None:
    rng = random.Random(f"{max_entries} {kinds} {seed}")
    encodings = limits(max_entries)
    value = SortedSet.open(None, encodings)
    model = Model()
    for step in range(1500):
        change(value, model, rng, kinds, kinds == 1)
        if step % 15 == 0:
            assert_reads_agree(value, model, rng, kinds, kinds == 1)
            value = SortedSet.open(value.body, encodings)
    assert_reads_agree(value, model, rng, kinds, kinds == 1)


def test_a_sorted_set_is_packed_up_to_the_entry_threshold_and_never_again() -> None:
    encodings = Encodings()
    value = SortedSet.open(None, encodings)
    for i in range(128):
        value.put(b"%d" % i, float(i), 0)
    assert value.encoding() == b"listpack"
    assert isinstance(value.body, bytes)
    value.put(b"0", 5.5, 0)
    assert value.encoding() == b"listpack"
    value.put(b"one more", 1.0, 0)
    assert value.encoding() == b"skiplist"
    assert isinstance(value.body, ScoreTable)
    value.check()
    for i in range(128):
        value.remove(b"%d" % i)
    assert value.encoding() == b"skiplist"
    assert value.count() == 1


def test_a_member_longer_than_the_value_threshold_makes_a_table() -> None:
    value = SortedSet.open(None, Encodings())
    value.put(b"x" * 64, 1.0, 0)
    assert value.encoding() == b"listpack"
    value.put(b"x" * 65, 1.0, XX)
    assert value.encoding() == b"listpack"
    value.put(b"x" * 65, 1.0, 0)
    assert value.encoding() == b"skiplist"
    assert pairs_of(value.items()) == [(1.0, b"x" * 64), (1.0, b"x" * 65)]


@pytest.mark.parametrize(
    ("score", "entry"),
    [
        (0.0, b"\x00\x01"),
        (-0.0, b"\x00\x01"),
        (1.5, b"\x831.5\x04"),
        (0.1, b"\x930.10000000000000001\x14"),
        (2.0**52 + 1, b"\xf4\x01\x00\x00\x00\x00\x00\x10\x00\x09"),
        (1e17, b"\xf4\x00\x00\x8a]xEc\x01\x09"),
        (2.0**62, b"\xf4\x00\x00\x00\x00\x00\x00\x00\x40\x09"),
        (2.0**62 + 1024, b"\x964.6116860184273889e+18\x17"),
        (1e19, b"\x851e+19\x06"),
        (math.inf, b"\x83inf\x04"),
        (-math.inf, b"\x84-inf\x05"),
        (3e-320, b"\x962.999966601548049e-320\x17"),
    ],
)
def test_packed_bytes_are_those_of_redis(score: float, entry: bytes) -> None:
    body = b"\x81m\x02" + entry + b"\xff"
    expected = b"\xf9" + (len(body) + 6).to_bytes(4, "little") + b"\x02\x00" + body
    value = filled([(score, b"m")], PACKED)
    assert value.body == expected
    assert value.score(b"m") == score
    value.put(b"m", 7.0, 0)
    value.put(b"m", score, 0)
    assert value.body == expected


def test_an_update_moves_a_packed_member_to_its_place() -> None:
    pairs = [(float(i), b"m%d" % i) for i in range(10)]
    for moved in range(10):
        for score in (-1.0, 0.5, 3.0, 3.25, 4.0, 8.5, 99.0):
            value = filled(pairs, PACKED)
            value.put(b"m%d" % moved, score, 0)
            others = [pair for pair in pairs if pair[1] != b"m%d" % moved]
            assert pairs_of(value.items()) == sorted([*others, (score, b"m%d" % moved)])
            value.check()


@pytest.mark.parametrize("max_entries", [PACKED, TABLE])
def test_conditions_decide_what_put_does(max_entries: int) -> None:
    value = filled([(5.0, b"a")], max_entries)
    assert value.put(b"a", 6.0, NX) == SKIPPED
    assert value.put(b"b", 6.0, XX) == SKIPPED
    assert value.put(b"b", 6.0, XX | INCR) == SKIPPED
    assert value.put(b"a", 5.0, GT) == SKIPPED
    assert value.put(b"a", 6.0, LT) == SKIPPED
    assert value.put(b"a", 1.0, LT | INCR) == SKIPPED
    assert value.put(b"a", 5.0, 0) == UNCHANGED
    assert pairs_of(value.items()) == [(5.0, b"a")]
    assert value.put(b"a", 2.0, GT | INCR) == UPDATED
    assert value.last_score == 7.0
    assert value.put(b"b", 3.0, INCR | GT) == ADDED
    assert value.last_score == 3.0
    assert value.put(b"c", math.nan, 0) == NOT_A_NUMBER
    assert value.put(b"a", math.inf, 0) == UPDATED
    assert value.put(b"a", -math.inf, INCR) == NOT_A_NUMBER
    assert value.put(b"a", math.inf, INCR) == UNCHANGED
    assert pairs_of(value.items()) == [(3.0, b"b"), (math.inf, b"a")]
    value.check()


@pytest.mark.parametrize("max_entries", [PACKED, TABLE])
def test_an_empty_set_answers_everything(max_entries: int) -> None:
    value = SortedSet.open(None, limits(max_entries))
    for _ in range(2):
        assert value.count() == 0
        assert value.score(b"m") is None
        assert value.rank(b"m", False) == -1
        assert value.remove(b"m") is False
        assert pairs_of(value.range_by_rank(0, -1, True)) == []
        assert pairs_of(value.range_by_score(score_range(b"-inf", b"inf"), True, 0, -1)) == []
        assert pairs_of(value.range_by_lex(lex_range(b"-", b"+"), True, 0, -1)) == []
        assert value.remove_range_by_rank(0, -1) == []
        assert pairs_of(value.pop(True, 3)) == []
        assert value.scan(0, 10) == (0, [])
        with pytest.raises(IndexError):
            value.pop_one(False)
        value.put(b"m", 1.0, 0)
        assert value.remove(b"m") is True
        value.check()


@pytest.mark.parametrize("max_entries", [PACKED, TABLE])
def test_removing_all_leaves_an_empty_set(max_entries: int) -> None:
    pairs = [(float(i), b"%d" % i) for i in range(100)]
    for removal in range(3):
        value = filled(pairs, max_entries)
        if removal == 0:
            assert len(value.remove_range_by_rank(0, -1)) == 100
        elif removal == 1:
            assert len(value.remove_range_by_score(score_range(b"-inf", b"+inf"))) == 100
        else:
            assert pairs_of(value.pop(True, 1000)) == pairs[::-1]
        assert value.count() == 0
        value.check()


@pytest.mark.parametrize("max_entries", [PACKED, TABLE])
def test_pick_reaches_every_member_once(max_entries: int) -> None:
    pairs = [(i / 4, b"%d" % i) for i in range(100)]
    value = filled(pairs, max_entries)
    picked = []
    for index in range(100):
        member = value.pick(index)
        picked.append((value.last_score, member))
    assert sorted(picked) == pairs
    assert pairs_of(value.pick_many([3, 0, 3])) == [picked[3], picked[0], picked[3]]


def test_a_scan_returns_every_member_that_stays() -> None:
    rng = random.Random(5)
    value = filled([(float(i), b"%d" % i) for i in range(1000)], TABLE)
    staying = {b"%d" % i for i in range(0, 1000, 3)}
    seen: dict[bytes, bytes] = {}
    cursor, flat = value.scan(0, 10)
    while True:
        seen.update(zip(flat[::2], flat[1::2], strict=True))
        if cursor == 0:
            break
        for _ in range(5):
            member = b"%d" % rng.randrange(1000)
            if member not in staying:
                value.remove(member)
        value.put(b"new %d" % cursor, 0.5, 0)
        cursor, flat = value.scan(cursor, 10)
    assert staying <= seen.keys()
    assert seen[b"333"] == b"333"
    value.check()


def test_a_scan_of_a_packed_set_returns_all_at_once() -> None:
    value = filled([(1.5, b"a"), (math.inf, b"b")], PACKED)
    assert value.scan(0, 1) == (0, [b"a", b"1.5", b"b", b"inf"])


@pytest.mark.parametrize("size", [0, 1, 128, 129, 500])
def test_build_equals_putting_one_by_one(size: int) -> None:
    rng = random.Random(size)
    pairs = [(float(rng.randrange(20)), b"%d" % i) for i in range(size)]
    encodings = Encodings()
    scores = vec[float]()
    for score, _member in pairs:
        scores = append(scores, score)
    value = SortedSet.build([member for _score, member in pairs], scores, encodings)
    value.check()
    expected = filled(pairs, PACKED)
    assert value.encoding() == expected.encoding()
    assert pairs_of(value.items()) == pairs_of(expected.items()) == sorted(pairs)
    if size <= 128:
        assert value.body == expected.body


@pytest.mark.parametrize("max_entries", [PACKED, TABLE])
def test_a_copy_shares_nothing_that_changes(max_entries: int) -> None:
    pairs = [(float(i), b"%d" % i) for i in range(100)]
    value = filled(pairs, max_entries)
    other = value.copy()
    value.pop(False, 50)
    value.put(b"99", -1.0, 0)
    other.check()
    assert pairs_of(other.items()) == pairs
    other.put(b"new", 3.0, 0)
    other.remove(b"7")
    value.check()
    assert value.count() == 50


def test_memory_returns_to_where_it_began() -> None:
    table = ScoreTable()
    empty = table.memory
    for i in range(5000):
        table.put(b"member %d" % i, float(i % 37))
    full = table.memory
    assert full > 5000 * 80
    assert len(table.remove_range(100, 4000)) == 4000
    table.check()
    while table.count() > 0:
        table.pop_max()
    table.check()
    assert table.memory < full // 100
    assert table.memory >= empty


def test_a_discarded_table_gives_its_members_back_step_by_step() -> None:
    table = ScoreTable()
    for i in range(3000):
        table.put(b"member %d" % i, float(i % 37))
    left = 3000
    while left > 0:
        assert table.discard(700) == min(left, 700)
        left -= min(left, 700)
        assert table.count() == left
        assert sum(len(chunk.members) for chunk in table.order.chunks) <= left
    assert table.order.chunks == []


def test_another_type_is_refused() -> None:
    encodings = Encodings()
    for stored in (b"", b"text", 5, bytearray(b"\xf9"), b"\xf8\x07\x00\x00\x00\x00\x00\xff", [1]):
        with pytest.raises(WrongType):
            SortedSet.open(stored, encodings)


def test_score_bounds_are_read_as_by_strtod() -> None:
    for text, score, exclusive in (
        (b"1.5", 1.5, False),
        (b"(1.5", 1.5, True),
        (b"-inf", -math.inf, False),
        (b"(+inf", math.inf, True),
        (b"", 0.0, False),
        (b"(", 0.0, True),
        (b" 1", 1.0, False),
        (b"0x1", 1.0, False),
        (b"1\0x", 1.0, False),
        (b"1e999", math.inf, False),
    ):
        bound = parse_score_bound(text)
        assert bound is not None, text
        assert (bound.score, bound.exclusive) == (score, exclusive)
    for text in (b"a", b"((1", b"1x", b"nan", b"(nan", b" ", b"1 ", b"[1"):
        assert parse_score_bound(text) is None


def test_a_score_range_between_equal_bounds_needs_both_included() -> None:
    for low, high in (
        (b"(1", b"1"),
        (b"1", b"(1"),
        (b"(1", b"(1"),
        (b"2", b"1"),
        (b"inf", b"-inf"),
    ):
        assert score_range(low, high).is_empty()
    assert not score_range(b"1", b"1").is_empty()


def test_member_bounds_need_a_bracket_or_an_end() -> None:
    for text in (b"", b"a", b"-a", b"+a", b"1", b"]a"):
        assert parse_lex_bound(text) is None
    bound = parse_lex_bound(b"[")
    assert bound is not None and bound.is_member() and bound.member == b""
    for low, high in ((b"+", b"-"), (b"-", b"-"), (b"+", b"+"), (b"[b", b"[a"), (b"[a", b"-")):
        assert lex_range(low, high).is_empty()
    for low, high in ((b"(a", b"[a"), (b"[a", b"(a"), (b"(a", b"(a")):
        assert lex_range(low, high).is_empty()
    for low, high in ((b"-", b"+"), (b"[a", b"[a"), (b"-", b"[a"), (b"[a", b"+")):
        assert not lex_range(low, high).is_empty()


def test_a_member_range_over_unequal_packed_scores_is_the_run_that_redis_finds() -> None:
    value = filled([(1.0, b"b"), (2.0, b"d"), (3.0, b"a"), (4.0, b"c")], PACKED)
    for low, high, reverse, expected in (
        (b"-", b"+", False, [b"b", b"d", b"a", b"c"]),
        (b"[b", b"[c", False, [b"b"]),
        (b"[b", b"[c", True, [b"c"]),
        (b"[c", b"+", False, [b"d", b"a", b"c"]),
        (b"-", b"[a", False, []),
        (b"(c", b"+", False, []),
        (b"[b", b"[d", False, [b"b", b"d", b"a", b"c"]),
    ):
        members, _scores = value.range_by_lex(lex_range(low, high), reverse, 0, -1)
        assert members == expected, (low, high, reverse)


def test_packed_scores_that_differ_in_the_last_bit_are_kept_apart() -> None:
    for start in (0.1, 1.5, -123456.78901234567, 1e-5, 1e15 + 0.3, 99999999999999.98, -1e-300):
        scores = [start]
        while len(scores) < 20:
            scores.append(math.nextafter(scores[-1], math.inf))
        shuffled = list(enumerate(scores))
        random.Random(start).shuffle(shuffled)
        value = filled([(score, b"%d" % i) for i, score in shuffled], PACKED)
        assert pairs_of(value.items()) == [(score, b"%d" % i) for i, score in enumerate(scores)]
        for i, score in enumerate(scores):
            text = b"%.17g" % score
            assert value.count_in_score_range(score_range(text, text)) == 1
            assert value.count_in_score_range(score_range(b"(" + text, b"inf")) == 19 - i


def test_packed_scores_are_read_back_exactly() -> None:
    rng = random.Random(11)
    value = SortedSet.open(None, Encodings())
    for _ in range(3000):
        score = rng.choice([rng.random(), rng.gauss(0, 1e6), rng.uniform(-1e17, 1e17)])
        score = rng.choice([score, round(score, 3), float(round(score)), score * 1e-8])
        value.put(b"m", score, 0)
        assert value.score(b"m") == score
        assert value.pick(0) == b"m"
        assert value.last_score == score


def test_scores_can_be_left_out_of_a_packed_range() -> None:
    value = filled([(1.5, b"a"), (2.5, b"b")], PACKED)
    assert value.range_by_rank(0, -1, True, False)[0] == [b"b", b"a"]
    assert value.range_by_score(score_range(b"2", b"3"), False, 0, -1, False)[0] == [b"b"]
    assert value.range_by_lex(lex_range(b"-", b"+"), True, 0, -1, False)[0] == [b"b", b"a"]


def test_a_removal_inside_one_chunk_keeps_the_ranks() -> None:
    value = filled([(float(i), b"%d" % i) for i in range(1000)], TABLE)
    assert value.rank(b"900", False) == 900
    assert len(value.remove_range_by_rank(70, 79)) == 10
    assert value.rank(b"900", False) == 890
    value.check()
