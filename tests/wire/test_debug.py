"""DEBUG answers as redis-server does, as far as it is there."""

from __future__ import annotations

import re

import pytest

from .client import Reply, Wire, wait_until
from .harness import Pair, words
from .servers import kvnode_server, redis_server

SETTLE_S = 5.0


def fill(pair: Pair) -> None:
    """One key of each type and encoding, in two databases."""
    pair.same_script("""
        SET int 12
        SET text hello
        SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        SET expiring v EX 1000
        RPUSH list a b c a
        SADD intset 1 2 3
        SADD set x y zz
        HSET hash a 1 b 2
        ZADD zset 1 a 2.5 b inf c -inf d 1e30 e 0.1 f -0.0 g
        SELECT 3
        SET other 1
        SELECT 0
    """)
    pair.same("HSET", "bighash", *[word for i in range(300) for word in (f"f{i}", i)])
    pair.same("SADD", "bigset", *[f"m{i}" for i in range(700)])
    pair.same("ZADD", "bigzset", *[word for i in range(200) for word in (i / 7, f"m{i}")])
    pair.same("RPUSH", "biglist", *[f"element {i}" for i in range(2000)])


def test_the_digest_of_equal_data_is_the_digest_of_redis(pair: Pair) -> None:
    assert pair.same("DEBUG", "DIGEST").text() == b"0" * 40
    fill(pair)
    digest = pair.same("DEBUG", "DIGEST").text()
    names = words(
        "int text long expiring list intset set hash zset bighash bigset bigzset biglist missing"
    )
    for name in names:
        pair.same("DEBUG", "DIGEST-VALUE", name)
    pair.same("DEBUG", "DIGEST-VALUE", *names)
    pair.same("DEBUG", "DIGEST-VALUE")
    pair.same("HSET", "bighash", "f7", "other")
    assert pair.same("DEBUG", "DIGEST").text() != digest


@pytest.mark.parametrize(
    "kind",
    words("string integer double bignum null array set map attrib push verbatim true false STRING"),
)
def test_debug_protocol_shows_each_reply_type(pair: Pair, kind: str) -> None:
    pair.same("DEBUG", "PROTOCOL", kind)
    if pair.protocol == 3 and kind in ("push", "attrib"):
        pair.read()
    pair.same("PING")


def test_debug_refuses_what_it_does_not_know(pair: Pair) -> None:
    pair.same_script("""
        DEBUG
        DEBUG NONSENSE
        DEBUG NONSENSE x
        DEBUG JMAP
        DEBUG PROTOCOL
        DEBUG PROTOCOL nonsense
        DEBUG SLEEP
        DEBUG SLEEP 0 0
        DEBUG OBJECT
        DEBUG OBJECT missing
        DEBUG OBJECT a b
        DEBUG LISTPACK
        DEBUG LISTPACK missing
        DEBUG DIGEST x
        DEBUG ERROR
        DEBUG SET-ACTIVE-EXPIRE
        DEBUG QUICKLIST-PACKED-THRESHOLD
        DEBUG QUICKLIST-PACKED-THRESHOLD nonsense
        DEBUG QUICKLIST-PACKED-THRESHOLD 5gb
        DEBUG QUICKLIST-PACKED-THRESHOLD 4gb
        DEBUG QUICKLIST-PACKED-THRESHOLD -1
        DEBUG CHANGE-REPL-ID x
        DEBUG SET-DISABLE-DENY-SCRIPTS
        DEBUG HTSTATS
        DEBUG HTSTATS 99
        DEBUG HTSTATS nonsense
        DEBUG POPULATE
        DEBUG POPULATE nonsense
        DEBUG POPULATE -1
        DEBUG POPULATE 1 p nonsense
        DEBUG POPULATE 1 p -1
        DEBUG POPULATE 1 p 1 x
        DEBUG RELOAD NONSENSE
        DEBUG HELP x
    """)


def test_an_unknown_subcommand_is_shown_up_to_a_nul_and_a_limit(pair: Pair) -> None:
    pair.same("DEBUG", "n" * 200)
    pair.same("DEBUG", b"name\0rest")
    pair.same("CONFIG", "n" * 200)
    pair.same("CONFIG", b"name\0rest")
    pair.same("CLIENT", "LIST", b"option\0rest")
    pair.same("CLIENT", "KILL", "USER", b"nobody\0rest")


