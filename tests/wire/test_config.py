"""CONFIG answers as redis-server does, and what it sets takes effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from .client import Reply, Wire
from .harness import Pair, words
from .servers import kvnode_server, redis_server

DENIED = Reply("error", b"NOAUTH Authentication required.")

OURS = {  # Redis has no such directives
    *(b"lua-memory-limit", b"metrics-port"),
    *(b"request-max-clients", b"request-max-idle", b"request-max-memory", b"request-max-replies"),
    *(b"shuffle-dir", b"shuffle-disk-max", b"shuffle-disk-reserve", b"shuffle-memory"),
    *(b"shuffle-partition-max", b"shuffle-quota"),
}


def test_config_refuses_what_is_malformed(pair: Pair) -> None:
    pair.same_script("""
        CONFIG
        CONFIG NONSENSE
        CONFIG GET
        CONFIG SET
        CONFIG SET maxmemory
        CONFIG SET maxmemory 1 hz
        CONFIG SET nonsense 1
        CONFIG SET nonsense 1 hz 20
        CONFIG SET hz 20 nonsense 1
        CONFIG SET maxmemory 1 maxmemory 2
        CONFIG SET maxmemory 1 MAXMEMORY 2
        CONFIG SET maxmemory nonsense
        CONFIG SET maxmemory-policy nonsense
        CONFIG SET slowlog-max-len -5
        CONFIG SET slowlog-max-len 4 maxclients 0
        CONFIG SET hz nonsense
        CONFIG SET appendonly maybe
        CONFIG SET databases 3
        CONFIG SET enable-debug-command no
        CONFIG SET save "1 x"
        CONFIG SET client-output-buffer-limit "nonsense 1 1 1"
        CONFIG SET notify-keyspace-events nonsense
        CONFIG SET latency-tracking-info-percentiles "nonsense"
        CONFIG RESETSTAT x
        CONFIG REWRITE x
        CONFIG REWRITE
        CONFIG HELP x
    """)


def test_config_get_matches_globs_in_any_case(pair: Pair) -> None:
    for patterns in (
        "maxmemory",
        "MAXMEMORY",
        "maxmemory maxmemory max?emory",
        "nonsense",
        "nonsense*",
        "hash-max-*",
        "slowlog-*",
        "lazyfree-lazy-user-flush hz",
        "*ziplist*",
        "maxmemory-policy maxmemory-samples",
        "m[a-c]xmemory",
    ):
        pair.same("CONFIG", "GET", *patterns.split())
    ours, theirs = pair.both("CONFIG", "GET", "*")
    assert [name for name, _ in ours.pairs()] != []
    names = {name.text() for name, _ in ours.pairs()}
    assert {name.text() for name, _ in theirs.pairs()} == names - OURS


def test_config_set_changes_all_directives_or_none(pair: Pair) -> None:
    for name in words("hz maxmemory-samples slowlog-max-len maxmemory-policy"):
        pair.config(name, pair.same("CONFIG", "GET", name).items()[1].text())
    pair.same_script("""
        CONFIG SET hz 20 maxmemory-samples 7
        CONFIG GET hz maxmemory-samples
        CONFIG SET hz 30 maxmemory-samples nonsense
        CONFIG GET hz maxmemory-samples
        CONFIG SET maxmemory-policy allkeys-lru slowlog-max-len 3
        CONFIG GET maxmemory-policy slowlog-max-len
        config set HZ 15
        CONFIG GET hz
    """)


def test_config_set_takes_effect_on_encodings_and_limits(pair: Pair) -> None:
    pair.config("hash-max-listpack-entries", "2")
    pair.config("proto-max-bulk-len", "1mb")
    pair.same_script("""
        HSET h a 1 b 2
        DEBUG LISTPACK h
        HSET h c 3
        DEBUG LISTPACK h
        SETRANGE s 1048576 x
    """)


def test_config_set_maxmemory_refuses_writes_and_lifts_again(pair: Pair) -> None:
    pair.config("maxmemory", "1")
    pair.same_script("SET k v\nGET k\nINCR n\nDEL k")
    pair.config("maxmemory", "0")
    pair.same_script("SET k v\nGET k")


def test_config_resetstat_counts_from_zero(pair: Pair) -> None:
    pair.same_script("""
        SET k v
        GET k
        GET missing
        LPUSH k x
        CONFIG RESETSTAT
    """)
    for reply in pair.both("INFO", "stats", "commandstats", "errorstats", "latencystats"):
        text = reply.text().decode()
        assert "keyspace_hits:0\r\n" in text
        assert "keyspace_misses:0\r\n" in text
        assert "total_error_replies:0\r\n" in text
        assert "cmdstat_get" not in text
        assert "cmdstat_config|resetstat:calls=1," in text
        assert "errorstat_" not in text
        assert "latency_percentiles_usec_get" not in text


def test_a_new_password_binds_new_connections_and_none_frees_everybody(pair: Pair) -> None:
    pair.same("PING")
    pair.config("requirepass", "secret")
    pair.same("GET", "k")
    channels = [Wire(server.port) for server in pair.servers]
    assert [wire.call("GET", "k") for wire in channels] == [DENIED, DENIED]
    pair.config("requirepass", "")
    assert [wire.call("GET", "k") for wire in channels] == [Reply("nil-bulk", None)] * 2
    for wire in channels:
        wire.close()


def test_config_rewrite_writes_what_was_set(tmp_path: Path) -> None:
    texts = []
    for make in (kvnode_server, redis_server):
        path = tmp_path / f"{make.__name__}.conf"
        path.write_text("# a comment\nhz 10\nmaxmemory-samples 5\n")
        server = make()
        # A configuration file stands before the directives of the command line.
        place = server.command.index("serve") + 1 if "serve" in server.command else 1
        server.command.insert(place, str(path))
        with server:
            wire = Wire(server.port)
            ok = Reply("simple", b"OK")
            assert wire.call("CONFIG", "SET", "hz", "25", "slowlog-max-len", "7") == ok
            assert wire.call("CONFIG", "REWRITE") == ok
            wire.close()
        lines = path.read_text().splitlines()
        texts.append([line for line in lines if line.startswith(("#", "hz", "max", "slow"))][:4])
    assert texts[0] == texts[1]
    assert "hz 25" in texts[0]


def test_config_rewrite_that_fails_says_why(tmp_path: Path) -> None:
    path = tmp_path / "node.conf"
    path.write_text("hz 10\n")
    server = kvnode_server()
    server.command.insert(server.command.index("serve") + 1, str(path))
    with server:
        wire = Wire(server.port)
        path.unlink()
        path.mkdir()
        reply = wire.call("CONFIG", "REWRITE")
        assert reply.kind == "error"
        assert reply.text().startswith(b"ERR Rewriting config file: ")
        wire.close()


@pytest.mark.parametrize("value", ["no", "local", "yes"])
def test_protected_directives_follow_enable_protected_configs(value: str, tmp_path: Path) -> None:
    answers = []
    for make in (kvnode_server, redis_server):
        with make("--enable-protected-configs", value) as server:
            wire = Wire(server.port)
            answers.append(
                [
                    wire.call("CONFIG", "SET", "dir", str(tmp_path)),
                    wire.call("CONFIG", "SET", "dbfilename", "other.rdb"),
                    wire.call("CONFIG", "SET", "dir", str(tmp_path / "missing")),
                ]
            )
            wire.close()
    assert answers[0] == answers[1]
