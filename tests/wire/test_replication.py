"""Leaders and followers, of which one or both are kvnode: what flows, and what it becomes."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from .bulk_client import BulkClient
from .client import Wire, encode_request, wait_until
from .contents import same_contents
from .datasets import changes, dataset
from .following import (
    LIMIT_S,
    Kinds,
    Node,
    Start,
    combinations,
    in_step,
    linked_pair,
    same_data,
)
from .random_commands import RandomCommands
from .servers import redis_server

KEYS = 2_000


def filled(node: Node, keys: int = KEYS, seed: int = 1) -> None:
    node.feed(*dataset(keys, seed))


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_a_follower_gets_all_types_databases_and_functions(
    start: Start, kinds: Kinds, diskless: str
) -> None:
    leader = start(kinds[0], "--repl-diskless-sync", diskless)
    filled(leader)
    follower = start(kinds[1])
    follower.feed(("SET", "of its own", 1), ("SELECT", 7), ("SET", "another", 1))
    follower.follow(leader)
    assert same_data(leader, follower) >= KEYS
    assert leader.count("sync_full") == 1
    leader.feed(*changes(KEYS, KEYS))
    assert same_data(leader, follower) >= KEYS
    assert leader.count("sync_full") == 1


@combinations("redis_to_kvnode")
@pytest.mark.parametrize("way", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_a_follower_loads_in_each_way(start: Start, kinds: Kinds, way: str, diskless: str) -> None:
    leader = start(kinds[0], "--repl-diskless-sync", diskless)
    filled(leader)
    follower = start(kinds[1], "--repl-diskless-load", way)
    follower.follow(leader)
    assert same_data(leader, follower) >= KEYS
    follower.lead()
    follower.feed(*changes(KEYS, 100), ("SET", "of its own", 1))
    leader.feed(("SET", "new", 1))
    follower.follow(leader)
    assert same_data(leader, follower) >= KEYS
    assert follower.value("EXISTS", "of its own") == 0


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_writes_during_the_transfer_reach_the_follower(
    start: Start, kinds: Kinds, diskless: str
) -> None:
    leader = start(kinds[0], "--repl-diskless-sync", diskless)
    filled(leader, 4 * KEYS)
    follower = start(kinds[1])
    is_over = threading.Event()

    def write() -> None:
        client = BulkClient(leader.port)
        seed = 0
        while not is_over.is_set():
            seed += 1
            client.feed(changes(4 * KEYS, 50, seed))
        client.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        follower.follow(leader)
        follower.until_linked()
    finally:
        is_over.set()
        writer.join()
    assert same_data(leader, follower) >= KEYS


@combinations("redis_to_kvnode kvnode_to_redis kvnode_to_kvnode")
def test_the_stream_carries_effects_across_databases(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    for line in EFFECTS:
        leader.line(line)
    leader.value("EVAL", SCRIPT, 2, "set", "script")
    leader.value("FUNCTION", "LOAD", LIBRARY)
    leader.value("FCALL", "draw", 1, "set")
    assert same_data(leader, follower) > 10
    assert leader.count("sync_full") == 1


EFFECTS = [
    "SELECT 3",
    "SET a 1 EX 1000",
    "SELECT 0",
    "SWAPDB 3 4",
    "SADD set a b c d e f g h i j k l m n o p 1 2 3 4 5",
    "SPOP set",
    "SPOP set 3",
    "SMOVE set other a",
    "INCRBYFLOAT decimal 0.1",
    "INCRBYFLOAT decimal 0.2",
    "HINCRBYFLOAT hash decimal 0.7",
    "SET volatile v PX 100000",
    "GETEX volatile EX 5000",
    "EXPIRE volatile 100 GT",
    "XADD stream * a b",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group ann STREAMS stream >",
    "XAUTOCLAIM stream group bob 0 0",
    "XADD stream MAXLEN ~ 1 * c d",
    "RPUSH list 1 2 3",
    "BLMOVE list moved LEFT RIGHT 0",
    "BLPOP list 0",
    "LMPOP 2 nothing list LEFT COUNT 5",
    "ZADD zset 1 a 2 b 3 c",
    "BZPOPMIN zset 0",
    "ZINCRBY zset 0.1 b",
    "GETDEL decimal",
    "PFADD hll a b c",
    "GEOADD geo 13.4 52.5 Berlin",
    "SORT list ALPHA STORE sorted",
    "COPY zset zset2 DB 5",
    "MOVE hash 5",
    "RENAME hll counted",
    "SETRANGE text 100 end",
    "BITFIELD bits SET u8 0 200",
    "MULTI",
    "SELECT 6",
    "SET inside 1",
    "SPOP set",
    "EXEC",
    "SET last 1",
    "SELECT 0",
    "UNLINK moved",
]
SCRIPT = """
redis.call('SPOP', KEYS[1])
redis.call('SET', KEYS[2], redis.call('TIME')[2])
redis.call('SELECT', 8)
return redis.call('SET', 'in eight', math.random())
"""
LIBRARY = """#!lua name=lib
redis.register_function('draw', function(keys) return redis.call('SPOP', keys[1]) end)
"""


@combinations()
@pytest.mark.parametrize("seed", [5, pytest.param(6, marks=pytest.mark.long)])
def test_a_follower_is_equal_after_random_commands(start: Start, kinds: Kinds, seed: int) -> None:
    leader, follower = linked_pair(start, kinds)
    commands = RandomCommands(seed)
    wire = leader.wire()
    for _ in range(60):
        batch = [encode_request(commands.next()) for _ in range(100)]
        wire.send_raw(b"".join(batch))
        for _ in batch:
            wire.read()
    assert same_data(leader, follower) > 0
    assert leader.count("sync_full") == 1


def pairs_written(port: int, rounds: int) -> None:
    wire = Wire(port, LIMIT_S)
    for number in range(rounds):
        if number % 3:
            wire.call("MULTI")
            wire.call("SET", "left", number)
            wire.call("SET", "right", number)
            wire.call("EXEC")
        else:
            body = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1])"
            wire.call("EVAL", body, 2, "left", "right", number)
    wire.close()


@combinations()
def test_transactions_and_scripts_are_atomic_on_the_follower(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    writer = threading.Thread(target=pairs_written, args=(leader.port, 1500))
    writer.start()
    seen = set()
    while writer.is_alive():
        for argv in (("MULTI",), ("GET", "left"), ("GET", "right")):
            follower.value(*argv)
        left, right = follower.call("EXEC").items()
        assert left == right
        seen.add(left.value)
    writer.join()
    assert same_data(leader, follower) == 2
    assert len(seen) > 1


@combinations()
def test_a_key_expires_by_the_leaders_del_alone(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    leader.value("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    leader.value("SET", "a", "1", "PX", 20)
    leader.value("SET", "b", "1")
    in_step(leader, follower)
    assert wait_until(lambda: follower.value("GET", "a") is None, LIMIT_S)
    # Hidden from readers, but there.
    assert follower.value("DBSIZE") == 2
    assert follower.count("expired_keys") == 0
    assert leader.value("GET", "a") is None
    in_step(leader, follower)
    assert follower.value("DBSIZE") == 1
    assert follower.count("expired_keys") == 0
    leader.value("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    leader.value("SET", "c", "1", "PX", 1)
    follower.until(lambda: follower.value("KEYS", "*") == [b"b"], "rid of c")
    in_step(leader, follower)
    follower.until(lambda: follower.value("DBSIZE") == 1, "told of c's end")


@combinations()
def test_evicted_keys_are_deleted_on_the_follower(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    leader.config("maxmemory-policy", "allkeys-random")
    leader.config("maxmemory", leader.count("used_memory") + 3_000_000)
    leader.feed(*(("SET", f"key:{number}", "x" * 1000) for number in range(6_000)))
    assert leader.count("evicted_keys") > 0
    assert 0 < same_data(leader, follower) < 6_000


@combinations()
def test_messages_reach_subscribers_of_the_follower(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    subscriber = follower.wire()
    subscriber.call("SUBSCRIBE", "channel")
    subscriber.call("PSUBSCRIBE", "ch*")
    subscriber.call("SSUBSCRIBE", "shard")
    assert leader.value("PUBLISH", "channel", "hello") == 0
    assert leader.value("SPUBLISH", "shard", "split") == 0
    leader.value("EVAL", "return redis.call('PUBLISH', 'channel', 'lua')", 0)
    found = sorted(repr(subscriber.read().plain()) for _ in range(5))
    assert found == sorted(
        repr(message)
        for message in (
            [b"message", b"channel", b"hello"],
            [b"pmessage", b"ch*", b"channel", b"hello"],
            [b"smessage", b"shard", b"split"],
            [b"message", b"channel", b"lua"],
            [b"pmessage", b"ch*", b"channel", b"lua"],
        )
    )


@combinations()
def test_a_blocked_client_of_the_follower_wakes_up(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    reader = follower.wire()
    reader.send("XREAD", "BLOCK", 0, "STREAMS", "stream", "0")
    follower.until(lambda: follower.count("blocked_clients") == 1, "blocking")
    leader.value("XADD", "stream", "1-1", "a", "b")
    assert reader.read().plain() == [[b"stream", [[b"1-1", [b"a", b"b"]]]]]


CHAINS = (
    *("redis_to_kvnode_to_redis", "kvnode_to_redis_to_kvnode", "kvnode_to_kvnode_to_kvnode"),
    *("redis_to_redis_to_kvnode", "kvnode_to_kvnode_to_redis", "redis_to_redis_to_redis"),
)


@combinations("redis_to_kvnode_to_redis", CHAINS)
def test_a_follower_hands_the_stream_on(start: Start, kinds: Kinds) -> None:
    leader, middle, last = (start(kind) for kind in kinds)
    filled(leader, 300)
    last.follow(middle)
    middle.follow(leader)
    assert same_data(leader, middle) >= 300
    assert same_data(middle, last) >= 300
    leader.feed(*changes(300, 300))
    for line in EFFECTS:
        leader.line(line)
    assert same_data(leader, middle) > 10
    assert same_data(middle, last) > 10
    # All three have the same history.
    fields = ("master_replid", "master_repl_offset")
    assert wait_until(
        lambda: len({tuple(map(node.info().get, fields)) for node in (leader, middle, last)}) == 1,
        LIMIT_S,
    )
    assert last.info()["role"] == "slave"
    assert middle.info()["connected_slaves"] == "1"


@combinations()
def test_a_follower_may_write_when_it_is_told_so(start: Start, kinds: Kinds) -> None:
    leader, follower = linked_pair(start, kinds)
    text = b"READONLY You can't write against a read only replica."
    assert follower.error("SET", "a", 1) == text
    follower.config("replica-read-only", "no")
    follower.value("SET", "local", 1)
    follower.value("SET", "short", 1, "PX", 1)
    leader.value("SET", "a", 1)
    in_step(leader, follower)
    follower.until(lambda: follower.value("DBSIZE") == 2, "rid of the key that expires")
    assert follower.value("EXISTS", "a", "local") == 2
    follower.config("replica-read-only", "yes")
    assert follower.error("DEL", "local") == text
    assert leader.value("KEYS", "*") == [b"a"]


@combinations()
def test_passwords_and_users_are_shown_to_the_leader(start: Start, kinds: Kinds) -> None:
    leader, follower = start(kinds[0]), start(kinds[1])
    leader.value("ACL", "SETUSER", "mirror", "on", ">secret", "+psync", "+replconf", "+ping")
    leader.value("SET", "a", 1)
    leader.config("requirepass", "open sesame")
    leader.hang_up()
    leader.value("AUTH", "open sesame")
    follower.follow(leader)
    follower.until(lambda: follower.info()["master_link_status"] == "down", "refused")
    follower.config("masterauth", "wrong")
    follower.config("masterauth", "open sesame")
    follower.until_linked()
    assert follower.value("GET", "a") == b"1"
    follower.lead()
    follower.config("masteruser", "mirror")
    follower.config("masterauth", "secret")
    follower.follow(leader)
    follower.until_linked()
    lines = leader.value("CLIENT", "LIST", "TYPE", "replica")
    assert isinstance(lines, bytes)
    assert b" user=mirror " in lines
    leader.value("SET", "b", 1)
    in_step(leader, follower)
    assert follower.value("GET", "b") == b"1"


def redis_cli(node: Node, *words: str) -> subprocess.Popen[bytes]:
    command = ["redis-cli", "-p", str(node.port), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("kind", ["kvnode", pytest.param("redis", marks=pytest.mark.long)])
@pytest.mark.parametrize("diskless", ["no", "yes"])
def test_redis_cli_fetches_a_snapshot(
    start: Start, kind: str, diskless: str, tmp_path: Path
) -> None:
    leader = start(kind, "--repl-diskless-sync", diskless)
    filled(leader)
    path = tmp_path / "fetched.rdb"
    done = redis_cli(leader, "--rdb", str(path))
    output, _ = done.communicate(timeout=LIMIT_S)
    assert done.returncode == 0, output
    with redis_server("--dir", str(tmp_path), "--dbfilename", path.name) as other:
        assert same_contents(leader.port, other.port) >= KEYS
    done = redis_cli(leader, "--functions-rdb", str(path))
    output, _ = done.communicate(timeout=LIMIT_S)
    assert done.returncode == 0, output
    with redis_server("--dir", str(tmp_path), "--dbfilename", path.name) as other:
        client = BulkClient(other.port)
        assert client.call("DBSIZE") == 0
        assert len(client.call("FUNCTION", "LIST")) == 2
        client.close()


@pytest.mark.parametrize("kind", ["kvnode", pytest.param("redis", marks=pytest.mark.long)])
def test_redis_cli_prints_the_stream(start: Start, kind: str) -> None:
    leader = start(kind)
    leader.value("SET", "before", 1)
    printed = redis_cli(leader, "--replica")
    try:
        leader.until(lambda: "state=online" in leader.info().get("slave0", ""), "followed")
        for line in ("SET a 1", "SELECT 2", "INCR n", "SADD s x", "SPOP s", "SELECT 0", "DEL a"):
            leader.line(line)
        leader.line("SET last 1")
        seen = []
        assert printed.stdout is not None
        for row in printed.stdout:
            seen.append(row.strip().decode())
            if '"last"' in seen[-1]:
                break
    finally:
        printed.kill()
        printed.wait()
        assert printed.stdout is not None
        printed.stdout.close()
    stream = [row for row in seen if row.startswith('"') and row.lower() != '"ping"']
    wanted = [
        *('"SET","a","1"', '"SELECT","2"', '"INCR","n"', '"SADD","s","x"'),
        *('"SREM","s","x"', '"SELECT","0"', '"DEL","a"', '"SET","last","1"'),
    ]
    # redis-cli may take the first SELECT for a reply.
    assert stream in (wanted, ['"SELECT","0"', *wanted])
