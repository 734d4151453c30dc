"""Calls that are cancelled at random moments: nobody may get another's reply, and nothing leaks.

    python -m tests.client.cancellations --count 100000 --seed 7

Many tasks share one AsyncClient. Every value tells its key, so that a wrong reply is seen. Tasks
are cancelled while they connect, wait for replies, wait in the server, or hold locks, and in the
second half the connections are cut now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kvclient import AsyncClient
from kvclient.errors import ConnectError, LockError, OutcomeUnknown, TransactionAborted

from ..wire.proxy import Proxy
from ..wire.servers import redis_server

TASKS: Final = 50
KEYS: Final = 40
CUT_EVERY: Final = 700
DEADLINE_S: Final = 20.0


class WrongReply(AssertionError):
    """A call got what belongs to another."""


def expect(actual: object, *allowed: object) -> None:
    if actual not in allowed:
        raise WrongReply(f"{actual!r}, where one of {allowed!r} was due")


async def get(client: Any, n: int) -> None:
    expect(await client.get(f"k{n}"), f"v{n}")


async def write(client: Any, n: int) -> None:
    expect(await client.set(f"own{n}", f"w{n}", get=True), None, f"w{n}")


async def many(client: Any, n: int) -> None:
    replies = await client.many([("GET", f"k{n}"), ("ECHO", f"e{n}"), ("GET", f"k{n}")])
    expect(replies, [f"v{n}", f"e{n}", f"v{n}"])


async def pipeline(client: Any, n: int) -> None:
    queue = client.pipeline()
    queue.get(f"k{n}")
    queue.execute_command("ECHO", f"e{n}")
    expect(await queue.execute(), [f"v{n}", f"e{n}"])


async def transaction(client: Any, n: int) -> None:
    queue = client.transaction()
    queue.get(f"k{n}")
    queue.execute_command("ECHO", f"e{n}")
    expect(await queue.execute(), [f"v{n}", f"e{n}"])


async def watched(client: Any, n: int) -> None:
    async with client.watch(f"own{n}") as watch:
        expect(await watch.get(f"k{n}"), f"v{n}")
        queue = watch.transaction()
        queue.get(f"k{n}")
        expect(await queue.execute(), [f"v{n}"])


async def waiting(client: Any, n: int) -> None:
    expect(await client.blpop(f"empty{n}", 0.01), None)


async def lock(client: Any, n: int) -> None:
    async with client.lock(f"lock{n}", ttl_s=60.0, wait_s=0.02, renew=bool(n % 2)):
        expect(await client.get(f"k{n}"), f"v{n}")


async def script(client: Any, n: int) -> None:
    expect(await client.script("return ARGV[1]")([], [f"s{n}"]), f"s{n}")


CALLS: Final[tuple[Callable[[Any, int], Awaitable[None]], ...]] = (
    *(get, get, get, write, many, pipeline, transaction, watched, waiting, lock, script),
)
EXPECTED: Final = (ConnectError, OutcomeUnknown, TransactionAborted, LockError)


class Storm:
    """Runs `count` calls on one client and cancels each of them at some moment."""

    def __init__(
        self, client: AsyncClient[str], proxy: Proxy, count: int, seed: int, cut_every: int
    ) -> None:
        self.cut_every = cut_every
        self.client = client
        self.proxy = proxy
        self.left = count
        self.random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> None:
        """Raise WrongReply, or whatever a call should not raise."""
        await self.client.mset({f"k{n}": f"v{n}" for n in range(KEYS)})
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(self.work())
        for n in range(KEYS):
            await get(self.client, n)

    async def work(self) -> None:
        while self.left > 0:
            self.left -= 1
            if self.cut_every and self.left % self.cut_every == 0:
                self.proxy.cut()
            call = self.random.choice(CALLS)(self.client, self.random.randrange(KEYS))
            task = asyncio.ensure_future(call)
            await self.moment()
            task.cancel()
            try:
                await task
                self.outcomes["done"] += 1
            except asyncio.CancelledError:
                self.outcomes["cancelled"] += 1
            except EXPECTED as error:
                self.outcomes[type(error).__name__] += 1

    async def moment(self) -> None:
        """Wait for a few rounds of the loop, or for a while."""
        if self.random.random() < 0.6:
            for _ in range(self.random.randrange(12)):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(self.random.random() ** 3 * 0.03)


async def check_nothing_is_left(client: AsyncClient[str], admin: Any) -> None:
    """Assert that the client has its one connection and few idle ones, and no task or request."""
    core = client._core
    give_up_at = time.monotonic() + DEADLINE_S
    while len(asyncio.all_tasks()) > 1 or any(
        link.channel is not None and link.channel.waiting() for link in core.links.values()
    ):
        assert time.monotonic() < give_up_at, asyncio.all_tasks()
        await asyncio.sleep(0.01)
    assert not core.private._lent, "connections that were lent did not come back"
    idle = sum(len(kept) for kept in core.private._idle.values())
    while (open_now := int((await admin.info("clients"))["connected_clients"])) > idle + 2:
        assert time.monotonic() < give_up_at, f"{open_now} connections, {idle} of them idle"
        await asyncio.sleep(0.01)


async def storms(port: int, count: int, seed: int) -> Counter[str]:
    """Run a storm without, and one with connections that are cut; return their outcomes."""
    outcomes = await storm(port, count // 2, seed, cut_every=0)
    return outcomes + await storm(port, count - count // 2, seed + 1, CUT_EVERY)


async def storm(port: int, count: int, seed: int, cut_every: int) -> Counter[str]:
    """Run a storm against a server; return how often which outcome came."""
    with Proxy(port) as proxy:
        url = f"kv://127.0.0.1:{proxy.port}"
        async with (
            AsyncClient(url, decode=True, deadline_s=DEADLINE_S) as client,
            AsyncClient(f"kv://127.0.0.1:{port}", decode=True) as admin,
        ):
            whole = Storm(client, proxy, count, seed, cut_every)
            await whole.run()
            await check_nothing_is_left(client, admin)
            locks = [key async for key in admin.scan_iter(match="lock*")]
            # Where the connection was cut, a lock may have to expire.
            assert cut_every or not locks, f"locks that nobody holds: {locks}"
            await admin.flushall()
            return whole.outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    begin = time.monotonic()
    with redis_server() as server:
        outcomes = asyncio.run(storms(server.port, options.count, options.seed))
    print(f"{dict(outcomes)} in {time.monotonic() - begin:.0f} s; no wrong reply, nothing leaked")


if __name__ == "__main__":
    main()
