"""`kvclient.compat`: redis-py's arguments, results and errors over our transport.

redis-py's own tests say more of it (tests/clients/test_redis_py_suite.py).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

import kvclient.compat.asyncio
import kvclient.compat.blocking
from kvclient.compat import OutcomeUnknown, Redis
from kvclient.compat.blocking import _clients
from kvclient.compat.transport import options_of
from kvclient.options import Options

from ..wire.servers import Server


@pytest.fixture
def port(servers: dict[str, Server]) -> int:
    """The port of an empty node."""
    node = servers["kvnode"]
    node.revive()
    with redis.Redis(port=node.port) as direct:
        direct.flushall()
    return node.port


@pytest.fixture
def r(port: int) -> Iterator[Any]:
    """A client; redis-py's types say of most results that they may have to be awaited."""
    with Redis(port=port, decode_responses=True) as client:
        yield client


def options(**arguments: Any) -> Any:
    return options_of(redis.Redis(**arguments).connection_pool)


def test_arguments_become_options() -> None:
    told = options(
        host="db",
        port=7000,
        db=2,
        username="ann",
        password="secret",
        socket_timeout=1.5,
        socket_connect_timeout=0.5,
        client_name="me",
        protocol=2,
    )
    assert [str(address) for address in told.addresses] == ["db:7000"]
    assert (told.db, told.username, told.password, told.client_name) == (2, "ann", "secret", "me")
    assert (told.deadline_s, told.connect_timeout_s, told.protocol) == (1.5, 0.5, 2)
    assert options().deadline_s == 5
    assert options(unix_socket_path="/run/kv.sock").addresses[0].path == "/run/kv.sock"
    assert options_of(redis.ConnectionPool.from_url("redis://db/3")).db == 3


