"""Methods on keys, scripts, channels and the server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kvclient.errors import BusyKeyError, NoScriptError, ReplyError

from .conftest import Texts
from .exactness import same
from .transport import AnyClient

LIBRARY = """#!lua name=lib
redis.register_function('f', function(keys, args) return {keys[1], args[1]} end)
redis.register_function{function_name='g', callback=function() return 1 end, flags={'no-writes'}}
"""


@pytest.fixture
def settings_back(c: AnyClient) -> Iterator[None]:
    """The directives that a test changes, set back."""
    before = c.config_get("slowlog-log-slower-than", "maxmemory-policy")
    yield
    c.config_set(before)


def test_keys_exist_expire_and_go(c: AnyClient, t: Texts) -> None:
    c.mset({"a": 1, "b": 2, "c": 3})
    assert same(c.exists("a", "a", "x"), 2)
    assert same(c.touch("a", "x"), 1)
    assert same(c.type("a"), "string")
    assert same(c.type("x"), "none")
    assert same(c.ttl("a"), -1)
    assert same(c.pttl("x"), -2)
    assert c.expire("a", 100) is True
    assert c.expire("x", 100) is False
    assert c.expire("a", 50, gt=True) is False
    assert c.pexpire("a", 200000, gt=True) is True
    assert c.expire("b", 10, xx=True) is False
    assert c.pexpire("b", 10000, nx=True) is True
    assert c.pexpire("a", 100, lt=True, xx=True) is True
    assert c.expireat("a", 4102444800) is True
    assert same(c.expiretime("a"), 4102444800)
    assert c.pexpireat("a", 4102444800001) is True
    assert same(c.pexpiretime("a"), 4102444800001)
    assert c.persist("a") is True
    assert c.persist("a") is False
    assert same(c.delete("a", "x"), 1)
    assert same(c.unlink("b", "c", "x"), 2)


def test_keys_are_renamed_copied_and_moved(c: AnyClient) -> None:
    c.set("a", 1)
    assert c.rename("a", "b") is True
    c.set("c", 2)
    assert c.renamenx("b", "c") is False
    assert c.renamenx("b", "d") is True
    assert c.copy("d", "c") is False
    assert c.copy("d", "c", replace=True) is True
    assert c.copy("d", "c", destination_db=1) is True
    assert c.move("d", 1) is True
    assert c.move("d", 1) is False
    assert c.swapdb(0, 1) is True
    assert same(c.dbsize(), 2)
    with pytest.raises(ReplyError, match="no such key"):
        c.rename("missing", "b")


def test_keys_are_walked_over(c: AnyClient, t: Texts) -> None:
    assert c.randomkey() is None
    c.set("k", 1)
    assert same(c.randomkey(), t("k"))
    assert same(c.keys(), t(["k"]))
    assert same(c.keys("x*"), [])
    assert same(c.scan(), (0, t(["k"])))
    c.mset({f"k{n}": n for n in range(300)})
    c.rpush("list", 1)
    assert same(set(c.scan_iter(match="k*", count=50)), set(c.keys("k*")))
    assert same(list(c.scan_iter(type="list")), t(["list"]))


def test_values_are_described(c: AnyClient, settings_back: None) -> None:
    c.config_set({"maxmemory-policy": "allkeys-lru"})
    c.set("n", 12)
    assert same(c.object_encoding("n"), "int")
    assert c.object_encoding("x") is None
    assert same(c.object_refcount("x"), None)
    assert type(c.object_refcount("n")) is int
    assert type(c.object_idletime("n")) is int
    assert type(c.memory_usage("n")) is int
    assert type(c.memory_usage("n", samples=0)) is int
    assert c.memory_usage("x") is None


def test_a_dump_is_restored(c: AnyClient, kind: tuple[str, int, bool], settings_back: None) -> None:
    c.config_set({"maxmemory-policy": "allkeys-lru"})
    if kind[2]:
        c.set("n", 12)
        with pytest.raises(UnicodeDecodeError):
            c.dump("n")
        return
    c.set("n", 12)
    dump = c.dump("n")
    assert c.dump("x") is None
    assert type(dump) is bytes
    assert c.restore("m", 0, dump) is True
    with pytest.raises(BusyKeyError):
        c.restore("m", 0, dump)
    assert c.restore("m", 4102444800000, dump, replace=True, absttl=True, idletime=100) is True
    assert same(c.expiretime("m"), 4102444800)
    assert c.object_idletime("m") in (100, 101)


def test_use_is_counted(c: AnyClient, settings_back: None) -> None:
    c.config_set({"maxmemory-policy": "allkeys-lfu"})
    c.set("k", 1)
    assert type(c.object_freq("k")) is int


def test_elements_are_sorted(c: AnyClient, t: Texts) -> None:
    c.rpush("l", 2, 10, 1)
    c.mset({"w1": 3, "w2": 1, "w10": 2})
    assert same(c.sort("l"), t(["1", "2", "10"]))
    assert same(c.sort("l", alpha=True, desc=True, start=0, num=2), t(["2", "10"]))
    assert same(c.sort("l", by="w*", get=["#", "x*"]), t(["2", None, "10", None, "1", None]))
    assert same(c.sort("l", store="d"), 3)
    assert same(c.sort_ro("l", desc=True), t(["10", "2", "1"]))


def test_scripts(c: AnyClient, t: Texts) -> None:
    script = "return {KEYS[1], ARGV[1], 7}"
    assert same(c.eval(script, ["k"], ["a"]), t(["k", "a", 7]))
    assert same(c.eval_ro("return #KEYS + #ARGV", ["k", "l"]), 2)
    sha = c.script_load(script)
    assert type(sha) is str and len(sha) == 40
    assert same(c.evalsha(sha, ("k",), ("a",)), t(["k", "a", 7]))
    assert same(c.evalsha_ro(sha, ["k"], ["a"]), t(["k", "a", 7]))
    assert same(c.script_exists(sha, "0" * 40), [True, False])
    assert c.script_flush() is True
    with pytest.raises(NoScriptError):
        c.evalsha(sha)
    with pytest.raises(ReplyError, match="NOTBUSY"):
        c.script_kill()


def test_functions(c: AnyClient, t: Texts) -> None:
    assert same(c.function_load(LIBRARY), "lib")
    assert same(c.function_load(LIBRARY, replace=True), "lib")
    assert same(c.fcall("f", ["k"], ["a"]), t(["k", "a"]))
    assert same(c.fcall_ro("g"), 1)
    [library] = c.function_list("lib", withcode=True)
    assert same(library["library_name"], t("lib"))
    assert same(library["library_code"], t(LIBRARY))
    assert {function["name"] for function in library["functions"]} == t({"f", "g"})
    assert c.function_delete("lib") is True
    assert same(c.function_list(), [])
    assert c.function_flush() is True


def test_channels_without_subscribers(c: AnyClient, t: Texts) -> None:
    assert same(c.publish("ch", "m"), 0)
    assert same(c.spublish("ch", "m"), 0)
    assert same(c.pubsub_channels(), [])
    assert same(c.pubsub_channels("x*"), [])
    assert same(c.pubsub_shardchannels("x*"), [])
    assert same(c.pubsub_numpat(), 0)
    assert same(c.pubsub_numsub("ch"), {t("ch"): 0})
    assert same(c.pubsub_shardnumsub("ch"), {t("ch"): 0})


def test_the_server_describes_itself(c: AnyClient, t: Texts) -> None:
    assert c.ping() is True
    assert same(c.echo("x"), t("x"))
    c.set("k", 1)
    info = c.info()
    assert same(info["tcp_port"], int(c.config_get("port")["port"]))
    assert type(info["redis_version"]) is str
    assert same(info["db0"], {"keys": 1, "expires": 0, "avg_ttl": 0})
    assert "uptime_in_seconds" not in c.info("keyspace")
    assert type(c.info("cpu")["used_cpu_sys"]) is float
    seconds, microseconds = c.time()
    assert abs(seconds - time.time()) < 60 and 0 <= microseconds < 1_000_000
    assert type(c.lastsave()) is int
    assert type(c.command_count()) is int
    assert same(c.wait(0, 10), 0)
    assert c.config_get("port", "x*").keys() == {"port"}
    assert c.config_resetstat() is True
    with pytest.raises(ReplyError, match="without a config file"):
        c.config_rewrite()
    assert c.flushdb() is True
    assert c.flushdb(asynchronous=True) is True
    assert c.flushall(asynchronous=True) is True


def test_slow_commands(c: AnyClient, t: Texts, settings_back: None) -> None:
    assert c.config_set({"slowlog-log-slower-than": 0}) is True
    assert c.slowlog_reset() is True
    c.client_setname("me")
    c.set("k", "v")
    assert c.slowlog_len() >= 2
    slow = next(entry for entry in c.slowlog_get() if entry.argv[0] == t("SET"))
    assert same(slow.argv, t(["SET", "k", "v"]))
    assert same(slow.client_name, "me")
    assert same(len(c.slowlog_get(1)), 1)


def test_clients_are_described_and_ended(c: AnyClient) -> None:
    assert c.client_getname() is None or c.client_getname() == ""
    assert c.client_setname("me") is True
    assert same(c.client_getname(), "me")
    number = c.client_id()
    assert type(number) is int
    assert same(c.client_info()["id"], str(number))
    assert str(number) in [line["id"] for line in c.client_list()]
    assert same(c.client_list("pubsub"), [])
    assert same(c.client_kill(id=number, type="normal"), 0)
    assert same(c.client_kill(addr="1.2.3.4:5", laddr="1.2.3.4:6", user="default"), 0)
    assert c.client_pause(1, mode="WRITE") is True
    assert c.client_unpause() is True


def test_users(c: AnyClient) -> None:
    assert same(c.acl_whoami(), "default")
    assert c.acl_setuser("eve", "on", ">secret", "~k:*", "+get") is True
    assert same(sorted(c.acl_users()), ["default", "eve"])
    assert any(line.startswith("user eve on") for line in c.acl_list())
    assert same(c.acl_deluser("eve", "nobody"), 1)


def test_data_is_saved(c: AnyClient) -> None:
    assert c.save() is True
    assert same(c.bgsave(schedule=True), "Background saving started")
    while c.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.01)
    assert c.bgrewriteaof().startswith("Background append only file rewriting")
    while c.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.01)
