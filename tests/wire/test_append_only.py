"""Append-only files travel: kvnode replays what redis-server logged, and the other way round."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
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
OUR_CHECK_AND_THEIRS = ([sys.executable, "-m", "kvnode", "check-aof"], ["redis-check-aof"])


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


def test_logs_that_say_when_are_exchanged_with_redis_and_cut_at_a_time() -> None:
    noting = (*LOGGED, "--aof-timestamp-enabled", "yes")
    with kvnode_server(*noting) as ours, redis_server(*noting) as theirs:
        pair = Pair(ours, theirs)
        in_next_second()
        pair.same_script("""
            SET a 1
            SELECT 3
            SET b 1
            MULTI
            SET c 1
        """)
        in_next_second()
        pair.same_script("""
            SET d 1
            EXEC
            EVAL "redis.call('SET', 'e', 1) return redis.call('SET', 'f', 1)" 0
        """)
        paths = [
            folder_of(server) / FOLDER / "appendonly.aof.1.incr.aof" for server in pair.servers
        ]
        shapes = []
        for path in paths:
            assert len(times_in(path)) == len(set(times_in(path))) == 2
            shapes.append(re.sub(rb"#TS:\d+", b"#ts", path.read_bytes()).lower())
        assert shapes[0] == shapes[1]
        before = same_everything(pair)
        other = crossed(pair)
        assert same_everything(other) == before
        other.close()
        for server in pair.servers:
            server.stop()
        first = times_in(paths[0])[0]
        for path, program in zip(paths, OUR_CHECK_AND_THEIRS, strict=True):
            manifest = path.with_name("appendonly.aof.manifest")
            command = [*program, "--truncate-to-timestamp", first, str(manifest)]
            subprocess.run(command, env=ours.environment, check=True, capture_output=True)
            assert times_in(path) == [first]
        assert paths[0].stat().st_size == paths[1].stat().st_size


def in_next_second() -> None:
    """Wait until a second has just begun, for redis-server's clock of every 100 ms too."""
    time.sleep(1.15 - time.time() % 1.0)


def times_in(path: Path) -> list[str]:
    """The seconds of the annotations in a log's file."""
    return re.findall(r"#TS:(\d+)\r\n", path.read_bytes().decode())


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


def test_what_a_killed_node_left_is_removed_at_the_start() -> None:
    with kvnode_server(*LOGGED) as server:
        Wire(server.port).call("SET", "a", "1")
        assert server.process is not None
        server.process.kill()
        dead = server.pid
        server.stop()
        folder = folder_of(server)
        gone = [
            folder / f"temp-{dead}.rdb",
            folder / f"temp-rewriteaof-bg-{dead}.aof",
            folder / FOLDER / f"temp-rewriteaof-bg-{dead}.aof",
        ]
        stays = [folder / f"temp-{os.getpid()}.rdb", folder / FOLDER / "appendonly.aof.1.base.aof"]
        for path in gone + stays:
            path.write_bytes(b"REDIS")
        server.start()
        wire = Wire(server.port)
        assert wait_until(lambda: wire.call("GET", "a").text() == b"1", SAVE_S)
        assert not [path for path in gone if path.exists()]
        assert [path for path in stays if path.exists()] == stays
        assert "event=removed-leftover" in server.log_tail()
        assert wait_until(lambda: "event=log-files-not-in-manifest" in server.log_tail(), SAVE_S)


def test_a_manifest_that_names_files_of_the_past_is_read_by_both() -> None:
    with kvnode_server(*LOGGED) as ours, redis_server(*LOGGED) as theirs:
        pair = Pair(ours, theirs)
        pair.same("SET", "a", 1)
        for server in pair.servers:
            server.stop()
            folder = folder_of(server) / FOLDER
            manifest = folder / MANIFEST
            lines = [line for line in manifest.read_text().splitlines() if line[0] != "#"]
            lines.append("file appendonly.aof.9.incr.aof seq 9 type h\n")
            manifest.write_text("\n".join(lines))
            (folder / "appendonly.aof.9.incr.aof").touch()
        other = crossed(pair)
        other.same("GET", "a")
        paths = [
            folder_of(server) / FOLDER / "appendonly.aof.9.incr.aof" for server in pair.servers
        ]
        assert wait_until(lambda: not any(path.exists() for path in paths), SAVE_S)
        other.close()


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

        def is_rewritten() -> bool:
            # What came during a rewrite is part of the size that has to double until the next.
            for _ in range(10):
                wire.call("SET", "a", "x" * 2000)
            return is_smaller(server, 110_000)

        for _ in range(300):
            wire.call("SET", "a", "x" * 2000)
        assert wait_until(is_rewritten, SAVE_S)
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
