"""The consistent-hash ring moves as few keys as it can and honours weights."""

from collections import Counter

import pytest

from kvcluster.ring import Ring

KEYS = [b"key:%d" % i for i in range(20_000)]


def ring_of(count: int) -> Ring:
    return Ring({f"node-{i}": 1.0 for i in range(count)})


def test_adding_an_eleventh_node_moves_about_one_key_in_eleven_and_only_to_it() -> None:
    ring = ring_of(10)
    before = {key: ring.owner(key) for key in KEYS}
    ring.add("node-10")
    ring.check()
    moved = [key for key in KEYS if ring.owner(key) != before[key]]
    assert {ring.owner(key) for key in moved} == {"node-10"}
    assert len(moved) / len(KEYS) == pytest.approx(1 / 11, rel=0.15)


def test_removing_a_node_moves_only_its_own_keys_and_adding_it_again_restores_them() -> None:
    ring = ring_of(10)
    before = {key: ring.owner(key) for key in KEYS}
    ring.remove("node-3")
    ring.check()
    assert "node-3" not in ring
    assert all((ring.owner(key) != before[key]) == (before[key] == "node-3") for key in KEYS)
    ring.add("node-3")
    assert {key: ring.owner(key) for key in KEYS} == before


def test_shares_follow_the_weights() -> None:
    weights = {"small": 1.0, "middle": 2.0, "large": 5.0}
    ring = Ring(weights)
    ring.check()
    owned = Counter(ring.owner(key) for key in KEYS)
    for name, weight in weights.items():
        assert owned[name] / len(KEYS) == pytest.approx(weight / 8.0, rel=0.15)


def test_changing_a_weight_moves_keys_only_to_or_from_that_node() -> None:
    ring = ring_of(5)
    before = {key: ring.owner(key) for key in KEYS}
    ring.add("node-2", 2.0)
    ring.check()
    moved = [key for key in KEYS if ring.owner(key) != before[key]]
    assert moved
    assert {ring.owner(key) for key in moved} == {"node-2"}


def test_the_owner_does_not_depend_on_the_order_of_adding() -> None:
    names = [f"node-{i}" for i in range(7)]
    forwards = Ring(dict.fromkeys(names, 1.0))
    backwards = Ring()
    for name in reversed(names):
        backwards.add(name)
    assert [forwards.owner(key) for key in KEYS] == [backwards.owner(key) for key in KEYS]


def test_placement_is_fixed_because_clients_of_other_versions_must_agree() -> None:
    ring = ring_of(4)
    owners = [ring.owner(key) for key in (b"", b"a", b"user:1000", b"\x00\xff")]
    assert owners == ["node-3", "node-2", "node-2", "node-3"]


def test_preference_lists_different_nodes_the_owner_first() -> None:
    ring = ring_of(5)
    for key in KEYS[:500]:
        preferred = ring.preference(key, 3)
        assert preferred[0] == ring.owner(key)
        assert len(preferred) == len(set(preferred)) == 3


def test_preference_keeps_its_order_when_the_owner_leaves() -> None:
    ring = ring_of(5)
    preferred = ring.preference(b"key", 5)
    ring.remove(preferred[0])
    assert ring.preference(b"key", 5) == preferred[1:]


def test_preference_asks_for_no_more_nodes_than_there_are() -> None:
    ring = ring_of(2)
    assert sorted(ring.preference(b"key", 9)) == ["node-0", "node-1"]
    assert ring.preference(b"key", 0) == []
    assert Ring().preference(b"key", 1) == []


def test_an_empty_ring_has_no_owner() -> None:
    with pytest.raises(LookupError, match="no nodes"):
        Ring().owner(b"key")


def test_removing_an_unknown_node_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nobody"):
        ring_of(2).remove("nobody")


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_not_a_positive_number_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="must be a positive number"):
        Ring({"node": weight})


def test_a_ring_without_virtual_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Ring({"node": 1.0}, vnodes=0)


def test_a_very_light_node_still_stands_at_one_point() -> None:
    ring = Ring({"light": 0.000_1, "heavy": 1.0}, vnodes=16)
    ring.check()
    assert len(ring) == 2
    assert ring.nodes == {"light": 0.000_1, "heavy": 1.0}
