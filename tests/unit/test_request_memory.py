"""What is remembered of requests: bounds, and that no forgetting lets one run twice."""

from __future__ import annotations

import random

import pytest

from kvnode.config.settings import Settings
from kvnode.request_memory import (
    CLIENT_BYTES,
    REPLY_BYTES,
    SEQ_MAX,
    RecordError,
    RequestMemory,
    client_field,
)
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Prepared
from kvprotocol.translation import translated

NOW = 1_700_000_000_000
NAMES = [b"%d-%02x" % (NOW + i // 2, i) for i in range(12)]


def reply_of(text: bytes) -> Prepared:
    return Prepared(text, text)


def memory_of(**bounds: int) -> RequestMemory:
    settings = Settings()
    for name, value in bounds.items():
        setattr(settings, name, value)
    return RequestMemory(settings)


def answer(memory: RequestMemory, name: bytes, seq: int, acknowledged: int = 0) -> bytes | None:
    """The remembered reply, None where the request may run, b"?" where it is refused."""
    try:
        found = memory.find(name, seq, acknowledged, NOW)
    except ReplyError:
        return b"?"
    return None if found is None else found.resp2


def add(memory: RequestMemory, name: bytes, seq: int, text: bytes = b"+x\r\n") -> None:
    memory.remember(name, seq, 0, reply_of(text), NOW)
    memory.check()


def test_an_id_is_new_and_behind_the_watermark() -> None:
    memory = memory_of()
    first, second = memory.issue(NOW), memory.issue(NOW)
    assert first != second and first.startswith(b"%d-" % NOW)
    memory.watermark = NOW + 5
    assert memory.issue(NOW).startswith(b"%d-" % (NOW + 6))
    assert answer(memory, memory.issue(NOW), 1) is None
    assert answer(memory, first, 1) == b"?"


def test_the_oldest_replies_of_a_client_go_first_and_are_refused() -> None:
    memory = memory_of(request_max_replies=3)
    for seq in (10, 12, 11, 20):
        add(memory, NAMES[0], seq)
    assert answer(memory, NAMES[0], 10) == b"?"
    assert [answer(memory, NAMES[0], seq) for seq in (11, 12, 20)] == [b"+x\r\n"] * 3
    assert answer(memory, NAMES[0], 9) == b"?"
    assert answer(memory, NAMES[0], 13) is None
    add(memory, NAMES[0], 21)
    assert answer(memory, NAMES[0], 12) == b"?"
    assert answer(memory, NAMES[0], 11) == b"+x\r\n"
    assert memory.trimmed_replies == 2


def test_who_asked_least_lately_is_forgotten_when_there_are_too_many() -> None:
    memory = memory_of(request_max_clients=2)
    for name in NAMES[:2]:
        add(memory, name, 1)
    assert answer(memory, NAMES[0], 1) == b"+x\r\n"  # used: the other one goes
    add(memory, NAMES[2], 1)
    assert answer(memory, NAMES[1], 1) == b"?"
    assert answer(memory, NAMES[0], 2) is None
    assert memory.watermark == NOW
    # Born as early, and never seen: nobody can say that it was not forgotten.
    assert answer(memory, b"%d-ff" % NOW, 1) == b"?"
    assert answer(memory, NAMES[4], 1) is None


def test_who_asks_for_nothing_is_forgotten_in_time() -> None:
    memory = memory_of(request_max_idle=900)
    add(memory, NAMES[0], 1)
    add(memory, NAMES[2], 1)
    memory.find(NAMES[0], 1, 0, NOW + 500_000)
    memory.forget_idle(NOW + 900_000)
    assert len(memory) == 2
    memory.forget_idle(NOW + 900_001)
    assert len(memory) == 1 and answer(memory, NAMES[2], 1) == b"?"
    memory.note_use(NOW + 2_000_000)
    memory.forget_idle(NOW + 2_000_001)
    assert len(memory) == 1
    memory.forget_idle(NOW + 9_000_000)
    assert len(memory) == 0 and memory.bytes == 0


def test_bytes_are_bounded_at_the_expense_of_who_asked_least_lately() -> None:
    size = 2 * CLIENT_BYTES + 4 * (REPLY_BYTES + 100)
    memory = memory_of(request_max_memory=size)
    for seq in (1, 2):
        add(memory, NAMES[0], seq, b"a" * 100)
        add(memory, NAMES[2], seq, b"b" * 100)
    add(memory, NAMES[2], 3, b"c" * 100)
    assert answer(memory, NAMES[0], 1) == b"?"
    assert answer(memory, NAMES[0], 2) == b"a" * 100
    assert answer(memory, NAMES[2], 1) == b"b" * 100
    assert memory.bytes <= size


def test_a_reply_that_is_too_large_alone_costs_nobody_else() -> None:
    memory = memory_of(request_max_memory=10_000)
    add(memory, NAMES[0], 1)
    add(memory, NAMES[2], 1)
    add(memory, NAMES[2], 2, b"x" * 20_000)
    assert answer(memory, NAMES[0], 1) == b"+x\r\n"
    assert answer(memory, NAMES[2], 2) == b"?"
    assert answer(memory, NAMES[2], 3) is None


def test_without_room_for_anything_nothing_runs_twice() -> None:
    memory = memory_of(request_max_memory=0)
    add(memory, NAMES[0], 1)
    assert len(memory) == 0 and answer(memory, NAMES[0], 1) == b"?"


def test_a_record_says_what_was_run() -> None:
    memory, other = memory_of(), memory_of()
    reply = Prepared(b"*-1\r\n", b"_\r\n")
    other.restore(memory.record(NAMES[0], 3, 7, reply), NOW)
    found = other.find(NAMES[0], 7, 3, NOW)
    assert found is not None and (found.resp2, found.resp3) == (b"*-1\r\n", b"_\r\n")
    assert answer(other, NAMES[0], 3) == b"?"
    assert answer(other, NAMES[0], 4) is None
    other.check()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1-ab",
        b"1-ab 0 1 3 0 ab",
        b"1-ab 0 1 3 0 abcd",
        b"1-ab 0 1 x 0 abc",
        b"1-ab 0 1 3 -1 abc",
        b"x 0 1 3 0 abc",
        b"1-ab 0 1 3 99999999999999999999 abc",
        b"1-ab 0 1 1 3 0 abc",
    ],
)
def test_a_record_that_is_none_is_an_error_and_changes_nothing(text: bytes) -> None:
    memory = memory_of()
    with pytest.raises(RecordError):
        memory.restore(b"kvnode:request " + text, NOW)
    assert len(memory) == 0


