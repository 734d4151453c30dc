"""What survives of shuffles: the log, snapshots, followers; and what they have lost then."""

from __future__ import annotations

import random

import pytest

from kvnode.config import Config
from kvnode.config.directives import BY_NAME
from kvnode.durability.rdb_reader import FileError
from kvnode.shuffle import records
from kvnode.shuffle.manifest import Manifest, Terms
from kvnode.shuffle.records import RecordError, numbers_in, ranges

from .disks import MemoryDisk
from .engine import Engine, output
from .links import allow_debug, is_in_step, pair, syncs
from .shufflers import Job, blocks_of, finished
from .test_append_log import INCREMENT, finish, write_out
from .test_append_log import started as loaded


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


def started(disk: MemoryDisk, memory: str = "100mb") -> Engine:
    """A node on what the disk holds, its log on, as far as a server takes it."""
    engine = loaded(disk, shuffle_memory=memory)
    engine.node.begin(engine.node.loader)
    return engine


def on_snapshot(disk: MemoryDisk) -> Engine:
    """A node on the RDB file of a disk."""
    config = Config()
    config.set_many([("save", "")])
    engine = Engine(config=config, disk=disk)
    loader = engine.node.find_data()
    while loader is not None and not loader.is_done:
        loader.step(1.0)
    engine.node.begin(loader)
    return engine


def state_of(engine: Engine) -> dict[bytes, object]:
    """All that is known of shuffles, but blocks and leases."""
    found: dict[bytes, object] = {}
    for name, manifest in engine.node.shuffles.manifests.items():
        winners = {number: manifest.winner(number) for number in sorted(manifest.attempts)}
        rows = {n: (winner.attempt, winner.rows()) for n, winner in winners.items() if winner}
        sets = (set(manifest.lost), set(manifest.left_out), set(manifest.consumed))
        found[name] = (manifest.birth, manifest.terms.words(), manifest.epoch, rows, sets)
    return found


def moved(job: Job, engine: Engine) -> Job:
    return Job(engine, job.name)


# --- the words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], b"-"),
        ([5], b"5"),
        ([0, 1, 2], b"0-2"),
        ([7, 0, 1, 3, 4, 5], b"0-1,3-5,7"),
    ],
)
def test_maps_are_written_as_ranges(numbers: list[int], text: bytes) -> None:
    assert ranges(numbers) == text
    assert numbers_in(text, 8) == set(numbers)


@pytest.mark.parametrize("text", [b"", b"x", b"1-", b"-1", b"8", b"0-8", b"1,,2", b"1,", b"1 2"])
def test_what_is_no_range_is_refused(text: bytes) -> None:
    with pytest.raises(RecordError):
        numbers_in(text, 8)


def test_the_log_carries_each_change_and_nothing_else() -> None:
    engine = Engine()
    job = finished(engine)
    job.ask(b"PING", b"job")
    job.payloads(0)
    job.status()
    job.commit(0, 99, {})
    job.ask(b"ABORT", b"job", 0, 99)
    job.ask(b"ACK", b"job/1")
    job.ask(b"ACK", b"job/1")
    job.ask(b"END", b"job")
    lines = [line for unit in engine.log.lines() for _, line in unit]
    assert [line.split(b" ")[2] for line in lines] == [
        *(b"open", b"commit", b"commit", b"consumed", b"end")
    ]
    assert all(line.startswith(b"ECHO kvnode:shuffle ") for line in lines)
    assert lines[0] == b"ECHO kvnode:shuffle open job 1700000000000 2 2 600 0 none 1"
    assert lines[1].startswith(b"ECHO kvnode:shuffle commit job 0 1 [[0,1,3,")


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"open",
        b"open job 1 2 2 600 0 none",
        b"open job x 2 2 600 0 none 1",
        b"open job 1 0 2 600 0 none 1",
        b"open job 1 2 99999 600 0 none 1",
        b"commit known 0",
        b"commit known 2 1 []",
        b"commit known 0 x []",
        b"commit known 0 1 [[9,1,1,1]]",
        b"without known x",
        b"lost known x 0",
        b"lost known 2 5",
        b"consumed known 2",
        b"end known ended",
        b"end known ended -1",
        b"nonsense known 1",
    ],
)
def test_a_damaged_record_is_told_by_its_place(disk: MemoryDisk, record: bytes) -> None:
    engine = started(disk)
    Job(engine, b"known").open(2, 2)
    write_out(engine)
    word = b"kvnode:shuffle " + record
    disk.content[INCREMENT] += b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(word), word)
    with pytest.raises(FileError, match=r"a record kvnode:shuffle.* that is none \(offset \d+\)"):
        started(disk)


