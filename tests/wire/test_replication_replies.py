"""What leaders and followers answer: the same requests to kvnode and to redis-server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from .client import Reply, Wire, wait_until
from .connections import closed
from .following import LIMIT_S, Node, Start, in_step
from .harness import Pair
from .proxy import Proxy

# kvnode beside redis-server; redis-server beside itself checks the tests.
OURS = pytest.mark.parametrize("kind", ["kvnode", pytest.param("redis", marks=pytest.mark.long)])
Two = tuple[Node, Node]


class Sides:
    """Two nodes in the same state, as a Pair; `others` are what each of them is linked with."""

    def __init__(self, nodes: Two, others: Two | None) -> None:
        self.nodes = nodes
        self.others = others
        self.pair = Pair(nodes[0].server, nodes[1].server)

    def close(self) -> None:
        self.pair.close()


@pytest.fixture
def alone(start: Start, kind: str) -> Iterator[Pair]:
    """Two leaders without followers."""
    sides = Sides((start(kind), start("redis")), None)
    yield sides.pair
    sides.close()


@pytest.fixture
def leaders(start: Start, kind: str) -> Iterator[Sides]:
    """Two leaders, with a redis-server as follower each."""
    nodes = start(kind), start("redis")
    followers = start("redis"), start("redis")
    for node, follower in zip(nodes, followers, strict=True):
        follower.follow(node)
        in_step(node, follower)
    sides = Sides(nodes, followers)
    yield sides
    sides.close()


@pytest.fixture
def followers(start: Start, kind: str) -> Iterator[Sides]:
    """Two followers of one redis-server."""
    leader = start("redis")
    nodes = start(kind), start("redis")
    for node in nodes:
        node.follow(leader)
        in_step(leader, node)
    sides = Sides(nodes, (leader, leader))
    yield sides
    sides.close()


def is_unlinked(node: Node) -> bool:
    return not node.is_linked()


def has_resumed(leader: Node) -> bool:
    return leader.count("sync_partial_ok") == 1


def same_flagged_scripts(pair: Pair) -> None:
    """Scripts that say what they do are refused before they run."""
    for flags in ("", "flags=no-writes", "flags=allow-stale", "flags=allow-stale,no-writes"):
        for body in ("return 1", "return redis.call('GET', 'a')", "return redis.call('DEL', 'a')"):
            pair.same("EVAL", f"#!lua {flags}\n{body}", 0)


# -- what is refused -----------------------------------------------------------------------------


@OURS
def test_requests_to_a_leader_without_followers(alone: Pair) -> None:
    alone.same_script("""
        REPLICAOF
        REPLICAOF NO
        REPLICAOF NO TWO
        REPLICAOF 127.0.0.1 port
        REPLICAOF 127.0.0.1 -1
        REPLICAOF 127.0.0.1 65536
        REPLICAOF 127.0.0.1 1 2
        SLAVEOF 127.0.0.1 port
        REPLICAOF no one
        SLAVEOF NO ONE
        ROLE
        ROLE x
        WAIT
        WAIT 0
        WAIT 0 0
        WAIT 0 0 0
        WAIT 1 1
        WAIT -1 0
        WAIT x 0
        WAIT 0 x
        WAIT 0 -1
        WAIT 1 9223372036854775807000
        SET a 1
        WAIT 1 1
        MULTI
        SET a 1
        WAIT 1 0
        EXEC
        EVAL "return redis.pcall('WAIT', 0, 0)" 0
        EVAL "return redis.pcall('REPLICAOF', 'NO', 'ONE')" 0
        EVAL "return redis.pcall('FAILOVER')" 0
        MULTI
        REPLICAOF NO ONE
        DISCARD
        FAILOVER
        FAILOVER ABORT
        FAILOVER ABORT x
        FAILOVER TO
        FAILOVER TO 127.0.0.1
        FAILOVER TO 127.0.0.1 port
        FAILOVER TO 127.0.0.1 1
        FAILOVER TO 127.0.0.1 1 FORCE
        FAILOVER TO 127.0.0.1 1 TIMEOUT
        FAILOVER TO 127.0.0.1 1 TIMEOUT 0
        FAILOVER TO 127.0.0.1 1 TIMEOUT -1
        FAILOVER TO 127.0.0.1 1 TIMEOUT x
        FAILOVER TO 127.0.0.1 1 FORCE TIMEOUT 10
        FAILOVER FORCE
        FAILOVER TIMEOUT 10
        FAILOVER TIMEOUT 10 TIMEOUT 10
        FAILOVER TIMEOUT 10 FORCE
        FAILOVER NOW
    """)


@OURS
def test_what_followers_say_said_by_clients(alone: Pair) -> None:
    alone.same_script("""
        PSYNC
        PSYNC x
        REPLCONF
        REPLCONF x
        REPLCONF listening-port
        REPLCONF listening-port x
        REPLCONF listening-port 6379
        REPLCONF capa eof
        REPLCONF capa psync2
        REPLCONF capa nothing-known
        REPLCONF ip-address 10.0.0.1
        REPLCONF nothing known
        REPLCONF rdb-only x
        REPLCONF rdb-only 0
        REPLCONF rdb-filter-only nothing
        REPLCONF rdb-filter-only functions
        EVAL "return redis.pcall('REPLCONF', 'capa', 'eof')" 0
        EVAL "return redis.pcall('SYNC')" 0
        EVAL "return redis.pcall('PSYNC', '?', '-1')" 0
        CLIENT LIST TYPE replica
        CLIENT LIST TYPE master
        CLIENT KILL TYPE replica
        CLIENT KILL TYPE slave
        CLIENT KILL TYPE master
    """)
    for line in ("MULTI", "SYNC", "PSYNC ? -1", "REPLCONF capa eof", "EXEC", "PING"):
        alone.same_exactly(*line.split())


@OURS
def test_a_leader_that_needs_followers_refuses_writes(leaders: Sides) -> None:
    pair = leaders.pair
    reads = ("GET a", "PING", "PUBLISH channel x", "SCAN 0", "CONFIG SET min-replicas-max-lag 10")
    writes = (
        *("SET a 1", "DEL nothing", "PFADD hll x", "FLUSHALL", "EXPIRE a 100"),
        *("FUNCTION FLUSH", "SORT a STORE b", "BLPOP list 1"),
    )
    pair.same("CONFIG", "SET", "min-replicas-to-write", 1)
    pair.same("SET", "a", 1)
    pair.same("CONFIG", "SET", "min-replicas-to-write", 2)
    for line in (*reads, *writes):
        pair.same(*line.split())
    pair.same_script("""
        EVAL "return redis.call('SET', 'a', 2)" 0
        EVAL "return redis.pcall('SET', 'a', 2)" 0
        EVAL "return redis.call('GET', 'a')" 0
        MULTI
        SET a 3
        EXEC
        MULTI
        GET a
        EXEC
        GET a
        CONFIG SET min-replicas-to-write 0
        SET a 4
    """)
    pair.same("CONFIG", "SET", "min-replicas-to-write", 2)
    same_flagged_scripts(pair)


@OURS
def test_a_follower_refuses_writes_and_what_leaders_do(followers: Sides) -> None:
    pair = followers.pair
    assert followers.others is not None
    port = followers.others[0].port
    pair.same("REPLICAOF", "127.0.0.1", port)
    pair.same("SLAVEOF", "127.0.0.1", port)
    pair.same("ROLE")
    pair.same_script("""
        SET a 1
        GET a
        SETNX a 1
        DEL a
        FLUSHALL
        FLUSHDB ASYNC
        SWAPDB 0 1
        SPOP a
        INCR a
        BLPOP a 1
        XREADGROUP GROUP g c STREAMS a >
        SORT a STORE b
        SORT_RO a
        GETEX a
        EXPIRE a 10
        PFADD a 1
        PFCOUNT a
        EVAL "return redis.call('SET', 'a', '1')" 0
        EVAL "return redis.pcall('SET', 'a', '1')" 0
        EVAL "return redis.call('GET', 'a')" 0
        EVAL_RO "return 1" 0
        FUNCTION LOAD "#!lua name=x"
        FUNCTION FLUSH
        FUNCTION LIST
        FUNCTION STATS
        MULTI
        SET a 1
        EXEC
        MULTI
        GET a
        EXEC
        WAIT 0 0
        FAILOVER
        FAILOVER ABORT
        FAILOVER TO 127.0.0.1 1
        PUBLISH channel x
        SCRIPT LOAD "return 1"
        CONFIG SET replica-read-only yes
        CONFIG GET replica-read-only
        CONFIG GET slave-read-only
        SAVE
        CLIENT KILL TYPE nothing
    """)
    same_flagged_scripts(pair)


@OURS
def test_a_follower_without_its_leader_serves_what_it_is_told_to(
    followers: Sides,
) -> None:
    pair = followers.pair
    assert followers.others is not None
    followers.others[0].value("SET", "a", 1)
    in_step(followers.others[0], *followers.nodes)
    followers.others[0].kill()
    for node in followers.nodes:
        node.until(partial(is_unlinked, node), "unlinked")
    pair.same("GET", "a")
    pair.same("CONFIG", "SET", "replica-serve-stale-data", "no")
    for line in (
        *("GET a", "SET a 1", "KEYS *", "DBSIZE", "EXISTS a", "SELECT 0", "PING", "ECHO x"),
        *("CLIENT GETNAME", "CLIENT SETNAME me", "CONFIG GET maxmemory", "COMMAND COUNT"),
        *("SCRIPT LOAD return", "FUNCTION STATS", "FUNCTION LIST", "OBJECT HELP", "TYPE a"),
        *("PUBLISH channel x", "LASTSAVE", "WATCH a", "UNWATCH", "MULTI", "GET a", "EXEC"),
        *("SLOWLOG LEN", "LATENCY RESET", "MEMORY USAGE a", "TIME", "ACL WHOAMI", "WAIT 0 0"),
        *("DEBUG JMAP", "RANDOMKEY", "SCAN 0", "FAILOVER", "ROLE", "MULTI", "PING", "EXEC"),
    ):
        pair.same(*line.split())
    pair.same("EVAL", "return 1", 0)
    same_flagged_scripts(pair)
    pair.same("CONFIG", "SET", "replica-serve-stale-data", "yes")
    pair.same("GET", "a")
    pair.same("REPLICAOF", "NO", "ONE")
    pair.same("SET", "a", 2)


# -- what is shown -------------------------------------------------------------------------------

# What two nodes in the same state agree on.
EQUAL_LEADER = (
    *("role", "connected_slaves", "min_slaves_good_slaves", "master_failover_state"),
    *("master_replid2", "second_repl_offset", "repl_backlog_active", "repl_backlog_size"),
)
EQUAL_FOLLOWER = (
    *("role", "master_host", "master_port", "master_link_status", "master_sync_in_progress"),
    *("slave_priority", "slave_read_only", "replica_announced", "connected_slaves"),
    *("master_failover_state", "master_replid", "master_replid2", "second_repl_offset"),
    *("repl_backlog_active", "repl_backlog_size"),
)


def same_fields(nodes: Two, equal: tuple[str, ...]) -> None:
    ours, theirs = (node.info() for node in nodes)
    assert list(ours) == list(theirs)
    assert {name: ours[name] for name in equal if name in ours} == {
        name: theirs[name] for name in equal if name in theirs
    }


@OURS
def test_info_and_role_of_a_leader(leaders: Sides) -> None:
    pair = leaders.pair
    same_fields(leaders.nodes, EQUAL_LEADER)
    for node, follower in zip(leaders.nodes, leaders.others or (), strict=True):
        in_step(node, follower)
        line = dict(word.split("=") for word in node.info()["slave0"].split(","))
        assert list(line) == ["ip", "port", "state", "offset", "lag"]
        assert (line["ip"], line["port"]) == ("127.0.0.1", str(follower.port))
        assert line["state"] == "online"
        assert line["lag"] in {"0", "1"}
        role = node.value("ROLE")
        assert isinstance(role, list)
        assert role[0] == b"master"
        assert role[2][0][:2] == [b"127.0.0.1", str(follower.port).encode()]
        follower.value("CONFIG", "SET", "replica-priority", 10)
    pair.same("ROLE")
    pair.same("CONFIG", "SET", "min-replicas-to-write", 1)
    same_fields(leaders.nodes, EQUAL_LEADER)
    for name in ("connected_slaves", "sync_full", "sync_partial_ok", "sync_partial_err"):
        ours, theirs = pair.figures(name)
        assert ours == theirs, name
    for node in leaders.others or ():
        node.lead()
    assert wait_until(lambda: pair.figures("connected_slaves") == (0, 0), LIMIT_S)
    same_fields(leaders.nodes, EQUAL_LEADER)
    pair.same("ROLE")


@OURS
def test_the_lines_of_links_in_client_list(leaders: Sides) -> None:
    pair = leaders.pair
    for kind, flag in (("replica", "S"), ("slave", "S"), ("master", "M")):
        nodes = (leaders.others or leaders.nodes) if kind == "master" else leaders.nodes
        lines = [str(node.value("CLIENT", "LIST", "TYPE", kind)).strip() for node in nodes]
        for line in lines:
            words = dict(word.split("=", 1) for word in line.split(" ") if "=" in word)
            assert words["flags"] == flag, line
            assert words["user"] == ("(superuser)" if kind == "master" else "default"), line
    pair.same("CLIENT", "LIST", "TYPE", "master")
    pair.same("CLIENT", "KILL", "TYPE", "master")
    pair.same("CLIENT", "KILL", "TYPE", "replica")
    for node, follower in zip(leaders.nodes, leaders.others or (), strict=True):
        follower.until(partial(has_resumed, node), "back")
        in_step(node, follower)
        assert node.count("sync_full") == 1


@OURS
def test_info_and_role_of_a_follower(followers: Sides) -> None:
    pair = followers.pair
    assert followers.others is not None
    leader = followers.others[0]
    same_fields(followers.nodes, EQUAL_FOLLOWER)
    leader.value("SET", "a", 1)
    in_step(leader, *followers.nodes)

    def roles() -> list[object]:
        return [node.value("ROLE") for node in followers.nodes]

    assert wait_until(lambda: roles()[0] == roles()[1], LIMIT_S), roles()
    same_fields(followers.nodes, EQUAL_FOLLOWER)
    for node in followers.nodes:
        lines = node.value("CLIENT", "LIST", "TYPE", "master")
        assert isinstance(lines, bytes)
        assert b" flags=M " in lines
        assert b" user=(superuser) " in lines
    before = leader.count("sync_partial_ok")
    pair.same("CLIENT", "KILL", "TYPE", "master")
    leader.until(lambda: leader.count("sync_partial_ok") == before + 2, "followed again")
    in_step(leader, *followers.nodes)
    leader.kill()
    for node in followers.nodes:
        node.until(partial(is_unlinked, node), "unlinked")
    same_fields(followers.nodes, ("role", "master_link_status", "master_failover_state"))
    states = {b"connect", b"connecting", b"handshake"}
    for role in roles():
        assert isinstance(role, list)
        assert role[0] == b"slave"
        assert role[3] in states
    pair.same("REPLICAOF", "NO", "ONE")
    same_fields(followers.nodes, EQUAL_LEADER)
    assert pair.same("ROLE").items()[0].text() == b"master"


@OURS
def test_a_follower_of_itself_stays_without_a_link(alone: Pair) -> None:
    alone.same("SET", "a", 1)
    for wire, server in zip((alone.control.ours, alone.control.theirs), alone.servers, strict=True):
        assert wire.call("REPLICAOF", "127.0.0.1", server.port) == Reply("simple", b"OK")
        wire.call("REPLICAOF", "localhost", server.port)
    alone.same("GET", "a")
    alone.same("SET", "a", 2)
    for wire in (alone.control.ours, alone.control.theirs):
        assert b"master_link_status:down" in wire.call("INFO", "replication").text()
    alone.same("REPLICAOF", "NO", "ONE")
    alone.same("SET", "a", 2)
    alone.same("GET", "a")


# -- WAIT ----------------------------------------------------------------------------------------


@OURS
def test_wait_counts_followers(leaders: Sides) -> None:
    pair = leaders.pair
    pair.same_script("""
        WAIT 0 0
        WAIT 1 0
        SET a 1
        WAIT 1 0
        WAIT 2 50
        SET b 1
        WAIT 0 0
        MULTI
        SET c 1
        WAIT 1 1000
        SET d 1
        EXEC
    """)
    assert pair.same("WAIT", "1", "0") == Reply("integer", 1)
    # A client that wrote nothing waits for nothing.
    assert pair.same("WAIT", "1", "0", client="Reader") == Reply("integer", 1)


@OURS
def test_wait_ends_by_acknowledgement_or_timeout(start: Start, kind: str) -> None:
    nodes = start(kind), start("redis")
    with Proxy(nodes[0].port) as ours, Proxy(nodes[1].port) as theirs:
        followers = start("redis"), start("redis")
        for node, follower, proxy in zip(nodes, followers, (ours, theirs), strict=True):
            follower.follow(proxy.port)
            in_step(node, follower)
        pair = Pair(nodes[0].server, nodes[1].server)
        for proxy in (ours, theirs):
            proxy.stall()
        pair.same("SET", "a", 1)
        assert pair.same("WAIT", 1, 50) == Reply("integer", 0)
        for client, count, timeout_ms in (("A", 1, 0), ("B", 1, 0), ("Patient", 2, 300_000)):
            pair.same("SET", client, 1, client=client)
            pair.send("WAIT", count, timeout_ms, client=client)
        ours_blocked, theirs_blocked = pair.figures("blocked_clients")
        assert ours_blocked == theirs_blocked == 3
        pair.silent("A")
        for proxy in (ours, theirs):
            proxy.heal()
        for client in ("A", "B"):
            assert pair.read(client) == Reply("integer", 1)
        pair.silent("Patient")
        pair.close()


@OURS
def test_a_client_that_waits_is_unblocked_when_the_leader_becomes_a_follower(
    start: Start, kind: str
) -> None:
    nodes = start(kind), start("redis")
    other = start("redis")
    pair = Pair(nodes[0].server, nodes[1].server)
    pair.same("SET", "a", 1, client="A")
    pair.send("WAIT", "1", "0", client="A")
    pair.send("BLPOP", "list", "0", client="B")
    pair.send("XREAD", "BLOCK", "0", "STREAMS", "s", "0", client="C")
    for node in nodes:
        node.follow(other)
    for client in ("A", "B", "C"):
        pair.read(client)
        assert closed(pair, client)
    pair.close()


# -- sessions that were there before -------------------------------------------------------------


@OURS
def test_watched_keys_are_touched_by_the_leaders_stream(followers: Sides) -> None:
    pair = followers.pair
    assert followers.others is not None
    leader = followers.others[0]
    pair.same_script("WATCH a\nMULTI\nGET a")
    leader.value("SET", "a", 1)
    in_step(leader, *followers.nodes)
    pair.same("EXEC")
    pair.same_script("WATCH a b\nMULTI\nGET b")
    leader.value("SET", "c", 1)
    in_step(leader, *followers.nodes)
    pair.same("EXEC")


@OURS
def test_notifications_and_tracking_work_on_a_follower(followers: Sides) -> None:
    pair = followers.pair
    assert followers.others is not None
    leader = followers.others[0]
    pair.same("CONFIG", "SET", "notify-keyspace-events", "KEA")
    pair.same("PSUBSCRIBE", "__key*__:*", client="Watcher")
    for line in ("SET a 1", "INCR a", "RPUSH l x", "LPOP l", "SADD s x", "SPOP s", "EXPIRE a 100"):
        leader.line(line)
    leader.value("EVAL", "redis.call('SET', 'b', 1) redis.call('DEL', 'a')", 0)
    in_step(leader, *followers.nodes)
    events = (
        "set",
        "incrby",
        "rpush",
        "lpop",
        "del",
        "sadd",
        "srem",
        "del",
        "expire",
        "set",
        "del",
    )
    for _ in range(2 * len(events)):
        pair.read("Watcher")
    pair.silent("Watcher")


@OURS
def test_the_stream_flows_on_after_a_pause_and_beside_busy_readers(followers: Sides) -> None:
    pair = followers.pair
    assert followers.others is not None
    leader = followers.others[0]
    pair.same("CLIENT", "PAUSE", 100_000, "WRITE")
    leader.value("SET", "a", 1)
    pair.same("CLIENT", "UNPAUSE")
    in_step(leader, *followers.nodes)
    pair.same("GET", "a")
    done = threading.Event()

    def read() -> None:
        wires = [Wire(node.port, LIMIT_S) for node in followers.nodes]
        while not done.is_set():
            for wire in wires:
                wire.call("EVAL", "for i = 1, 1000 do redis.call('GET', 'a') end", 0)
        for wire in wires:
            wire.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        leader.feed(*(("INCR", "a") for _ in range(500)))
        in_step(leader, *followers.nodes)
    finally:
        done.set()
        reader.join()
    pair.same("GET", "a")
