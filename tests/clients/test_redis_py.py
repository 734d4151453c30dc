"""redis-py over RESP2 and RESP3 does its ordinary work on a node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.cache import CacheConfig

from tests.wire.servers import Server

from .processes import wait_until


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request: pytest.FixtureRequest, node: Server) -> Iterator[Any]:
    """A blocking client on an empty node."""
    with redis.Redis(port=node.port, protocol=request.param, decode_responses=True) as client:
        client.flushall()
        yield client


def test_the_data_types_come_back_as_python_values(client: Any) -> None:
    assert client.set("string", "value", ex=100) is True
    assert client.get("string") == "value"
    assert client.incr("counter", 5) == 5
    client.hset("hash", mapping={"a": 1, "b": 2})
    assert client.hgetall("hash") == {"a": "1", "b": "2"}
    client.rpush("list", "x", "y", "z")
    assert client.lrange("list", 0, -1) == ["x", "y", "z"]
    client.sadd("set", "m", "n")
    assert client.smembers("set") == {"m", "n"}
    client.zadd("zset", {"one": 1, "half": 0.5})
    scored = client.zrange("zset", 0, -1, withscores=True)
    assert [tuple(row) for row in scored] == [("half", 0.5), ("one", 1.0)]
    assert sorted(client.scan_iter(count=2)) == sorted(client.keys())
    assert client.info("server")["redis_version"] == "7.0.15"


def test_a_watched_transaction_is_tried_again_after_a_change(client: Any) -> None:
    client.set("balance", 10)
    tries: list[int] = []

    def withdraw(pipe: Any) -> None:
        balance = int(pipe.get("balance"))
        if not tries:
            client.set("balance", 7)
        tries.append(balance)
        pipe.multi()
        pipe.set("balance", balance - 1)

    client.transaction(withdraw, "balance")
    assert tries == [10, 7]
    assert client.get("balance") == "6"


def test_a_pipeline_of_many_commands_answers_each(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"key:{number}", number)
        pipe.get("key:999")
        replies = pipe.execute()
    assert replies == [True] * 1000 + ["999"]


def test_a_subscriber_gets_messages_by_channel_and_pattern(client: Any) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("news")
        listener.psubscribe("n*")
        while client.pubsub_numpat() != 1:
            listener.get_message(timeout=0.1)
        assert client.publish("news", "hello") == 2
        found: set[tuple[str, str]] = set()
        while len(found) < 2:
            message = listener.get_message(timeout=5.0)
            if message is not None:
                found.add((message["type"], message["data"]))
    assert found == {("message", "hello"), ("pmessage", "hello")}


def test_threads_share_a_pool(client: Any) -> None:
    def work() -> None:
        for _ in range(50):
            client.incr("counter")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert client.get("counter") == "400"


def test_a_blocking_pop_is_woken_and_gives_up(client: Any) -> None:
    popped: list[Any] = []
    thread = threading.Thread(target=lambda: popped.append(client.blpop(["a", "b"], timeout=10)))
    thread.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.rpush("b", "job")
    thread.join(20)
    assert [tuple(pair) for pair in popped] == [("b", "job")]
    assert client.blpop("a", timeout=0.05) is None
    client.rpush("from", "x")
    assert client.blmove("from", "to", 1) == "x"
    assert client.blmpop(1, 1, "to", direction="LEFT") == ["to", ["x"]]


def test_consumers_of_a_group_share_a_stream(client: Any) -> None:
    client.xgroup_create("stream", "group", id="0", mkstream=True)
    ids = [client.xadd("stream", {"number": number}) for number in range(6)]
    for consumer in ("one", "two"):
        client.xreadgroup("group", consumer, {"stream": ">"}, count=3, block=1000)
    assert client.xack("stream", "group", *ids[:2]) == 2
    pending = client.xpending("stream", "group")
    assert (pending["pending"], pending["min"], pending["max"]) == (4, ids[2], ids[5])
    claimed = client.xautoclaim("stream", "group", "one", min_idle_time=0, start_id=ids[4])
    assert [entry[0] for entry in claimed[1]] == ids[4:]
    (detail, *_) = client.xpending_range("stream", "group", "-", "+", 10, consumername="one")
    assert detail["message_id"] == ids[2]
    (group,) = client.xinfo_groups("stream")
    assert (group["entries-read"], group["lag"], group["consumers"]) == (6, 0, 2)
    assert client.xtrim("stream", maxlen=2, approximate=False) == 4
    assert [entry[0] for entry in client.xrevrange("stream")] == [ids[5], ids[4]]


def test_a_blocked_reader_of_a_stream_is_woken(client: Any) -> None:
    read: list[Any] = []
    thread = threading.Thread(
        target=lambda: read.append(client.xread({"stream": "$"}, block=10_000))
    )
    thread.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
    id = client.xadd("stream", {"a": "1"})
    thread.join(20)
    (found,) = read
    # Over RESP3 the entries of a stream stand in one more list.
    expected = [(id, {"a": "1"})]
    assert dict(found) == {"stream": [expected] if isinstance(found, dict) else expected}


def test_a_registered_script_survives_a_flush_of_scripts(client: Any) -> None:
    take = client.register_script(
        """
        local taken = {}
        for _, key in ipairs(KEYS) do
            local value = redis.call('GETDEL', key)
            if value then taken[#taken + 1] = value end
        end
        return {#taken, taken, cjson.encode({limit = tonumber(ARGV[1])})}
        """
    )
    client.mset({"a": 1, "b": 2})
    assert take(keys=["a", "missing", "b"], args=[7]) == [2, ["1", "2"], '{"limit":7}']
    client.script_flush()
    assert take(keys=["a"], args=[8]) == [0, [], '{"limit":8}']
    with client.pipeline() as pipe:
        pipe.set("c", 3)
        take(keys=["c"], args=[9], client=pipe)
        assert pipe.execute()[1] == [1, ["3"], '{"limit":9}']
    with pytest.raises(redis.ResponseError, match="my own error"):
        client.eval("return redis.error_reply('my own error')", 0)


def test_a_function_library_is_loaded_and_called(client: Any) -> None:
    client.function_load(
        """#!lua name=counters
        redis.register_function('bump', function(keys, args)
            return redis.call('INCRBY', keys[1], args[1])
        end)
        redis.register_function{
            function_name = 'peek',
            callback = function(keys) return redis.call('GET', keys[1]) end,
            flags = {'no-writes'},
        }
        """,
        replace=True,
    )
    assert client.fcall("bump", 1, "counter", 5) == 5
    assert client.fcall_ro("peek", 1, "counter") == "5"
    with pytest.raises(redis.ResponseError, match="write flag"):
        client.fcall_ro("bump", 1, "counter", 5)
    saved = client.execute_command("FUNCTION DUMP", NEVER_DECODE=True)
    client.function_flush()
    client.function_restore(saved)
    assert client.fcall("bump", 1, "counter", 1) == 6
    client.function_delete("counters")
    assert client.function_list() == []


def test_a_lock_is_held_by_one(client: Any) -> None:
    with client.lock("door", timeout=10):
        assert client.exists("door") == 1
        assert not client.lock("door").acquire(blocking=False)
    assert client.exists("door") == 0


def test_every_key_field_and_member_is_scanned(client: Any) -> None:
    client.mset({f"key:{number}": number for number in range(500)})
    client.hset("hash", mapping={f"field {number}": number for number in range(300)})
    client.sadd("set", *range(300))
    client.zadd("zset", {f"member {number}": number for number in range(300)})
    assert set(client.scan_iter("key:*", count=50)) == {f"key:{number}" for number in range(500)}
    assert set(client.scan_iter(_type="hash")) == {"hash"}
    assert len(dict(client.hscan_iter("hash", count=50))) == 300
    assert len(set(client.sscan_iter("set", count=50))) == 300
    assert len({row[0] for row in client.zscan_iter("zset", count=50)}) == 300


def test_bits_places_and_estimates(client: Any) -> None:
    client.setbit("bits", 7, 1)
    assert client.bitcount("bits") == 1
    fields = client.bitfield("bits", default_overflow="SAT")
    assert fields.set("u8", 8, 250).incrby("u8", 8, 10).get("u4", 8).execute() == [0, 255, 15]
    client.geoadd("geo", (13.36, 38.11, "Palermo", 15.08, 37.5, "Catania"))
    near = client.geosearch("geo", longitude=15, latitude=37, radius=200, unit="km", sort="ASC")
    assert near == ["Catania", "Palermo"]
    assert client.geodist("geo", "Palermo", "Catania", "km") == pytest.approx(166, abs=1)
    client.pfadd("visitors", *range(1000))
    assert client.pfcount("visitors") == pytest.approx(1000, rel=0.03)


def test_events_of_the_keyspace_are_published(client: Any) -> None:
    client.config_set("notify-keyspace-events", "KEA")
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.psubscribe("__key*__:*")
        wait_until(lambda: listener.get_message(timeout=0.05) is None and listener.subscribed)
        wait_until(lambda: client.pubsub_numpat() == 1)
        client.set("key", "value", px=30)
        found: list[tuple[str, str]] = []
        while len(found) < 6:
            message = listener.get_message(timeout=5.0)
            if message is not None:
                found.append((message["channel"], message["data"]))
    client.config_set("notify-keyspace-events", "")
    events = [data for channel, data in found if channel == "__keyspace@0__:key"]
    assert events == ["set", "expire", "expired"]


def test_a_monitor_sees_the_commands_of_others(client: Any) -> None:
    with client.monitor() as monitor:
        client.set("key", "a value")
        line = monitor.next_command()
        while line["command"].split()[0] != "SET":
            line = monitor.next_command()
    assert line["command"] == "SET key a value"
    assert line["db"] == 0


def test_a_user_may_do_only_what_is_allowed(node: Server, client: Any) -> None:
    client.acl_setuser(
        "ann",
        enabled=True,
        passwords=["+secret"],
        keys=["cache:*"],
        commands=["+get", "+set", "+multi", "+exec"],
    )
    user = redis.Redis(
        port=node.port,
        username="ann",
        password="secret",
        protocol=client.get_connection_kwargs()["protocol"],
        decode_responses=True,
        driver_info=None,
    )
    with user:
        assert user.set("cache:1", "x")
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.get("other")
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.delete("cache:1")
    assert client.acl_getuser("ann")["keys"] == ["~cache:*"]
    reasons = {entry["reason"] for entry in client.acl_log()}
    assert {"key", "command"} <= reasons
    stranger = redis.Redis(port=node.port, username="ann", password="wrong")
    with stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()
    assert client.acl_deluser("ann") == 1


def test_the_cache_of_a_client_is_told_of_changes(
    node: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # redis-py asks for Redis 7.4, although tracking is as it was in 6.0.
    monkeypatch.setattr(redis.connection.CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.0.0")
    with redis.Redis(
        port=node.port, protocol=3, decode_responses=True, cache_config=CacheConfig(max_size=100)
    ) as cached:
        client.mset({"a": "old", "b": "old"})
        assert cached.mget("a", "b") == ["old", "old"]
        assert cached.get("a") == "old"
        calls = client.info("commandstats")["cmdstat_get"]["calls"]
        assert [cached.get("a") for _ in range(10)] == ["old"] * 10
        assert client.info("commandstats")["cmdstat_get"]["calls"] == calls
        client.set("a", "new")
        wait_until(lambda: cached.get("a") == "new")
        assert cached.mget("a", "b") == ["new", "old"]
        client.flushall()
        wait_until(lambda: cached.get("a") is None)
