"""EVAL, EVALSHA and SCRIPT, and what scripts leave behind, are as redis-server's."""

from __future__ import annotations

import pytest

from .harness import Pair
from .script_lines import digest, run_lines


def test_keys_and_arguments_are_split_as_the_number_says(pair: Pair) -> None:
    both = "return {KEYS, ARGV}"
    pair.same_exactly("EVAL", both, "0")
    pair.same_exactly("EVAL", both, "0", "a", "b")
    pair.same_exactly("EVAL", both, "1", "a", "b")
    pair.same_exactly("EVAL", both, "2", "a", "b")
    pair.same_exactly("EVAL", both, "3", "a", "b", "c", "d", "e")
    pair.same_exactly("EVAL", both, "3", "a", "b")
    pair.same_exactly("EVAL", both, "-1", "a", "b")
    pair.same_exactly("EVAL", both, "x", "a", "b")
    pair.same_exactly("EVAL", both, "1.0", "a", "b")
    pair.same_exactly("EVAL", both, "99999999999999999999", "a")
    pair.same_exactly("EVAL", both, "")
    pair.same_exactly("EVAL", both)
    pair.same_exactly("EVAL")
    many = [str(n) for n in range(1000)]
    pair.same_exactly("EVAL", "return {#KEYS, #ARGV, KEYS[500], ARGV[500]}", "500", *many)
    pair.same_exactly("EVAL", "return {#KEYS, #ARGV}", "0", *(many * 20))
    pair.same_exactly("EVAL", "return {#KEYS, #ARGV}", "20000", *(many * 20))


def test_the_cache_of_scripts(pair: Pair) -> None:
    code = "return {KEYS[1], ARGV[1]}"
    sha = digest(code)
    pair.same_exactly("EVALSHA", sha, "0")
    pair.same_exactly("SCRIPT", "EXISTS", sha, "x")
    pair.same_exactly("SCRIPT", "LOAD", code)
    pair.same_exactly("SCRIPT", "EXISTS", sha, sha.upper(), "x", "f" * 40)
    pair.same_exactly("EVALSHA", sha, "1", "a", "b")
    pair.same_exactly("EVALSHA", sha.upper(), "1", "a", "b")
    pair.same_exactly("EVALSHA", sha, "x")
    pair.same_exactly("EVALSHA", sha, "5")
    pair.same_exactly("EVALSHA", "f" * 40, "x")
    pair.same_exactly("EVALSHA", "short", "x")
    pair.same_exactly("EVALSHA_RO", sha, "1", "a", "b")
    for words in (
        "FLUSH ASYNC",
        "FLUSH SYNC",
        "FLUSH",
        "FLUSH x",
        "FLUSH SYNC x",
        "EXISTS",
        "KILL",
    ):
        pair.same_exactly("SCRIPT", *words.split())
    pair.same_exactly("EVALSHA", sha, "0")
    pair.same_exactly("EVAL", code, "1", "a", "b")
    pair.same_exactly("EVALSHA", sha, "1", "a", "b")
    pair.same_exactly("SCRIPT", "LOAD", "return 1 +")
    pair.same_exactly("SCRIPT", "LOAD", "#!lua flags=nope\nreturn 1")
    pair.same_exactly("SCRIPT", "LOAD")
    pair.same_exactly("SCRIPT", "NOPE")
    pair.same_exactly("SCRIPT")
    pair.same_exactly("SCRIPT", "DEBUG", "NO")
    pair.same_exactly("SCRIPT", "DEBUG", "x")


@pytest.mark.parametrize(
    "head",
    [
        "#!lua",
        "#!lua flags=",
        "#!lua flags=no-writes",
        "#!lua flags=no-writes,allow-oom",
        "#!lua flags=allow-oom,allow-stale,no-cluster,allow-cross-slot-keys",
        "#!lua flags=no-writes,",
        "#!lua flags=,no-writes",
        "#!lua flags=nope",
        "#!lua flags=NO-WRITES",
        "#!lua name=x",
        "#!lua flags=no-writes x",
        "#!LUA",
        "#!",
        "#! lua",
        "#!python",
        "#!/bin/lua",
        "#!lua 'flags=no-writes'",
        '#!lua "flags=no-writes',
        "#!lua   flags=no-writes  ",
    ],
)
def test_shebangs(pair: Pair, head: str) -> None:
    pair.same("SET", "a", "1")
    pair.same_exactly("EVAL", head, "0")
    pair.same_exactly("EVAL", f"{head}\nreturn redis.call('get','a')", "0")
    pair.same_exactly("EVAL", f"{head}\nreturn redis.call('incr','a')", "0")
    pair.same_exactly("EVAL", f"{head}\n\nreturn redis.pcall('incr','a')", "0")
    pair.same_exactly("EVAL_RO", f"{head}\nreturn redis.call('get','a')", "0")
    pair.same_exactly("EVAL_RO", f"{head}\nreturn redis.call('incr','a')", "0")
    pair.same_exactly("EVAL", f"{head}\n\n\nerror('x')", "0")
    pair.same_exactly("GET", "a")


