"""The server commands answer as redis-server does: INFO, flushes, ACL, CLUSTER, shutdown."""

from __future__ import annotations

import re
from functools import partial

import pytest

from .client import CLOSED, Reply, wait_until
from .harness import Pair, words
from .servers import Server

SETTLE_S = 5.0


def fields_of(reply: Reply) -> dict[str, dict[str, str]]:
    """The sections of an INFO reply with their fields, in order."""
    sections: dict[str, dict[str, str]] = {}
    for line in reply.text().decode().removeprefix("txt:").split("\r\n"):
        if line.startswith("# "):
            current = sections.setdefault(line[2:], {})
        elif line:
            name, _, value = line.partition(":")
            current[name] = value
    return sections


def help_forms(reply: Reply) -> list[bytes]:
    """The lines of a HELP reply that name a form, without the sentences about it."""
    assert {item.kind for item in reply.items()} == {"simple"}
    return [item.text() for item in reply.items() if not item.text().startswith(b" ")]


# -- INFO -----------------------------------------------------------------------------------------

OWN_FIELDS = {
    "kvnode_version",
    *words("request_clients request_replies request_memory_bytes request_repeats request_refused"),
    *words("request_trimmed_clients request_trimmed_replies"),
}


def test_info_has_every_section_and_field_of_redis_in_its_order(pair: Pair) -> None:
    pair.same_script("""
        SET k v
        GET
        SET expiring v EX 1000
    """)
    ours, theirs = pair.same_shape("INFO", "everything")
    mine, others = fields_of(ours), fields_of(theirs)
    del mine["Shuffle"]  # ours alone
    assert list(mine) == list(others)
    for section in others:
        if section in ("Commandstats", "Latencystats"):
            assert set(others[section]) <= set(mine[section]) | set(others[section])
            continue
        assert [name for name in mine[section] if name not in OWN_FIELDS] == list(others[section])


@pytest.mark.parametrize(
    "sections",
    [
        "",
        "default",
        "all",
        "everything",
        "DEFAULT",
        "cpu",
        "keyspace cpu cpu",
        "default commandstats",
        "all nonsense",
        "modules",
        "nonsense",
        "nonsense keyspace",
        "latencystats errorstats",
        *words("server clients memory persistence stats replication cluster"),
    ],
)
def test_info_shows_the_sections_that_are_asked_for(pair: Pair, sections: str) -> None:
    pair.same("GET")
    ours, theirs = pair.same_shape("INFO", *sections.split())
    mine = [section for section in fields_of(ours) if section != "Shuffle"]  # ours alone
    assert mine == list(fields_of(theirs))
    assert ours.kind == theirs.kind == ("verbatim" if pair.protocol == 3 else "bulk")


def test_info_fields_that_do_not_depend_on_the_process_are_equal(pair: Pair) -> None:
    pair.same_script("""
        SET a 1
        SET b 2 EX 1000
        SELECT 3
        SET c 3
        SELECT 0
        GET a
        GET missing
        EXISTS missing
        BOGUS
        LPUSH a x
        GET
    """)
    ours, theirs = (fields_of(reply) for reply in pair.both("INFO", "everything"))
    equal = {
        "Server": words("redis_version redis_mode arch_bits hz configured_hz io_threads_active"),
        "Clients": words(
            "connected_clients maxclients blocked_clients tracking_clients cluster_connections"
        ),
        "Memory": words("maxmemory maxmemory_human maxmemory_policy lazyfree_pending_objects"),
        "Persistence": words("loading rdb_bgsave_in_progress aof_enabled rdb_last_bgsave_status"),
        "Stats": words(
            "keyspace_hits keyspace_misses expired_keys evicted_keys total_error_replies "
            "rejected_connections pubsub_channels pubsub_patterns unexpected_error_replies"
        ),
        "Replication": words("role connected_slaves master_failover_state master_repl_offset"),
        "Cluster": words("cluster_enabled"),
    }
    for section, names in equal.items():
        for name in names:
            assert ours[section][name] == theirs[section][name], name
    assert set(ours["Keyspace"]) == set(theirs["Keyspace"])
    for name, value in theirs["Keyspace"].items():
        assert ours["Keyspace"][name].split(",avg_ttl")[0] == value.split(",avg_ttl")[0]
    assert ours["Errorstats"] == theirs["Errorstats"]


