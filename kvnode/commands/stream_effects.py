"""What the log carries of changes of consumer groups.

Reading through a group depends on the time and on what others read before, so the log says what
came of it: XCLAIM with the time and the number of deliveries, XGROUP SETID with the counter of the
entries read, XGROUP CREATECONSUMER. Several entries of one delivery stand in one XCLAIM.
"""

from typing import final

from mypy_extensions import i64

from kvnode.context import Context
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_groups import Consumer, Group
from kvnode.structures.stream_ids import text_of


@final
class GroupEffects:
    """The changes that one command makes to one group; `finish` records them.

    Watchers and client-side caches do not hear of them: the entries stay as they are.
    """

    def __init__(
        self, ctx: Context, name: bytes, stream: Stream, group: Group, consumer: bytes
    ) -> None:
        self.ctx = ctx
        self.name = name
        self.stream = stream
        self.group = group
        self.consumer = consumer
        self.logged = ctx.node.dispatcher.log is not None
        self.changes: i64 = 0

    def create_consumer(self) -> Consumer:
        """Add the consumer, which is not there."""
        ctx = self.ctx
        ctx.keyspace.noted(self.name, b"xgroup-createconsumer")
        ctx.effect(b"XGROUP", b"CREATECONSUMER", self.name, self.group.name, self.consumer)
        self.changes += 1
        return self.group.create_consumer(self.consumer, ctx.now_ms)

    def reader(self) -> Consumer:
        """Return the consumer, made if it is not there, and note that it was seen."""
        consumer = self.group.consumer(self.consumer)
        if consumer is None:
            return self.create_consumer()
        consumer.seen_ms = self.ctx.now_ms
        return consumer

    def note(self, times: i64) -> None:
        """Count changes that have no event."""
        self.ctx.keyspace.noted(self.name, b"", times)
        self.changes += 1

    def claim(self, consumer: bytes, ids: list[bytes], time_ms: i64, deliveries: i64) -> None:
        """Log that entries were delivered to a consumer."""
        group = self.group
        effect = [b"XCLAIM", self.name, group.name, consumer, b"0", *ids]
        effect += [b"TIME", b"%d" % time_ms, b"RETRYCOUNT", b"%d" % deliveries]
        effect += [b"FORCE", b"JUSTID", b"LASTID", text_of(group.last_ms, group.last_seq)]
        self.ctx.effect_argv(effect)

    def forgotten(self, ids: list[bytes]) -> None:
        """Log that pending entries were dropped, as their entries are no longer there."""
        self.ctx.effect(b"XACK", self.name, self.group.name, *ids)

    def moved(self) -> None:
        """Log how far the group has read."""
        if not self.logged:
            return
        group = self.group
        self.ctx.effect(
            *(b"XGROUP", b"SETID", self.name, group.name),
            text_of(group.last_ms, group.last_seq),
            *(b"ENTRIESREAD", b"%d" % group.entries_read),
        )

    def finish(self) -> None:
        """Put the stream back, if anything changed; the request itself is not logged."""
        if self.changes:
            self.ctx.no_effect()
            self.stream.settle()
            self.ctx.keyspace.store(self.name, self.stream)