def test_read_only_scripts_do_not_write(pair: Pair) -> None:
    pair.same("SET", "a", "1")
    for code in (
        "return redis.call('get','a')",
        "return redis.call('set','a','2')",
        "return redis.pcall('set','a','2')",
        "return redis.call('publish','c','m')",
        "return redis.call('del','missing')",
        "return redis.call('pfcount','missing')",
        "return redis.call('set')",
        "return redis.call('ping')",
    ):
        pair.same_exactly("EVAL_RO", code, "0")
        pair.same_exactly("EVALSHA_RO", digest(code), "0")
        pair.same_exactly("EVAL", f"#!lua flags=no-writes\n{code}", "0")
    pair.same_exactly("EVAL_RO", "return 1 +", "0")
    pair.same_exactly("GET", "a")


def test_a_script_has_its_own_database_and_protocol(pair: Pair) -> None:
    pair.same_script("""
        SET a zero
        EVAL "redis.call('select', 3) return redis.call('set','a','three')" 0
        GET a
        EVAL "return redis.call('get','a')" 0
        SELECT 3
        GET a
        EVAL "return redis.call('get','a')" 0
        EVAL "redis.call('select', 99)" 0
        EVAL "redis.setresp(3) return 1" 0
        EVAL "return redis.call('get','missing') == false" 0
        SELECT 0
    """)


def test_streams_are_not_read_with_block_in_scripts(pair: Pair) -> None:
    pair.same_script("""
        XADD s 1-1 a b
        XGROUP CREATE s g 0
        EVAL "return redis.call('xread','block','0','streams','s','$')" 0
        EVAL "return redis.pcall('XREAD','block','x','streams','s','0')" 0
        EVAL "return redis.call('xread','streams','s','0','block')" 0
        EVAL "return redis.call('xread','block')" 0
        EVAL "return redis.call('xread','block','5')" 0
        EVAL "return redis.call('xread','count','x','block','5','streams','s','0')" 0
        EVAL "return redis.call('xreadgroup','group','g','c','block','1','streams','s','>')" 0
        EVAL "return redis.call('xreadgroup','group','g','c','streams','s','>')" 0
        XINFO CONSUMERS s g
        MULTI
        XREAD BLOCK 0 STREAMS s $
        EVAL "return redis.pcall('xread','block','0','streams','s','$')" 0
        XREAD BLOCK 0 STREAMS s $
        EXEC
    """)


def test_scripts_inside_of_a_transaction(pair: Pair) -> None:
    pair.same_script("""
        MULTI
        SET a 1
        EVAL "return redis.call('incr','a')" 0
        EVAL "return redis.call('lpush','a','x')" 0
        EVAL "return redis.call('blpop','l',0)" 0
        EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
        EVAL "return 1 +" 0
        EVAL "return {1,{double=1.5},true}" 0
        EVAL
        GET a
        EXEC
        MULTI
        EVAL "return redis.call('incr','a')" 0
        SCRIPT EXISTS x
        SCRIPT FLUSH
        GET a
        EXEC
    """)


def test_a_script_wakes_who_waits_when_it_is_over(pair: Pair) -> None:
    pair.same_script("""
        B> BLPOP l 0
        EVAL "redis.call('rpush','l','a','b') return redis.call('lpop','l')" 0
        B<
        EXISTS l
        C: WATCH w
        EVAL "return redis.call('set','w','1')" 0
        C: MULTI
        C: PING
        C: EXEC
    """)


def test_no_key_expires_while_a_script_runs(pair: Pair) -> None:
    code = """
        redis.call('set', 'k', 'v', 'px', 1)
        for i = 1, 1000000 do local x = i * i end
        return redis.call('get', 'k')
    """
    pair.same_exactly("EVAL", code, "0")


