"""RDB files travel: kvnode loads what redis-server saved, and the other way round."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .client import Wire, wait_until
from .harness import Pair
from .random_commands import Run
from .servers import Server, kvnode_server, redis_server

FILE = "dump.rdb"
LIBRARY = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
SAVE_S = 20.0


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Pair]:
    """Two servers of this test alone."""
    with ExitStack() as stack:
        ours = stack.enter_context(kvnode_server())
        yield Pair(ours, stack.enter_context(redis_server()))


def folder_of(server: Server) -> Path:
    assert server.folder is not None
    return server.folder


def restarted(pair: Pair, files: tuple[Path, Path]) -> Pair:
    """The same servers, started on these files."""
    pair.close()
    kept = [path.read_bytes() for path in files]
    for server, data in zip(pair.servers, kept, strict=True):
        server.stop()
        (folder_of(server) / FILE).write_bytes(data)
        server.start()
    return Pair(*pair.servers)


def same_everything(pair: Pair, databases: int = 4) -> int:
    count = 0
    for database in range(databases):
        pair.same("SELECT", database)
        count += pair.same_keyspace()
    pair.same("SELECT", 0)
    pair.same("FUNCTION", "LIST", "WITHCODE")
    return count


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_files_are_exchanged_with_redis_after_random_commands(fresh: Pair, seed: int) -> None:
    Run(fresh, seed).run(20_000)
    fresh.same("DISCARD")
    assert fresh.same("FUNCTION", "LOAD", LIBRARY).text() == b"lib"
    fresh.same("SELECT", 3)
    fresh.same("SET", "volatile", "v", "PX", 100_000_000)
    fresh.same("HSET", "large", *range(4000))
    fresh.same("ZADD", "scores", *(word for n in range(700) for word in (n * 0.1, f"m{n}")))
    before = same_everything(fresh)
    fresh.same("SAVE")
    ours, theirs = (folder_of(server) / FILE for server in fresh.servers)
    crossed = restarted(fresh, (theirs, ours))
    assert same_everything(crossed) == before
    crossed.same("BGSAVE")
    until_saved(crossed, 1)
    assert crossed.same("FCALL", "f", 0).number() == 1
    again = restarted(crossed, (ours, theirs))
    assert same_everything(again) == before
    again.close()


def until_saved(pair: Pair, count: int) -> None:
    """Wait until both servers have saved so often."""

    def are_done() -> bool:
        # In this order: Redis counts a save when it begins.
        begun = pair.figures("rdb_saves") == (count, count)
        return begun and pair.figures("rdb_bgsave_in_progress") == (0, 0)

    assert wait_until(are_done, SAVE_S)


def test_a_shutdown_saves_and_a_start_loads(tmp_path: Path) -> None:
    with kvnode_server("--save", "100 1000000") as server:
        wire = Wire(server.port)
        wire.call("SET", "a", "1")
        wire.call("RPUSH", "list", *range(500))
        wire.call("SET", "gone", "1", "PX", 1)
        server.stop()
        server.start()
        wire = Wire(server.port)
        assert wire.call("GET", "a").text() == b"1"
        assert wire.call("LLEN", "list").number() == 500
        assert wire.call("DBSIZE").number() == 2
        info = wire.call("INFO", "persistence").text()
        assert b"rdb_last_load_keys_loaded:2\r\n" in info
        assert b"rdb_changes_since_last_save:0\r\n" in info
        wire.call("SET", "b", "1")
        wire.send("SHUTDOWN", "NOSAVE")
        assert wait_until(lambda: not server.alive(), 5.0)
        server.start()
        assert Wire(server.port).call("EXISTS", "a", "b").number() == 1


def test_the_saving_commands_answer_as_redis(fresh: Pair) -> None:
    fresh.same_script("""
        SAVE x
        BGSAVE SCHEDULE x
        BGSAVE nope
        LASTSAVE x
        MULTI
        SAVE
        DISCARD
        MULTI
        BGSAVE
        EXEC
        EVAL "return redis.pcall('SAVE')" 0
        EVAL "return redis.pcall('BGSAVE')" 0
        CONFIG SET rdbchecksum no
        CONFIG GET save
        CONFIG SET dbfilename a/b
    """)
    until_saved(fresh, 1)
    fresh.same("BGSAVE", "SCHEDULE")
    until_saved(fresh, 2)
    fresh.same("SAVE")
    for name in ("rdb_changes_since_last_save", "rdb_saves"):
        ours, theirs = fresh.figures(name)
        assert ours == theirs
    for server in fresh.servers:
        folder = folder_of(server)
        shutil.rmtree(folder)
        folder.mkdir()
    fresh.same("PING")


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with kvnode_server() as server:
        wire = Wire(server.port)
        wire.call("SET", "key", "value")
        assert wire.call("SAVE").text() == b"OK"
        server.stop()
        path = folder_of(server) / FILE
        data = bytearray(path.read_bytes())
        data[-12] ^= 1
        path.write_bytes(data)
        with pytest.raises(RuntimeError, match=r'cannot-load reason="dump\.rdb: .* \(offset \d+'):
            server.start()
        assert path.read_bytes() == data


def test_two_nodes_do_not_save_to_one_folder(tmp_path: Path) -> None:
    rules = ("--save", "100 1", "--dir", str(tmp_path))
    with kvnode_server(*rules) as first:
        second = kvnode_server(*rules)
        with pytest.raises(RuntimeError, match=rf"process {first.pid} saves its data there"):
            second.start()
        second.remove()
        with kvnode_server("--dir", str(tmp_path), "--enable-protected-configs", "yes") as careless:
            wire = Wire(careless.port)
            reply = wire.call("CONFIG", "SET", "save", "100 1")
            assert b"saves its data there" in reply.text()
            other = tmp_path / "other"
            other.mkdir()
            assert wire.call("CONFIG", "SET", "dir", str(other)).text() == b"OK"
            assert wire.call("CONFIG", "SET", "save", "100 1").text() == b"OK"
    with kvnode_server(*rules) as third:
        assert third.alive()