def test_a_client_that_comes_back_after_it_was_forgotten_is_closed() -> None:
    leader, follower = memory_of(), memory_of(request_max_clients=1)
    add(follower, NAMES[0], 9)
    add(follower, NAMES[2], 1)  # the first one is forgotten
    follower.restore(leader.record(NAMES[0], 0, 5, reply_of(b"+y\r\n")), NOW)
    assert answer(follower, NAMES[0], 5) == b"+y\r\n"
    assert answer(follower, NAMES[0], 9) == b"?"
    assert answer(follower, NAMES[0], 10) == b"?"
    follower.restore(leader.record(NAMES[0], 4, 11, reply_of(b"+z\r\n")), NOW)
    assert answer(follower, NAMES[0], 11) == b"+z\r\n"
    follower.check()


def restored(memory: RequestMemory, **bounds: int) -> RequestMemory:
    """What a node makes of the snapshot of another one."""
    other = memory_of(**bounds)
    for client in reversed(memory.copies()):
        other.restore_client(client_field(client), NOW)
    other.watermark = max(other.watermark, memory.watermark)
    other.check()
    return other


def test_a_snapshot_keeps_replies_floors_and_order() -> None:
    memory = memory_of(request_max_replies=2)
    memory.remember(NAMES[3], 1, 0, Prepared(b"$1\r\n\0\r\n", b"$1\r\n \r\n"), NOW)
    for seq in (4, 6, 5):
        memory.remember(NAMES[0], seq, 2, reply_of(b":%d\r\n" % seq), NOW)
    other = restored(memory)
    assert [answer(other, NAMES[0], seq) for seq in (2, 4, 5, 6, 7)] == [
        *(b"?", b"?", b":5\r\n", b":6\r\n", None)
    ]
    assert [client.name for client in other.copies()] == [NAMES[0], NAMES[3]]
    assert other.bytes == memory.bytes


