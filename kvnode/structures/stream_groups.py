"""Consumer groups: what was delivered to whom and not acknowledged.

An entry that is pending stands in two tables: in the group's with its consumer, the time of its
last delivery and how often it was delivered, and in its consumer's, with the id alone.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from kvnode.structures.stream_ids import LOWEST
from kvnode.structures.stream_pending import (
    DELIVERIES,
    OWNER,
    TIME,
    Meter,
    PendingTable,
)

UNKNOWN: Final = -1  # how many entries a group has read, where that cannot be told
GROUP_COST: Final = 480
CONSUMER_COST: Final = 200

_GROUP_WIDTH: Final = 5
_CONSUMER_WIDTH: Final = 3


@final
@mypyc_attr(acyclic=True)
class Consumer:
    """One reader of a group. `number` is its place in the group, `seen_ms` when it last asked."""

    name: bytes
    number: i64
    seen_ms: i64
    pending: PendingTable

    def __init__(self, name: bytes, number: i64, seen_ms: i64, meter: Meter) -> None:
        self.name = name
        self.number = number
        self.seen_ms = seen_ms
        self.pending = PendingTable(_CONSUMER_WIDTH, meter)


def _named_cost(name: bytes) -> i64:
    return (i64(len(name)) + 48) & -16


@final
@mypyc_attr(acyclic=True)
class Group:
    """One consumer group; (`last_ms`, `last_seq`) is the last id it delivered."""

    name: bytes
    last_ms: i64
    last_seq: i64
    entries_read: i64
    meter: Meter
    pending: PendingTable
    consumers: dict[bytes, Consumer]
    by_number: list[Consumer | None]

    def __init__(self, name: bytes, ms: i64, seq: i64, entries_read: i64, meter: Meter) -> None:
        self.name = name
        self.last_ms = ms
        self.last_seq = seq
        self.entries_read = entries_read
        self.meter = meter
        self.pending = PendingTable(_GROUP_WIDTH, meter)
        self.consumers = {}
        self.by_number = []
        meter.memory += GROUP_COST + _named_cost(name)

    # --- consumers --------------------------------------------------------------------------------

    def consumer(self, name: bytes) -> Consumer | None:
        """Return a consumer by name."""
        return self.consumers.get(name)

    def create_consumer(self, name: bytes, now_ms: i64) -> Consumer:
        """Add a consumer that is not there."""
        by_number = self.by_number
        number: i64 = 0
        if len(self.consumers) == len(by_number):
            number = len(by_number)
        while number < len(by_number) and by_number[number] is not None:
            number += 1
        consumer = Consumer(name, number, now_ms, self.meter)
        if number == len(by_number):
            by_number.append(consumer)
        else:
            by_number[number] = consumer
        self.consumers[name] = consumer
        self.meter.memory += CONSUMER_COST + _named_cost(name)
        return consumer

    def delete_consumer(self, consumer: Consumer) -> None:
        """Take a consumer out, with what is pending for it. O(n log n) for what is pending."""
        table = consumer.pending
        found = table.seek(LOWEST, LOWEST)
        while found:
            if self.pending.find(table.get(0), table.get(1)):
                self.pending.remove()
            found = table.step()
        table.release()
        self.meter.memory -= CONSUMER_COST + _named_cost(consumer.name)
        self.by_number[consumer.number] = None
        del self.consumers[consumer.name]

    def sorted_consumers(self) -> list[Consumer]:
        """Return the consumers by name."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def owner(self) -> Consumer:
        """Return the consumer of the pending entry at the cursor of `pending`."""
        consumer = self.by_number[self.pending.get(OWNER)]
        assert consumer is not None
        return consumer

    # --- pending entries --------------------------------------------------------------------------

    def deliver(self, consumer: Consumer, ms: i64, seq: i64, now_ms: i64) -> None:
        """Note the first delivery of an entry; it may be pending for another one."""
        table = self.pending
        if table.add(ms, seq, consumer.number):
            consumer.pending.add(ms, seq, 0)
        else:
            self._hand_over(consumer, ms, seq)
        table.set(TIME, now_ms)
        table.set(DELIVERIES, 1)

    def claim(self, consumer: Consumer, ms: i64, seq: i64, time_ms: i64, deliveries: i64) -> None:
        """Give the entry at the cursor of `pending` to a consumer."""
        table = self.pending
        if table.get(OWNER) != consumer.number:
            self._hand_over(consumer, ms, seq)
        table.set(TIME, time_ms)
        table.set(DELIVERIES, deliveries)

    def _hand_over(self, consumer: Consumer, ms: i64, seq: i64) -> None:
        """Move the entry at the cursor of `pending` to another consumer, or to the same."""
        owner = self.owner()
        if owner is consumer:
            return
        if owner.pending.find(ms, seq):
            owner.pending.remove()
        consumer.pending.add(ms, seq, 0)
        self.pending.set(OWNER, consumer.number)

    def acknowledge(self, ms: i64, seq: i64) -> bool:
        """Forget a pending entry; return whether it was one. O(log n)."""
        if not self.pending.find(ms, seq):
            return False
        table = self.owner().pending
        if table.find(ms, seq):
            table.remove()
        self.pending.remove()
        return True

    # --- the whole --------------------------------------------------------------------------------

    def release(self) -> None:
        """Take the group out of the meter; it is not used any more."""
        for consumer in self.consumers.values():
            consumer.pending.release()
            self.meter.memory -= CONSUMER_COST + _named_cost(consumer.name)
        self.pending.release()
        self.meter.memory -= GROUP_COST + _named_cost(self.name)

    def discard(self, rows: i64) -> i64:
        """Free about that many rows of a group that nobody uses any more; return how many."""
        freed = self.pending.discard(rows)
        while freed < rows and self.by_number:
            consumer = self.by_number[len(self.by_number) - 1]
            if consumer is not None:
                freed += consumer.pending.discard(rows - freed)
                if consumer.pending.chunks:
                    break
                del self.consumers[consumer.name]
                freed += 1
            self.by_number.pop()
        return freed

    def is_discarded(self) -> bool:
        """Say whether `discard` has freed everything."""
        return not self.by_number and not self.pending.chunks

    def copy(self, meter: Meter) -> Group:
        """Return an independent copy. O(n)."""
        twin = Group(self.name, self.last_ms, self.last_seq, self.entries_read, meter)
        twin.pending.release()
        twin.pending = self.pending.copy(meter)
        for consumer in self.by_number:
            if consumer is None:
                twin.by_number.append(None)
                continue
            other = Consumer(consumer.name, consumer.number, consumer.seen_ms, meter)
            other.pending.release()
            other.pending = consumer.pending.copy(meter)
            twin.by_number.append(other)
            twin.consumers[other.name] = other
            meter.memory += CONSUMER_COST + _named_cost(other.name)
        return twin

    def check(self) -> i64:
        """Assert the invariants; return the memory; O(n log n)."""
        memory = GROUP_COST + _named_cost(self.name) + self.pending.check()
        count: i64 = 0
        for name, consumer in self.consumers.items():
            assert name == consumer.name and self.by_number[consumer.number] is consumer
            memory += CONSUMER_COST + _named_cost(name) + consumer.pending.check()
            count += consumer.pending.count
            found = consumer.pending.seek(LOWEST, LOWEST)
            while found:
                assert self.pending.find(consumer.pending.get(0), consumer.pending.get(1))
                assert self.owner() is consumer
                found = consumer.pending.step()
        assert count == self.pending.count
        assert sum(1 for consumer in self.by_number if consumer is not None) == len(self.consumers)
        return memory
