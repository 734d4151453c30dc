"""SHUFFLE.*: replies, refusals and waits, without a socket."""

from __future__ import annotations

import pytest

from kvnode.config import Config
from kvnode.shuffle.spill_file import checksum_of

from .disks import MemoryDisk
from .engine import Engine, output
from .shufflers import Job, blocks_of, finished, parsed

MAX = 1 << 63


@pytest.fixture
def engine() -> Engine:
    return Engine()


def code(reply: object) -> str:
    assert isinstance(reply, str), reply
    return reply.partition(" ")[0]


# --- the shuffle ----------------------------------------------------------------------------------


def test_a_shuffle_from_open_to_end(engine: Engine) -> None:
    job = Job(engine)
    opened = job.open(2, 2, b"CODEC", b"lz4", b"TTL", 60)
    assert isinstance(opened, list) and opened[0] == 1 and opened[1] > 0
    assert job.open(2, 2, b"TTL", 60, b"REPLICAS", 1, b"CODEC", b"lz4") == opened
    assert job.run(0, 7, {0: [b"a", b"b"], 1: [b"c"]}) == b"OK"
    assert job.missing() == [1, 1]
    assert job.run(1, 8, {1: [b"d"]}) == b"OK"
    assert job.missing() == [1]
    assert job.payloads(0) == [b"a", b"b"]
    assert job.payloads(1) == [b"c", b"d"]
    total = (checksum_of(b"c") + checksum_of(b"d")) % (1 << 64)
    assert job.ask(b"STATUS", b"job", b"PARTITION", 1) == [1, 2, 2, b"%d" % total]
    assert job.ask(b"LIST") == [[b"job", b"sealed", 1, 2, 2, 4]]
    assert job.ask(b"LIST", b"other") == []
    assert job.ask(b"ACK", b"job/1") == b"OK"
    assert job.ask(b"ACK", b"job/1") == b"OK"
    assert code(job.fetch(1)) == "SHUFFLECONSUMED"
    assert job.status()["bytes"] == 2 and job.status()["consumed"] == 1
    assert job.ask(b"END", b"job") == 1
    assert job.ask(b"END", b"job") == 0
    engine.wait(0.1)  # the replies are taken
    assert engine.node.shuffles.owner.memory == 0
    engine.node.check()


def test_status_tells_everything_in_a_map(engine: Engine) -> None:
    job = Job(engine)
    job.open(3, 2, b"TTL", 60, b"QUOTA", 1000, b"DETERMINISTIC")
    job.run(0, 7, {0: [b"abc"]})
    job.push(1, 8, {0: [b"lost"]})
    engine.clock.seconds += 10
    job.status()
    engine.clock.seconds += 5
    reply = job.status()
    memory = reply.pop("memory")
    assert isinstance(memory, int) and memory > 7
    assert reply == {
        **{"state": b"open", "epoch": 1, "maps": 3, "partitions": 2, "committed": 1},
        **{"codec": b"none", "deterministic": 1, "ttl": 60, "expires-in": 60, "quota": 1000},
        **{"bytes": 7, "blocks": 2, "spilled": 0, "losers": 4, "consumed": 0},
    }


@pytest.mark.parametrize(
    "name", [b"", b"a b", b"a/b", b"{a}", b"a}", b"\xff", b"x" * 129, b"a\n", b"\x7f"]
)
def test_what_is_no_id_is_refused(engine: Engine, name: bytes) -> None:
    assert code(Job(engine, name).open(1, 1)) == "ERR"
    assert code(Job(engine, name).ask(b"STATUS", name)) == "NOSHUFFLE"


@pytest.mark.parametrize("name", [b"a", b"x" * 128, b"job-1_2.3:4", b"!#$%&'()*+,-.~|^"])
def test_what_is_an_id_is_taken(engine: Engine, name: bytes) -> None:
    job = finished(engine, name=name)
    assert job.payloads(1) == [b"0-1", b"1-1"]


@pytest.mark.parametrize(
    "words",
    [
        (0, 1),
        (1_000_001, 1),
        (1, 0),
        (1, 65_537),
        (b"x", 1),
        (1, 1, b"TTL", 0),
        (1, 1, b"TTL", 86_401),
        (1, 1, b"TTL"),
        (1, 1, b"QUOTA", -1),
        (1, 1, b"CODEC", b"a b"),
        (1, 1, b"REPLICAS", 2),
        (1, 1, b"NONSENSE"),
    ],
)
def test_what_open_does_not_take(engine: Engine, words: tuple[bytes | int, ...]) -> None:
    assert code(Job(engine).ask(b"OPEN", b"job", *words)) == "ERR"
    assert Job(engine).ask(b"LIST") == []