def calls_of(statistics: str) -> str:
    """A line of commandstats without its times."""
    return re.sub(r"usec(_per_call)?=[0-9.]+,", "", statistics)


def test_command_statistics_count_calls_rejections_and_failures(pair: Pair) -> None:
    pair.same_script("""
        SET k v
        SET k w
        GET k
        GET
        LPUSH k x
        CONFIG GET hz
        CONFIG NONSENSE
        CONFIG
        INCR k
        MULTI
        INCR n
        GET
        EXEC
    """)
    ours, theirs = (fields_of(reply) for reply in pair.both("INFO", "commandstats"))
    mine = {name: calls_of(value) for name, value in ours["Commandstats"].items()}
    others = {name: calls_of(value) for name, value in theirs["Commandstats"].items()}
    for name in words("set get lpush config|get config incr multi exec"):
        assert mine[f"cmdstat_{name}"] == others[f"cmdstat_{name}"], name


def test_latency_statistics_follow_the_percentiles(pair: Pair) -> None:
    pair.config("latency-tracking-info-percentiles", "50 99.99 100")
    pair.same("SET", "k", "v")
    for reply in pair.both("INFO", "latencystats"):
        text = fields_of(reply)["Latencystats"]["latency_percentiles_usec_set"]
        assert re.fullmatch(r"p50=\d+\.\d{3},p99\.99=\d+\.\d{3},p100=\d+\.\d{3}", text)


def test_command_latency_is_not_tracked_when_it_is_turned_off(pair: Pair) -> None:
    pair.config("latency-tracking", "no")
    pair.same("CONFIG", "RESETSTAT")
    pair.same("SET", "k", "v")
    for reply in pair.both("INFO", "latencystats"):
        assert "latency_percentiles_usec_set" not in fields_of(reply).get("Latencystats", {})


# -- data as a whole ------------------------------------------------------------------------------


@pytest.mark.parametrize("flush", ["FLUSHDB", "FLUSHALL"])
@pytest.mark.parametrize("lazy", ["no", "yes"])
def test_flushes_empty_one_or_all_databases(pair: Pair, flush: str, lazy: str) -> None:
    pair.config("lazyfree-lazy-user-flush", lazy)
    for way in ("", "ASYNC", "SYNC", "async", "sync"):
        pair.same_script(f"""
            MSET a 1 b 2 c 3
            SET d 4 EX 1000
            SELECT 3
            SET e 5
            SELECT 0
            {flush} {way}
            DBSIZE
            TTL d
            GET a
            SELECT 3
            DBSIZE
            SELECT 0
            SET a 1
            GET a
        """)
    pair.same_script(f"""
        {flush} NONSENSE
        {flush} ASYNC SYNC
        {flush} ASYNC x
        DBSIZE
        DBSIZE x
    """)


def test_swapdb_exchanges_keys_and_deadlines(pair: Pair) -> None:
    pair.same_script("""
        SET a 1
        SET b 2 EX 1000
        SWAPDB 0 3
        DBSIZE
        SELECT 3
        DBSIZE
        TTL b
        GET a
        SWAPDB 3 3
        GET a
        SWAPDB
        SWAPDB 1
        SWAPDB a 1
        SWAPDB 1 a
        SWAPDB a b
        SWAPDB 0 16
        SWAPDB 16 0
        SWAPDB -1 0
        SWAPDB 0 -1
        SWAPDB 0 99999999999
        SWAPDB 99999999999 0
        SWAPDB 0 1 2
        SWAPDB 1.0 1
        SELECT 0
        DBSIZE
    """)


def test_swapdb_shows_a_watching_transaction_that_its_key_changed(pair: Pair) -> None:
    pair.same_script("""
        SET k 1
        WATCH k
        B: SWAPDB 0 1
        MULTI
        GET k
        EXEC
        WATCH missing
        B: FLUSHALL
        MULTI
        PING
        EXEC
        SET k 2
        WATCH k
        B: FLUSHDB
        MULTI
        PING
        EXEC
    """)


