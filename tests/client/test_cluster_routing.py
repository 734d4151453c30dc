"""The cluster's router, fed with what real nodes answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvclient.routing.address import Redirect
from kvclient.routing.cluster import ClusterRouter
from kvprotocol.slots import key_slot

from .clusters import RedisCluster
from .link import Link, refused

KEYS = [b"", b"foo", b"{user1000}.x", b"foo{}{bar}", b"foo{{bar}}z", b"\x00\xff", b"{a}{b}", b"}{"]


@pytest.fixture(params=[(2, False), (3, False), (2, True), (3, True)], ids=str)
def link(request: pytest.FixtureRequest, redis_cluster: RedisCluster) -> Iterator[Link]:
    """A connection to the first leader, by protocol and decoding."""
    protocol, decode = request.param
    with Link(redis_cluster.leaders[0].address, protocol, decode) as made:
        yield made


def router_from(link: Link, cluster: RedisCluster, read_from: str = "leader") -> ClusterRouter:
    """A router that has asked one node for the map."""
    seed = cluster.leaders[0].address
    router = ClusterRouter([seed], read_from)
    router.learn(link.call("CLUSTER", "SLOTS"), seed)
    router.check()
    return router


def test_the_map_is_read_in_both_protocols(link: Link, redis_cluster: RedisCluster) -> None:
    router = router_from(link, redis_cluster)
    assert not router.map_is_due
    assert sorted(router.leaders()) == sorted(node.address for node in redis_cluster.leaders)
    assert sorted(router.nodes()) == sorted(node.address for node in redis_cluster.nodes)
    for begin, end, leader in redis_cluster.ranges():
        for slot in (begin, (begin + end) // 2, end):
            assert router.address_at(slot, False) == leader.address


@pytest.mark.parametrize("preferred", ["hostname", "unknown-endpoint"])
def test_nodes_that_tell_no_address_are_found_all_the_same(
    preferred: str, link: Link, redis_cluster: RedisCluster
) -> None:
    first = redis_cluster.leaders[0]
    first.call("CONFIG", "SET", "cluster-preferred-endpoint-type", preferred)
    try:
        router = router_from(link, redis_cluster)
        assert sorted(router.nodes()) == sorted(node.address for node in redis_cluster.nodes)
    finally:
        first.call("CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")


def test_slots_are_those_that_the_cluster_computes(link: Link, redis_cluster: RedisCluster) -> None:
    for key in KEYS:
        assert link.call("CLUSTER", "KEYSLOT", key) == key_slot(key)


def test_requests_arrive_where_their_keys_are(link: Link, redis_cluster: RedisCluster) -> None:
    router = router_from(link, redis_cluster)
    for i in range(50):
        address = router.address_of(("SET", f"key:{i}", i))
        assert address is not None
        with Link(address) as direct:
            assert direct.call("SET", f"key:{i}", i) == b"OK"
    plan = router.split(("MGET", *(f"key:{i}" for i in range(50))))
    replies = []
    for part in plan.parts:
        with Link(part.address) as direct:
            replies.append(direct.call(*part.argv))
    assert plan.merge(replies) == [b"%d" % i for i in range(50)]


def test_a_follower_answers_reads_behind_readonly(link: Link, redis_cluster: RedisCluster) -> None:
    router = router_from(link, redis_cluster, "prefer_follower")
    address = router.address_of(("GET", "foo"))
    assert address is not None
    assert address in [node.address for node in redis_cluster.followers]
    assert router.is_follower(address)
    with Link(address) as direct:
        assert refused(direct.call("GET", "foo")).code == "MOVED"
        assert direct.call("READONLY") == b"OK"
        assert direct.call("GET", "foo") is None


def test_moved_leads_to_the_new_owner(link: Link, redis_cluster: RedisCluster) -> None:
    router = router_from(link, redis_cluster)
    slot = key_slot(b"moved")
    old = redis_cluster.owner(slot)
    new = next(node for node in redis_cluster.leaders if node is not old)
    with Link(old.address) as direct:
        assert direct.call("SET", "moved", "v") == b"OK"
        redis_cluster.move_slot(slot, new)
        try:
            error = refused(direct.call("GET", "moved"))
            assert router.address_of(("GET", "moved")) == old.address
            assert router.redirected(error, old.address) == Redirect(new.address, asking=False)
            assert router.address_of(("GET", "moved")) == new.address
            assert router.map_is_due
            with Link(new.address) as other:
                assert other.call("GET", "moved") == b"v"
        finally:
            redis_cluster.move_slot(slot, old)


def test_ask_leads_to_the_coming_owner_once(link: Link, redis_cluster: RedisCluster) -> None:
    router = router_from(link, redis_cluster)
    slot = key_slot(b"asked")
    old = redis_cluster.owner(slot)
    new = next(node for node in redis_cluster.leaders if node is not old)
    with redis_cluster.migrating(slot, new), Link(old.address) as direct:
        error = refused(direct.call("GET", "asked"))
        assert router.redirected(error, old.address) == Redirect(new.address, asking=True)
        assert router.address_of(("GET", "asked")) == old.address
        assert not router.map_is_due
        with Link(new.address) as other:
            assert refused(other.call("GET", "asked")).code == "MOVED"
            assert other.call("ASKING") == b"OK"
            assert other.call("GET", "asked") is None


def test_a_failover_is_followed_by_moved(redis_cluster: RedisCluster) -> None:
    with Link(redis_cluster.leaders[0].address, protocol=3) as link:
        router = router_from(link, redis_cluster)
    old = redis_cluster.owner(key_slot(b"failed-over"))
    new = redis_cluster.followers[redis_cluster.leaders.index(old)]
    redis_cluster.fail_over(new)
    with Link(old.address) as direct:
        error = refused(direct.call("GET", "failed-over"))
    assert router.redirected(error, old.address) == Redirect(new.address, asking=False)
    assert router.map_is_due
    router.check()
