"""The walk of SCAN over a database, and which part of a database a pattern can match in.

The walk goes through the keyspace's dicts, its groups, in order. A cursor says where it goes on:
the group in its low bits, above them a position inside the group. A small group is handed out
whole. A large one (a million keys with one `{tag}` are all in one) is handed out in parts, each a
range of positions; see `DealtKeys`. So a key that is there from the first call to the last is met,
whatever is added, removed or resized between them.
"""

from typing import Final

from mypy_extensions import i64

from kvnode.keyspace import GROUP_COUNT, GROUP_SHIFT, Keyspace
from kvprotocol.slots import key_slot

WHOLE_GROUP_KEYS: Final = 64
_GROUP_BITS: Final = 10
_SPECIAL: Final = b"*?[\\"


def walk(keyspace: Keyspace, cursor: i64, count: i64, only_group: i64) -> tuple[i64, list[bytes]]:
    """Return the next cursor (0: finished) and at least `count` keys, as far as there are any.

    With `only_group` not negative, no other group is looked at. The keys may have expired. An empty
    group costs 2 ns, so a call goes over as many of them as it meets.
    """
    group = cursor & (GROUP_COUNT - 1)
    position = cursor >> _GROUP_BITS
    end: i64 = GROUP_COUNT
    if only_group >= 0:
        end = only_group + 1
        if group < only_group:
            group = only_group
            position = 0
    groups = keyspace.groups
    found: list[bytes] = []
    while group < end:
        keys = groups[group]
        size: i64 = len(keys)
        wanted = count - len(found)
        if size <= WHOLE_GROUP_KEYS or (position == 0 and size <= wanted):
            if size > 0:
                found.extend(keys)
            if position > 0:
                keyspace.dataset.walks.leave(keyspace.index, group)
                position = 0
        else:
            walks = keyspace.dataset.walks
            dealt = walks.enter(keyspace.index, group, keys, position == 0)
            position = dealt.take(keys, position, wanted, found)
            if position == 0:
                walks.leave(keyspace.index, group)
        if position == 0:
            group += 1
        if len(found) >= count:
            break
    if group >= end:
        return 0, found
    return position << _GROUP_BITS | group, found


def group_of_pattern(pattern: bytes) -> i64:
    """Return the one group that holds every key a pattern can match, -1 where there are more.

    That is so where nothing special stands before the end of the pattern's `{tag}`.
    """
    length: i64 = len(pattern)
    plain: i64 = 0
    while plain < length and pattern[plain] not in _SPECIAL:
        plain += 1
    if plain < length:
        opened: i64 = pattern.find(b"{", 0, plain)
        closed: i64 = pattern.find(b"}", opened + 1, plain)
        if opened < 0 or closed <= opened + 1:
            return -1
    return key_slot(pattern) >> GROUP_SHIFT


def matching_groups(keyspace: Keyspace, pattern: bytes) -> list[dict[bytes, object]]:
    """Return the groups that may hold a key that matches."""
    group = group_of_pattern(pattern)
    return [keyspace.groups[group]] if group >= 0 else keyspace.groups