def test_debug_switches_and_errors(pair: Pair) -> None:
    pair.same_script("""
        DEBUG SLEEP 0
        DEBUG SLEEP 0.01
        DEBUG SLEEP nonsense
        DEBUG sleep -1
        DEBUG SET-ACTIVE-EXPIRE 0
        SET k v PX 1
        DEBUG SLEEP 0.2
        DEBUG SET-ACTIVE-EXPIRE -1
        DEBUG SET-ACTIVE-EXPIRE +
        DEBUG SET-ACTIVE-EXPIRE 1
        DEBUG QUICKLIST-PACKED-THRESHOLD 100b
        DEBUG QUICKLIST-PACKED-THRESHOLD 0
        DEBUG CHANGE-REPL-ID
        DEBUG SET-DISABLE-DENY-SCRIPTS 1
        DEBUG SET-DISABLE-DENY-SCRIPTS 0
        DEBUG ERROR "ERR hello world"
        DEBUG ERROR "MYCODE hello"
        DEBUG ERROR "-ERR x"
        DEBUG ERROR "two\\r\\nlines"
        DEBUG HTSTATS 0
    """)


def test_errors_made_by_debug_are_not_counted(pair: Pair) -> None:
    pair.same_script("""
        DEBUG ERROR "MYCODE hello"
        DEBUG NONSENSE
        GET
    """)
    for reply in pair.both("INFO", "errorstats", "stats"):
        text = reply.text().decode()
        assert "errorstat_ERR:count=2\r\n" in text
        assert "MYCODE" not in text
        assert "total_error_replies:2\r\n" in text


def test_debug_set_active_expire_keeps_expired_keys_until_they_are_met(pair: Pair) -> None:
    pair.same_script("""
        DEBUG SET-ACTIVE-EXPIRE 0
        PSETEX a 1 v
        PSETEX b 1 v
        DEBUG SLEEP 0.3
        DBSIZE
        GET a
        DBSIZE
        DEBUG SET-ACTIVE-EXPIRE 1
    """)
    wires = (pair.client().ours, pair.client().theirs)
    empty = Reply("integer", 0)
    assert wait_until(lambda: all(wire.call("DBSIZE") == empty for wire in wires), SETTLE_S)


def test_debug_populate_creates_missing_keys(pair: Pair) -> None:
    pair.same_script("""
        SET key:1 mine
        DEBUG POPULATE 3
        DEBUG POPULATE 2 p 10
        DEBUG POPULATE 2 q 3
        DEBUG POPULATE 1 r 0
        DEBUG POPULATE 0
    """)
    pair.same_keyspace(encodings=False)


def test_debug_object_shows_the_encoding(pair: Pair) -> None:
    fill(pair)
    pattern = (
        rb"Value at:0x[0-9a-f]+ refcount:(\d+) encoding:(\w+) serializedlength:\d+"
        rb" lru:\d+ lru_seconds_idle:\d+(?: ql_nodes:\d+ ql_avg_node:[0-9.]+ ql_listpack_max:(\S+)"
        rb" ql_compressed:\d ql_uncompressed_size:\d+)?"
    )
    for name in words("int text long list set intset hash zset bighash bigset bigzset biglist"):
        shown = []
        for reply in pair.both("DEBUG", "OBJECT", name):
            assert reply.kind == "simple"
            match = re.fullmatch(pattern, reply.text())
            assert match is not None, reply.text()
            shown.append(match.groups())
        assert shown[0] == shown[1], name


def test_debug_listpack_prints_packed_values_only(pair: Pair) -> None:
    fill(pair)
    for name in words("int text list set intset hash zset bighash bigzset"):
        pair.same("DEBUG", "LISTPACK", name)
    assert " ff\n" in pair.servers[0].log_tail()


def test_debug_and_module_commands_are_off_unless_the_configuration_allows_them() -> None:
    for setting in ("no", "local"):
        answers = []
        directives = ("--enable-debug-command", setting, "--enable-module-command", setting)
        for server in (kvnode_server(*directives), redis_server(*directives)):
            with server:
                wire = Wire(server.port)
                requests = ("DEBUG SLEEP 0", "DEBUG", "MODULE LOAD /nonsense", "MODULE UNLOAD x")
                answers.append([wire.call(*request.split()) for request in requests])
                wire.close()
        assert answers[0] == answers[1]
