"""The asynchronous flavour: the same methods as the blocking one, and walks."""

from __future__ import annotations

from .conftest import Texts
from .exactness import same
from .transport import AnyAsyncClient


async def test_results_are_awaited(a: AnyAsyncClient, t: Texts) -> None:
    assert await a.set("k", "v", ex=100) is True
    assert same(await a.get("k"), t("v"))
    assert same(await a.zadd("z", {"m": 1.5}), 1)
    assert same(await a.zrange("z", 0, -1, withscores=True), [(t("m"), 1.5)])
    assert await a.blpop("l", 0.01) is None
    assert same(await a.xread({"s": "$"}, block=10), {})


async def test_walks_see_everything(a: AnyAsyncClient, t: Texts) -> None:
    numbers = range(500)
    await a.hset("h", mapping={f"f{n}": n for n in numbers})
    await a.sadd("s", *numbers)
    await a.zadd("z", {f"m{n}": n for n in numbers})
    fields = {field: value async for field, value in a.hscan_iter("h", count=50)}
    assert same(fields, await a.hgetall("h"))
    assert same({member async for member in a.sscan_iter("s")}, await a.smembers("s"))
    scores = [item async for item in a.zscan_iter("z", match="m*")]
    assert same(
        sorted(scores, key=lambda item: item[1]), await a.zrange("z", 0, -1, withscores=True)
    )
    assert same({key async for key in a.scan_iter(count=2)}, t({"h", "s", "z"}))
    assert same([key async for key in a.scan_iter(type="set")], t(["s"]))