def test_records_of_an_unknown_shuffle_are_passed_over() -> None:
    shuffles = Engine().node.shuffles
    for record in (b"commit x 0 1 []", b"lost x 2 0", b"without x 0", b"consumed x 0"):
        shuffles.restore(record)
    assert shuffles.manifests == {}


def test_no_client_can_forge_a_record() -> None:
    engine = Engine()
    engine.send([b"ECHO", b"kvnode:shuffle open job 1 2 2 600 0 none 1"])
    assert engine.log.units == []
    assert Job(engine).ask(b"LIST") == []


# --- restarts -------------------------------------------------------------------------------------


def test_after_a_restart_manifests_are_back_and_blocks_of_memory_are_lost(disk: MemoryDisk) -> None:
    engine = started(disk)
    job = Job(engine)
    job.open(4, 2, b"DETERMINISTIC", b"TTL", 60)
    for number in (0, 1):
        job.run(number, 7, blocks_of(number))
    job.run(2, 7, {})  # it had nothing, and has lost nothing
    write_out(engine)
    again = moved(job, started(disk))
    assert again.missing() == [2, 0, 1, 3]
    assert again.fetch(0) == "SHUFFLELOST 3 maps have to run again, in epoch 2"
    assert again.open(4, 2, b"DETERMINISTIC", b"TTL", 60) is not None
    for number in (0, 1, 3):
        assert again.run(number, 8, blocks_of(number)) == b"OK"
    assert again.commit(2, 9, {}) == b"DUP 7"
    assert again.payloads(1) == [b"0-1", b"1-1", b"3-1"]
    again.engine.node.check()
    write_out(again.engine)
    assert moved(job, started(disk)).missing() == [3, 0, 1, 3]


def test_what_was_spilled_is_served_again(disk: MemoryDisk) -> None:
    engine = started(disk, "1mb")
    job = Job(engine)
    job.open(3, 1, b"DETERMINISTIC")
    big = {0: [bytes([n]) * 60_000 for n in range(14)]}
    job.run(0, 7, big)
    for _ in range(10):
        engine.wait(0.1)
    assert job.run(1, 7, {0: [b"small"]}) == b"OK"
    spilled = job.status()["spilled"]
    assert isinstance(spilled, int) and spilled > 0
    write_out(engine)
    again = moved(job, started(disk, "1mb"))
    missing = again.missing()
    assert isinstance(missing, list) and missing[0] == 2 and {1, 2} <= set(missing[1:])
    held = again.status()["blocks"]
    if 0 not in missing[1:]:
        assert held == 14


def test_tombstones_and_consumed_partitions_survive(disk: MemoryDisk) -> None:
    engine = started(disk)
    job = finished(engine)
    job.ask(b"ACK", b"job/0")
    other = finished(engine, name=b"other")
    other.ask(b"END", b"other")
    write_out(engine)
    again = moved(job, started(disk))
    for number in (0, 1):
        again.run(number, 9, blocks_of(number))
    reply = again.fetch(0)
    assert isinstance(reply, str) and reply.startswith("SHUFFLECONSUMED")
    assert again.payloads(1) == [b"0-1", b"1-1"]
    reply = moved(other, again.engine).missing()
    assert isinstance(reply, str) and reply.startswith("NOSHUFFLE ended")


def test_a_lease_begins_anew_with_the_node(disk: MemoryDisk) -> None:
    engine = started(disk)
    job = Job(engine)
    job.open(1, 1, b"TTL", 5)
    write_out(engine)
    again = started(disk)
    again.wait(0)
    again.wait(4)
    assert moved(job, again).ask(b"LIST") != []
    again.wait(2)
    assert moved(job, again).ask(b"LIST") == []


