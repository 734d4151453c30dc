"""Links that break, followers that lag, servers that die: afterwards the copies are equal."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from .bulk_client import BulkClient
from .client import WireError, wait_until
from .contents import same_contents
from .datasets import changes, dataset
from .following import (
    LIMIT_S,
    Kinds,
    Node,
    Start,
    are_in_step,
    combinations,
    in_step,
    same_data,
)
from .proxy import Proxy

# The interpreted round leaves these out: a leader in C is much faster than what follows it there.
pytestmark = pytest.mark.long

KEYS = 1_500
# More of them are the long form: KVNODE_FAULT_ROUNDS=25 make test
FAULT_ROUNDS = int(os.environ.get("KVNODE_FAULT_ROUNDS", "10"))
SMALL_BACKLOG = ("--repl-backlog-size", "16384")
TRIOS = (
    *("redis_to_kvnode_to_redis", "kvnode_to_redis_to_kvnode", "kvnode_to_kvnode_to_kvnode"),
    *("kvnode_to_kvnode_to_redis", "redis_to_redis_to_kvnode", "redis_to_redis_to_redis"),
)
# A leader that pings moves its offset; a test that counts bytes has it quiet.
QUIET = ("--repl-ping-replica-period", "3600")


def syncs(leader: Node) -> tuple[int, int]:
    """How many full and partial resyncs the leader has given."""
    stats = leader.info("stats")
    return int(stats["sync_full"]), int(stats["sync_partial_ok"])


def has_synced(leader: Node, full: int, resumed: int) -> bool:
    """Has the leader given so many full and partial resyncs, and no more?"""
    return syncs(leader) == (full, resumed)


def linked_through(start: Start, kinds: Kinds, proxy: Proxy, *directives: str) -> tuple[Node, Node]:
    """A leader with data and its follower, in step over the proxy."""
    leader, follower = start(kinds[0], *directives), start(kinds[1])
    proxy.target = leader.port
    leader.feed(*dataset(KEYS))
    follower.follow(proxy.port)
    in_step(leader, follower)
    return leader, follower


@contextmanager
def load_on(leader: Node, keys: int = KEYS) -> Iterator[None]:
    """Changes flow during the block, until the leader goes."""
    is_over = threading.Event()

    def write() -> None:
        seed = random.randrange(1 << 30)
        try:
            client = BulkClient(leader.port)
            while not is_over.is_set():
                seed += 1
                client.feed(changes(keys, 20, seed))
                # No more than the slowest follower can keep up with.
                time.sleep(0.01)
            client.close()
        except (WireError, OSError):
            return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        is_over.set()
        writer.join()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(0) as proxy:
        yield proxy


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
def test_a_cut_link_is_taken_up_where_it_broke(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    full, resumed = syncs(leader)
    proxy.refuse()
    follower.until(lambda: not follower.is_linked(), "unlinked")
    leader.feed(*changes(KEYS, 200))
    proxy.heal()
    assert same_data(leader, follower) > KEYS // 2
    assert syncs(leader) == (full, resumed + 1)


@combinations()
def test_a_link_that_breaks_inside_a_command_is_taken_up(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy, *QUIET)
    for number, count in enumerate((1, 4, 17, 33, 120)):
        full, resumed = syncs(leader)
        proxy.cut_behind(b"*", count)
        leader.value("MULTI")
        leader.value("SET", f"left:{number}", "x" * 50)
        leader.value("SET", f"right:{number}", "x" * 50)
        leader.value("EXEC")
        follower.until(partial(has_synced, leader, full, resumed + 1), "resynced")
        assert same_data(leader, follower) > KEYS


@combinations()
def test_what_the_backlog_no_longer_holds_is_sent_whole(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy, *SMALL_BACKLOG)
    full, resumed = syncs(leader)
    proxy.refuse()
    leader.until(lambda: leader.count("connected_slaves") == 0, "alone")
    leader.feed(*(("SET", f"new:{number}", "x" * 1000) for number in range(1000)))
    proxy.heal()
    assert same_data(leader, follower) >= KEYS + 1000
    assert syncs(leader) == (full + 1, resumed)
    assert leader.count("sync_partial_err") > 0
    assert leader.count("repl_backlog_size") == 16384


@combinations()
@pytest.mark.parametrize("diskless", ["no", "yes"])
@pytest.mark.parametrize("way", ["disabled", pytest.param("swapdb", marks=pytest.mark.long)])
def test_a_transfer_that_breaks_changes_nothing_and_begins_again(
    start: Start, kinds: Kinds, proxy: Proxy, diskless: str, way: str
) -> None:
    leader = start(kinds[0], "--repl-diskless-sync", diskless)
    follower = start(kinds[1], "--repl-diskless-load", way)
    proxy.target = leader.port
    leader.feed(*dataset(KEYS))
    follower.feed(("SET", "old", 1))
    for count in (200, 2_000, 30_000):
        proxy.cut_after(count, for_good=True)
        follower.follow(proxy.port)
        follower.until(lambda: proxy.refuses, "cut")
        follower.lead()
        follower.until(lambda: follower.call("GET", "old").value == b"1", "as it was")
        assert follower.value("DBSIZE") == 1
        proxy.heal()
    follower.follow(proxy.port)
    assert same_data(leader, follower) >= KEYS


@combinations()
def test_a_slow_transfer_ends_well_under_load(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = start(kinds[0]), start(kinds[1])
    proxy.target = leader.port
    leader.feed(*dataset(KEYS))
    proxy.read_slowly(300_000)
    follower.follow(proxy.port)
    with load_on(leader):
        follower.until(lambda: proxy.bytes_down > 100_000, "under way")
        proxy.heal()
        follower.until_linked()
    assert same_data(leader, follower) > 0


@combinations("redis_to_kvnode", ("redis_to_kvnode",))
def test_a_follower_serves_its_clients_while_it_catches_up(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy, "--repl-backlog-size", "64mb")
    proxy.stall()
    leader.feed(*(("SET", f"key:{number % 100}", "x" * 80) for number in range(300_000)))
    proxy.heal()
    begin = follower.count("slave_repl_offset", "replication")
    end = leader.count("master_repl_offset", "replication")
    seen = set()
    while not are_in_step(leader, follower):
        seen.add(follower.count("slave_repl_offset", "replication"))
    # It came by steps, and answered between them.
    assert any(begin < offset < end for offset in seen)


@combinations()
def test_a_follower_that_reads_too_slowly_is_dropped_and_comes_back(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy, *SMALL_BACKLOG)
    leader.config("client-output-buffer-limit", "replica 262144 0 0")
    full, _ = syncs(leader)
    proxy.stall()
    with load_on(leader):
        client = BulkClient(leader.port)
        for _ in range(40):
            client.feed(("SET", "large", "x" * 1_000_000) for _ in range(2))
        client.close()
        leader.until(lambda: leader.count("connected_slaves") == 0, "rid of its follower")
        proxy.heal()
        follower.until(lambda: syncs(leader)[0] > full, "resynced")
    assert same_data(leader, follower) > 0


@combinations()
@pytest.mark.parametrize("fault", ["stall", "swallow"])
def test_a_silent_link_is_given_up_after_the_timeout(
    start: Start, kinds: Kinds, proxy: Proxy, fault: str
) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    for node in (leader, follower):
        node.config("repl-ping-replica-period", 1)
        node.config("repl-timeout", 3)
    proxy.stall() if fault == "stall" else proxy.swallow()
    leader.feed(*changes(KEYS, 100))
    follower.until(lambda: not follower.is_linked(), "tired of waiting")
    leader.until(lambda: leader.count("connected_slaves") == 0, "tired of waiting")
    proxy.heal()
    proxy.cut()
    assert same_data(leader, follower) > 0


@combinations()
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_a_follower_is_killed_in_the_middle_of_a_transfer(
    start: Start, kinds: Kinds, proxy: Proxy, diskless: str
) -> None:
    leader, follower = start(kinds[0], "--repl-diskless-sync", diskless), start(kinds[1])
    proxy.target = leader.port
    leader.feed(*dataset(KEYS))
    proxy.read_slowly(100_000)
    follower.follow(proxy.port)
    with load_on(leader):
        follower.until(lambda: proxy.bytes_down > 20_000, "under way")
        follower.kill()
        leader.until(lambda: leader.count("connected_slaves") == 0, "rid of it")
        proxy.heal()
        follower.server.command += ["--replicaof", "127.0.0.1", str(proxy.port)]
        follower.restart()
        follower.until_linked()
    assert same_data(leader, follower) > 0
    leader.until(lambda: leader.count("connected_slaves") == 1, "with one follower")


@combinations()
def test_a_leader_is_killed_and_comes_back_from_its_log(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy, "--appendonly", "yes")
    with load_on(leader):
        assert wait_until(lambda: proxy.bytes_down > 500_000, LIMIT_S)
        leader.kill()
    follower.until(lambda: not follower.is_linked(), "unlinked")
    # What the follower has is served on.
    assert int(str(follower.value("DBSIZE"))) > 0
    leader.restart()
    proxy.target = leader.port
    assert same_data(leader, follower) > KEYS // 2
    leader.feed(*changes(KEYS, 200))
    assert same_data(leader, follower) > KEYS // 2


@combinations()
def test_a_leader_that_comes_back_empty_empties_its_follower(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    leader.kill()
    # The transfer may have left one.
    (leader.server.made_folder() / "dump.rdb").unlink(missing_ok=True)
    leader.restart()
    proxy.target = leader.port
    assert same_data(leader, follower) == 0
    assert follower.value("FUNCTION", "LIST") == []


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
def test_a_follower_that_was_shut_down_goes_on_where_it_stopped(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    full, resumed = syncs(leader)
    follower.shut_down("SAVE")
    leader.feed(*changes(KEYS, 200))
    follower.server.command += ["--replicaof", "127.0.0.1", str(proxy.port)]
    follower.restart()
    assert same_data(leader, follower) > KEYS // 2
    assert syncs(leader) == (full, resumed + 1)


@combinations()
def test_a_leader_that_was_shut_down_has_its_follower_back(
    start: Start, kinds: Kinds, proxy: Proxy
) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    leader.shut_down("SAVE")
    leader.restart()
    proxy.target = leader.port
    assert same_data(leader, follower) >= KEYS
    leader.feed(*changes(KEYS, 200))
    assert same_data(leader, follower) > KEYS // 2


@combinations("redis_to_kvnode")
def test_a_node_that_loads_does_not_follow_yet(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = start(kinds[0]), start(kinds[1], "--appendonly", "yes")
    follower.feed(*dataset(10_000), ("SET", "mine", 1))
    follower.hang_up()
    follower.server.kill()
    if kinds[1] == "redis":
        follower.server.command += ["--key-load-delay", "50"]
        follower.server.command += ["--loading-process-events-interval-bytes", "1024"]
    starting = threading.Thread(target=follower.server.start)
    starting.start()
    replies: list[bytes] = []

    def is_accepted() -> bool:
        try:
            reply = follower.call("REPLICAOF", "127.0.0.1", leader.port)
        except (OSError, WireError):
            return False
        replies.append(reply.text())
        return reply.kind != "error"

    try:
        assert wait_until(is_accepted, LIMIT_S, 0.05)
    finally:
        starting.join()
    assert {text.split()[0] for text in replies[:-1]} <= {b"LOADING"}
    assert same_data(leader, follower) == 0


def has_carried(proxy: Proxy, goal: int) -> bool:
    return proxy.bytes_down > goal


def one_fault(proxy: Proxy, draw: random.Random) -> str:
    """Break the link in some way; say how."""
    name = draw.choice(("cut", "cut_after", "cut_behind", "refuse", "swallow", "delay", "slow"))
    if name == "cut":
        proxy.cut()
    elif name == "cut_after":
        proxy.cut_after(draw.randrange(1, 20_000))
    elif name == "cut_behind":
        proxy.cut_behind(draw.choice((b"*", b"$", b"\r\n", b"SELECT")), draw.randrange(200))
    elif name == "refuse":
        proxy.refuse()
    elif name == "swallow":
        proxy.swallow()
    elif name == "delay":
        proxy.delay_s = draw.uniform(0.001, 0.05)
    else:
        proxy.read_slowly(draw.randrange(5_000, 100_000))
    return name


def fault_rounds(start: Start, kinds: Kinds, proxy: Proxy, rounds: int, seed: int) -> None:
    """Faults under load; after each, everything is compared."""
    draw = random.Random(seed)
    leader, follower = linked_through(start, kinds, proxy, *SMALL_BACKLOG)
    told = []
    for number in range(rounds):
        with load_on(leader):
            for _ in range(draw.randrange(1, 4)):
                told.append(one_fault(proxy, draw))
                goal = proxy.bytes_down + draw.randrange(1000, 50_000)
                wait_until(partial(has_carried, proxy, goal), 0.5)
        swallowed = proxy.swallows
        proxy.heal()
        if swallowed:
            proxy.cut()
        try:
            same_data(leader, follower)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, round {number}: {told}: {error}") from None
        if draw.random() < 0.2:
            leader.feed(("FLUSHALL",), *dataset(KEYS, draw.randrange(100)))


@combinations()
def test_no_fault_makes_the_copies_differ(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    fault_rounds(start, kinds, proxy, 3, 1)


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
@pytest.mark.parametrize("seed", [2, 3])
def test_no_fault_of_many_makes_the_copies_differ(
    start: Start, kinds: Kinds, proxy: Proxy, seed: int
) -> None:
    fault_rounds(start, kinds, proxy, FAULT_ROUNDS, seed)


@combinations("redis_to_kvnode")
def test_a_follower_that_logs_has_all_of_it_after_a_kill(start: Start, kinds: Kinds) -> None:
    leader, follower = start(kinds[0]), start(kinds[1], "--appendonly", "yes")
    leader.feed(*dataset(KEYS))
    follower.feed(("SET", "of its own", 1))
    follower.follow(leader)
    in_step(leader, follower)
    leader.feed(*changes(KEYS, KEYS))
    in_step(leader, follower)
    # The base that a full resync asks for may still be on its way.
    follower.until(lambda: follower.count("aof_rewrite_in_progress") == 0, "with a new base")
    follower.until(lambda: follower.count("aof_rewrite_scheduled") == 0, "with a new base")
    follower.kill()
    follower.restart()
    assert follower.info()["role"] == "master"
    assert same_contents(leader.port, follower.port, logged=True) > KEYS // 2


@combinations("redis_to_kvnode_to_redis", TRIOS)
def test_cuts_in_a_chain_leave_all_equal(start: Start, kinds: Kinds) -> None:
    leader, middle, last = (start(kind, *SMALL_BACKLOG) for kind in kinds)
    leader.feed(*dataset(KEYS))
    with Proxy(leader.port) as upper, Proxy(middle.port) as lower:
        middle.follow(upper.port)
        last.follow(lower.port)
        same_data(leader, middle)
        same_data(middle, last)
        for number in range(4):
            with load_on(leader):
                for proxy in (upper, lower) if number % 2 else (lower, upper):
                    goal = proxy.bytes_down + 20_000
                    wait_until(partial(has_carried, proxy, goal), 2.0)
                    proxy.cut_after(1 + 37 * number)
            for proxy in (upper, lower):
                proxy.heal()
            same_data(leader, middle)
            same_data(middle, last)


@combinations()
def test_a_follower_that_lags_does_not_count(start: Start, kinds: Kinds, proxy: Proxy) -> None:
    leader, follower = linked_through(start, kinds, proxy)
    leader.config("min-replicas-max-lag", 2)
    leader.config("min-replicas-to-write", 1)
    leader.value("SET", "a", 1)
    proxy.stall()
    text = b"NOREPLICAS Not enough good replicas to write."
    leader.until(lambda: leader.call("SET", "a", 2).value == text, "refusing writes")
    assert leader.info()["min_slaves_good_slaves"] == "0"
    proxy.heal()
    leader.until(lambda: leader.call("SET", "a", 3).value == b"OK", "accepting writes")
    assert same_data(leader, follower) > KEYS


@combinations()
def test_a_follower_does_not_evict_of_itself(start: Start, kinds: Kinds) -> None:
    leader, follower = start(kinds[0]), start(kinds[1])
    follower.config("maxmemory-policy", "allkeys-random")
    follower.config("maxmemory", "1mb")
    follower.follow(leader)
    leader.feed(*(("SET", f"key:{number}", "x" * 1000) for number in range(4_000)))
    assert same_data(leader, follower) == 4_000
    assert follower.count("evicted_keys") == 0
