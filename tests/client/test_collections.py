"""Methods on hashes, lists and sets."""

from __future__ import annotations

from .conftest import Texts
from .exactness import same
from .transport import AnyClient


def test_fields_of_hashes(c: AnyClient, t: Texts) -> None:
    assert same(c.hset("h", "f", "v"), 1)
    assert same(c.hset("h", mapping={"g": 1, "h": 2.5}), 2)
    assert same(c.hset("h", "f", "w", mapping={"i": 0}), 1)
    assert same(c.hget("h", "f"), t("w"))
    assert c.hget("h", "x") is None
    assert same(c.hgetall("h"), t({"f": "w", "g": "1", "h": "2.5", "i": "0"}))
    assert same(c.hgetall("missing"), {})
    assert same(c.hmget("h", "f", "x"), t(["w", None]))
    assert same(c.hmget("h", ["f", "g"]), t(["w", "1"]))
    assert same(c.hkeys("h"), t(["f", "g", "h", "i"]))
    assert same(c.hvals("h"), t(["w", "1", "2.5", "0"]))
    assert same(c.hlen("h"), 4)
    assert c.hexists("h", "f") is True
    assert c.hexists("h", "x") is False
    assert same(c.hdel("h", "f", "x"), 1)
    assert c.hsetnx("h", "f", 1) is True
    assert c.hsetnx("h", "f", 1) is False
    assert same(c.hincrby("h", "f"), 2)
    assert same(c.hincrby("h", "f", -3), -1)
    assert same(c.hincrbyfloat("h", "f", 1.25), 0.25)
    assert same(c.hstrlen("h", "f"), 4)


def test_random_fields_and_walks_of_hashes(c: AnyClient, t: Texts) -> None:
    assert c.hrandfield("missing") is None
    assert same(c.hrandfield("missing", 2), [])
    assert same(c.hrandfield("missing", 2, withvalues=True), [])
    c.hset("h", "f", "v")
    assert same(c.hrandfield("h"), t("f"))
    assert same(c.hrandfield("h", 2), t(["f"]))
    assert same(c.hrandfield("h", -2, True), t([("f", "v"), ("f", "v")]))
    assert same(c.hscan("h"), (0, t({"f": "v"})))
    assert same(c.hscan("h", match="x*", count=5), (0, {}))
    c.hset("h", mapping={f"f{n}": n for n in range(1000)})
    walked = dict(c.hscan_iter("h", match="f*", count=100))
    assert same(walked, c.hgetall("h"))


def test_both_ends_of_lists(c: AnyClient, t: Texts) -> None:
    assert same(c.rpush("l", "a", "b"), 2)
    assert same(c.lpush("l", "z"), 3)
    assert same(c.rpushx("missing", 1), 0)
    assert same(c.lpushx("l", "y"), 4)
    assert same(c.rpushx("l", "c"), 5)
    assert same(c.lpushx("missing", 1), 0)
    assert same(c.lrange("l", 0, -1), t(["y", "z", "a", "b", "c"]))
    assert same(c.lpop("l"), t("y"))
    assert same(c.lpop("l", 2), t(["z", "a"]))
    assert same(c.rpop("l"), t("c"))
    assert same(c.rpop("l", 5), t(["b"]))
    assert c.lpop("l") is None
    assert c.rpop("l") is None
    assert same(c.lpop("l", 2), [])
    assert same(c.rpop("l", 2), [])
    c.rpush("l", "a", "b", "c")
    assert same(c.lmpop(["x", "l"], direction="LEFT"), (t("l"), t(["a"])))
    assert same(c.lmpop("l", direction="RIGHT", count=5), (t("l"), t(["c", "b"])))
    assert c.lmpop("l", direction="LEFT") is None