def test_errorstats_and_commandstats_count_what_scripts_do(pair: Pair) -> None:
    pair.same("CONFIG", "RESETSTAT")
    pair.same("SET", "a", "x")
    run_lines(
        pair,
        r"""
        return redis.call('incr','n')
        return redis.call('lpush','a','x')
        return redis.pcall('lpush','a','x')
        return redis.pcall('nocmd','a','x')
        return redis.call('nocmd','a','x')
        return {redis.error_reply('XX y'), {err='YY z'}}
        return redis.error_reply('ZZ y')
        error('x')
        return redis.call('get')
        return {redis.pcall('lpush','a','x')}
        return pcall(redis.call,'lpush','a','x')
        return nil +
        """,
    )
    pair.same("EVALSHA", "x", "0")
    assert_same_statistics(pair, "errorstats", ("errorstat_",))
    names = ("eval", "evalsha", "incr", "lpush", "get", "set")
    assert_same_statistics(pair, "commandstats", tuple(f"cmdstat_{name}:" for name in names))
    assert_same_statistics(pair, "stats", ("total_commands_processed", "total_error_replies"))


def assert_same_statistics(pair: Pair, section: str, prefixes: tuple[str, ...]) -> None:
    """Compare lines of INFO without the times in them."""
    shown = []
    for reply in pair.both("INFO", section):
        lines = reply.text().decode().splitlines()
        found = [line for line in lines if line.startswith(prefixes)]
        shown.append(sorted(",".join(w for w in x.split(",") if "usec" not in w) for x in found))
    assert shown[0] == shown[1]


def test_slowlog_shows_the_commands_of_a_script(pair: Pair) -> None:
    pair.config("slowlog-log-slower-than", "0")
    pair.same("SLOWLOG", "RESET")
    pair.same("EVAL", "redis.call('set','a',1) return redis.call('get','a')", "0")
    rows = []
    for reply in pair.both("SLOWLOG", "GET", "3"):
        shown = []
        for entry in reply.items():
            fields = entry.items()
            shown.append((fields[3], fields[4].text() == b"?:0", fields[5]))
        rows.append(shown)
    assert rows[0] == rows[1]


def test_monitors_see_the_commands_of_a_script(pair: Pair) -> None:
    pair.same("MONITOR", client="M")
    pair.same("EVAL", "redis.call('set',KEYS[1],1) return redis.pcall('foo')", "1", "a")
    pair.same("EVAL", "redis.call('select',2) return redis.call('config','get','x')", "0")
    pair.same("SCRIPT", "LOAD", "return 1")
    channel = pair.client("M")
    for _ in range(5):
        lines = [wire.read().text() for wire in (channel.ours, channel.theirs)]
        shown = [masked(line) for line in lines]
        assert shown[0] == shown[1]


def masked(line: bytes) -> bytes:
    """A line of MONITOR without time and port."""
    _, _, rest = line.partition(b" ")
    place, _, words = rest.partition(b"] ")
    return place.partition(b":")[0] + words


def test_out_of_memory_is_judged_by_what_was_so_at_the_start(pair: Pair) -> None:
    pair.same("SET", "a", "1")
    pair.config("maxmemory", "1")
    for code in (
        "return redis.call('get','a')",
        "return redis.call('set','b','2')",
        "return redis.pcall('set','b','2')",
        "redis.call('del','x') return redis.call('set','b','2')",
        "#!lua\nreturn 1",
        "#!lua flags=no-writes\nreturn redis.call('get','a')",
        "#!lua flags=allow-oom\nreturn redis.call('set','b','2')",
        "#!lua flags=allow-oom\nreturn redis.call('get','a')",
    ):
        pair.same_exactly("EVAL", code, "0")
        pair.same_exactly("EVAL_RO", code, "0")
    pair.same("DEL", "b")


def test_the_flags_of_the_cards(pair: Pair) -> None:
    for name in ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "SCRIPT"):
        ours, theirs = (reply.items()[0].items() for reply in pair.both("COMMAND", "INFO", name))
        assert ours[:7] == theirs[:7]
    pair.same("COMMAND", "GETKEYS", "EVAL", "return 1", "2", "a", "b", "c")
    pair.same("COMMAND", "GETKEYS", "EVALSHA", "x", "0")


def test_acl_of_the_caller_holds_for_its_scripts(pair: Pair) -> None:
    pair.same_script("""
        ACL SETUSER bob on nopass ~cache:* &news* +@scripting +get +set +publish +ping
        B: AUTH bob x
        B: EVAL "return redis.call('get','cache:a')" 0
        B: EVAL "return redis.call('get','other')" 0
        B: EVAL "return redis.pcall('del','cache:a')" 0
        B: EVAL "return redis.call('publish','sports','x')" 0
        B: EVAL "return redis.call('publish','news','x')" 0
        B: EVAL "return redis.acl_check_cmd('get','cache:a')" 0
        B: EVAL "return redis.acl_check_cmd('get','other')" 0
        B: EVAL "return redis.acl_check_cmd('del','cache:a')" 0
        B: EVAL "return redis.call('get','cache:a')" 1 other
        ACL DELUSER bob
    """)
