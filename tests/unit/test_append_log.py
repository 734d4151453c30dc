"""The append-only log: what was written is there again, whatever happens in between."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest

from kvnode.config import Config
from kvnode.durability.disk import SystemDisk
from kvnode.durability.loader import Loader
from kvnode.durability.manifest import Manifest, ManifestError
from kvnode.durability.rdb_reader import FileError

from .disks import MemoryDisk
from .engine import Dump, Engine
from .test_snapshot import request

FOLDER = "appendonlydir/"
MANIFEST = FOLDER + "appendonly.aof.manifest"
BASE = FOLDER + "appendonly.aof.1.base.rdb"
INCREMENT = FOLDER + "appendonly.aof.1.incr.aof"


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


def started(disk: MemoryDisk, policy: str = "always", seed: int = 1, **directives: str) -> Engine:
    """A node on what the disk holds, its log on."""
    config = Config()
    settings = {"save": "", "appendonly": "yes", "appendfsync": policy, **directives}
    config.set_many([(name.replace("_", "-"), value) for name, value in settings.items()])
    engine = Engine(seed=seed, config=config, disk=disk)
    loader: Loader | None = engine.node.find_data()
    while loader is not None and not loader.is_done:
        loader.step(1.0)
    engine.node.append_log.start()
    return engine


def write_out(engine: Engine) -> None:
    """The end of a round of the loop."""
    engine.node.append_log.file.write_out(engine.clock.now())


def finish(engine: Engine) -> None:
    """Let a rewrite come to its end."""
    while engine.node.append_log.job is not None:
        engine.node.tick(engine.clock.now())


def content(disk: MemoryDisk) -> Dump:
    """What a new node makes of the files."""
    engine = started(disk)
    engine.node.check()
    return engine.dump()


@pytest.mark.parametrize("seed", range(6))
def test_a_node_that_is_killed_finds_everything_again(disk: MemoryDisk, seed: int) -> None:
    source = random.Random(seed)
    engine = started(disk, seed=seed)
    for turn in range(6):
        for _ in range(300):
            engine.send(request(source))
            if source.random() < 0.1:
                for words in ([b"MULTI"], request(source), request(source), [b"EXEC"]):
                    engine.send(words)
            if source.random() < 0.02:
                engine.clock.seconds += 0.5
            if source.random() < 0.3:
                engine.node.tick(engine.clock.now())
        if turn % 2:
            assert engine.send([b"BGREWRITEAOF"]).startswith(b"+Background append only file rew")
            if source.random() < 0.5:
                finish(engine)
        write_out(engine)
        engine.node.tick(engine.clock.now())
        write_out(engine)
        expected = engine.dump()
        seconds = engine.clock.seconds
        engine = started(disk, seed=seed)
        engine.clock.seconds = seconds
        assert engine.dump() == expected
        engine.node.check()


def test_the_files_are_those_of_redis(disk: MemoryDisk) -> None:
    engine = started(disk)
    assert sorted(disk.content) == [BASE, INCREMENT, MANIFEST]
    assert disk.content[MANIFEST] == (
        b"# kvnode crc32 f6081823\n"
        b"file appendonly.aof.1.base.rdb seq 1 type b\n"
        b"file appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    engine.send([b"SET", b"a", b"1"])
    engine.send([b"SELECT", b"3"])
    for words in ([b"MULTI"], [b"SET", b"b", b"1"], [b"INCR", b"b"], [b"GET", b"b"], [b"EXEC"]):
        engine.send(words)
    engine.send([b"GET", b"a"])
    write_out(engine)
    assert disk.content[INCREMENT] == (
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$5\r\nMULTI\r\n"
        b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n"
        b"*1\r\n$4\r\nEXEC\r\n"
    )
    assert disk.synced[INCREMENT] == len(disk.content[INCREMENT])
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    assert sorted(disk.content) == [
        FOLDER + "appendonly.aof.2.base.rdb",
        FOLDER + "appendonly.aof.2.incr.aof",
        MANIFEST,
    ]
    assert content(disk)[3, b"b"][1] == b"2"


def test_a_sync_comes_when_the_policy_says(disk: MemoryDisk) -> None:
    engine = started(disk, "everysec")
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    assert len(disk.content[INCREMENT]) > 0
    assert disk.synced[INCREMENT] == 0
    engine.clock.seconds += 1.1
    engine.node.tick(engine.clock.now())
    assert disk.synced[INCREMENT] == len(disk.content[INCREMENT])
    engine.send([b"CONFIG", b"SET", b"appendfsync", b"no"])
    engine.send([b"SET", b"a", b"2"])
    engine.clock.seconds += 5.0
    engine.node.tick(engine.clock.now())
    assert disk.synced[INCREMENT] < len(disk.content[INCREMENT])


def test_a_torn_tail_is_cut_and_told(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    whole = len(disk.content[INCREMENT])
    for words in ([b"MULTI"], [b"SET", b"b", b"1"], [b"SET", b"c", b"1"], [b"EXEC"]):
        engine.send(words)
    write_out(engine)
    data = bytes(disk.content[INCREMENT])
    for size in range(whole, len(data)):
        disk.content[INCREMENT] = bytearray(data[:size])
        if size > whole:
            with pytest.raises(FileError, match=rf"ends inside a .* \(offset {whole}, "):
                started(disk, aof_load_truncated="no")
        again = started(disk)
        assert list(again.dump()) == [(0, b"a")], "half a transaction"
        assert len(disk.content[INCREMENT]) == whole
        events = [name for _, name, _ in again.node.journal.take()]
        assert ("log-cut" in events) == (size > whole)
        again.send([b"SET", b"d", b"1"])
        write_out(again)
        assert set(content(disk)) == {(0, b"a"), (0, b"d")}


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (b"nonsense\r\n", r"appendonly\.aof\.1\.incr\.aof: no request begins here \(offset 23\)"),
        (b"*x\r\n", "not the number of words"),
        (b"*1\r\n$3\r\nabcdef\r\n", "a word of another length"),
        (b"*1\r\n$5\r\nBOGUS\r\n", r"unknown command BOGUS \(offset 23\)"),
        (b"*0\r\n", "a request without words"),
    ],
)
def test_damage_in_the_middle_is_named_and_nothing_is_changed(
    disk: MemoryDisk, damage: bytes, text: str
) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    data = bytes(disk.content[INCREMENT])
    place = data.index(b"*3")
    disk.content[INCREMENT] = bytearray(data[:place] + damage + data[place:])
    before = {name: bytes(data) for name, data in disk.content.items()}
    with pytest.raises(FileError, match=text):
        started(disk)
    assert disk.content == before


def test_annotations_are_skipped(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    data = disk.content[INCREMENT]
    disk.content[INCREMENT] = bytearray(b"#TS:1700000000\r\n" + data + b"#TS:1700000001\r\n")
    assert list(content(disk)) == [(0, b"a")]


def test_the_file_says_once_a_second_when_its_requests_were_written(disk: MemoryDisk) -> None:
    engine = started(disk, aof_timestamp_enabled="yes")
    begin = int(engine.clock.seconds)
    offset = engine.node.append_log.stream.offset
    for step in (0.0, 0.5, 0.6, 5.0):
        engine.clock.seconds += step
        for words in ([b"MULTI"], [b"SET", b"a", b"1"], [b"SET", b"b", b"1"], [b"EXEC"]):
            engine.send(words)
        engine.send([b"GET", b"a"])
        write_out(engine)
    data = bytes(disk.content[INCREMENT])
    times = [line for line in data.split(b"\r\n") if line.startswith(b"#")]
    assert times == [b"#TS:%d" % second for second in (begin, begin + 1, begin + 6)]
    assert data.count(b"\r\n*1\r\n$5\r\nMULTI\r\n") == 4
    assert data.startswith(times[0])
    assert data.index(times[1]) < data.index(b"MULTI", data.index(b"EXEC", data.index(b"EXEC") + 1))
    # A follower's offset does not count them.
    size = len(data) - sum(len(line) + 2 for line in times)
    assert engine.node.append_log.stream.offset - offset == size
    assert content(disk) == engine.dump()
    engine.send([b"CONFIG", b"SET", b"aof-timestamp-enabled", b"no"])
    engine.clock.seconds += 10.0
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    assert disk.content[INCREMENT].count(b"#TS") == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the manifest is empty"),
        ("file a seq 1 type b", "line 1 does not end"),
        ("nonsense\n", "line 1: not: file NAME seq NUMBER type LETTER"),
        ("file a seq 1 type x\n", "line 1: type x"),
        ("file a seq 0 type i\n", "line 1: not: file"),
        ("file ../a seq 1 type i\n", "line 1: not: file"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", "line 2: a second base file"),
        ("file a seq 2 type i\nfile b seq 1 type i\n", "line 2: increments out of order"),
    ],
)
def test_a_manifest_that_is_none_is_refused(disk: MemoryDisk, text: str, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        Manifest.parse(text)
    disk.content[MANIFEST] = bytearray(text.encode())
    with pytest.raises(FileError, match=problem):
        started(disk)


def test_a_manifest_is_read_as_it_was_written() -> None:
    text = 'file "a b.1.base.rdb" seq 1 type b\nfile x seq 7 type i\nfile old seq 6 type h\n'
    _, _, lines = Manifest.parse(text).text().partition("\n")
    assert lines == text
    assert Manifest.parse(Manifest.parse(text).text()).text() == Manifest.parse(text).text()


def test_a_manifest_that_is_damaged_at_any_byte_is_refused_or_says_the_same(
    disk: MemoryDisk,
) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    engine.send([b"SET", b"a", b"2"])
    write_out(engine)
    expected = engine.dump()
    files = {name: bytes(data) for name, data in disk.content.items()}
    manifest = files[MANIFEST]
    damaged = [manifest[:size] for size in range(len(manifest))]
    for place in range(len(manifest)):
        for bits in (1, 2, 4, 8, 10, 16, 32, 64, 128):
            data = bytearray(manifest)
            data[place] ^= bits
            damaged.append(bytes(data))
    for text in damaged:
        disk.content = {name: bytearray(data) for name, data in files.items()}
        disk.content[MANIFEST] = bytearray(text)
        try:
            assert content(disk) == expected, text
        except FileError as error:
            assert str(error).startswith(MANIFEST), text
            assert "line " in str(error) or not text, text


def test_a_missing_increment_is_named(disk: MemoryDisk) -> None:
    started(disk)
    del disk.content[INCREMENT]
    with pytest.raises(FileError, match=r"1\.incr\.aof: named in the manifest, but not there"):
        started(disk)


def test_an_old_log_of_one_file_is_taken_over(disk: MemoryDisk) -> None:
    disk.content["appendonly.aof"] = bytearray(b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n")
    disk.synced["appendonly.aof"] = 0
    assert list(content(disk)) == [(0, b"a")]
    assert "appendonly.aof" not in disk.content
    assert list(content(disk)) == [(0, b"a")]


def test_a_file_that_was_cut_goes_on_where_it_ends_now(tmp_path: Path) -> None:
    """As after a write that the system took in part."""
    disk = SystemDisk()
    name = str(tmp_path / "file")
    file = disk.create(name)
    file.write(b"whole half")
    disk.truncate(name, 6)
    file.write(b"again")
    file.close()
    assert disk.read_file(name) == b"whole again"


def test_a_full_disk_refuses_writes_until_there_is_room(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    size = len(disk.content[INCREMENT])
    disk.room = sum(len(data) for data in disk.content.values()) + 7
    engine.send([b"SET", b"b", b"1"])
    write_out(engine)
    engine.node.tick(engine.clock.now())
    assert len(disk.content[INCREMENT]) == size, "what was half written stays"
    refused = b"-MISCONF Errors writing to the AOF file: no space left on device\r\n"
    assert engine.send([b"SET", b"c", b"1"]) == refused
    assert engine.send([b"GET", b"a"]) == b"$1\r\n1\r\n"
    disk.room = 1 << 20
    engine.clock.seconds += 1.1
    engine.node.tick(engine.clock.now())
    assert engine.send([b"SET", b"c", b"1"]) == b"+OK\r\n"
    write_out(engine)
    assert set(content(disk)) == {(0, b"a"), (0, b"b"), (0, b"c")}


def test_after_a_sync_that_failed_only_a_rewrite_helps(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    disk.counts.clear()
    disk.fails_at["sync"] = (1, errno.EIO)
    write_out(engine)
    for _ in range(3):
        engine.clock.seconds += 0.3
        engine.node.tick(engine.clock.now())
        assert engine.send([b"SET", b"b", b"1"]).startswith(b"-MISCONF Errors writing to the AOF")
    engine.clock.seconds += 1.0
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert engine.node.append_log.rewrites == 1
    assert engine.send([b"SET", b"b", b"1"]) == b"+OK\r\n"
    write_out(engine)
    assert set(content(disk)) == {(0, b"a"), (0, b"b")}


def test_the_log_can_be_turned_on_and_off(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    log = engine.node.append_log
    log.turn_off()
    engine.send([b"SET", b"b", b"1"])
    assert set(content(disk)) == {(0, b"a")}
    log.turn_on()
    engine.send([b"SET", b"c", b"1"])
    write_out(engine)
    finish(engine)
    engine.send([b"SET", b"d", b"1"])
    write_out(engine)
    assert set(content(disk)) == {(0, name) for name in (b"a", b"b", b"c", b"d")}


def test_a_log_that_has_grown_is_rewritten(disk: MemoryDisk) -> None:
    engine = started(disk, auto_aof_rewrite_min_size="10000")
    for number in range(1000):
        engine.send([b"SET", b"a", b"%d" % number])
    write_out(engine)
    engine.node.tick(engine.clock.now())
    finish(engine)
    assert engine.node.append_log.rewrites == 1
    assert engine.node.append_log.size() < 1000
    assert content(disk)[0, b"a"][1] == b"999"


@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace", "remove"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_rewrite_that_fails_anywhere_loses_nothing(
    disk: MemoryDisk, operation: str, number: int
) -> None:
    engine = started(disk, "everysec")
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    disk.counts.clear()
    disk.fails_at[operation] = (number, errno.EIO)
    engine.send([b"BGREWRITEAOF"])
    for turn in range(5):
        engine.send([b"SET", b"b", b"%d" % turn])
        write_out(engine)
        engine.node.tick(engine.clock.now())
    finish(engine)
    disk.fails_at.clear()
    for _ in range(3):
        engine.clock.seconds += 2.0
        engine.node.tick(engine.clock.now())
    if engine.node.append_log.error():
        engine.send([b"BGREWRITEAOF"])
        finish(engine)
    engine.send([b"SET", b"c", b"1"])
    write_out(engine)
    expected = engine.dump()
    assert set(expected) == {(0, name) for name in (b"a", b"b", b"c")}
    assert content(disk) == expected


def manifest_lines(disk: MemoryDisk) -> list[str]:
    lines = disk.content[MANIFEST].decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_old_files_are_named_until_they_are_gone(disk: MemoryDisk) -> None:
    engine = started(disk)
    engine.send([b"SET", b"a", b"1"])
    write_out(engine)
    disk.fails_at["remove"] = (disk.counts.get("remove", 0) + 1, errno.EIO)
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    assert engine.node.append_log.last_is_ok
    assert {line[-1] for line in manifest_lines(disk)} == set("bih")
    # The next start finishes it, and so does the next rewrite.
    twin = MemoryDisk()
    twin.content = {name: bytearray(data) for name, data in disk.content.items()}
    twin.synced = dict(disk.synced)
    assert content(twin) == engine.dump()
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    for one in (disk, twin):
        assert {line[-1] for line in manifest_lines(one)} == set("bi")
        assert one.names("appendonlydir") == sorted(
            [MANIFEST.removeprefix(FOLDER), *(line.split()[1] for line in manifest_lines(one))]
        )


def test_a_rewrite_that_could_not_be_named_leaves_nothing_in_the_end(disk: MemoryDisk) -> None:
    engine = started(disk)
    for operation in ("replace", "create", "sync", "write"):
        engine.send([b"SET", b"a", b"1"])
        write_out(engine)
        disk.fails_at[operation] = (disk.counts[operation] + 2, errno.EIO)
        engine.send([b"BGREWRITEAOF"])
        finish(engine)
        disk.fails_at.clear()
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    named = [line.split()[1] for line in manifest_lines(disk)]
    assert disk.names("appendonlydir") == sorted([MANIFEST.removeprefix(FOLDER), *named])
    assert content(disk) == engine.dump()


def test_what_no_manifest_names_stays_and_is_told(disk: MemoryDisk) -> None:
    started(disk).send([b"SET", b"a", b"1"])
    before = {
        FOLDER + "appendonly.aof.7.incr.aof": b"somebody's",
        FOLDER + "appendonly.aof.9.base.rdb": b"data",
        FOLDER + "other.aof.30.incr.aof": b"not of this log",
        FOLDER + "appendonly.aof.x.incr.aof": b"no number",
    }
    empty = FOLDER + "appendonly.aof.12.incr.aof"
    for name, data in [*before.items(), (empty, b"")]:
        disk.content[name] = bytearray(data)
        disk.synced[name] = len(data)
    engine = started(disk)
    notes = [fields for _, name, fields in engine.node.journal.take() if name.startswith("log-f")]
    files = "appendonly.aof.7.incr.aof appendonly.aof.9.base.rdb"
    assert notes == [{"folder": "appendonlydir", "files": files}]
    engine.send([b"BGREWRITEAOF"])
    finish(engine)
    assert {name: bytes(disk.content[name]) for name in before} == before
    assert empty not in disk.content
    named = [line.split()[1] for line in manifest_lines(disk)]
    assert named == ["appendonly.aof.10.base.rdb", "appendonly.aof.13.incr.aof"]


def test_a_log_that_was_off_at_the_start_goes_on_behind_the_files_that_are_there(
    disk: MemoryDisk,
) -> None:
    engine = started(disk)
    engine.send([b"SET", b"old", b"1"])
    write_out(engine)
    whole = {name: bytes(data) for name, data in disk.content.items()}
    config = Config()
    config.set_many([("save", "")])
    engine = Engine(config=config, disk=disk)
    engine.send([b"SET", b"new", b"1"])
    # Until the first base is there the log of before counts, and is as it was.
    engine.node.append_log.turn_on()
    assert {name: bytes(disk.content[name]) for name in whole} == whole
    engine.node.append_log.turn_off()
    assert {name: bytes(data) for name, data in disk.content.items()} == whole
    engine.node.append_log.turn_on()
    finish(engine)
    write_out(engine)
    assert not whole.keys() & disk.content.keys() - {MANIFEST}
    assert content(disk) == engine.dump()
    disk.content[MANIFEST][:] = b"nonsense\n"
    engine = Engine(config=config, disk=disk)
    with pytest.raises(FileError, match=r"manifest: line 1: not: file NAME"):
        engine.node.append_log.turn_on()
