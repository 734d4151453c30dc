"""The structures under streams against plain models, and what they hold to byte for byte."""

from __future__ import annotations

import random

import pytest

from kvnode.datatypes.kinds import copy, encoding, type_name
from kvnode.lazyfree import LazyFree
from kvnode.structures.listpack import entries
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_cursor import StreamCursor
from kvnode.structures.stream_groups import Group
from kvnode.structures.stream_ids import (
    ANY_SEQUENCE,
    COMPLETE,
    EXTREME,
    HIGHEST,
    INVALID,
    LOWEST,
    biased,
    difference,
    following,
    number_of,
    parse,
    preceding,
    text_of,
    total,
    wrapped,
)
from kvnode.structures.stream_pending import OWNER, TIME, Meter, PendingTable

from .engine import Engine
from .test_effects import run

U64_MAX = 2**64 - 1


def id_of(ms: int, seq: int) -> tuple[int, int]:
    """An id's halves as the structures hold them."""
    return biased(ms), biased(seq)


def everything(stream: Stream) -> list[tuple[int, int, list[bytes]]]:
    """All entries of a stream, and the same ones read from behind."""
    found = []
    cursor = StreamCursor(stream)
    more = cursor.seek(LOWEST, LOWEST)
    while more:
        found.append((number_of(cursor.ms), number_of(cursor.seq), cursor.items()))
        more = cursor.next()
    backward = []
    more = cursor.seek_back(HIGHEST, HIGHEST)
    while more:
        backward.append((number_of(cursor.ms), number_of(cursor.seq), cursor.items()))
        more = cursor.previous()
    assert backward == found[::-1]
    return found


def test_ids_are_read_and_printed() -> None:
    cases = {
        b"1-2": (COMPLETE, 1, 2),
        b"7": (COMPLETE, 7, 5),
        b"-": (EXTREME, 0, 0),
        b"+": (EXTREME, U64_MAX, U64_MAX),
        b"3-*": (ANY_SEQUENCE, 3, 0),
        b"%d-%d" % (U64_MAX, U64_MAX): (COMPLETE, U64_MAX, U64_MAX),
        b"007- 9": (COMPLETE, 7, 9),
        b"5--03": (COMPLETE, 5, U64_MAX - 2),
        b"5\x00-7": (COMPLETE, 5, 5),
    }
    for text, (kind, ms, seq) in cases.items():
        assert parse(text, biased(5)) == (kind, *id_of(ms, seq)), text
    for text in (b"", b"a", b"1-", b"-1", b"*", b"1-2-3", b"5--3", b"%d" % 2**64, b"1" * 128):
        assert parse(text, 0)[0] == INVALID, text
    for ms, seq in ((0, 0), (1700000000000, 12), (2**63 - 1, 2**63), (U64_MAX, U64_MAX)):
        text = b"%d-%d" % (ms, seq)
        assert text_of(*id_of(ms, seq)) == text
        assert parse(text, 0) == (COMPLETE, *id_of(ms, seq))


def test_ids_are_counted_up_and_down_over_the_sequence() -> None:
    assert following(*id_of(5, U64_MAX)) == id_of(6, 0)
    assert preceding(*id_of(6, 0)) == id_of(5, U64_MAX)
    assert following(*id_of(U64_MAX, U64_MAX)) == id_of(0, 0)
    assert preceding(*id_of(0, 0)) == id_of(U64_MAX, U64_MAX)
    for a in (0, 1, 2**63 - 1, 2**63, U64_MAX):
        for b in (0, 1, 2**63 - 1, 2**63, U64_MAX):
            delta = difference(biased(a), biased(b))
            assert delta == wrapped(a - b)
            assert total(biased(b), delta) == biased(a)


def test_a_node_is_redis_layout() -> None:
    stream = Stream()
    stream.add(*id_of(5, 1), [b"f", b"v", b"12", b"7"], 0, 4096, 100)
    stream.add(*id_of(5, 3), [b"f", b"w", b"12", b"x"], 0, 4096, 100)
    stream.add(*id_of(9, 0), [b"g", b"y"], 0, 4096, 100)
    master = [b"3", b"0", b"2", b"f", b"12", b"0"]
    first = [b"2", b"0", b"0", b"v", b"7", b"5"]
    second = [b"2", b"0", b"2", b"w", b"x", b"5"]
    third = [b"0", b"4", b"-1", b"1", b"g", b"y", b"6"]
    assert entries(stream.node(0), 0) == master + first + second + third
    assert stream.remove(*id_of(5, 3))
    after = [b"2", b"1", *master[2:], *first, b"3", *second[1:], *third]
    assert entries(stream.node(0), 0) == after
    # 64 bytes, 25 elements, and the first two of them.
    assert stream.node(0)[:10].hex() == "40000000190002010101"
    stream.check()