def test_the_inside_of_lists(c: AnyClient, t: Texts) -> None:
    c.rpush("l", "a", "b", "a", "c")
    assert same(c.llen("l"), 4)
    assert same(c.lindex("l", -1), t("c"))
    assert c.lindex("l", 9) is None
    assert same(c.linsert("l", "BEFORE", "b", "x"), 5)
    assert same(c.linsert("l", "AFTER", "nobody", "x"), -1)
    assert same(c.lpos("l", "a"), 0)
    assert same(c.lpos("l", "a", rank=2), 3)
    assert c.lpos("l", "nobody") is None
    assert same(c.lpos("l", "a", count=0), [0, 3])
    assert same(c.lpos("l", "a", count=1, rank=-1, maxlen=2), [3])
    assert same(c.lpos("l", "nobody", count=0), [])
    assert c.lset("l", 0, "A") is True
    assert same(c.lrem("l", 0, "a"), 1)
    assert c.ltrim("l", 0, 1) is True
    assert same(c.lrange("l", 0, -1), t(["A", "x"]))


def test_elements_move_between_lists(c: AnyClient, t: Texts) -> None:
    c.rpush("l", "a", "b", "c")
    assert same(c.lmove("l", "m"), t("a"))
    assert same(c.lmove("l", "m", "RIGHT", "LEFT"), t("c"))
    assert same(c.rpoplpush("l", "m"), t("b"))
    assert c.lmove("l", "m") is None
    assert c.rpoplpush("l", "m") is None
    assert same(c.lrange("m", 0, -1), t(["b", "c", "a"]))


def test_waiting_for_elements_of_lists(c: AnyClient, t: Texts) -> None:
    c.rpush("l", *"abcdefg")
    assert same(c.blpop("l", 1), t(("l", "a")))
    assert same(c.brpop(["x", "l"], timeout=1), t(("l", "g")))
    assert same(c.blmove("l", "m", 1), t("b"))
    assert same(c.blmove("l", "m", 1, "RIGHT", "LEFT"), t("f"))
    assert same(c.brpoplpush("l", "m", 1), t("e"))
    assert same(c.blmpop(1, ["x", "l"], direction="LEFT", count=5), (t("l"), t(["c", "d"])))
    assert c.blpop("l", 0.01) is None
    assert c.brpop("l", 0.01) is None
    assert c.blmove("l", "m", 0.01) is None
    assert c.brpoplpush("l", "m", 0.01) is None
    assert c.blmpop(0.01, "l", direction="RIGHT") is None


def test_members_of_sets(c: AnyClient, t: Texts) -> None:
    assert same(c.sadd("s", "a", "b", "c"), 3)
    assert same(c.scard("s"), 3)
    assert same(c.smembers("s"), t({"a", "b", "c"}))
    assert same(c.smembers("missing"), set())
    assert c.sismember("s", "a") is True
    assert c.sismember("s", "x") is False
    assert same(c.smismember("s", "a", "x"), [True, False])
    assert same(c.smismember("s", ["a"]), [True])
    assert same(c.srem("s", "a", "x"), 1)
    assert c.smove("s", "other", "b") is True
    assert c.smove("s", "other", "b") is False
    assert same(c.srandmember("s"), t("c"))
    assert same(c.srandmember("s", -2), t(["c", "c"]))
    assert c.srandmember("missing") is None
    assert same(c.srandmember("missing", 2), [])
    assert same(c.spop("s"), t("c"))
    assert c.spop("s") is None
    assert same(c.spop("s", 2), set())
    assert same(c.spop("other", 2), t({"b"}))


def test_sets_are_combined(c: AnyClient, t: Texts) -> None:
    c.sadd("s", 1, 2, 3)
    c.sadd("u", 3, 4)
    assert same(c.sinter("s", "u"), t({"3"}))
    assert same(c.sunion(["s", "u"]), t({"1", "2", "3", "4"}))
    assert same(c.sdiff("s", "u"), t({"1", "2"}))
    assert same(c.sinterstore("d", "s", "u"), 1)
    assert same(c.sunionstore("d", ["s", "u"]), 4)
    assert same(c.sdiffstore("d", "s", "u"), 2)
    assert same(c.sintercard(["s", "u"]), 1)
    assert same(c.sintercard("s", limit=2), 2)


def test_walks_over_sets(c: AnyClient, t: Texts) -> None:
    c.sadd("s", "a")
    assert same(c.sscan("s"), (0, t(["a"])))
    c.sadd("s", *(f"m{n}" for n in range(1000)))
    assert same(set(c.sscan_iter("s", match="m*", count=100)), c.smembers("s") - {t("a")})