def test_a_snapshot_with_more_than_a_node_keeps_is_trimmed_and_refused() -> None:
    memory = memory_of()
    for name in NAMES:
        for seq in range(1, 9):
            add(memory, name, seq)
    other = restored(memory, request_max_clients=3, request_max_replies=2)
    assert len(other) == 3 and other.reply_count == 6
    for name in NAMES:
        for seq in range(1, 9):
            assert answer(other, name, seq) in (b"?", b"+x\r\n")


class Model:
    """Which requests were run on any node of a history, and with which replies."""

    def __init__(self) -> None:
        self.ran: dict[tuple[bytes, int], bytes] = {}

    def judge(self, memory: RequestMemory, name: bytes, seq: int, found: bytes | None) -> None:
        first = self.ran.get((name, seq))
        if found is None:
            assert first is None, f"{name!r} {seq} would run twice"
        elif found != b"?":
            assert found == first


@pytest.mark.parametrize("seed", range(60))
def test_nothing_runs_twice_on_whichever_node_leads(seed: int) -> None:
    """A leader, a follower with other bounds, restarts and snapshots, at random."""
    draw = random.Random(seed)

    def new() -> RequestMemory:
        return memory_of(
            request_max_clients=draw.randrange(1, 6),
            request_max_replies=draw.randrange(1, 6),
            request_max_memory=draw.choice((1_000, 3_000, 1 << 20)),
        )

    model = Model()
    leader, follower = new(), new()
    now = NOW
    names = [leader.issue(now) for _ in range(4)]
    for step in range(400):
        now += draw.choice((0, 1, 1000))
        action = draw.random()
        if action < 0.8:
            name = draw.choice(names)
            seq = draw.randrange(1, 30)
            acknowledged = draw.choice((0, 0, 0, seq - 1, seq // 2))
            try:
                found = leader.find(name, seq, acknowledged, now)
            except ReplyError:
                model.judge(leader, name, seq, b"?")
                continue
            model.judge(leader, name, seq, None if found is None else found.resp2)
            if found is None:
                text = b":%d\r\n" % step
                model.ran[name, seq] = text
                record = leader.record(name, acknowledged, seq, reply_of(text))
                leader.remember(name, seq, acknowledged, reply_of(text), now)
                follower.restore(record, now)
        elif action < 0.86:
            names[draw.randrange(len(names))] = leader.issue(now)
        elif action < 0.9:
            leader, follower = follower, leader
        elif action < 0.93:
            other = new()
            for client in reversed(leader.copies()):
                other.restore_client(client_field(client), now)
            other.watermark = max(other.watermark, leader.watermark)
            follower = other
        else:
            draw.choice((leader, follower)).forget_idle(now + draw.choice((0, 899_000, 901_000)))
        leader.check()
        follower.check()


def test_seq_numbers_stay_below_the_floor_of_closed_clients() -> None:
    memory = memory_of()
    memory.watermark = NOW
    add(memory, NAMES[0], SEQ_MAX - 1)
    assert answer(memory, NAMES[0], SEQ_MAX - 2) == b"?"


@pytest.mark.parametrize(
    ("data", "resp2", "resp3"),
    [
        (b"+OK\r\n", b"+OK\r\n", b"+OK\r\n"),
        (b"-ERR x\r\n", b"-ERR x\r\n", b"-ERR x\r\n"),
        (b"$4\r\n_\r\n,\r\n", b"$4\r\n_\r\n,\r\n", b"$4\r\n_\r\n,\r\n"),
        (b"$0\r\n\r\n", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"*2\r\n*-1\r\n$-1\r\n", b"*2\r\n*-1\r\n$-1\r\n", b"*2\r\n_\r\n_\r\n"),
        (b"%1\r\n~2\r\n_\r\n#f\r\n", b"*2\r\n*2\r\n$-1\r\n:0\r\n", b"%1\r\n~2\r\n_\r\n#f\r\n"),
        (b"(123\r\n,inf\r\n", b"$3\r\n123\r\n$3\r\ninf\r\n", b"(123\r\n,inf\r\n"),
        (b"=8\r\ntxt:\r\n_\r\r\n", b"$4\r\n\r\n_\r\r\n", b"=8\r\ntxt:\r\n_\r\r\n"),
    ],
)
def test_replies_are_translated_token_by_token(data: bytes, resp2: bytes, resp3: bytes) -> None:
    assert translated(data, 2) == resp2
    assert translated(data, 3) == resp3
