"""Where two correct servers may answer differently, and what must still be equal.

Replies are compared exactly, except for the commands in RULES. Each rule says why it is there and
compares as much as can be compared: an unordered reply is compared sorted, a random one by its kind
and size, a time with a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from .client import Reply

Compare = Callable[[Sequence[bytes], Reply, Reply], bool]


class Rule(NamedTuple):
    """How replies of one command are compared, and the reason why not exactly."""

    compare: Compare
    reason: str


def exact(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """Same kinds, same bytes."""
    return ours == theirs


def unordered(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same elements in any order."""
    if not isinstance(ours.value, tuple) or not isinstance(theirs.value, tuple):
        return ours == theirs
    return ours.kind == theirs.kind and sorted_items(ours) == sorted_items(theirs)


def sorted_items(reply: Reply) -> list[str]:
    """The elements in an order that does not depend on the server."""
    return sorted(repr(item) for item in reply.items())


def unordered_pairs(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same pairs in any order, in a map or in RESP2's flat array."""
    if not isinstance(ours.value, tuple) or not isinstance(theirs.value, tuple):
        return ours == theirs
    if ours.kind != theirs.kind or len(ours.value) != len(theirs.value) or len(ours.value) % 2:
        return False
    return sorted(map(repr, ours.pairs())) == sorted(map(repr, theirs.pairs()))


def shape(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same kinds and the same number of elements, all the way down; errors exactly."""
    if ours.kind != theirs.kind or ours.kind == "error":
        return ours == theirs
    if isinstance(ours.value, tuple):
        mine, others = ours.items(), theirs.items()
        pairs = zip(mine, others, strict=False)
        return len(mine) == len(others) and all(shape(argv, a, b) for a, b in pairs)
    return True


def kind_only(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same kind of reply; errors exactly."""
    return ours == theirs if "error" in (ours.kind, theirs.kind) else ours.kind == theirs.kind


def within(tolerance: int) -> Compare:
    """Integers that differ by at most `tolerance`; negative ones (no key, no expiry) exactly."""

    def compare(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
        if not (isinstance(ours.value, int) and isinstance(theirs.value, int)):
            return ours == theirs
        if ours.kind != theirs.kind or min(ours.value, theirs.value) < 0:
            return ours == theirs
        return abs(ours.value - theirs.value) <= tolerance

    return compare


def scan_page(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """A whole iteration in one page compares its elements; a part of one only its shape's top."""
    if ours.kind != theirs.kind or ours.kind == "error":
        return ours == theirs
    mine, others = ours.items(), theirs.items()
    if len(mine) != 2 or len(others) != 2 or mine[0].kind != others[0].kind:
        return False
    whole = [reply.value == b"0" for reply in (mine[0], others[0])]
    starts = argv[2:3] == [b"0"] if argv[0].upper() != b"SCAN" else argv[1:2] == [b"0"]
    if not (all(whole) and starts):
        return mine[1].kind == others[1].kind
    paired = argv[0].upper() in (b"HSCAN", b"ZSCAN")
    return (unordered_pairs if paired else unordered)(argv, mine[1], others[1])


def sort_reply(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """SORT is exact, but `BY nosort` (any pattern without `*`) leaves a set in its own order."""
    patterns = [argv[i + 1] for i in range(2, len(argv) - 1) if argv[i].upper() == b"BY"]
    if patterns and b"*" not in patterns[-1]:
        return unordered(argv, ours, theirs)
    return exact(argv, ours, theirs)


UNORDERED: Final = "the reply is a set; its order depends on the server's hash function"
RANDOM: Final = "the reply is random by definition"
CLOCK: Final = "the servers execute the command a moment apart"
PLACE: Final = "addresses, process ids and client ids differ between processes"
SIZE: Final = "memory sizes depend on the implementation"

RULES: Final[dict[bytes, Rule]] = {
    b"KEYS": Rule(unordered, UNORDERED),
    b"SMEMBERS": Rule(unordered, UNORDERED),
    b"SINTER": Rule(unordered, UNORDERED),
    b"SUNION": Rule(unordered, UNORDERED),
    b"SDIFF": Rule(unordered, UNORDERED),
    b"HKEYS": Rule(unordered, UNORDERED),
    b"HVALS": Rule(unordered, UNORDERED),
    b"HGETALL": Rule(unordered_pairs, UNORDERED),
    b"CONFIG GET": Rule(unordered_pairs, UNORDERED),
    b"PUBSUB CHANNELS": Rule(unordered, UNORDERED),
    b"PUBSUB SHARDCHANNELS": Rule(unordered, UNORDERED),
    b"ACL CAT": Rule(unordered, UNORDERED),
    b"ACL USERS": Rule(unordered, UNORDERED),
    b"COMMAND LIST": Rule(unordered, UNORDERED),
    b"SORT": Rule(sort_reply, UNORDERED),
    b"SORT_RO": Rule(sort_reply, UNORDERED),
    b"SCAN": Rule(scan_page, UNORDERED),
    b"SSCAN": Rule(scan_page, UNORDERED),
    b"HSCAN": Rule(scan_page, UNORDERED),
    b"ZSCAN": Rule(scan_page, UNORDERED),
    b"RANDOMKEY": Rule(kind_only, RANDOM),
    b"SPOP": Rule(shape, RANDOM),
    b"SRANDMEMBER": Rule(shape, RANDOM),
    b"HRANDFIELD": Rule(shape, RANDOM),
    b"ZRANDMEMBER": Rule(shape, RANDOM),
    b"ACL GENPASS": Rule(kind_only, RANDOM),
    b"TTL": Rule(within(1), CLOCK),
    b"PTTL": Rule(within(1500), CLOCK),
    b"EXPIRETIME": Rule(within(1), CLOCK),
    b"PEXPIRETIME": Rule(within(1500), CLOCK),
    b"OBJECT IDLETIME": Rule(within(1), CLOCK),
    b"LASTSAVE": Rule(within(60), CLOCK),
    b"TIME": Rule(shape, CLOCK),
    b"SLOWLOG GET": Rule(kind_only, CLOCK),
    b"LATENCY LATEST": Rule(kind_only, CLOCK),
    b"LATENCY HISTORY": Rule(kind_only, CLOCK),
    b"LATENCY HISTOGRAM": Rule(kind_only, CLOCK),
    b"LATENCY GRAPH": Rule(kind_only, "the drawing is ours"),
    b"LATENCY DOCTOR": Rule(kind_only, "the advice is in our words"),
    b"CLIENT ID": Rule(kind_only, PLACE),
    b"CLIENT INFO": Rule(kind_only, PLACE),
    b"CLIENT LIST": Rule(kind_only, PLACE),
    b"ROLE": Rule(shape, PLACE),
    b"MEMORY USAGE": Rule(kind_only, SIZE),
    b"MEMORY STATS": Rule(kind_only, SIZE),
    b"MEMORY DOCTOR": Rule(kind_only, SIZE),
    b"MEMORY MALLOC-STATS": Rule(kind_only, SIZE),
    b"DEBUG HTSTATS": Rule(kind_only, SIZE),
    b"DEBUG OBJECT": Rule(kind_only, SIZE),
    b"INFO": Rule(kind_only, "most fields are times, sizes, counts and versions"),
    b"LOLWUT": Rule(kind_only, "art and the server's name"),
    # The server's version, client id and modules; proto, mode and role have a test of their own.
    b"HELLO": Rule(shape, PLACE),
}
CONTAINERS: Final = frozenset(
    b"ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY OBJECT PUBSUB SCRIPT SLOWLOG "
    b"XGROUP XINFO".split()
)
EXACT: Final = Rule(exact, "")


def command_name(argv: Sequence[bytes]) -> bytes:
    """The command's name in capitals, with its subcommand if it has any."""
    if not argv:
        return b"(none)"
    name = argv[0].upper()
    if name in CONTAINERS and len(argv) > 1:
        return name + b" " + argv[1].upper()
    return name


def rule_of(argv: Sequence[bytes]) -> Rule:
    """The rule for this request's reply."""
    return RULES.get(command_name(argv), EXACT)


def equal(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """Are these replies to `argv` equal, by the command's rule?"""
    queued = Reply("simple", b"QUEUED")
    if queued in (ours, theirs):
        return ours == theirs
    return rule_of(argv).compare(argv, ours, theirs)
