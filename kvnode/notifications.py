"""Keyspace notifications: every change of a key as two messages, by key and by event.

`notify-keyspace-events` says which classes of events are published, and whether on
`__keyspace@<db>__:<key>`, on `__keyevent@<db>__:<event>`, or on both. A handler names the event and
nothing more; its class follows from the name.

A message goes out while its command runs, so a RESP3 session that is subscribed and writes finds it
before the reply. Some of Redis's commands reply first and tell then, of all events or of some.
Those messages are held until the reply is written, but only for such a session: nobody else can
tell the difference. Where Redis puts messages into the middle of a reply (ZPOPMIN and its kin),
which no client can read, they come before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.command import Command
from kvnode.config.settings import (
    NOTIFY_EVICTED,
    NOTIFY_EXPIRED,
    NOTIFY_GENERIC,
    NOTIFY_HASH,
    NOTIFY_KEY_MISS,
    NOTIFY_KEYEVENT,
    NOTIFY_KEYSPACE,
    NOTIFY_LIST,
    NOTIFY_NEW,
    NOTIFY_SET,
    NOTIFY_STREAM,
    NOTIFY_STRING,
    NOTIFY_ZSET,
)
from kvnode.dataset import ChangeListener

if TYPE_CHECKING:
    from kvnode.node import Node

_EVENTS: Final = {
    NOTIFY_GENERIC: b"del expire persist rename_from rename_to move_from move_to copy_to restore",
    NOTIFY_STRING: b"set setrange append incrby incrbyfloat setbit pfadd",
    NOTIFY_LIST: b"lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
    NOTIFY_SET: b"sadd srem spop sinterstore sunionstore sdiffstore",
    NOTIFY_HASH: b"hset hdel hincrby hincrbyfloat",
    NOTIFY_ZSET: b"zadd zincr zrem zremrangebyrank zremrangebyscore zremrangebylex zpopmin zpopmax "
    b"zinterstore zunionstore zdiffstore zrangestore geosearchstore georadiusstore",
    NOTIFY_STREAM: b"xadd xdel xtrim xsetid xgroup-create xgroup-createconsumer "
    b"xgroup-delconsumer xgroup-destroy xgroup-setid",
    NOTIFY_EXPIRED: b"expired",
    NOTIFY_EVICTED: b"evicted",
    NOTIFY_KEY_MISS: b"keymiss",
    NOTIFY_NEW: b"new",
}
CLASS_OF_EVENT: Final[dict[bytes, int]] = {
    event: bit for bit, names in _EVENTS.items() for event in names.split()
}
_CHANNELS: Final = NOTIFY_KEYSPACE | NOTIFY_KEYEVENT
# Commands that reply before they tell of any change, and those that do so for some events.
_REPLY_FIRST: Final = frozenset(
    b"lpush rpush lpushx rpushx lset lpop rpop lmpop blpop brpop blmpop "
    b"hset hmset hsetnx hincrby hincrbyfloat getdel getex zadd zincrby geoadd bitfield "
    b"sdiffstore sunionstore zdiffstore zinterstore zunionstore zrangestore "
    b"xadd xsetid xgroup|create xgroup|setid xgroup|destroy".split()
)
_REPLY_BETWEEN: Final = {
    b"lmove": b"lpop rpop del",
    b"blmove": b"lpop rpop del",
    b"rpoplpush": b"lpop rpop del",
    b"brpoplpush": b"lpop rpop del",
    b"expire": b"expire",
    b"pexpire": b"expire",
    b"expireat": b"expire",
    b"pexpireat": b"expire",
    b"spop": b"del",
}
_NOTHING: Final = frozenset[bytes]()
_EVERYTHING: Final = frozenset(CLASS_OF_EVENT) - {b"expired", b"evicted", b"new", b"keymiss"}
_EVERYTHING_AND_NEW: Final = _EVERYTHING | {b"new"}  # where the old value is the reply
_LATER: Final[dict[bytes, frozenset[bytes]]] = {
    **dict.fromkeys(_REPLY_FIRST, _EVERYTHING),
    b"getset": _EVERYTHING_AND_NEW,
    **{command: frozenset(events.split()) for command, events in _REPLY_BETWEEN.items()},
}


@final
class Notifications(ChangeListener):
    """Publishes the keyspace events of the classes in `flags`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.flags: i64 = 0
        self._later = _NOTHING  # the events that follow the reply of the request that runs
        self._held: list[tuple[int, bytes, bytes]] = []

    def is_wanted(self) -> bool:
        """Return whether any event would be published."""
        return bool(self.flags & _CHANNELS and self.flags & ~_CHANNELS)

    def begin(self, command: Command, argv: list[bytes]) -> None:
        """Note the request of a session that may hear of its own changes."""
        self._later = self._told_later(command.full_name, argv)

    def end(self) -> None:
        """Publish what was held: the request's reply is written."""
        self._later = _NOTHING
        self._release()

    def _release(self) -> None:
        if self._held:
            held = self._held
            self._held = []
            for index, key, event in held:
                self._publish(index, key, event)

    def on_change(self, index: int, key: bytes, event: bytes) -> None:
        """Publish one change."""
        if not self.flags & CLASS_OF_EVENT.get(event, 0):
            return
        if event in self._later:
            self._held.append((index, key, event))
        else:
            self._release()  # the order of the messages never changes
            self._publish(index, key, event)

    def on_sight(self, index: int, key: bytes, event: bytes) -> None:
        """Publish that a key is new, or was looked for in vain."""
        self.on_change(index, key, event)

    def _told_later(self, name: bytes, argv: list[bytes]) -> frozenset[bytes]:
        """Return the events that Redis tells of behind the reply to a request."""
        if name == b"set":
            has_get = len(argv) > 3 and b"GET" in [word.upper() for word in argv[3:]]
            return _EVERYTHING_AND_NEW if has_get else _NOTHING
        if name == b"sinterstore":
            # With one set missing nothing is intersected, and the reply comes last.
            keyspace = self._node.ctx.keyspace
            for key in argv[2:]:
                if not keyspace.contains(key):
                    return _NOTHING
            return _EVERYTHING
        return _LATER.get(name, _NOTHING)

    def _publish(self, index: int, key: bytes, event: bytes) -> None:
        pubsub = self._node.pubsub
        if not pubsub.channels and not pubsub.patterns:
            return
        if self.flags & NOTIFY_KEYSPACE:
            pubsub.publish(b"__keyspace@%d__:%b" % (index, key), event)
        if self.flags & NOTIFY_KEYEVENT:
            pubsub.publish(b"__keyevent@%d__:%b" % (index, event), key)
