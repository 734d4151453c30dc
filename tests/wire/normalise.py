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


NEWER_COMMANDS: Final = (b"client|setinfo", b"client|no-touch", b"request")


def canonical_rules(text: bytes) -> bytes:
    """ACL rules with each run of single commands sorted: Redis's order is that of a hash table.

    Commands that Redis 7.0 does not have are left out.
    """
    found: list[bytes] = []
    run: list[bytes] = []
    for word in text.replace(b"(", b" ( ").replace(b")", b" ) ").split(b" "):
        if word[1:] == b"@shuffle":
            continue
        if word[:1] in (b"+", b"-") and word[1:2] != b"@":
            if word[1:] not in NEWER_COMMANDS and not word[1:].startswith(b"shuffle."):
                run.append(word)
            continue
        if word:
            found += [*sorted(run), word]
            run = []
    return b" ".join([*found, *sorted(run)])


def rules_in(reply: Reply) -> Reply:
    """The reply with the rules on commands in an order that does not depend on the server."""
    if isinstance(reply.value, tuple):
        return Reply(reply.kind, tuple(rules_in(item) for item in reply.value))
    if isinstance(reply.value, bytes) and b"@all" in reply.value:
        return Reply(reply.kind, canonical_rules(reply.value))
    return reply


def acl_rules(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """Equal users, whatever the order of single commands."""
    return rules_in(ours) == rules_in(theirs)


def acl_categories(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same categories or commands; @shuffle is ours."""
    if len(argv) == 2 and isinstance(ours.value, tuple):
        kept = [item for item in ours.items() if item.value != b"shuffle"]
        ours = Reply(ours.kind, tuple(kept))
    return unordered(argv, ours, theirs)


def acl_log(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """Equal entries, ages within a second; of the client's line the fields that a server shares."""
    if not isinstance(ours.value, tuple) or not isinstance(theirs.value, tuple):
        return ours == theirs
    rows = [[_denial(entry) for entry in reply.items()] for reply in (ours, theirs)]
    return ours.kind == theirs.kind and rows[0] == rows[1]


def _denial(entry: Reply) -> list[object]:
    found: list[object] = [entry.kind]
    for name, value in entry.pairs():
        if name.text() == b"age-seconds":
            found.append((value.kind, float(value.text()) < 5.0))
        elif name.text() == b"client-info":
            words = dict(word.split(b"=", 1) for word in value.text().split(b" "))
            found.append([value.kind, *words])
            found += [words[key] for key in (b"name", b"flags", b"db", b"multi", b"cmd", b"user")]
        else:
            found.append((name, value))
    return found


def but_delivery_times(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """The same but for when entries were delivered and when consumers were seen."""
    return without_times(ours) == without_times(theirs)


def without_times(reply: Reply) -> object:
    """A reply of XINFO or XPENDING with its times left out."""
    if not isinstance(reply.value, tuple):
        return (reply.kind, reply.value)
    items = reply.items()
    if len(items) in (3, 4) and all(item.kind == "integer" for item in items[-2:]):
        # A pending entry: the time stands before the number of deliveries.
        return (reply.kind, [without_times(item) for item in items[:-2]], items[-1].value)
    found: list[object] = []
    for i, item in enumerate(items):
        is_time = i % 2 == 1 and items[i - 1].value in (b"idle", b"seen-time")
        found.append("time" if is_time else without_times(item))
    return (reply.kind, found)


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
    b"ACL CAT": Rule(acl_categories, UNORDERED),
    b"ACL GETUSER": Rule(acl_rules, "single commands are in the order of a hash table"),
    b"ACL LIST": Rule(acl_rules, "single commands are in the order of a hash table"),
    b"ACL LOG": Rule(acl_log, "ages and addresses"),
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
    b"XPENDING": Rule(but_delivery_times, CLOCK),
    b"XINFO STREAM": Rule(but_delivery_times, CLOCK),
    b"XINFO CONSUMERS": Rule(but_delivery_times, CLOCK),
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
    if argv and argv[0] == b"EVAL" and len(argv) > 3 and b"unpack(ARGV)" in argv[1]:
        argv = argv[3:]  # the reply is that of the command which the script is given
    return RULES.get(command_name(argv), EXACT)


def equal(argv: Sequence[bytes], ours: Reply, theirs: Reply) -> bool:
    """Are these replies to `argv` equal, by the command's rule?"""
    queued = Reply("simple", b"QUEUED")
    if queued in (ours, theirs):
        return ours == theirs
    return rule_of(argv).compare(argv, ours, theirs)