def test_without_a_log_shuffles_are_forgotten_and_say_so(disk: MemoryDisk) -> None:
    engine = on_snapshot(disk)
    job = finished(engine)
    engine.send([b"SAVE"])
    again = moved(job, on_snapshot(disk))
    reply = again.missing()
    assert isinstance(reply, str) and reply.startswith("NOSHUFFLE forgotten")
    disk.remove("dump.rdb")
    reply = moved(job, on_snapshot(disk)).missing()
    assert isinstance(reply, str)
    assert reply.startswith("NOSHUFFLE unknown") and "restarted without appendonly" in reply


@pytest.mark.parametrize("seed", range(30))
def test_random_histories_are_the_same_from_the_log_and_from_a_snapshot(
    disk: MemoryDisk, seed: int
) -> None:
    rng = random.Random(seed)
    engine = started(disk)
    shuffles = engine.node.shuffles
    jobs = [Job(engine, name) for name in (b"a", b"b")]
    for _ in range(120):
        job = rng.choice(jobs)
        job.ask(b"PING", job.name)
        manifest = shuffles.manifests.get(job.name)
        draw = rng.random()
        number = rng.randrange(5)
        if manifest is None:
            job.open(5, 3, b"TTL", 1, *([b"DETERMINISTIC"] if seed % 2 else []))
        elif draw < 0.6:
            blocks = {p: [b"%d" % rng.randrange(99)] for p in range(3) if rng.random() < 0.6}
            if number in manifest.missing():
                job.run(number, rng.randrange(1, 1 << 63), blocks)
        elif draw < 0.7:
            job.ask(b"SEAL", job.name, b"MAPS", manifest.committed())
        elif draw < 0.8 and manifest.attempts:
            shuffles._lose(manifest, {rng.choice(list(manifest.attempts))})
        elif draw < 0.9:
            job.ask(b"ACK", b"%b/%d" % (job.name, rng.randrange(3)))
        elif draw < 0.93:
            job.ask(b"END", job.name)
        else:
            engine.wait(0.6)
        if rng.random() < 0.05:
            engine.send([b"BGREWRITEAOF"])
            if rng.random() < 0.5:
                finish(engine)
    engine.node.check()
    expected = state_of(engine)
    write_out(engine)
    finish(engine)
    again = loaded(disk)  # not begun: nothing is missed yet
    assert state_of(again) == expected
    copy = Engine()
    left = engine.node.shuffles.snapshot()
    while (record := left.next()) is not None:
        copy.node.shuffles.restore(record)
    assert state_of(copy) == expected
    copy.node.check()


def test_a_log_that_is_torn_anywhere_gives_what_was_so_once(disk: MemoryDisk) -> None:
    engine = started(disk)
    seen = [state_of(engine)]
    job = Job(engine)
    job.open(2, 2)
    seen.append(state_of(engine))
    for number in (0, 1):
        job.run(number, 7, blocks_of(number))
        seen.append(state_of(engine))
    for words in ((b"ACK", b"job/1"), (b"END", b"job")):
        job.ask(*words)
        seen.append(state_of(engine))
    write_out(engine)
    whole = bytes(disk.content[INCREMENT])
    for size in range(0, len(whole) + 1, 7):
        disk.content[INCREMENT] = bytearray(whole[:size])
        node = loaded(disk)
        assert state_of(node) in seen
        node.node.append_log.turn_off()


def test_reloading_the_data_leaves_shuffles_alone(disk: MemoryDisk) -> None:
    engine = started(disk)
    allow_debug(engine)
    job = finished(engine)
    assert engine.send([b"DEBUG", b"RELOAD"]) == b"+OK\r\n"
    assert job.payloads(0) == [b"0-0", b"1-0"]
    assert engine.send([b"DEBUG", b"LOADAOF"]) == b"+OK\r\n"
    assert job.payloads(0) == [b"0-0", b"1-0"]
    engine.node.check()


# --- followers ------------------------------------------------------------------------------------


