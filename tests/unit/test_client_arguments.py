"""Arguments that cannot be sent, or not together, are errors before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from kvclient.errors import ArgumentError

from .test_client_argv import Ours

REFUSED: Final = """
set("k", "v", ex=5, px=5)
set("k", "v", ex=0, px=0)
set("k", "v", exat=5, keepttl=True)
set("k", "v", nx=True, xx=True)
set("k", "v", ex="5")
set("k", "v", ex=True)
set("k", "v", ex=float("nan"))
set("k", "v", px=1.5)
set("k", "v", pxat="soon")
set("k", None)
set("k", True)
set("k", ["v"])
set("k", "\\ud800")
set(None, "v")
getex("k", ex=5, persist=True)
get(object())
mget(None)
mget(["a", ["b"]])
mset({})
lcs("a", "b", len=True, idx=True)
bitcount("k", 1)
bitcount("k", mode="BIT")
bitpos("k", 1, end=5)
bitpos("k", 1, 0, mode="BIT")
hset("h")
hset("h", "f")
hset("h", "f", mapping={"g": 1})
hset("h", mapping={})
hrandfield("h", withvalues=True)
blpop("l", "5")
blpop("l", True)
zadd("z", {})
zadd("z", {"a": 1}, nx=True, xx=True)
zadd("z", {"a": 1}, nx=True, gt=True)
zadd("z", {"a": 1}, gt=True, lt=True)
zadd("z", {"a": 1, "b": 2}, incr=True)
zrandmember("z", withscores=True)
zmpop("z")
zmpop("z", min=True, max=True)
zrange("z", 0, 1, byscore=True, bylex=True)
zrange("z", 0, 1, offset=1, num=2)
zrange("z", 0, 1, byscore=True, offset=1)
zrangebyscore("z", 0, 1, start=1)
geoadd("g", {})
geoadd("g", {"a": (1.0,)})
geoadd("g", {"a": (1.0, 2.0)}, nx=True, xx=True)
geosearch("g", radius=5)
geosearch("g", member="a")
geosearch("g", member="a", longitude=1, latitude=2, radius=5)
geosearch("g", longitude=1, radius=5)
geosearch("g", member="a", width=5)
geosearch("g", member="a", radius=5, any=True)
xadd("s", {})
xadd("s", {"f": "v"}, maxlen=5, minid="5")
xadd("s", {"f": "v"}, limit=5)
xtrim("s")
xread({})
xclaim("s", "g", "c", 5, "1-0")
xclaim("s", "g", "c", 5, ["1-0"], idle=5, time=5)
expire("k", 5, nx=True, gt=True)
expire("k", "5")
expireat("k", None)
pexpire("k", 1.5)
restore("k", 0, b"v", idletime=1, frequency=1)
sort("l", start=1)
sort("l", get="#")
eval("return 1", 1, "k")
eval("return 1", "k")
client_pause(1.5)
""".strip().split("\n")


@pytest.mark.parametrize("call", REFUSED)
def test_a_wrong_call_is_refused_and_nothing_is_sent(call: str) -> None:
    client = Ours()
    with pytest.raises(ArgumentError):
        eval(f"client.{call}", {"client": client})
    assert client.sent == []


NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOON_S: Final = 1893499200

TIMES: Final[list[tuple[dict[str, Any], list[bytes]]]] = [
    ({"ex": 5}, [b"EX", b"5"]),
    ({"ex": 5.0}, [b"EX", b"5"]),
    ({"ex": 0.25}, [b"PX", b"250"]),
    ({"ex": timedelta(minutes=1)}, [b"EX", b"60"]),
    ({"ex": timedelta(milliseconds=1500)}, [b"PX", b"1500"]),
    ({"px": timedelta(seconds=2)}, [b"PX", b"2000"]),
    ({"exat": NOON}, [b"EXAT", b"%d" % NOON_S]),
    ({"exat": NOON_S + 0.5}, [b"PXAT", b"%d" % (NOON_S * 1000 + 500)]),
    ({"pxat": NOON}, [b"PXAT", b"%d" % (NOON_S * 1000)]),
]


@pytest.mark.parametrize(("option", "words"), TIMES)
def test_a_time_is_sent_in_seconds_where_they_are_whole(
    option: dict[str, Any], words: list[bytes]
) -> None:
    client = Ours()
    client.set("k", "v", **option)
    assert client.sent == [b"SET", b"k", b"v", *words]


def test_setex_and_expire_change_to_milliseconds_for_parts_of_seconds() -> None:
    client = Ours()
    client.setex("k", 0.5, "v")
    assert client.sent == [b"PSETEX", b"k", b"500", b"v"]
    client.expire("k", 1.5)
    assert client.sent == [b"PEXPIRE", b"k", b"1500"]
    client.expireat("k", NOON)
    assert client.sent == [b"EXPIREAT", b"k", b"%d" % NOON_S]