def test_open_with_other_parameters_says_that_it_exists(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 2)
    for other in ((3, 2), (2, 3), (2, 2, b"TTL", 60), (2, 2, b"QUOTA", 1), (2, 2, b"CODEC", b"x")):
        assert code(job.open(*other)) == "SHUFFLEEXISTS"
    assert code(job.open(2, 2, b"DETERMINISTIC")) == "SHUFFLEEXISTS"


def test_the_quota_of_the_configuration_holds_where_open_says_none() -> None:
    config = Config()
    config.set_many([("shuffle-quota", "10")])
    job = Job(Engine(config=config))
    job.open(1, 1)
    assert job.status()["quota"] == 10
    assert isinstance(job.push_one(0, 1, 0, 0, b"x" * 10), int)
    assert code(job.push_one(0, 1, 0, 1, b"x")) == "SHUFFLEQUOTA"


def test_locate_names_this_node_for_each_partition(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 3)
    engine.session().local = b"10.0.0.1:7000"
    assert job.ask(b"LOCATE", b"job") == [b"10.0.0.1:7000"] * 3
    assert code(job.ask(b"LOCATE", b"other")) == "NOSHUFFLE"


# --- map tasks ------------------------------------------------------------------------------------


def test_the_second_attempt_is_told_who_has_won_and_never_served(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    job.push(0, 5, {0: [b"slow"]})
    assert job.run(0, 6, {0: [b"fast"]}) == b"OK"
    assert job.commit(0, 5, {0: [b"slow"]}) == b"DUP 6"
    assert job.commit(0, 5, {}) == b"DUP 6"
    assert job.commit(0, 6, {0: [b"fast"]}) == b"OK"
    assert code(job.commit(0, 6, {})) == "SHUFFLECHECK"
    assert job.push_one(0, 5, 0, 1, b"late") == "SHUFFLEDUP 6 is the attempt that has won this map"
    assert job.payloads(0) == [b"fast"]
    assert job.status()["losers"] == 0
    assert engine.node.shuffles.dup_commits == 2


def test_repeats_are_harmless_and_other_bytes_are_not(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    for _ in range(3):
        assert isinstance(job.push_one(0, 5, 0, 0, b"block"), int)
    assert code(job.push_one(0, 5, 0, 0, b"other")) == "SHUFFLECHECK"
    wrong = job.ask(b"PUSH", b"job/0", 0, 5, 1, 123, b"block")
    assert code(wrong) == "SHUFFLECHECK"
    job.commit(0, 5, {0: [b"block"]})
    assert isinstance(job.push_one(0, 5, 0, 0, b"block"), int)
    assert code(job.push_one(0, 5, 0, 1, b"more")) == "SHUFFLECOMMITTED"
    assert job.payloads(0) == [b"block"]


def test_a_commit_needs_all_blocks_and_no_others(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 3)
    job.push(0, 5, {0: [b"a"], 2: [b"b", b"c"]})
    whole = {0: [b"a"], 2: [b"b", b"c"]}
    for wrong in (
        {},
        {0: [b"a"]},
        {**whole, 1: [b"x"]},
        {**whole, 2: [b"b"]},
        {**whole, 0: [b"z"]},
    ):
        assert code(job.commit(0, 5, wrong)) == "SHUFFLECHECK"
    assert job.missing() == [1, 0]
    assert job.commit(0, 5, whole) == b"OK"


def test_a_gap_in_the_numbers_of_blocks_is_not_committed(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    job.push_one(0, 5, 0, 0, b"a")
    job.push_one(0, 5, 0, 2, b"b")
    assert code(job.commit(0, 5, {0: [b"a", b"b"]})) == "SHUFFLECHECK"


@pytest.mark.parametrize(
    "summary",
    [
        b"",
        b"x",
        b"{}",
        b"[1]",
        b"[[0,1,1]]",
        b"[[0,1,1,1,1]]",
        b"[[0,0,0,0]]",
        b"[[0,1,-1,0]]",
        b"[[0,1,1,-1]]",
        b"[[0,1,1,18446744073709551616]]",
        b"[[2,1,1,1]]",
        b"[[1,1,1,1],[0,1,1,1]]",
        b"[[0,1,1,1],[0,1,1,1]]",
        b"[[0,1,1,1.5]]",
        b"[[true,1,1,1]]",
        b'[["0",1,1,1]]',
    ],
)
def test_what_is_no_summary_is_refused(engine: Engine, summary: bytes) -> None:
    job = Job(engine)
    job.open(1, 2)
    assert code(job.ask(b"COMMIT", b"job", 0, 1, summary)) == "ERR"


def test_numbers_out_of_range_are_refused(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 2)
    push = b"PUSH"
    for words in (
        (push, b"job/2", 0, 1, 0, 0, b""),
        (push, b"job/x", 0, 1, 0, 0, b""),
        (push, b"job/", 0, 1, 0, 0, b""),
        (push, b"job", 0, 1, 0, 0, b""),
        (push, b"job/0", 2, 1, 0, 0, b""),
        (push, b"job/0", -1, 1, 0, 0, b""),
        (push, b"job/0", 0, 0, 0, 0, b""),
        (push, b"job/0", 0, MAX, 0, 0, b""),
        (push, b"job/0", 0, 1, -1, 0, b""),
        (push, b"job/0", 0, 1, 0, -1, b""),
        (push, b"job/0", 0, 1, 0, b"1" * 21, b""),
        (b"COMMIT", b"job", 2, 1, b"[]"),
        (b"COMMIT", b"job", 0, 0, b"[]"),
        (b"SEAL", b"job", b"MAPS", 3),
        (b"STATUS", b"job", b"PARTITION", 2),
        (b"STATUS", b"job", b"NONSENSE", 2),
        (b"FETCH", b"job/0", 0, b"CREDIT", 0),
        (b"FETCH", b"job/0", 0, b"COUNT", 1),
        (b"MPUSH", 0, 1, b"job/0", 0, 0, b"", b"job/1"),
    ):
        assert code(job.ask(*words)) == "ERR", words


def test_mpush_takes_blocks_for_several_partitions(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 3)
    words: list[bytes | int] = []
    blocks = {partition: [b"block %d" % partition] for partition in range(3)}
    for partition, payloads in blocks.items():
        words += [b"job/%d" % partition, 0, checksum_of(payloads[0]), payloads[0]]
    assert isinstance(job.ask(b"MPUSH", 0, 5, *words), int)
    assert job.commit(0, 5, blocks) == b"OK"
    keys = engine.send(
        [b"COMMAND", b"GETKEYS", b"SHUFFLE.MPUSH", b"0", b"5"]
        + [word if isinstance(word, bytes) else b"%d" % word for word in words]
    )
    assert parsed(keys) == [b"job/0", b"job/1", b"job/2"]


def test_what_was_aborted_is_gone_and_what_won_stays(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 1)
    job.push(0, 5, {0: [b"x"]})
    assert job.ask(b"ABORT", b"job", 0, 5) == b"OK"
    assert job.ask(b"ABORT", b"job", 0, 99) == b"OK"
    assert job.status()["bytes"] == 0
    assert code(job.commit(0, 5, {0: [b"x"]})) == "SHUFFLECHECK"
    job.run(0, 6, {0: [b"y"]})
    assert code(job.ask(b"ABORT", b"job", 0, 6)) == "SHUFFLECOMMITTED"
    job.run(1, 7, {})
    assert job.payloads(0) == [b"y"]


def test_a_seal_names_how_many_maps_are_in(engine: Engine) -> None:
    job = Job(engine)
    job.open(3, 1)
    job.run(1, 5, {0: [b"x"]})
    assert job.ask(b"SEAL", b"job") == "SHUFFLEOPEN 2 of 3 maps have not been committed"
    assert code(job.ask(b"SEAL", b"job", b"MAPS", 2)) == "SHUFFLEOPEN"
    assert job.ask(b"SEAL", b"job", b"MAPS", 1) == 1
    assert job.ask(b"SEAL", b"job") == 1
    assert job.payloads(0) == [b"x"]
    assert code(job.commit(0, 9, {})) == "SHUFFLECOMMITTED"


# --- reduce tasks ---------------------------------------------------------------------------------


def test_nothing_is_read_before_the_seal(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 1)
    job.run(0, 5, {0: [b"x"]})
    text = "SHUFFLEOPEN 1 of 2 maps have not been committed"
    assert job.fetch(0) == text
    assert job.ask(b"STATUS", b"job", b"PARTITION", 0) == text
    assert job.ask(b"ACK", b"job/0") == text


def test_fetch_gives_blocks_in_order_as_many_as_fit(engine: Engine) -> None:
    job = Job(engine)
    job.open(3, 1)
    for number in (2, 0, 1):
        job.run(number, 5 + number, {0: [b"%d%d" % (number, seq) * 50 for seq in range(3)]})
    everything = job.fetch(0)
    assert isinstance(everything, list) and everything[0] == b"0"
    places = [(number, seq) for number in range(3) for seq in range(3)]
    assert [(block[0], block[2]) for block in everything[1:]] == places
    for number, attempt, seq, checksum, payload in everything[1:]:
        assert payload == b"%d%d" % (number, seq) * 50
        assert (attempt, int(checksum)) == (5 + number, checksum_of(payload))
    for size, count in ((1, 1), (100, 1), (250, 2), (300, 3)):
        found = []
        cursor = b"0"
        while True:
            reply = job.ask(b"FETCH", b"job/0", cursor, b"CREDIT", size)
            assert isinstance(reply, list) and 1 <= len(reply) - 1 <= count
            found += reply[1:]
            cursor = reply[0]
            if cursor == b"0":
                break
        assert found == everything[1:]
    part = job.fetch(0, b"MAPS", 1, 1)
    assert isinstance(part, list) and part[1:] == everything[4:7]
    first = job.fetch(0, b"MAPS", 1, 2, b"COUNT", 2)
    assert isinstance(first, list) and first[1:] == everything[4:6]
    rest = job.fetch(0, b"MAPS", 1, 2, cursor=first[0])
    assert isinstance(rest, list) and rest[0] == b"0" and rest[1:] == everything[6:]


def test_an_empty_partition_is_at_its_end_at_once(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 2)
    job.run(0, 5, {})
    assert job.fetch(1) == [b"0"]
    assert job.ask(b"STATUS", b"job", b"PARTITION", 1) == [1, 0, 0, b"0"]


@pytest.mark.parametrize("cursor", [b"x", b"1", b"1-0", b"1-0-0-0", b"1-9-0", b"1--1-0", b""])
def test_what_is_no_cursor_is_refused(engine: Engine, cursor: bytes) -> None:
    assert code(finished(engine).fetch(0, cursor=cursor)) == "ERR"


def test_a_cursor_lives_as_long_as_its_epoch(engine: Engine) -> None:
    job = finished(engine)
    reply = job.fetch(0, b"COUNT", 1)
    assert isinstance(reply, list)
    shuffles = engine.node.shuffles
    shuffles._lose(shuffles.manifests[b"job"], {1})
    assert job.fetch(0, cursor=reply[0]) == "SHUFFLELOST 1 maps have to run again, in epoch 2"
    assert job.missing() == [2, 1]
    assert job.run(1, 9, blocks_of(1)) == b"OK"
    assert (
        job.fetch(0, cursor=reply[0]) == "SHUFFLESTALE 2 is the epoch now: read from the beginning"
    )
    assert isinstance(job.fetch(0, b"EPOCH", 1), list)  # deterministic
    assert job.payloads(0) == [b"0-0", b"1-0"]


def test_a_map_that_runs_again_need_not_fill_consumed_partitions(engine: Engine) -> None:
    job = finished(engine)
    job.ask(b"ACK", b"job/0")
    shuffles = engine.node.shuffles
    shuffles._lose(shuffles.manifests[b"job"], {1})
    assert job.run(1, 9, blocks_of(1)) == b"OK"
    assert code(job.fetch(0)) == "SHUFFLECONSUMED"
    assert job.payloads(1) == [b"0-1", b"1-1"]


# --- waits ----------------------------------------------------------------------------------------


def test_wait_is_answered_by_the_last_commit(engine: Engine) -> None:
    job = Job(engine)
    job.open(2, 1)
    assert job.ask(b"WAIT", b"job", 0, client="reader") is None
    job.run(0, 5, {})
    assert job.heard("reader") is None
    job.run(1, 5, {})
    assert job.heard("reader") == [b"sealed", 1]
    assert job.ask(b"WAIT", b"job", 0) == [b"sealed", 1]
    assert engine.node.blocking.count == 0


def test_requests_behind_a_wait_are_served_after_it(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    session = engine.session("reader")
    session.feed(b"SHUFFLE.WAIT job 0\r\nPING\r\n")
    assert output(session) == b""
    job.run(0, 5, {})
    assert output(session) == b"*2\r\n$6\r\nsealed\r\n:1\r\n+PONG\r\n"


def test_wait_ends_with_its_time_with_the_shuffle_and_with_its_epoch(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1, b"TTL", 5)
    job.ask(b"WAIT", b"job", 1000, client="a")
    engine.wait(0.5)
    assert output(engine.session("a")) == b""
    engine.wait(0.6)
    assert output(engine.session("a")) == b"$-1\r\n"
    job.ask(b"WAIT", b"job", 0, client="a")
    engine.wait(6)
    reply = job.heard("a")
    assert isinstance(reply, str) and reply.startswith("NOSHUFFLE expired")
    other = finished(engine, name=b"other")
    other.ask(b"WAIT", b"other", 0, b"EPOCH", 2, client="b")
    shuffles = engine.node.shuffles
    shuffles._lose(shuffles.manifests[b"other"], {0})
    other.run(0, 9, blocks_of(0))
    assert other.heard("b") == [b"sealed", 2]
    other.ask(b"WAIT", b"other", 0, b"EPOCH", 3, client="b")
    other.ask(b"END", b"other")
    assert code(other.heard("b")) == "NOSHUFFLE"


def test_in_a_transaction_nothing_waits(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    for words in ([b"MULTI"], [b"SHUFFLE.WAIT", b"job", b"0"], [b"SHUFFLE.PING", b"job", b"9"]):
        engine.send(words)
    refused = engine.send([b"SHUFFLE.FETCH", b"job/0", b"0", b"CREDIT", b"1"])
    assert refused == b"-ERR Command not allowed inside a transaction\r\n"
    engine.send([b"DISCARD"])
    engine.send([b"MULTI"])
    engine.send([b"SHUFFLE.WAIT", b"job", b"0"])
    engine.send([b"SHUFFLE.COMMIT", b"job", b"0", b"5", b"[]"])
    engine.send([b"SET", b"k", b"v"])
    assert engine.send([b"EXEC"]) == b"*3\r\n$-1\r\n+OK\r\n+OK\r\n"
    assert [argv[0] for _, argv in engine.log.units[-1]] == [b"ECHO", b"SET"]


def test_ping_waits_for_room() -> None:
    config = Config()
    config.set_many([("shuffle-memory", "1mb")])
    disk = MemoryDisk()
    disk.room = 0
    job = Job(Engine(config=config, disk=disk))
    job.open(1, 1)
    assert isinstance(job.ask(b"PING", b"job", 1000), int)
    for seq in range(14):
        job.push_one(0, 5, 0, seq, b"x" * 65536)
    assert job.ask(b"PING", b"job") == 0
    assert job.ask(b"PING", b"job", 0) == 0
    assert job.ask(b"PING", b"job", 1000, client="a") is None
    assert job.ask(b"PING", b"job", 1000, client="b") is None
    job.engine.wait(1.1)
    assert [job.heard(client) for client in "ab"] == [0, 0]
    job.ask(b"PING", b"job", 1000, client="a")
    job.ask(b"ABORT", b"job", 0, 5)
    job.engine.wait(0.1)
    reply = job.heard("a")
    assert isinstance(reply, int) and reply > 0


def test_unblock_and_disconnect_end_a_wait(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    job.ask(b"WAIT", b"job", 0, client="a")
    job.ask(b"WAIT", b"job", 0, client="b")
    number = engine.session("a").number
    assert engine.send([b"CLIENT", b"UNBLOCK", b"%d" % number]) == b":1\r\n"
    assert output(engine.session("a")) == b"$-1\r\n"
    engine.node.disconnect(engine.session("b"))
    job.run(0, 5, {})
    assert output(engine.session("a")) == b""
    assert engine.node.blocking.count == 0


# --- what surrounds them --------------------------------------------------------------------------


def test_scripts_cannot_call_them_and_requests_may_carry_them(engine: Engine) -> None:
    script = b"return redis.pcall('SHUFFLE.OPEN', 'job', 1, 1)"
    reply = parsed(engine.send([b"EVAL", script, b"0"]))
    assert isinstance(reply, str) and "not allowed from script" in reply
    identity = parsed(engine.send([b"REQUEST", b"ID"]))
    assert isinstance(identity, bytes)
    words = [b"SHUFFLE.OPEN", b"job", b"1", b"1"]
    first = engine.send([b"REQUEST", identity, b"1", b"0", *words])
    assert first == engine.send([b"REQUEST", identity, b"1", b"0", *words])
    assert [argv[0] for _, argv in engine.log.units[-1]] == [b"ECHO", b"ECHO"]
    waits = engine.send([b"REQUEST", identity, b"2", b"1", b"SHUFFLE.WAIT", b"job", b"0"])
    assert b"cannot be sent with REQUEST" in waits


def test_users_need_the_category_and_the_keys(engine: Engine) -> None:
    engine.send(b"ACL SETUSER ann on >x -@all +@shuffle ~job* ".split())
    line = engine.send([b"ACL", b"LIST"])
    assert b"-@all +@shuffle\r\n" in line
    engine.send([b"AUTH", b"ann", b"x"], "ann")
    job = Job(engine)
    assert isinstance(job.ask(b"OPEN", b"job", 1, 1, client="ann"), list)
    assert code(job.ask(b"OPEN", b"other", 1, 1, client="ann")) == "NOPERM"
    push = (b"MPUSH", 0, 1, b"job/0", 0, checksum_of(b""), b"", b"x/0", 0, checksum_of(b""), b"")
    assert code(job.ask(*push, client="ann")) == "NOPERM"
    engine.send(b"ACL SETUSER ann -@write".split())
    assert code(job.ask(b"END", b"job", client="ann")) == "NOPERM"
    assert isinstance(job.ask(b"STATUS", b"job", client="ann"), list)


def test_info_counts_what_happened(engine: Engine) -> None:
    job = finished(engine)
    job.payloads(0)
    job.commit(0, 99, {})
    reply = parsed(engine.send([b"INFO", b"shuffle"]))
    assert isinstance(reply, bytes)
    fields = dict(line.split(":") for line in reply.decode().split("\r\n")[1:] if line)
    assert fields["shuffle_count"] == "1"
    assert fields["shuffle_pushed_bytes"] == "12"
    assert fields["shuffle_fetched_bytes"] == "6"
    assert fields["shuffle_dup_commits"] == "1"
    assert int(fields["shuffle_memory"]) > 12
    assert set(fields) >= {"shuffle_spilled_bytes", "shuffle_expired", "shuffle_lost_blocks"}


def test_info_says_why_nothing_can_be_spilled() -> None:
    disk = MemoryDisk()
    engine = Engine(disk=disk)
    engine.send([b"CONFIG", b"SET", b"shuffle-memory", b"1mb"])
    engine.wait(0.1)
    job = Job(engine)
    job.open(1, 1)
    disk.room = 0
    for seq in range(9):
        job.push_one(0, 5, 0, seq, bytes(100_000))
    engine.wait(0.1)
    assert b"shuffle_spill_error:shuffle-disk-reserve is reached\r\n" in engine.send(
        [b"INFO", b"shuffle"]
    )
    disk.room = 1 << 30
    engine.wait(1.1)
    engine.wait(0.1)
    assert b"shuffle_spill_error:none\r\n" in engine.send([b"INFO", b"shuffle"])


def test_large_payloads_go_out_as_chunks_of_their_own(engine: Engine) -> None:
    job = Job(engine)
    job.open(1, 1)
    payload = b"p" * 100_000
    job.run(0, 1, {0: [payload]})
    session = engine.session()
    session.feed(b"SHUFFLE.FETCH job/0 0 CREDIT 1000000\r\n")
    assert payload in session.take_output()


def test_shuffles_are_none_of_the_keys(engine: Engine) -> None:
    job = finished(engine)
    assert engine.send([b"DBSIZE"]) == b":0\r\n"
    engine.send([b"SELECT", b"3"])
    assert job.payloads(0) == [b"0-0", b"1-0"]
    engine.send([b"FLUSHALL"])
    assert job.payloads(0) == [b"0-0", b"1-0"]
