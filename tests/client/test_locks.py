"""Locks: what their tokens promise, and how long they are renewed."""

from __future__ import annotations

from typing import Any

import pytest

from kvclient import Client, LockError

from ..wire.proxy import Proxy
from ..wire.servers import Server
from .flavour import Flavour


def taken(f: Flavour, client: Any, name: str, **options: Any) -> Any:
    """Return a lock that is held."""
    lock = client.lock(name, **options)
    assert f.do(lock.acquire)
    return lock


@pytest.mark.parametrize("name", ["kvnode", "redis-server"])
def test_tokens_grow_though_the_last_one_is_lost(
    f: Flavour, servers: dict[str, Server], name: str
) -> None:
    servers[name].revive()
    client = f.client(f"kv://127.0.0.1:{servers[name].port}")
    tokens = []
    for round in range(6):
        lock = taken(f, client, "lock", renew=False)
        tokens.append(lock.token)
        f.do(client.flushall if round % 2 else lock.release)
    assert tokens == sorted(set(tokens))
    f.do(lambda: client.set("{lock}:fence", 2**52))  # the node's clock was set back
    lock = taken(f, client, "lock", renew=False)
    assert lock.token == 2**52 + 1
    f.do(client.flushall)
    with pytest.raises(LockError, match="lost"):
        f.do(lock.release)


def test_a_renewal_whose_reply_is_lost_leaves_time_for_another(f: Flavour, redis: Server) -> None:
    redis.revive()
    with Proxy(redis.port) as proxy:
        client = f.client(f"kv://127.0.0.1:{proxy.port}?deadline=1")
        lock = taken(f, client, "renewed", ttl_s=1.5)
        proxy.swallow()
        f.pause(0.8)
        proxy.heal()
        f.pause(1.2)
        lock.check()
        with Client(f"kv://127.0.0.1:{redis.port}") as other:
            assert other.exists("renewed") == 1
        f.do(lock.release)


def test_nothing_is_renewed_for_ever_without_a_connection(f: Flavour, redis: Server) -> None:
    redis.revive()
    client = f.client(f"kv://127.0.0.1:{redis.port}")
    lock = taken(f, client, "left", ttl_s=0.3)
    renewal = lock._renewal
    f.do(client.close)
    if f.is_async:
        f.until(lambda: bool(renewal._task.done()))
        assert renewal._task.exception() is None
    else:
        f.until(lambda: not renewal._thread.is_alive())
    assert not lock.is_held
