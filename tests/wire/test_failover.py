"""A follower becomes the leader: by REPLICAOF NO ONE, or by FAILOVER of the leader."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from .client import CLOSED, WireError, wait_until
from .datasets import changes, dataset
from .following import LIMIT_S, Kinds, Node, Start, combinations, in_step, linked_pair, same_data
from .live_migration import MOVES, migrate
from .proxy import Proxy

# The interpreted round leaves these out: a leader in C is much faster than what follows it there.
pytestmark = pytest.mark.long

KEYS = 1_000
# A leader that pings moves on in its history, and could not follow where it led.
QUIET = ("--repl-ping-replica-period", "3600")
TRIOS = (
    *("redis_to_kvnode_to_redis", "kvnode_to_redis_to_kvnode", "kvnode_to_kvnode_to_kvnode"),
    *("kvnode_to_kvnode_to_redis", "redis_to_redis_to_kvnode", "redis_to_redis_to_redis"),
)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(0) as proxy:
        yield proxy


def state_of(node: Node) -> str:
    return node.info()["master_failover_state"]


def has_moved(leader: Node, follower: Node) -> bool:
    """Have the two changed their roles?"""
    return (leader.info()["role"], follower.info()["role"]) == ("slave", "master")


@combinations("redis_to_kvnode_to_redis kvnode_to_redis_to_kvnode", TRIOS)
def test_after_a_promotion_the_others_go_on_where_they_were(start: Start, kinds: Kinds) -> None:
    first, second, third = (start(kind, *QUIET) for kind in kinds)
    first.feed(*dataset(KEYS))
    for follower in (second, third):
        follower.follow(first)
    in_step(first, second, third)
    history = first.info()["master_replid"]
    second.lead()
    assert second.info()["master_replid2"] == history
    assert int(second.info()["second_repl_offset"]) == first.count("master_repl_offset") + 1
    second.feed(*changes(KEYS, 100))
    full = second.count("sync_full")
    for follower in (third, first):
        follower.follow(second)
    assert same_data(second, third, first) > KEYS // 2
    assert second.count("sync_full") == full
    assert second.count("sync_partial_ok") == 2
    assert {node.info()["master_replid"] for node in (first, second, third)} != {history}


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
def test_a_leader_that_wrote_on_must_begin_anew(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds, *QUIET)
    leader.feed(*dataset(KEYS))
    in_step(leader, follower)
    follower.lead()
    leader.value("SET", "lost", 1)
    follower.value("SET", "kept", 1)
    leader.follow(follower)
    assert same_data(follower, leader) == KEYS + 1
    assert leader.value("EXISTS", "lost") == 0
    assert follower.count("sync_partial_ok") == 0
    assert follower.count("sync_full") == 1


@combinations()
def test_a_sub_follower_takes_the_place_of_its_dead_leader(start: Start, kinds: Kinds) -> None:
    leader, middle = linked_pair(start, kinds, *QUIET)
    last = start(kinds[0], *QUIET)
    last.follow(middle)
    leader.feed(*dataset(KEYS))
    in_step(leader, middle)
    in_step(middle, last)
    middle.kill()
    last.follow(leader)
    assert same_data(leader, last) >= KEYS
    # A sub-follower has its leader's history: it goes on with it.
    assert leader.count("sync_partial_ok") == 1


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
@pytest.mark.parametrize("named", ["", "TO"])
def test_failover_exchanges_the_roles(start: Start, kinds: Kinds, named: str) -> None:
    leader, follower = linked_pair(start, kinds)
    leader.feed(*dataset(KEYS))
    words = ["TO", "127.0.0.1", str(follower.port)] if named else []
    assert leader.value("FAILOVER", *words) == b"OK"
    assert wait_until(lambda: has_moved(leader, follower), LIMIT_S), leader.shown()
    assert same_data(follower, leader) >= KEYS
    assert state_of(leader) == state_of(follower) == "no-failover"
    assert follower.count("sync_full") == 0
    assert leader.error("SET", "a", 1).startswith(b"READONLY ")
    follower.value("SET", "a", 1)
    assert same_data(follower, leader) >= KEYS
    # And back.
    follower.value("FAILOVER", "TIMEOUT", 60_000)
    assert wait_until(lambda: has_moved(follower, leader), LIMIT_S), follower.shown()
    leader.value("SET", "b", 1)
    assert same_data(leader, follower) >= KEYS


def lagging(start: Start, kinds: Kinds, proxy: Proxy) -> tuple[Node, Node]:
    """A leader and a follower behind a link on which nothing moves, with a write under way."""
    leader, follower = start(kinds[0], *QUIET), start(kinds[1], *QUIET)
    proxy.target = leader.port
    follower.follow(proxy.port)
    in_step(leader, follower)
    proxy.stall()
    leader.value("SET", "under way", 1)
    return leader, follower


@combinations()
def test_failover_waits_pauses_writers_and_is_aborted(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = lagging(start, kinds, proxy)
    leader.value("FAILOVER")
    assert state_of(leader) == "waiting-for-sync"
    assert leader.error("FAILOVER") == b"ERR FAILOVER already in progress."
    text = b"ERR REPLICAOF not allowed while failing over."
    assert leader.error("REPLICAOF", "NO", "ONE") == text
    writer = leader.wire()
    writer.send("SET", "paused", 1)
    assert leader.value("GET", "paused") is None
    assert not writer.readable(0.2)
    leader.value("FAILOVER", "ABORT")
    assert writer.read().text() == b"OK"
    assert state_of(leader) == "no-failover"
    assert leader.error("FAILOVER", "ABORT") == b"ERR No failover in progress."
    proxy.heal()
    assert same_data(leader, follower) == 2
    assert leader.info()["role"] == "master"


@combinations()
def test_failover_gives_up_at_its_timeout(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = lagging(start, kinds, proxy)
    leader.value("FAILOVER", "TIMEOUT", 200)
    writer = leader.wire()
    writer.send("SET", "paused", 1)
    leader.until(lambda: state_of(leader) == "no-failover", "tired of waiting")
    assert writer.read().text() == b"OK"
    proxy.heal()
    assert same_data(leader, follower) == 2


@combinations()
def test_failover_goes_on_when_the_follower_has_caught_up(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = lagging(start, kinds, proxy)
    leader.value("FAILOVER", "TO", "127.0.0.1", follower.port, "TIMEOUT", 600_000)
    writer = leader.wire()
    writer.send("SET", "paused", 1)
    assert not writer.readable(0.2)
    proxy.heal()
    assert writer.read().text().startswith(b"READONLY ")
    assert wait_until(lambda: has_moved(leader, follower), LIMIT_S), leader.shown()
    assert same_data(follower, leader) == 1


@combinations()
def test_failover_by_force_leaves_a_lagging_follower_its_own_data(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = lagging(start, kinds, proxy)
    words = ("TO", "127.0.0.1", follower.port, "FORCE", "TIMEOUT", 100)
    leader.value("FAILOVER", *words)
    assert wait_until(lambda: has_moved(leader, follower), LIMIT_S), leader.shown()
    follower.value("SET", "after", 1)
    assert same_data(follower, leader) == 1


@combinations()
def test_failover_to_what_is_no_follower_is_refused(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_pair(start, kinds)
    other = start("redis")
    proxy.target = leader.port
    text = b"ERR FAILOVER target HOST and PORT is not a replica."
    assert leader.error("FAILOVER", "TO", "127.0.0.1", other.port) == text
    assert follower.error("FAILOVER") == b"ERR FAILOVER is not valid when server is a replica."
    # More than the system's buffers hold: the transfer is over when all is in them.
    leader.config("rdbcompression", "no")
    leader.value("SET", "large", random.Random(1).randbytes(30_000_000))
    in_step(leader, follower)
    proxy.read_slowly(20_000)
    other.follow(proxy.port)
    leader.until(lambda: leader.count("connected_slaves") == 2, "with two followers")
    text = b"ERR FAILOVER target replica is not online."
    assert leader.error("FAILOVER", "TO", "127.0.0.1", other.port) == text
    proxy.heal()
    assert same_data(leader, other, follower) == 1
    # Without a target, the first that has caught up.
    leader.value("FAILOVER")
    leader.until(lambda: leader.info()["role"] == "slave", "a follower")
    leader.until(lambda: state_of(leader) == "no-failover", "done with it")
    leads = [node for node in (follower, other) if node.info()["role"] == "master"]
    assert len(leads) == 1
    assert same_data(leads[0], leader) == 1


@combinations()
def test_a_failover_whose_target_dies_ends(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = lagging(start, kinds, proxy)
    leader.value("FAILOVER")
    follower.kill()
    proxy.cut()
    leader.until(lambda: leader.count("connected_slaves") == 0, "rid of it")
    try:
        leader.call("FAILOVER", "ABORT")
    except WireError as error:
        raise AssertionError(leader.shown()) from error
    assert state_of(leader) == "no-failover"
    leader.value("SET", "a", 1)


@combinations()
def test_clients_that_write_lose_nothing_by_failovers(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    nodes = [leader, follower]
    acknowledged = 0
    is_over = threading.Event()
    failures: list[str] = []
    goal = [0]

    def write() -> None:
        nonlocal acknowledged
        wires = [node.wire() for node in nodes]
        place = 0
        while not is_over.is_set():
            try:
                reply = wires[place].call("INCR", "counter")
            except WireError as error:
                failures.append(str(error))
                return
            if reply.kind == "integer":
                acknowledged += 1
                if reply.number() != acknowledged:
                    failures.append(f"{reply.number()} where {acknowledged} were acknowledged")
                    return
            else:
                place = 1 - place

    leader.wire()
    follower.wire()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for source, target in ((leader, follower), (follower, leader)) * 2:
            goal[0] = acknowledged + 50
            assert wait_until(lambda: acknowledged > goal[0] or bool(failures), LIMIT_S)
            source.value("FAILOVER")
            assert wait_until(partial(has_moved, source, target), LIMIT_S), source.shown()
            in_step(target, source)
    finally:
        is_over.set()
        writer.join()
    assert failures == []
    assert same_data(leader, follower) == 1
    assert leader.value("GET", "counter") == str(acknowledged).encode()


@combinations()
@pytest.mark.parametrize("move", MOVES)
def test_a_live_server_moves_without_loss(kinds: Kinds, move: str) -> None:
    assert migrate(kinds, 1.0, move, keys=500) > 0


@combinations()
def test_shutdown_waits_for_a_follower_that_lags_and_is_aborted(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, _ = lagging(start, kinds, proxy)
    ends = leader.wire()
    ends.send("SHUTDOWN", "NOSAVE")
    writer = leader.wire()
    leader.until(lambda: leader.count("blocked_clients") >= 1, "waiting")
    writer.send("SET", "paused", 1)
    assert leader.value("GET", "paused") is None
    assert leader.value("SHUTDOWN", "ABORT") == b"OK"
    assert ends.read().text() == b"ERR Errors trying to SHUTDOWN. Check logs."
    assert writer.read().text() == b"OK"
    assert leader.error("SHUTDOWN", "ABORT") == b"ERR No shutdown in progress."


@combinations()
def test_shutdown_ends_when_a_follower_that_lags_has_all(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = lagging(start, kinds, proxy)
    ends = leader.wire()
    ends.send("SHUTDOWN", "NOSAVE")
    leader.until(lambda: leader.count("blocked_clients") >= 1, "waiting")
    proxy.heal()
    assert ends.read_or_closed() == CLOSED
    assert wait_until(lambda: not leader.server.alive(), LIMIT_S)
    assert follower.value("GET", "under way") == b"1"