@pytest.mark.parametrize("limits", [(4096, 100), (200, 0), (4096, 3), (0, 300), (1, 0)])
def test_random_changes_agree_with_a_list(limits: tuple[int, int]) -> None:
    draw = random.Random(str(limits))
    stream = Stream()
    model: list[tuple[int, int, list[bytes]]] = []
    ms = 1
    for step in range(1500):
        form = draw.randrange(20)
        if form < 14 or not model:
            ms += draw.choice([1, 1, 5, 2**40, 2**62 if step == 700 else 0])
            seq = draw.choice([0, 7, 2**63, U64_MAX])
            if id_of(ms, seq) <= (stream.last_ms, stream.last_seq):
                ms += 1
            fields = draw.choice([[b"f"], [b"f"], [b"f", b"g"], [b"1"]])
            values = [b"", b"12", b"x" * 70, b"-5000", b"%d" % step]
            words = [word for field in fields for word in (field, draw.choice(values))]
            stream.add(*id_of(ms, seq), words, 0, *limits)
            model.append((ms, seq, words))
        elif form < 17:
            victim = draw.choice(model)
            assert stream.remove(*id_of(*victim[:2]))
            assert not stream.remove(*id_of(*victim[:2]))
            model.remove(victim)
        elif form == 17:
            length = draw.randint(0, len(model))
            assert stream.trim_to_length(length, False, 0) == len(model) - length
            del model[: len(model) - length]
            stream.find_first()
        elif form == 18:
            least = draw.choice(model)[:2]
            kept = [row for row in model if row[:2] >= least]
            assert stream.trim_before(*id_of(*least), False, 0) == len(model) - len(kept)
            model = kept
            stream.find_first()
        else:
            deleted = stream.trim_to_length(len(model) // 2, True, draw.choice([0, 50]))
            del model[:deleted]
            stream.find_first()
        assert stream.length == len(model)
        if step % 50 == 0:
            stream.check()
            assert everything(stream) == model
            if model:
                at = draw.randrange(len(model))
                cursor = StreamCursor(stream)
                assert cursor.seek(*id_of(*model[at][:2]))
                assert cursor.items() == model[at][2]
                if at:
                    before = preceding(*id_of(*model[at][:2]))
                    assert cursor.seek_back(*before)
                    assert cursor.items() == model[at - 1][2]
    stream.check()
    assert everything(stream) == model


def trie_nodes(keys: list[bytes]) -> int:
    """How many nodes a compressed radix tree of keys has, counted on the tree itself."""
    if not keys:
        return 1

    def below(keys: list[bytes], depth: int) -> int:
        common = depth
        while common < 16 and len({key[common] for key in keys}) == 1:
            common += 1
        run_of_bytes = 1 if common > depth else 0
        if common == 16:
            return run_of_bytes + 1
        children: dict[int, list[bytes]] = {}
        for key in keys:
            children.setdefault(key[common], []).append(key)
        return run_of_bytes + 1 + sum(below(rows, common + 1) for rows in children.values())

    return below(keys, 0)


@pytest.mark.parametrize("seed", range(10))
def test_the_radix_tree_is_counted_without_building_it(seed: int) -> None:
    draw = random.Random(seed)
    stream = Stream()
    ids: list[tuple[int, int]] = []
    ms = 0
    for _ in range(draw.choice([0, 1, 2, 50, 300])):
        ms += draw.choice([1, 1, 255, 70000, 2**33, 2**50])
        ids.append((ms, draw.choice([0, 1, 2**40])))
        stream.add(*id_of(*ids[-1]), [b"f", b"v"], 0, 4096, 1)
    keys = [ms.to_bytes(8, "big") + seq.to_bytes(8, "big") for ms, seq in ids]
    assert stream.tree_nodes() == trie_nodes(keys)
    for key in ids[::2]:
        stream.remove(*id_of(*key))
    assert stream.tree_nodes() == trie_nodes(keys[1::2])


@pytest.mark.parametrize("seed", range(4))
def test_pending_rows_agree_with_a_dict(seed: int) -> None:
    draw = random.Random(seed)
    meter = Meter()
    table = PendingTable(5, meter)
    model: dict[tuple[int, int], int] = {}
    top = 0
    for step in range(6000):
        growing = step % 2000 < 1200
        if draw.random() < (0.8 if growing else 0.2):
            top += draw.randint(0, 2)
            key = id_of(top if draw.random() < 0.7 else draw.randint(0, top), draw.randint(0, 2))
            assert table.add(*key, 3) == (key not in model)
            assert table.get(OWNER) == 3
            table.set(TIME, step)
            model[key] = step
        elif model:
            first = min(model) if draw.random() < 0.5 else draw.choice(list(model))
            assert table.find(*first) and table.get(TIME) == model.pop(first)
            table.remove()
            assert not table.find(*first)
        assert table.count == len(model)
        if step % 300 == 0:
            check_rows(table, meter, model, draw)
    check_rows(table, meter, model, draw)
    table.release()
    assert meter.memory == meter.rows == 0


def check_rows(
    table: PendingTable, meter: Meter, model: dict[tuple[int, int], int], draw: random.Random
) -> None:
    """The table holds the model's rows, in order from any id on."""
    assert table.check() == meter.memory
    assert meter.rows == len(model)
    start = id_of(draw.randint(0, 3000), 1) if draw.random() < 0.8 else (LOWEST, LOWEST)
    found = []
    more = table.seek(*start)
    while more:
        found.append(((table.get(0), table.get(1)), table.get(TIME)))
        more = table.step()
    assert found == sorted(row for row in model.items() if row[0] >= start)
    if model:
        assert table.last() == max(model)
    twin_meter = Meter()
    twin = table.copy(twin_meter)
    assert twin.check() == twin_meter.memory
    assert twin_meter.rows == len(model)


def test_a_million_pending_rows_are_removed_one_by_one() -> None:
    table = PendingTable(3, Meter())
    count = 100_000
    for i in range(count):
        table.add(i, 0, 0)
    for i in range(count):
        assert table.find(i, 0)
        table.remove()
    assert table.count == 0
    assert table.chunks == []


def test_consumers_hand_entries_over() -> None:
    meter = Meter()
    group = Group(b"g", LOWEST, LOWEST, 0, meter)
    alice = group.create_consumer(b"alice", 1)
    bob = group.create_consumer(b"bob", 1)
    for i in range(300):
        group.deliver(alice, i, 0, 5)
    for i in range(0, 300, 3):
        group.deliver(bob, i, 0, 6)
    assert (alice.pending.count, bob.pending.count, group.pending.count) == (200, 100, 300)
    assert group.check() == meter.memory
    assert group.acknowledge(0, 0)
    assert not group.acknowledge(0, 0)
    group.delete_consumer(alice)
    assert group.pending.count == 99
    carol = group.create_consumer(b"carol", 1)
    assert carol.number == 0
    assert group.check() == meter.memory
    group.release()
    assert meter.memory == meter.rows == 0


def stocked() -> Stream:
    """A stream with many nodes, two groups, and entries pending."""
    stream = Stream()
    for i in range(1000):
        stream.add(*id_of(i + 1, 0), [b"f", b"%d" % i], 0, 4096, 10)
    stream.create_group(b"g", LOWEST, LOWEST, 0)
    stream.create_group(b"h", LOWEST, LOWEST, 0)
    for name in (b"g", b"h"):
        group = stream.group(name)
        assert group is not None
        consumer = group.create_consumer(b"c", 5)
        for i in range(500):
            group.deliver(consumer, *id_of(i + 1, 0), 7)
    stream.settle()
    stream.check()
    return stream


def test_a_copy_shares_nothing_that_changes() -> None:
    stream = stocked()
    twin = copy(stream)
    assert isinstance(twin, Stream)
    assert (type_name(twin), everything(twin)) == (b"stream", everything(stream))
    twin.check()
    assert twin.memory <= stream.memory
    before = everything(stream)
    twin.remove(*id_of(5, 0))
    twin.add(*id_of(5000, 0), [b"f", b"v"], 0, 4096, 10)
    group = twin.group(b"g")
    assert group is not None
    group.acknowledge(*id_of(1, 0))
    twin.destroy_group(b"h")
    twin.settle()
    twin.check()
    stream.check()
    assert everything(stream) == before
    assert stream.groups[b"g"].pending.count == 500


def test_a_large_stream_is_freed_in_slices() -> None:
    stream = stocked()
    freeing = LazyFree()
    freeing.value(stream)
    steps = 0
    while not freeing.is_idle():
        freeing.step(100)
        steps += 1
        assert steps < 1000
    assert steps > 10
    assert stream.count() == 0


def test_the_data_stay_consistent_through_the_commands() -> None:
    engine = Engine()
    run(engine, "CONFIG SET stream-node-max-entries 3")
    for i in range(1, 60):
        run(engine, f"XADD s {i}-1 f {i}")
    run(engine, "XGROUP CREATE s g 0; XREADGROUP GROUP g a COUNT 40 STREAMS s >; XDEL s 5-1 6-1")
    run(engine, "XAUTOCLAIM s g b 0 0 COUNT 10; COPY s t; XTRIM s MAXLEN ~ 9; XACK t g 1-1 2-1")
    stored = engine.node.dataset.databases[0].peek(b"t")
    assert encoding(stored) == b"stream"
    engine.node.check()
    run(engine, "XGROUP DELCONSUMER t g b; XGROUP DESTROY s g; DEL s; UNLINK t")
    engine.node.check()
    assert engine.node.dataset.memory == 0


def test_entries_that_wrap_the_counter_of_entries() -> None:
    engine = Engine()
    run(engine, f"XADD s 1-1 f v; XSETID s 1-1 ENTRIESADDED {2**63 - 1}")
    reply = run(engine, "XADD s 2-1 f v; XINFO STREAM s")
    assert b":-9223372036854775808\r\n" in reply
    engine.node.check()