def test_tls_arguments_become_options() -> None:
    told = options(ssl=True, ssl_ca_certs="/ca.pem", ssl_certfile="/c.pem", ssl_keyfile="/k.pem")
    assert (told.tls, told.tls_verify, told.tls_ca_file) == (True, True, "/ca.pem")
    assert (told.tls_cert_file, told.tls_key_file) == ("/c.pem", "/k.pem")
    assert not options(ssl=True, ssl_cert_reqs="none").tls_verify


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"ssl": True, "ssl_ciphers": "AES"}, "ssl_ciphers"),
        ({"ssl": True, "ssl_check_hostname": False}, "host's name"),
        ({"ssl": True, "ssl_cert_reqs": "optional"}, "ssl_cert_reqs"),
        ({"credential_provider": redis.UsernamePasswordCredentialProvider("a", "b")}, "credential"),
        ({"redis_connect_func": print}, "redis_connect_func"),
    ],
)
def test_what_cannot_be_said_is_refused_at_once(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(redis.RedisError, match=word):
        Redis(**arguments)
    with pytest.raises(redis.RedisError, match=word):
        kvclient.compat.asyncio.Redis(**arguments)


def test_it_is_a_redis_and_speaks_like_one(r: Any) -> None:
    assert isinstance(r, redis.Redis)
    assert r.set("k", "v", ex=10) is True
    assert r.get("k") == "v"
    assert r.hset("h", mapping={"f": 1}) == 1
    assert r.hgetall("h") == {"f": "1"}
    assert r.zadd("z", {"m": 1.5}) == 1
    assert r.zrange("z", 0, -1, withscores=True) == [("m", 1.5)]
    assert r.blpop(["nothing"], timeout=0.05) is None
    assert isinstance(r.dump("k"), bytes)
    assert sorted(r.scan_iter("?")) == ["h", "k", "z"]


def test_other_encodings(port: int) -> None:
    made: Any = Redis(port=port, encoding="latin-1", decode_responses=True)
    with made as r, Redis(port=port) as direct:
        r.set("clé", "été")
        assert r.get("clé") == "été"
        assert direct.get("clé".encode("latin-1")) == "été".encode("latin-1")


def test_all_of_one_pool_share_the_transport(port: int) -> None:
    pool = redis.ConnectionPool(port=port)
    first, second = Redis(connection_pool=pool), Redis.from_pool(pool)
    assert first.incr("n") == 1
    assert second.incr("n") == 2
    assert _clients.of(pool) is _clients.of(second.connection_pool)
    second.close()
    first.close()
    assert first.incr("n") == 3  # as redis-py: the next command connects anew


def test_a_client_may_be_collected_while_another_connects(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Redis(port=port), Redis(port=port)
    old.ping()

    def options_at_a_bad_moment(pool: Any) -> Options:
        old.close()  # as its `__del__` does
        return options_of(pool)

    monkeypatch.setattr(kvclient.compat.blocking, "options_of", options_at_a_bad_moment)
    worker = threading.Thread(target=new.ping, daemon=True)
    worker.start()
    worker.join(10)
    assert not worker.is_alive()


def test_pipelines_and_transactions(r: Any) -> None:
    with r.pipeline() as pipe:
        assert pipe.set("n", 1).incr("n").mget([]).execute() == [True, 2, []]
    with r.pipeline(transaction=False) as pipe:
        pipe.lpush("n", 1).get("n")
        error, value = pipe.execute(raise_on_error=False)
        assert isinstance(error, redis.ResponseError)
        assert value == "2"
        pipe.get("n").lpush("n", 1)
        with pytest.raises(redis.ResponseError, match=r"Command # 2 \(LPUSH n 1\)"):
            pipe.execute()
    with r.pipeline() as pipe:
        pipe.get("n").execute_command("INCR")
        with pytest.raises(redis.ResponseError, match=r"Command # 2 \(INCR\)"):
            pipe.execute()

    def double(pipe: Any) -> None:
        value = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", value * 2)

    assert r.transaction(double, "n") == [True]
    assert r.get("n") == "4"


def test_a_watched_key_that_changes_is_a_watch_error(r: Any) -> None:
    with r.pipeline() as pipe:
        pipe.watch("k")
        r.set("k", "somebody else's")
        pipe.multi()
        pipe.set("k", "mine")
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_scripts_locks_and_channels(r: Any) -> None:
    script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    r.script_flush()
    with r.pipeline() as pipe:
        script(keys=["n"], args=[5], client=pipe)
        assert pipe.execute() == [10]
    with r.lock("door", timeout=5):
        assert not r.lock("door", timeout=5).acquire(blocking=False)
    with r.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe("news")
        while not r.pubsub_numsub("news")[0][1]:
            pass
        r.publish("news", "hello")
        messages = [heard.get_message(timeout=5) for _ in range(2)]
        assert [message["data"] for message in messages if message] == ["hello"]


def test_errors_are_those_of_redis_py(r: Any, port: int) -> None:
    r.set("k", "v")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        r.lpush("k", 1)
    with pytest.raises(redis.DataError):
        r.set("k", None)
    with pytest.raises(redis.DataError):
        r.execute_command("CONFIG", None)
    with pytest.raises(redis.DataError):
        r.pipeline().set("k", True).execute()
    with pytest.raises(NoScriptError):
        r.evalsha("0" * 40, 0)
    with pytest.raises(redis.AuthenticationError):
        Redis(port=port, username="nobody", password="wrong").ping()
    with pytest.raises(redis.ConnectionError):
        Redis(port=1, socket_timeout=0.1).ping()


def test_a_lost_reply_is_told_and_not_asked_for_again(port: int) -> None:
    with Redis(port=port, socket_timeout=0.2) as quick, pytest.raises(OutcomeUnknown) as caught:
        quick.execute_command("DEBUG", "SLEEP", "0.5")
    assert isinstance(caught.value, redis.TimeoutError)
    assert isinstance(caught.value, redis.ConnectionError)


@pytest.mark.parametrize("name", ["SELECT 1", "AUTH x", "CLIENT REPLY OFF", "RESET", "MULTI"])
def test_what_changes_a_connection_is_refused_with_a_pointer(r: Any, name: str) -> None:
    with pytest.raises(redis.RedisError, match=r"client\.client\(\)"):
        r.execute_command(*name.split())


def test_a_connection_of_ones_own_takes_everything(r: Any) -> None:
    with r.client() as single:
        single.client_setname("alone")
        assert single.client_getname() == "alone"
        assert single.select(1)
        single.set("elsewhere", 1)
        assert not r.exists("elsewhere")


async def test_the_asyncio_class_is_redis_pys_too(port: int) -> None:
    made: Any = kvclient.compat.asyncio.Redis(port=port, decode_responses=True)
    async with made as r:
        assert isinstance(r, redis.asyncio.Redis)
        assert await asyncio.gather(*(r.incr("n") for _ in range(100))) == list(range(1, 101))
        async with cast(Any, r.pipeline()) as pipe:
            assert await pipe.set("k", "v").get("k").execute() == [True, "v"]
            pipe.get("k").execute_command("INCR")
            with pytest.raises(redis.ResponseError, match="Command # 2"):
                await pipe.execute()
        async with cast(Any, r.pipeline(transaction=False)) as pipe:
            pipe.blpop(["nothing"], timeout=0.05).get("k")
            assert await pipe.execute() == [None, "v"]
        script = r.register_script("return 7")
        async with cast(Any, r.pipeline()) as pipe:
            await script(client=pipe)
            assert await pipe.execute() == [7]
        async with r.lock("door", timeout=5):
            assert await r.exists("door")
        with pytest.raises(redis.ResponseError):
            await r.lpush("k", 1)
        async with r.pubsub() as heard:
            await heard.subscribe("news")
            assert (await heard.get_message(timeout=5) or {})["type"] == "subscribe"
        assert await r.blpop(["nothing"], timeout=0.05) is None


async def test_a_cancelled_call_leaves_the_next_its_own_reply(port: int) -> None:
    made: Any = kvclient.compat.asyncio.Redis(port=port)
    async with made as r:
        await r.set("k", "v")
        for _ in range(20):
            task: asyncio.Task[Any] = asyncio.create_task(r.get("other"))
            await asyncio.sleep(0)
            task.cancel()
            assert await r.get("k") == b"v"


def test_retries_are_ours(port: int) -> None:
    # redis-py's own count is accepted and has no say: the deadline has.
    with Redis(port=port, retry=Retry(NoBackoff(), 0)) as r:
        r.client_kill_filter(_type="normal", skipme=False)
        assert r.ping()


def test_without_redis_py_the_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['redis'] = None; import kvclient.compat"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    line = done.stderr.splitlines()[-1]
    assert line == "ImportError: kvclient.compat needs redis-py 8: pip install 'kvnode[compat]'"