def test_a_follower_knows_manifests_and_changes_nothing() -> None:
    net, leader, follower = pair()
    job = finished(leader)
    net.settle()
    assert is_in_step(follower, leader)
    assert state_of(follower) == state_of(leader)
    there = moved(job, follower)
    assert there.missing() == [1]
    assert there.ask(b"WAIT", b"job", 0) == [b"sealed", 1]
    for words in (
        (b"OPEN", b"x", 1, 1),
        (b"PUSH", b"job/0", 0, 1, 0, 0, b""),
        (b"MPUSH", 0, 1, b"job/0", 0, 0, b""),
        (b"COMMIT", b"job", 0, 1, b"[]"),
        (b"ABORT", b"job", 0, 1),
        (b"SEAL", b"job"),
        (b"FETCH", b"job/0", 0, b"CREDIT", 1),
        (b"ACK", b"job/0"),
        (b"PING", b"job"),
        (b"END", b"job"),
    ):
        reply = there.ask(*words)
        assert isinstance(reply, str) and reply.startswith("READONLY "), words
    assert state_of(follower) == state_of(leader)


def test_a_follower_waits_for_the_seal_and_expires_nothing_itself() -> None:
    net, leader, follower = pair()
    job = Job(leader)
    job.open(1, 1, b"TTL", 5)
    net.settle()
    moved(job, follower).ask(b"WAIT", b"job", 0, client="w")
    follower.wait(20)
    assert output(follower.session("w")) == b""
    job.run(0, 7, {})
    net.settle()
    follower.wait(0.1)
    assert moved(job, follower).heard("w") == [b"sealed", 1]
    leader.wait(20)
    net.settle()
    assert state_of(leader) == state_of(follower) == {}


def test_a_follower_that_starts_again_leaves_losses_to_its_leader(disk: MemoryDisk) -> None:
    engine = started(disk)
    job = finished(engine)
    write_out(engine)
    follower = loaded(disk)
    follower.node.config.set_words(BY_NAME["replicaof"], ["127.0.0.1", "1"])
    follower.node.begin(follower.node.loader)
    assert state_of(follower) == state_of(engine)
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    assert moved(job, follower).missing() == [2, 0, 1]


def test_a_full_sync_and_a_promotion_leave_only_what_had_no_blocks() -> None:
    net, leader, follower = pair()
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    job = finished(leader)
    job.ask(b"ACK", b"job/1")
    net.follow(follower, "a")
    assert syncs(leader)[0] >= 1
    assert state_of(follower) == state_of(leader)
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    there = moved(job, follower)
    assert there.missing() == [2, 0, 1]
    for number in (0, 1):
        assert there.run(number, 9, blocks_of(number)) == b"OK"
    assert there.payloads(0) == [b"0-0", b"1-0"]


def test_a_leader_that_follows_takes_the_other_ones_shuffles() -> None:
    net, leader, follower = pair()
    follower.send([b"REPLICAOF", b"NO", b"ONE"])
    finished(leader)
    finished(follower, name=b"new")
    net.follow(leader, "b")
    assert list(state_of(leader)) == [b"new"]
    assert state_of(leader) == state_of(follower)
    assert leader.node.shuffles.owner.memory == 0


def test_the_snapshot_of_a_manifest_has_its_sets() -> None:
    manifest = Manifest(b"job", 5, Terms(6, 2, 60, 9, b"zstd", False))
    for number in (0, 1, 2):
        manifest.commit(number, 7, [(1, 1, 1, 1)])
    manifest.leave_out({4, 5})
    manifest.lose({2}, 3)
    manifest.consumed.add(0)
    left = records.SnapshotRecords([manifest], [b"end x ended 9"])
    found = []
    while (record := left.next()) is not None:
        found.append(record)
    assert found[:5] == [
        b"open job 5 6 2 60 9 zstd 0",
        b"lost job 3 2",
        b"without job 4-5",
        b"consumed job 0",
        b"end x ended 9",
    ]
    assert sorted(found[5:]) == [b"commit job 0 7 [[1,1,1,1]]", b"commit job 1 7 [[1,1,1,1]]"]
