"""Where requests go: by slot, by ring, to all; and how several nodes' replies become one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kvclient.errors import (
    ArgumentError,
    ProtocolError,
    ReplyError,
    Unavailable,
    UsageError,
    reply_error,
)
from kvclient.neighbours import beside
from kvclient.options import Options
from kvclient.routing.address import Address, Redirect
from kvclient.routing.cluster import ClusterRouter
from kvclient.routing.ring import RingRouter
from kvclient.routing.router import Router, router_of
from kvclient.routing.standalone import Standalone
from kvclient.wire.encoding import as_wire
from kvprotocol.slots import key_slot

SEED = Address("seed", 7000)
LEADERS = [Address("10.0.0.1", 7001), Address("10.0.0.2", 7002), Address("10.0.0.3", 7003)]
FOLLOWERS = [Address("10.0.1.1", 7001), Address("10.0.1.2", 7002), Address("10.0.1.3", 7003)]
NODES = [Address(f"cache-{i}", 6379) for i in range(10)]
KEYS = [b"key:%d" % i for i in range(20_000)]


def slots_reply() -> list[Any]:
    """CLUSTER SLOTS of three shards, each with one follower."""
    ranges = [(0, 5460), (5461, 10922), (10923, 16383)]
    return [
        [begin, end, *([node.host.encode(), node.port, b"id", []] for node in (leader, follower))]
        for (begin, end), leader, follower in zip(ranges, LEADERS, FOLLOWERS)
    ]


def cluster(read_from: str = "leader") -> ClusterRouter:
    router = ClusterRouter([SEED], read_from)
    router.learn(slots_reply(), SEED)
    router.check()
    return router


def ring() -> RingRouter:
    router = RingRouter(dict.fromkeys(NODES, 1.0))
    router.check()
    return router


def leader_of(key: bytes) -> Address:
    return LEADERS[min(key_slot(key) // 5461, 2)]


# -- addresses and the choice ----------------------------------------------------------------------


def test_addresses_are_written_as_people_write_them() -> None:
    assert str(Address("a", 1)) == "a:1"
    assert str(Address("::1", 7001)) == "[::1]:7001"
    assert str(Address("", 0, "/run/kv.sock")) == "unix:/run/kv.sock"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("kv://a", Standalone),
        ("kv://a,b?mode=cluster", ClusterRouter),
        ("kv://a,b?mode=ring&weights=1,3", RingRouter),
        ("kv://a,b?mode=ring", RingRouter),
    ],
)
def test_the_options_choose_the_router(url: str, kind: type) -> None:
    router: Router = router_of(Options.from_url(url))
    assert isinstance(router, kind)
    router.check()


def test_standalone_sends_everything_to_its_one_address() -> None:
    router = Standalone(SEED)
    router.check()
    assert router.address_of(("MGET", "a", "b")) == SEED
    assert router.address_of(("FLUSHALL",)) == SEED
    assert router.address_of_all([("GET", "a"), ("GET", "b")]) == SEED
    assert router.channel_address(b"c") == router.leaders()[0] == router.sources()[0] == SEED
    plan = router.split(("MGET", "a", "b"))
    assert plan.parts == ((("MGET", "a", "b"), SEED, ()),)
    assert plan.merge([[b"1", b"2"]]) == [b"1", b"2"]
    assert router.redirected(reply_error("MOVED 1 h:1"), SEED) is None


# -- the map of a cluster --------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"foo", "foo", bytearray(b"foo"), b"{foo}x", "a{foo}{bar}"])
def test_a_key_goes_to_the_leader_of_its_slot(key: object) -> None:
    assert cluster().address_of(("GET", key)) == leader_of(b"foo")


def test_a_number_is_a_key_as_its_digits() -> None:
    assert cluster().address_of(("GET", 12)) == leader_of(b"12")


def test_many_keys_of_one_slot_go_to_its_leader() -> None:
    router = cluster()
    assert router.address_of(("SUNIONSTORE", "{t}d", "{t}a", b"{t}b")) == leader_of(b"t")
    assert router.address_of(("EVAL", "x", 2, "{t}a", "{t}b")) == leader_of(b"t")
    assert router.address_of(("XREAD", "STREAMS", "{t}a", "{t}b", 0, 0)) == leader_of(b"t")
    assert router.address_of(("SPUBLISH", "foo", "m")) == leader_of(b"foo")
    assert router.address_of(("JSON.GET", "foo")) == leader_of(b"foo")


def test_keys_of_different_slots_are_refused_with_their_names() -> None:
    with pytest.raises(UsageError, match=r"SUNION: the keys 'a' and b'b' are in different slots"):
        cluster().address_of(("sunion", "a", b"b"))
    with pytest.raises(UsageError, match="MSETNX"):
        cluster().split(("MSETNX", "a", 1, "b", 2))
    long = "x" * 500
    with pytest.raises(UsageError) as caught:
        cluster().address_of(("RENAME", long, "b"))
    assert len(str(caught.value)) < 250


def test_a_transaction_has_one_slot() -> None:
    router = cluster()
    requests = [("GET", "{t}a"), ("PING",), ("MSET", "{t}b", 1, "{t}c", 2)]
    assert router.address_of_all(requests) == leader_of(b"t")
    assert router.address_of_all([("PING",)]) in LEADERS
    with pytest.raises(UsageError, match="a transaction: the keys 'a' and 'b'"):
        router.address_of_all([("GET", "a"), ("GET", "b")])


def test_before_the_map_is_known_the_seeds_are_asked() -> None:
    router = ClusterRouter([SEED])
    router.check()
    assert router.map_is_due
    assert router.address_of(("GET", "a")) == SEED
    assert router.address_of(("PING",)) == SEED
    assert router.sources() == router.leaders() == [SEED]
    router.learn([], SEED)
    assert router.map_is_due


def test_a_slot_without_a_shard_is_asked_for_at_any_leader() -> None:
    router = ClusterRouter([SEED])
    router.learn([[0, 0, [b"h", 1, b"id"]]], SEED)
    assert router.address_of(("GET", "foo")) == Address("h", 1)
    assert not router.map_is_due


def test_sources_are_everybody_and_the_seeds_come_last() -> None:
    router = cluster()
    assert router.sources() == [*LEADERS, *FOLLOWERS, SEED]
    assert router.leaders() == LEADERS
    assert router.nodes() == [*LEADERS, *FOLLOWERS]
    assert router.is_follower(FOLLOWERS[1])
    assert not router.is_follower(LEADERS[1])


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ([b"h", 1, b"id", []], Address("h", 1)),
        (["h", 1, "id", {}], Address("h", 1)),
        ([b"h", 1], Address("h", 1)),
        ([b"", 1, b"id"], Address("seed", 1)),
        ([None, 1, b"id", [b"hostname", b"h"]], Address("seed", 1)),
        ([b"?", 1, b"id", [b"ip", b"10.9.9.9"]], Address("10.9.9.9", 1)),
        ([b"?", 1, b"id", {b"ip": b"10.9.9.9"}], Address("10.9.9.9", 1)),
        ([b"name", 1, b"id", [b"ip", b"10.9.9.9"]], Address("name", 1)),
    ],
)
def test_hosts_that_are_left_out_or_unknown(node: list[object], wanted: Address) -> None:
    router = ClusterRouter([SEED])
    router.learn([[0, 16383, node]], SEED)
    router.check()
    assert router.leaders() == [wanted]


def test_a_node_whose_host_nobody_knows_is_left_out() -> None:
    router = ClusterRouter([SEED])
    router.learn([[0, 16383, [b"h", 1, b"id"], [b"?", 2, b"id"]]], SEED)
    assert router.nodes() == [Address("h", 1)]
    router.learn([[0, 16383, [b"?", 1, b"id"]]], SEED)
    assert router.map_is_due


@pytest.mark.parametrize(
    "reply",
    [
        b"OK",
        [1],
        [[0, 1]],
        [[0, 16384, [b"h", 1]]],
        [[5, 4, [b"h", 1]]],
        [[0, 1, [b"h"]]],
        [[0, 1, [b"h", 0]]],
        [[0, 1, [b"h", b"1"]]],
        [[0, 1, [7, 1]]],
        [[0, 1, b"h"]],
        [[0, 1, [b"\xff", 1]]],
        [[b"0", 1, [b"h", 1]]],
    ],
)
def test_a_reply_that_is_no_map_changes_nothing(reply: object) -> None:
    router = cluster()
    with pytest.raises(ProtocolError, match="CLUSTER SLOTS of seed:7000"):
        router.learn(reply, SEED)
    router.check()
    assert router.leaders() == LEADERS


# -- followers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read_from", "readers"),
    [("leader", {0}), ("any", {0, 1}), ("prefer_follower", {1})],
)
def test_who_answers_reads(read_from: str, readers: set[int]) -> None:
    router = cluster(read_from)
    shard = [leader_of(b"foo"), FOLLOWERS[LEADERS.index(leader_of(b"foo"))]]
    asked = Counter(router.address_of(("GET", "foo")) for _ in range(100))
    assert set(asked) == {shard[i] for i in readers}
    assert min(asked.values()) == 100 // len(readers)
    assert {router.address_of(("SET", "foo", 1)) for _ in range(9)} == {shard[0]}
    assert {router.address_of(("EVAL", "x", 1, "foo")) for _ in range(9)} == {shard[0]}
    assert {router.address_of(("GET", "foo"), leader_only=True) for _ in range(9)} == {shard[0]}
    assert {router.address_of_all([("GET", "foo")]) for _ in range(9)} == {shard[0]}


def test_a_leader_without_followers_answers_itself() -> None:
    router = ClusterRouter([SEED], "prefer_follower")
    router.learn([[0, 16383, [b"h", 1, b"id"]]], SEED)
    assert router.address_of(("GET", "foo")) == Address("h", 1)


# -- redirects -------------------------------------------------------------------------------------


def test_moved_changes_the_slot_at_once_and_makes_the_map_due_once() -> None:
    router = cluster()
    slot = key_slot(b"foo")
    error = reply_error(f"MOVED {slot} 10.0.0.1:7001")
    assert router.redirected(error, LEADERS[2]) == Redirect(LEADERS[0], asking=False)
    assert router.map_is_due
    assert router.address_of(("GET", "foo")) == LEADERS[0]
    other = next(key for key in KEYS if leader_of(key) == LEADERS[2] and key_slot(key) != slot)
    assert router.address_of(("GET", other)) == LEADERS[2]
    router.map_is_due = False
    assert router.redirected(error, LEADERS[2]) == Redirect(LEADERS[0], asking=False)
    assert not router.map_is_due
    router.check()


def test_moved_to_a_node_that_the_map_has_not() -> None:
    router = cluster()
    error = reply_error(f"MOVED {key_slot(b'foo')} ::1:7009")
    new = Address("::1", 7009)
    assert router.redirected(error, SEED) == Redirect(new, asking=False)
    assert router.address_of(("GET", "foo")) == new
    assert new in router.leaders()
    router.check()


def test_ask_leaves_the_map_alone() -> None:
    router = cluster()
    error = reply_error(f"ASK {key_slot(b'foo')} 10.0.0.1:7001")
    assert router.redirected(error, SEED) == Redirect(LEADERS[0], asking=True)
    assert router.address_of(("GET", "foo")) == leader_of(b"foo") == LEADERS[2]
    assert not router.map_is_due


def test_a_redirect_without_a_host_stays_on_the_host_that_answered() -> None:
    redirect = cluster().redirected(reply_error("MOVED 7 :7009"), LEADERS[1])
    assert redirect == Redirect(Address("10.0.0.2", 7009), asking=False)


def test_a_redirect_to_nobody_known_makes_the_map_due() -> None:
    router = cluster()
    assert router.redirected(reply_error("MOVED 7 ?:7009"), LEADERS[1]) is None
    assert router.map_is_due


def test_other_errors_redirect_nowhere() -> None:
    router = cluster()
    for text in ("CROSSSLOT no", "TRYAGAIN later", "ERR MOVED 1 a:1", "MOVEDX 1 a:1"):
        assert router.redirected(reply_error(text), SEED) is None


@pytest.mark.parametrize(
    "text", ["MOVED", "MOVED x h:1", "MOVED 1 h", "ASK 16384 h:1", "ASK 1 h:0"]
)
def test_a_redirect_that_cannot_be_read_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="redirects strangely"):
        cluster().redirected(ReplyError(text), SEED)


# -- requests for several nodes --------------------------------------------------------------------


def test_mget_is_split_by_slot_and_merged_in_the_order_of_its_keys() -> None:
    router = cluster()
    keys = [*KEYS[:200], b"{t}a", b"{t}b", KEYS[0]]
    argv = ("MGET", *keys)
    assert router.address_of(argv) is None
    plan = router.split(argv)
    shares = [[as_wire(key) for key in part.argv[1:]] for part in plan.parts]
    for part, share in zip(plan.parts, shares):
        assert len({key_slot(key) for key in share}) == 1
        assert part.address == leader_of(share[0])
    assert [b"{t}a", b"{t}b"] in shares
    replies = [[b"v:" + key for key in share] for share in shares]
    assert plan.merge(replies) == [b"v:" + key for key in keys]


@pytest.mark.parametrize("name", ["DEL", "UNLINK", "EXISTS", "TOUCH", b"del"])
def test_counts_of_parts_are_added(name: object) -> None:
    plan = cluster().split((name, "a", "b", "c"))
    assert [part.argv for part in plan.parts] == [(name, "a"), (name, "b"), (name, "c")]
    assert plan.merge([1, 0, 1]) == 2


def test_mset_keeps_keys_and_values_together() -> None:
    plan = cluster().split(("MSET", "a", 1, "b", 2, "{a}", 3))
    assert [part.argv for part in plan.parts] == [("MSET", "a", 1, "{a}", 3), ("MSET", "b", 2)]
    assert plan.merge([b"OK", b"OK"]) == b"OK"
    with pytest.raises(ArgumentError, match="pairs"):
        cluster().split(("MSET", "a", 1, "b"))


def test_the_first_failure_of_a_part_is_raised() -> None:
    plan = cluster().split(("DEL", "a", "b", "c"))
    with pytest.raises(ReplyError, match="LOADING one"):
        plan.merge([1, reply_error("LOADING one"), reply_error("LOADING two")])


def test_a_part_with_a_wrong_number_of_elements_is_a_protocol_error() -> None:
    plan = cluster().split(("MGET", "a", "b"))
    for replies in ([[b"1"], []], [[b"1"], b"2"]):
        with pytest.raises(ProtocolError):
            plan.merge(replies)


def test_a_request_for_one_node_is_its_own_only_part() -> None:
    plan = cluster().split(("GET", "foo"))
    assert plan.parts == ((("GET", "foo"), leader_of(b"foo"), ()),)
    assert plan.merge([b"v"]) == b"v"


@pytest.mark.parametrize(
    ("request_", "asked", "replies", "wanted"),
    [
        ("DBSIZE", LEADERS, [1, 2, 3], 6),
        ("FLUSHALL", LEADERS, [b"OK"] * 3, b"OK"),
        ("FLUSHDB ASYNC", LEADERS, [b"OK"] * 3, b"OK"),
        ("KEYS *", LEADERS, [[b"a"], [], [b"b", b"c"]], [b"a", b"b", b"c"]),
        ("RANDOMKEY", LEADERS, [None, b"a", None], b"a"),
        ("RANDOMKEY", LEADERS, [None, None, None], None),
        ("SCRIPT LOAD x", LEADERS + FOLLOWERS, [b"sha"] * 6, b"sha"),
        ("SCRIPT FLUSH", LEADERS + FOLLOWERS, [b"OK"] * 6, b"OK"),
        ("script exists a b", LEADERS, [[1, 1], [1, 0], [1, 1]], [1, 0]),
        ("SCRIPT KILL", LEADERS, [reply_error("NOTBUSY"), b"OK", reply_error("NOTBUSY")], b"OK"),
        ("FUNCTION LOAD x", LEADERS, [b"lib"] * 3, b"lib"),
        ("FUNCTION DELETE x", LEADERS, [b"OK"] * 3, b"OK"),
        ("FUNCTION FLUSH", LEADERS, [b"OK"] * 3, b"OK"),
        ("CONFIG SET a b", LEADERS + FOLLOWERS, [b"OK"] * 6, b"OK"),
        ("SLOWLOG GET", LEADERS + FOLLOWERS, [[1], [2], [], [], [], [3]], [1, 2, 3]),
        ("SLOWLOG LEN", LEADERS + FOLLOWERS, [1, 2, 0, 0, 0, 1], 4),
        ("WAIT 1 0", LEADERS, [2, 1, 2], 1),
    ],
)
def test_requests_without_keys_that_concern_many(
    request_: str, asked: list[Address], replies: list[Any], wanted: object
) -> None:
    router = cluster()
    argv = tuple(request_.split())
    assert router.address_of(argv) is None
    plan = router.split(argv)
    assert [part.address for part in plan.parts] == asked
    assert {part.argv for part in plan.parts} == {argv}
    assert plan.merge(replies) == wanted


def test_where_nobody_succeeded_the_first_error_is_raised() -> None:
    plan = cluster().split(("SCRIPT", "KILL"))
    with pytest.raises(ReplyError, match="NOTBUSY 0"):
        plan.merge([reply_error(f"NOTBUSY {i}") for i in range(3)])


@pytest.mark.parametrize(
    "request_", ["PING", "PUBLISH c m", "EVAL x 0", "INFO", "TIME", "CONFIG GET x", "MGET", "X.Y"]
)
def test_requests_that_any_node_takes_go_to_the_leaders_in_turn(request_: str) -> None:
    router = cluster()
    asked = Counter(router.address_of(tuple(request_.split())) for _ in range(30))
    assert asked == dict.fromkeys(LEADERS, 10)


def test_a_cursor_of_one_node_is_refused() -> None:
    for router in (cluster(), ring()):
        with pytest.raises(UsageError, match=r"SCAN: .* scan\(\)"):
            router.address_of(("SCAN", 0))


def test_channels_of_a_cluster() -> None:
    router = cluster()
    assert router.channel_address(b"foo", sharded=True) == leader_of(b"foo")
    assert {router.channel_address(b"foo") for _ in range(9)} == set(LEADERS)


# -- the ring --------------------------------------------------------------------------------------


def owners(router: RingRouter) -> dict[bytes, Address | None]:
    return {key: router.address_of(("GET", key)) for key in KEYS}


def test_killing_one_of_ten_nodes_remaps_a_tenth_of_the_keys_and_no_others() -> None:
    router = ring()
    before = owners(router)
    router.remove(NODES[3])
    router.check()
    after = owners(router)
    moved = [key for key in KEYS if before[key] != after[key]]
    assert {before[key] for key in moved} == {NODES[3]}
    assert NODES[3] not in after.values()
    assert len(moved) / len(KEYS) == pytest.approx(1 / 10, rel=0.2)
    assert len({after[key] for key in moved}) == 9
    router.add(NODES[3])
    router.check()
    assert owners(router) == before


def test_a_heavier_node_owns_more() -> None:
    router = RingRouter({NODES[0]: 1.0, NODES[1]: 3.0})
    shares = Counter(owners(router).values())
    assert shares[NODES[1]] / len(KEYS) == pytest.approx(0.75, rel=0.1)
    router.add(NODES[0], 3.0)
    shares = Counter(owners(router).values())
    assert shares[NODES[1]] / len(KEYS) == pytest.approx(0.5, rel=0.1)


def test_keys_with_one_tag_have_one_owner() -> None:
    router = ring()
    whole = router.address_of(("GET", "user:1"))
    assert {router.address_of(("GET", f"{{user:1}}{i}")) for i in range(50)} == {whole}
    for key in ("{}user:1", "{user:1", "}user:1{"):
        assert len({router.address_of(("GET", f"{key}{i}")) for i in range(50)}) > 1


@pytest.mark.parametrize(
    "key",
    [
        b"a",
        b"a{b",
        b"{tag}a",
        b"a{tag}}",
        b"{{tag}",
        b"a}b",
        b"}",
        b"{}a",
        b"{}{tag}",
        b"a}{b",
        b"",
    ],
)
def test_a_key_beside_another_is_in_its_slot_and_its_own(key: bytes) -> None:
    near = beside(key, b"fence")
    assert key_slot(near) == key_slot(key)
    assert near not in (key, beside(key, b"other"), beside(key + b"}", b"fence"))


def test_a_key_that_no_tag_can_hold_has_a_neighbour_in_any_slot() -> None:
    for key in (b"%d}" % n for n in range(30)):
        assert key_slot(beside(key, b"x")) == key_slot(key)


def test_a_ring_groups_keys_by_node() -> None:
    router = ring()
    argv = ("MGET", *KEYS[:500])
    plan = router.split(argv)
    assert sorted(part.address for part in plan.parts) == sorted(NODES)
    replies = [list(part.argv[1:]) for part in plan.parts]
    assert plan.merge(replies) == KEYS[:500]
    one = [key for key in KEYS if router.address_of(("GET", key)) == NODES[0]][:20]
    assert router.address_of(("SUNION", *one)) == NODES[0]
    with pytest.raises(UsageError, match="are in different nodes"):
        router.address_of(("SUNION", *KEYS[:50]))


def test_a_ring_asks_all_for_what_has_no_key() -> None:
    router = ring()
    plan = router.split(("DBSIZE",))
    assert [part.address for part in plan.parts] == NODES == router.nodes() == router.sources()
    assert plan.merge(list(range(10))) == 45
    assert len({router.address_of(("PING",)) for _ in range(10)}) == 10
    assert RingRouter({NODES[0]: 1.0}).address_of(("DBSIZE",)) == NODES[0]


def test_a_channel_of_a_ring_has_an_owner() -> None:
    router = ring()
    owner = router.channel_address(b"news")
    assert router.address_of(("PUBLISH", "news", "m")) == owner
    assert router.address_of(("spublish", "news", "m")) == owner
    assert router.address_of(("PUBLISH",)) in NODES


def test_an_empty_ring_is_unavailable() -> None:
    router = RingRouter({NODES[0]: 1.0})
    assert router.redirected(reply_error("MOVED 1 a:1"), NODES[0]) is None
    router.remove(NODES[0])
    router.check()
    for argv in (("GET", "a"), ("PING",), ("DBSIZE",)):
        with pytest.raises(Unavailable, match="no node of the ring is left"):
            router.address_of(argv)
    with pytest.raises(KeyError):
        router.remove(NODES[0])