def test_time_is_the_seconds_and_microseconds_of_now(pair: Pair) -> None:
    pair.same_script("TIME\nTIME x\nLASTSAVE\nLASTSAVE x")
    ours, theirs = pair.both("TIME")
    seconds = [int(reply.items()[0].text()) for reply in (ours, theirs)]
    assert abs(seconds[0] - seconds[1]) <= 1
    assert 0 <= int(ours.items()[1].text()) < 1_000_000


# -- roles, cluster, modules, users ---------------------------------------------------------------


def test_a_node_without_followers_is_a_master(pair: Pair) -> None:
    pair.same_exactly("ROLE")
    pair.same_script("""
        ROLE x
        REPLICAOF NO ONE
        SLAVEOF no one
        replicaof No One
        REPLICAOF
        REPLICAOF NO
        SLAVEOF a b c
        REPLICAOF host port
        SLAVEOF host 99999
        REPLICAOF host -1
    """)


CLUSTER_REQUESTS = """
    CLUSTER
    CLUSTER NONSENSE
    CLUSTER HELP
    CLUSTER INFO
    CLUSTER NODES
    CLUSTER SLOTS
    CLUSTER SLOTS x
    CLUSTER SHARDS
    CLUSTER MYID
    CLUSTER LINKS
    CLUSTER KEYSLOT k
    CLUSTER KEYSLOT
    CLUSTER COUNTKEYSINSLOT 1
    CLUSTER GETKEYSINSLOT 1 10
    CLUSTER MEET 127.0.0.1 1
    CLUSTER FORGET x
    CLUSTER REPLICATE x
    CLUSTER REPLICAS x
    CLUSTER SLAVES x
    CLUSTER RESET
    CLUSTER RESET HARD
    CLUSTER FAILOVER
    CLUSTER ADDSLOTS 1
    CLUSTER ADDSLOTSRANGE 1 2
    CLUSTER DELSLOTS 1
    CLUSTER DELSLOTSRANGE 1 2
    CLUSTER FLUSHSLOTS
    CLUSTER SETSLOT 1 STABLE
    CLUSTER SAVECONFIG
    CLUSTER BUMPEPOCH
    CLUSTER SET-CONFIG-EPOCH 1
    CLUSTER COUNT-FAILURE-REPORTS x
    READONLY
    READWRITE
    ASKING
    READONLY x
"""


def test_cluster_commands_say_that_there_is_no_cluster(pair: Pair) -> None:
    pair.same_script(CLUSTER_REQUESTS)


def test_module_commands_are_known_and_load_nothing(pair: Pair) -> None:
    pair.same_script("""
        MODULE
        MODULE LIST
        MODULE LIST x
        MODULE LOAD
        MODULE LOAD /nonsense.so
        MODULE LOADEX /nonsense.so
        MODULE UNLOAD nonsense
        MODULE NONSENSE
        MODULE HELP x
    """)


def test_acl_knows_the_categories_and_the_default_user(pair: Pair) -> None:
    pair.same_script("""
        ACL
        ACL WHOAMI
        ACL WHOAMI x
        ACL CAT
        ACL CAT nonsense
        ACL CAT read x
        ACL NONSENSE
    """)
    categories = [item.text().decode() for item in pair.same("ACL", "CAT").items()]
    known = set(pair.client().ours.call("COMMAND", "LIST").items())
    both = known & set(pair.client().theirs.call("COMMAND", "LIST").items())
    for category in categories:
        if category == "shuffle":  # ours alone
            continue
        ours, theirs = pair.both("ACL", "CAT", category.upper())
        mine = {item for item in ours.items() if b"|" not in item.text()}
        others = {item for item in theirs.items() if b"|" not in item.text()}
        assert mine & both == others & both, category


@pytest.mark.parametrize("container", ["ACL", "CONFIG", "MEMORY", "LATENCY", "SLOWLOG", "MODULE"])
def test_help_names_the_forms_that_redis_names(pair: Pair, container: str) -> None:
    ours, theirs = pair.both(container, "HELP")
    assert help_forms(ours) == help_forms(theirs)


