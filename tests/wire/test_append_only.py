"""Append-only files travel: kvnode replays what redis-server logged, and the other way round."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .client import Wire, wait_until
from .harness import Pair
from .kill_rounds import kill_rounds
from .random_commands import Run
from .servers import Server, kvnode_server, redis_server
from .test_snapshots import LIBRARY, SAVE_S, folder_of, same_everything

FOLDER = "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
LOGGED = ("--appendonly", "yes")


def crossed(pair: Pair) -> Pair:
    """The same servers, each started on the log of the other."""
    pair.close()
    folders = [folder_of(server) / FOLDER for server in pair.servers]
    for server in pair.servers:
        server.stop()
    aside = folders[0].with_name("aside")
    shutil.move(folders[0], aside)
    shutil.move(folders[1], folders[0])
    shutil.move(aside, folders[1])
    for server in pair.servers:
        server.start()
    other = Pair(*pair.servers)
    other.compares_readers = False
    return other


@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.long)])
def test_logs_are_exchanged_with_redis_after_random_commands(seed: int) -> None:
    with kvnode_server(*LOGGED) as ours, redis_server(*LOGGED) as theirs:
        pair = Pair(ours, theirs)
        Run(pair, seed).run(15_000)
        pair.same("DISCARD")
        assert pair.same("FUNCTION", "LOAD", LIBRARY).text() == b"lib"
        pair.same("SET", "volatile", "v", "PX", 100_000_000)
        before = same_everything(pair)
        other = crossed(pair)
        assert same_everything(other) == before
        assert other.same("FCALL", "f", 0).number() == 1
        # Without streams: what their groups have read is no longer equal, see `crossed`.
        Run(other, seed + 100, ["lists", "sets", "hashes", "zsets"]).run(5_000)
        other.same("DISCARD")
        other.same("BGREWRITEAOF")
        assert wait_until(lambda: other.figures("aof_rewrite_in_progress") == (0, 0), SAVE_S)
        other.same("SET", "after", "the rewrite")
        before = same_everything(other)
        again = crossed(other)
        assert same_everything(again) == before
        again.close()


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_what_was_acknowledged_is_there_after_a_kill(policy: str) -> None:
    assert kill_rounds(5, 1, policy) > 0


def test_the_log_is_turned_on_and_off_as_in_redis(tmp_path: Path) -> None:
    with kvnode_server() as ours, redis_server() as theirs:
        pair = Pair(ours, theirs)
        pair.same("SET", "a", 1)
        pair.same("CONFIG", "SET", "appendonly", "yes")
        assert wait_until(lambda: pair.figures("aof_rewrite_in_progress") == (0, 0), SAVE_S)
        pair.same("SET", "b", 1)
        for name in ("aof_enabled", "aof_rewrite_scheduled"):
            counts = pair.figures(name)
            assert counts[0] == counts[1]
        pair.same_script("""
            BGREWRITEAOF x
            MULTI
            BGREWRITEAOF
            EXEC
            CONFIG SET appendfsync sometimes
            CONFIG SET appendfilename x
            EVAL "return redis.pcall('BGREWRITEAOF')" 0
        """)
        assert wait_until(lambda: pair.figures("aof_rewrite_scheduled") == (0, 0), SAVE_S)
        assert wait_until(lambda: pair.figures("aof_rewrite_in_progress") == (0, 0), SAVE_S)
        pair.same("CONFIG", "SET", "appendonly", "no")
        pair.same("SET", "c", 1)
        for server in (ours, theirs):
            server.command += list(LOGGED)
        other = crossed(pair)
        assert other.same("KEYS", "*").items()
        other.same("DBSIZE")


def test_a_torn_tail_is_cut_and_a_damaged_middle_refused() -> None:
    with kvnode_server(*LOGGED) as server:
        wire = Wire(server.port)
        wire.call("SET", "a", "1")
        wire.call("SET", "b", "2")
        server.stop()
        path = folder_of(server) / FOLDER / "appendonly.aof.1.incr.aof"
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        server.start()
        assert Wire(server.port).call("KEYS", "*").items()[0].text() == b"a"
        assert wait_until(lambda: "event=log-cut" in server.log_tail(), SAVE_S)
        server.stop()
        path.write_bytes(data.replace(b"*3", b"*z", 1))
        with pytest.raises(RuntimeError, match=r"1\.incr\.aof: not the number .* \(offset \d+\)"):
            server.start()


def is_smaller(server: Server, size: int) -> bool:
    try:
        files = list((folder_of(server) / FOLDER).iterdir())
        return sum(path.stat().st_size for path in files) < size
    except FileNotFoundError:  # a rewrite drops one just now
        return False


def test_a_log_that_grows_is_rewritten() -> None:
    rules = ("--auto-aof-rewrite-min-size", "100kb")
    with kvnode_server(*LOGGED, *rules) as server:
        wire = Wire(server.port)
        for _ in range(300):
            wire.call("SET", "a", "x" * 2000)
        assert wait_until(lambda: is_smaller(server, 100_000), SAVE_S)
        server.stop()
        server.start()
        assert Wire(server.port).call("STRLEN", "a").number() == 2000


def test_the_folder_changes_only_while_no_file_is_open_in_it(tmp_path: Path) -> None:
    with kvnode_server(*LOGGED, "--enable-protected-configs", "yes") as server:
        wire = Wire(server.port)
        before = wire.call("CONFIG", "GET", "dir").items()[1].text()
        refused = wire.call("CONFIG", "SET", "dir", str(tmp_path)).text()
        assert b"(allowed: after CONFIG SET appendonly no" in refused
        assert wire.call("CONFIG", "GET", "dir").items()[1].text() == before
        assert wire.call("SET", "a", "1").text() == b"OK"
        assert wire.call("CONFIG", "SET", "appendonly", "no").text() == b"OK"
        assert wire.call("CONFIG", "SET", "dir", str(tmp_path)).text() == b"OK"
        assert wire.call("CONFIG", "SET", "appendonly", "yes").text() == b"OK"
        assert wait_until(lambda: (tmp_path / FOLDER / MANIFEST).exists(), SAVE_S)
        server.stop()
        server.start()
        assert Wire(server.port).call("GET", "a").text() == b"1"
