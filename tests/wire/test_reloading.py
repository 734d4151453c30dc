"""DEBUG RELOAD and LOADAOF: what is read back is what was there, here and in redis-server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .client import Wire, wait_until
from .harness import Pair
from .random_commands import Run
from .servers import kvnode_server, redis_server
from .test_dumping import VALUES
from .test_snapshots import SAVE_S, folder_of, same_everything


@pytest.fixture(params=[(), ("--appendonly", "yes")], ids=["snapshot", "log"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two servers of this test alone, without and with a log."""
    with ExitStack() as stack:
        ours = stack.enter_context(kvnode_server(*request.param))
        pair = Pair(ours, stack.enter_context(redis_server(*request.param)))
        yield pair
        pair.close()


def fill(pair: Pair) -> None:
    """Values of all types and forms, with and without a deadline, in two databases."""
    for database in (0, 3):
        pair.same("SELECT", database)
        for name, requests in VALUES.items():
            for request in requests:
                pair.same(*[name if word == "k" else word for word in request])
        for name in list(VALUES)[::3]:
            pair.same("PEXPIREAT", name, 4_000_000_000_123)
    pair.same("SELECT", 0)
    pair.same("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', print)")


def test_a_reload_changes_nothing(fresh: Pair) -> None:
    fill(fresh)
    Run(fresh, 5).run(3_000)
    fresh.same("DISCARD")
    before = same_everything(fresh)
    digest = fresh.same("DEBUG", "DIGEST")
    fresh.same("DEBUG", "RELOAD")
    assert same_everything(fresh) == before
    assert fresh.same("DEBUG", "DIGEST").text() == digest.text()
    fresh.same("SELECT", 3)
    fresh.same("DEBUG", "RELOAD", "nosave")
    fresh.same("SET", "selected", "still 3")
    fresh.same("DEBUG", "RELOAD", "NOFLUSH", "MERGE")
    before = same_everything(fresh)
    fresh.same("FCALL", "f", 0)
    assert fresh.figures("rdb_changes_since_last_save") == (0, 0)
    # The file has everything else; what came since the last one stays or goes as the words say.
    fresh.same_script("""
        SET since 1
        SET int 7
        DEBUG RELOAD NOSAVE NOFLUSH MERGE
        MGET since int
        SET since 2
        DEBUG RELOAD NOSAVE
        GET since
        DEBUG RELOAD NOSAVE SAVE
        WATCH int
        DEBUG RELOAD NOSAVE
        MULTI
        PING
        EXEC
        MULTI
        INCR int
        DEBUG RELOAD
        INCR int
        EXEC
        EVAL "return redis.pcall('DEBUG', 'RELOAD')" 0
    """)
    same_everything(fresh)


def test_what_was_logged_is_loaded_again() -> None:
    logged = ("--appendonly", "yes")
    with kvnode_server(*logged) as ours, redis_server(*logged) as theirs:
        pair = Pair(ours, theirs)
        fill(pair)
        pair.same("BGREWRITEAOF")
        assert wait_until(lambda: pair.figures("aof_rewrite_in_progress") == (0, 0), SAVE_S)
        Run(pair, 6, ["lists", "sets", "hashes", "zsets"]).run(3_000)
        pair.same("DISCARD")
        before = same_everything(pair)
        digest = pair.same("DEBUG", "DIGEST")
        pair.same("DEBUG", "LOADAOF")
        assert same_everything(pair) == before
        assert pair.same("DEBUG", "DIGEST").text() == digest.text()
        pair.same_script("""
            DEBUG LOADAOF x
            SELECT 2
            SET later 1
            DEBUG LOADAOF
            GET later
            MULTI
            DEBUG LOADAOF
            SET k v
            EXEC
            DEBUG LOADAOF
            MGET later k
            CONFIG SET appendonly no
            SET unlogged 1
            DEBUG LOADAOF
            MGET later k unlogged
        """)
        same_everything(pair)
        pair.close()


def test_a_file_that_is_missing_or_damaged_is_told() -> None:
    with kvnode_server() as server:
        wire = Wire(server.port)
        wire.call("SET", "a", "1")
        failed = b"ERR Error trying to load the RDB dump"
        assert wire.call("DEBUG", "RELOAD", "NOSAVE").text() == failed
        # redis-server has dropped everything by now.
        assert wire.call("GET", "a").text() == b"1"
        wire.call("SAVE")
        # redis-server ends here.
        assert wire.call("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH").text() == failed
        assert wait_until(lambda: "a key stands twice" in server.log_tail(), SAVE_S)
        path = folder_of(server) / "dump.rdb"
        path.write_bytes(path.read_bytes()[:-9])
        assert wire.call("DEBUG", "RELOAD", "NOSAVE").text() == failed
        assert wait_until(lambda: "dump.rdb: the data ends" in server.log_tail(), SAVE_S)
        assert wire.call("DEBUG", "LOADAOF").text() == b"OK"
        assert wire.call("DBSIZE").number() == 0