def test_help_of_debug_which_is_there_in_part_names_what_is_there(pair: Pair) -> None:
    ours, theirs = pair.both("DEBUG", "HELP")
    assert set(help_forms(ours)) - set(help_forms(theirs)) <= {b"SET-DISABLE-DENY-SCRIPTS <0|1>"}
    for form in help_forms(ours)[1:]:
        name = form.split()[0].decode()
        reply = pair.client().ours.call("DEBUG", name, *["1"] * 40)
        assert reply.kind == "error" or name in ("DIGEST-VALUE", "LOADAOF"), name


# -- LOLWUT and the end ---------------------------------------------------------------------------


def test_lolwut_draws_and_ends_with_the_version(pair: Pair) -> None:
    for request in ("", "VERSION", "nonsense", "VERSION 5", "version 6 20 10", "VERSION 5 20 4 2"):
        ours, theirs = pair.same_shape("LOLWUT", *request.split())
        for reply in (ours, theirs):
            assert reply.text().endswith(b"Redis ver. 7.0.15\n")
    pair.same_script("""
        LOLWUT VERSION nonsense
        LOLWUT VERSION 5 nonsense
        LOLWUT VERSION 5 1 nonsense
        LOLWUT VERSION 5 1 1 nonsense
        LOLWUT VERSION 6 1 nonsense
        LOLWUT VERSION 6 1 1 nonsense
    """)


def test_shutdown_refuses_what_contradicts_itself(pair: Pair) -> None:
    pair.same_script("""
        SHUTDOWN NONSENSE
        SHUTDOWN ABORT
        SHUTDOWN NOSAVE SAVE
        SHUTDOWN ABORT NOW
        SHUTDOWN SAVE ABORT
        SHUTDOWN NOW NONSENSE
        MULTI
        SHUTDOWN
        EXEC
    """)


def is_gone(server: Server) -> bool:
    """Has the process ended?"""
    return not server.alive()


@pytest.mark.parametrize("words_", ["", "NOSAVE", "NOW FORCE", "nosave nosave", "SAVE FORCE"])
def test_shutdown_ends_the_process_without_an_answer(
    pair: Pair, servers: tuple[Server, Server], words_: str
) -> None:
    channel = pair.client()
    for wire, server in zip((channel.ours, channel.theirs), servers, strict=True):
        wire.send("SHUTDOWN", *words_.split())
        assert wire.read_or_closed() == CLOSED
        assert wait_until(partial(is_gone, server), SETTLE_S), server.name
        server.start()


def test_a_save_that_fails_is_told_and_stops_writes(
    pair: Pair, servers: tuple[Server, Server]
) -> None:
    pair.config("save", "1000 1000000")
    obstacles = []
    for server in servers:
        assert server.folder is not None
        obstacles.append(server.folder / "dump.rdb")
        obstacles[-1].unlink(missing_ok=True)
        obstacles[-1].mkdir()
    pair.same_script("""
        SET k v
        SAVE
        SHUTDOWN
        SHUTDOWN SAVE
        SET k w
        BGSAVE
    """)
    assert wait_until(lambda: pair.figures("rdb_bgsave_in_progress") == (0, 0), SETTLE_S)
    pair.same_script(r"""
        SET k v
        DEL k
        PING
        GET k
        MULTI
        SET k v
        EXEC
        EVAL "return redis.pcall('SET', 'k', 'v')" 0
        EVAL "return redis.pcall('GET', 'k')" 0
        EVAL "#!lua\nreturn redis.pcall('GET', 'k')" 0
        EVAL "#!lua flags=no-writes\nreturn redis.pcall('GET', 'k')" 0
        CONFIG SET stop-writes-on-bgsave-error no
        SET k v
        CONFIG SET stop-writes-on-bgsave-error yes
        SET k v
    """)
    for obstacle in obstacles:
        obstacle.rmdir()
    pair.same("SAVE")
    pair.same("SET", "k", "v")
