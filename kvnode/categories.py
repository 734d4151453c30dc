"""The ACL categories of a command, from its flags and from what its card adds."""

from typing import Final

from kvnode.command import ADMIN, BLOCKING, FAST, PUBSUB, READONLY, WRITE, Card

# In Redis's order.
CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "shuffle",  # not Redis's
)


def categories(card: Card) -> list[str]:
    """Return a command's categories in Redis's order."""
    flags = card.flags
    own = set(card.acl.split())
    if flags & WRITE:
        own.add("write")
    if flags & READONLY and "scripting" not in own:
        own.add("read")
    if flags & ADMIN:
        own.add("admin")
        own.add("dangerous")
    if flags & PUBSUB:
        own.add("pubsub")
    if flags & BLOCKING:
        own.add("blocking")
    own.add("fast" if flags & FAST else "slow")
    return [name for name in CATEGORIES if name in own]
