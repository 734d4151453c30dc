"""HyperLogLogs: the hash, the layouts, and the error of the estimates."""

from __future__ import annotations

import random

import pytest

from kvnode.datatypes.hyperloglog import HyperLogLog
from kvnode.datatypes.strings import encoding
from kvnode.structures import hyperloglog as layout
from kvnode.structures.murmur import murmur64
from kvprotocol.errors import ReplyError

from .engine import Engine

SPARSE_MAX = 3000


def registers_of(value: HyperLogLog) -> list[int]:
    registers = layout.no_registers()
    layout.merge(registers, value.text())
    return list(registers)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xD8DFEA6585BC9732),
        (b"a", 0x53D2470A9B43B1A7),
        (b"abcdefgh", 0xF3A65DF559914567),
        (b"hello world", 0xA919BC3051F624B7),
    ],
)
def test_the_hash_is_murmurhash64a(data: bytes, expected: int) -> None:
    assert murmur64(data, 0xADC83B19) % (1 << 64) == expected


def test_ranks_count_the_zeros_behind_the_register() -> None:
    assert layout.register_of(0x3FFF | 1 << 14) == 0x3FFF
    assert layout.rank_of(1 << 14) == 1
    assert layout.rank_of(1 << 20 | 5) == 7
    assert layout.rank_of(0) == 51
    assert layout.rank_of(-1) == 1


@pytest.mark.parametrize("seed", range(3))
def test_both_layouts_hold_the_same_registers(seed: int) -> None:
    draw = random.Random(seed)
    sparse, dense = HyperLogLog.open(None), HyperLogLog.open(None)
    dense.to_dense()
    expected = [0] * layout.REGISTERS
    for _ in range(800):
        register = draw.choice([draw.randrange(layout.REGISTERS), draw.randrange(40)])
        rank = min(int(draw.expovariate(0.7)) + 1, 40 if draw.random() < 0.001 else 32)
        changes = expected[register] < rank
        assert sparse.set(register, rank, SPARSE_MAX) == changes
        assert dense.set(register, rank, SPARSE_MAX) == changes
        expected[register] = max(expected[register], rank)
    assert registers_of(sparse) == registers_of(dense) == expected
    assert sparse.estimate() == dense.estimate()


def test_the_sparse_layout_ends_at_its_limit_and_at_rank_33() -> None:
    value = HyperLogLog.open(None)
    assert value.set(5, 33, SPARSE_MAX)
    assert value.dense is not None
    value = HyperLogLog.open(None)
    assert value.set(5, 32, 21)
    assert value.dense is None
    assert len(value.text()) == 20
    assert value.set(50, 1, 21)
    assert value.dense is not None
    assert registers_of(value)[5] == 32
    assert registers_of(value)[50] == 1


def test_neighbours_that_become_equal_are_joined() -> None:
    value = HyperLogLog.open(None)
    for register in (0, 1, 2, 3, 4):
        value.set(register, 2, SPARSE_MAX)
    assert layout.sparse_runs(value.text()) == b"v:2,4 v:2,1 Z:16379"
    value.set(1, 3, SPARSE_MAX)
    assert layout.sparse_runs(value.text()) == b"v:2,1 v:3,1 v:2,3 Z:16379"


def test_merging_is_the_maximum_of_all_registers() -> None:
    draw = random.Random(4)
    first, second = HyperLogLog.open(None), HyperLogLog.open(None)
    for value, count in ((first, 200), (second, 5000)):
        for _ in range(count):
            value.add(draw.randbytes(8), SPARSE_MAX)
    expected = [max(pair) for pair in zip(registers_of(first), registers_of(second), strict=True)]
    registers = layout.no_registers()
    layout.merge(registers, first.text())
    layout.merge(registers, second.text())
    first.set_all(registers, SPARSE_MAX)
    assert registers_of(first) == expected


def test_the_estimate_stays_within_the_standard_error() -> None:
    """Root mean square error of 60 independent values against 1.04 / sqrt(16384) = 0.81 %."""
    draw = random.Random(9)
    errors = []
    for _ in range(60):
        value = HyperLogLog.open(None)
        value.to_dense()
        for _ in range(3000):
            value.add(draw.randbytes(8), SPARSE_MAX)
        errors.append(value.estimate() / 3000 - 1)
    mean_square = sum(error * error for error in errors) / len(errors)
    assert mean_square**0.5 < 0.0081


def test_an_estimate_is_kept_until_a_register_changes() -> None:
    for dense in (False, True):
        value = HyperLogLog.open(None)
        if dense:
            value.to_dense()
        value.add(b"a", SPARSE_MAX)
        value.forget_estimate()
        assert value.cached_estimate() < 0
        value.keep_estimate(12345)
        assert value.cached_estimate() == 12345
        value.forget_estimate()
        assert value.cached_estimate() < 0
        assert value.estimate() == 1


def test_what_is_no_hyperloglog_is_refused() -> None:
    for stored in (b"", b"HYLL", 5, layout.EMPTY[:15], b"HYLL\x02" + bytes(20), b"HYLL\x00" * 9):
        with pytest.raises(ReplyError):
            HyperLogLog.open(stored)


def test_a_short_value_is_stored_as_raw() -> None:
    assert encoding(HyperLogLog.open(None).body) == b"raw"


def test_a_failed_addition_logs_what_it_left() -> None:
    engine = Engine()
    # Runs for half of the registers: an element of the other half finds none.
    broken = layout.EMPTY[:-2] + b"\x5f\xff"
    engine.send([b"SET", b"k", broken])
    engine.log.units.clear()
    elements = [b"%d" % n for n in range(20)]
    elements.sort(key=lambda element: layout.register_of(murmur64(element, 0xADC83B19)))
    assert engine.send([b"PFADD", b"k", *elements]).startswith(b"-INVALIDOBJ")
    assert engine.dump()[0, b"k"][1] != broken
    copy = Engine()
    for unit in engine.log.units:
        for _, argv in unit:
            copy.send(argv)
    assert copy.dump() == engine.dump()
    engine.node.check()
