"""A request that concerns several nodes: its parts, and how their replies become one.

Which nodes a command without keys concerns, and what is made of the replies, is what Redis's
command tips say (`request_policy`, `response_policy`), but for these:

    PING                  asks any node: who wants to see all of them alive names them
    RANDOMKEY             all leaders, and any key that was found: one of them may be empty
    special responses     (INFO, MEMORY STATS, LATENCY ...) one leader: there is no sum of them
    SCAN                  is refused: its cursor means something to one node only
    MSETNX                is not split: a part of it may be refused while the others are executed
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from kvclient.errors import ProtocolError, UsageError
from kvclient.routing.address import Address
from kvclient.traits import Argv, Traits

Merge: TypeAlias = Callable[[Sequence[Any]], Any]


class Part(NamedTuple):
    """One node's share: `indexes` are the places of its keys among all keys of the request."""

    argv: Argv
    address: Address
    indexes: tuple[int, ...]


class Plan(NamedTuple):
    """The parts, and `merge`, which makes one reply of theirs.

    It takes the replies in the order of the parts, as the nodes sent them (what a method makes of
    a reply comes after), with an exception in the place of a failure; it raises the first of them,
    unless the command needs one success only.
    """

    parts: tuple[Part, ...]
    merge: Merge


# The words of `request_policy` that matter here, and two of our own.
ANY: Final = ""
LEADERS: Final = "all_shards"
NODES: Final = "all_nodes"
KEYS: Final = "multi_shard"
ONE_NODE_EACH: Final = "special"

_TARGETS: Final = {"PING": ANY, "MSETNX": ANY}


def target_of(traits: Traits) -> str:
    """Return which nodes a request without keys concerns (ANY, LEADERS, NODES), or KEYS."""
    if traits.name in _TARGETS:
        return _TARGETS[traits.name]
    facts = traits.facts
    if facts.request_policy == ONE_NODE_EACH:
        raise UsageError(
            f"{traits.name}: its cursor belongs to one node; iterate with scan(), which visits all"
        )
    return ANY if facts.response_policy == "special" else facts.request_policy


def whole(argv: Argv, address: Address) -> Plan:
    """Return a plan of one part: the request itself."""
    return Plan((Part(argv, address, ()),), first)


def everywhere(traits: Traits, argv: Argv, addresses: Iterable[Address]) -> Plan:
    """Return a plan that asks each address the same."""
    merge = _MERGES.get(traits.name) or _MERGES[traits.facts.response_policy]
    return Plan(tuple(Part(argv, address, ()) for address in addresses), merge)


def by_keys(traits: Traits, argv: Argv, groups: Iterable[tuple[Address, list[int]]]) -> Plan:
    """Return a plan with a part for each group of keys, given by their positions in the argv.

    Each key brings along the words up to the next one.
    """
    step = traits.facts.keys[0].step
    begin = traits.facts.keys[0].begin
    parts = []
    for address, positions in groups:
        words = [argv[0]]
        for position in positions:
            words.extend(argv[position : position + step])
        indexes = tuple((position - begin) // step for position in positions)
        parts.append(Part(tuple(words), address, indexes))
    made = tuple(parts)
    policy = traits.facts.response_policy
    return Plan(made, _MERGES[policy] if policy else _in_order(made))


def first(replies: Sequence[Any]) -> Any:
    """Return the first reply where all succeeded; they are the same."""
    return _succeeded(replies)[0]


def total(replies: Sequence[Any]) -> Any:
    """Return the sum of numbers."""
    return sum(_succeeded(replies))


def least(replies: Sequence[Any]) -> Any:
    """Return the smallest number."""
    return min(_succeeded(replies))


def all_true(replies: Sequence[Any]) -> Any:
    """Return 1 where every reply says 1, else 0; for each place where the replies are lists."""
    replies = _succeeded(replies)
    if isinstance(replies[0], list):
        return [min(column) for column in zip(*replies)]
    return min(replies)


def any_true(replies: Sequence[Any]) -> Any:
    """Return 1 where any reply says 1, else 0; for each place where the replies are lists."""
    replies = _succeeded(replies)
    if isinstance(replies[0], list):
        return [max(column) for column in zip(*replies)]
    return max(replies)


def one_success(replies: Sequence[Any]) -> Any:
    """Return the first reply that is no error; raise the first error if all are."""
    for reply in replies:
        if not isinstance(reply, BaseException):
            return reply
    return first(replies)


def joined(replies: Sequence[Any]) -> Any:
    """Return all elements of the lists, one node's after another's."""
    return [element for reply in _succeeded(replies) for element in reply]


def any_found(replies: Sequence[Any]) -> Any:
    """Return any of the replies that are not nil, nil if all are."""
    import random  # takes 1.4 ms, for a rare command

    found = [reply for reply in _succeeded(replies) if reply is not None]
    return random.choice(found) if found else None


_MERGES: Final[dict[str, Merge]] = {
    "agg_sum": total,
    "agg_min": least,
    "agg_logical_and": all_true,
    "agg_logical_or": any_true,
    "all_succeeded": first,
    "one_succeeded": one_success,
    "": joined,
    "RANDOMKEY": any_found,
}


def _in_order(parts: tuple[Part, ...]) -> Merge:
    """Return a merge that puts the elements of the parts' lists where their keys stood."""

    def merge(replies: Sequence[Any]) -> Any:
        result: list[Any] = [None] * sum(len(part.indexes) for part in parts)
        for part, reply in zip(parts, _succeeded(replies), strict=True):
            if not isinstance(reply, list) or len(reply) != len(part.indexes):
                raise ProtocolError(f"{part.argv[0]!r}: {len(part.indexes)} elements were expected")
            for index, element in zip(part.indexes, reply):
                result[index] = element
        return result

    return merge


def _succeeded(replies: Sequence[Any]) -> Sequence[Any]:
    """Return the replies, or raise the first that is an error."""
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return replies
