"""An RDB file of version 10, made piece by piece out of a snapshot.

The file is a header, fields about who wrote it, libraries of functions, the databases, and an end
mark with a CRC-64. Before a key stand its deadline and, under an LRU or LFU policy, its use.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, write_i64_le
from mypy_extensions import i64, u8

from kvnode.access import COUNT_MAX, LAST_USE, NO_CLOCK, USE_COUNT, idle_ms
from kvnode.durability.snapshot import Records, Snapshot
from kvnode.expiry import NO_DEADLINE
from kvnode.rdb import types
from kvnode.rdb.crc64 import crc64
from kvnode.rdb.encoding import RDB_VERSION, write_length, write_string
from kvnode.rdb.saving import ValueWriter, type_of, write_value
from kvnode.request_memory import CLIENT_FIELD, RequestClient, client_field
from kvnode.shuffle.records import FIELD as SHUFFLE_FIELD
from kvnode.shuffle.records import SnapshotRecords
from kvnode.structures.container import Container

_PIECE_BYTES: Final = 1 << 16
_IN_PARTS_FROM: Final = 1000  # elements of a value


@final
class RdbWriter:
    """Turns a snapshot into a file's bytes; ask for `piece` until `is_done`."""

    def __init__(
        self,
        snapshot: Snapshot,
        fields: list[tuple[bytes, bytes]],
        libraries: list[bytes],
        request_clients: list[RequestClient],
        shuffles: SnapshotRecords | None,
        clocks: i64,
        compresses: bool,
        has_checksum: bool,
    ) -> None:
        """`clocks` says what the keys' clocks are: LAST_USE, USE_COUNT, or anything else."""
        self.is_done = False
        self.keys: i64 = 0  # written so far
        self.size: i64 = 0
        self._snapshot = snapshot
        self._clocks = clocks
        self._compresses = compresses
        self._has_checksum = has_checksum
        self._checksum = 0
        self._request_clients = request_clients  # not written yet
        self._shuffles = shuffles  # None: all of them are written
        self._part = -1
        self._value: ValueWriter | None = None
        self._out = BytesWriter()
        self._begin(fields, libraries)

    def piece(self, elements: i64) -> bytes:
        """Return the next bytes: of about so many elements, or fewer."""
        out = self._out
        snapshot = self._snapshot
        while elements > 0 and len(out) < _PIECE_BYTES and not self.is_done:
            if self._request_clients:
                elements -= self._write_client(self._request_clients.pop())
                continue
            if self._shuffles is not None:
                elements -= self._write_shuffles(self._shuffles)
                continue
            records = snapshot.records
            if records is None or snapshot.place >= len(records.keys):
                elements -= 1
                records = snapshot.take()
                if records is None:
                    self._end()
                    break
                self._enter(records)
            elements -= self._write_some(records, elements)
        data = out.getvalue()
        self._out = BytesWriter()
        self.size += len(data)
        if self._has_checksum:
            self._checksum = crc64(data, self._checksum)
        if self.is_done:
            return data + self._checksum.to_bytes(8, "little")
        return data

    def _begin(self, fields: list[tuple[bytes, bytes]], libraries: list[bytes]) -> None:
        out = self._out
        out.write(b"REDIS%04d" % RDB_VERSION)
        for name, value in fields:
            out.append(types.AUX)
            write_string(out, name, False)
            write_string(out, value, False)
        for code in libraries:
            out.append(types.FUNCTION)
            write_string(out, code, self._compresses)

    def _write_client(self, client: RequestClient) -> i64:
        """Append what is remembered of a client's requests; return how many elements that is."""
        out = self._out
        out.append(types.AUX)
        write_string(out, CLIENT_FIELD, False)
        write_string(out, client_field(client), False)
        return 1 + len(client.replies)

    def _write_shuffles(self, shuffles: SnapshotRecords) -> i64:
        """Append what is known of shuffles, one record; return how many elements that is."""
        record = shuffles.next()
        if record is None:
            self._shuffles = None
            return 0
        out = self._out
        out.append(types.AUX)
        write_string(out, SHUFFLE_FIELD, False)
        write_string(out, record, False)
        return 1 + record.count(b"[")

    def _enter(self, records: Records) -> None:
        """Say which database comes, if it is another one."""
        if records.index == self._part:
            return
        self._part = records.index
        out = self._out
        for part in self._snapshot.parts:
            if part.index == records.index:
                out.append(types.DATABASE)
                write_length(out, part.index)
                out.append(types.RESIZE)
                write_length(out, part.key_count)
                write_length(out, part.deadline_count)

    def _write_some(self, records: Records, elements: i64) -> i64:
        """Append the next key, or a part of it; return how many elements that were."""
        out = self._out
        snapshot = self._snapshot
        place = snapshot.place
        stored = records.values[place]
        value = self._value
        if value is None:
            self._write_key(records, place, stored)
            if not isinstance(stored, Container) or stored.count() < _IN_PARTS_FROM:
                write_value(out, stored, self._compresses)
                snapshot.place = place + 1
                self.keys += 1
                return 1 if not isinstance(stored, Container) else stored.count()
            value = ValueWriter(stored, self._compresses)
            self._value = value
        assert isinstance(stored, Container)
        value.value = stored  # the snapshot may have put a copy there
        elements = min(max(elements, 100), _IN_PARTS_FROM)
        if value.write(out, elements):
            self._value = None
            snapshot.place = place + 1
            self.keys += 1
        return elements

    def _write_key(self, records: Records, place: int, stored: object) -> None:
        out = self._out
        deadline = records.deadline(place)
        if deadline != NO_DEADLINE:
            out.append(types.DEADLINE_MS)
            write_i64_le(out, deadline)
        clock = records.clock(place)
        if clock != NO_CLOCK and self._clocks == LAST_USE:
            out.append(types.IDLE)
            write_length(out, idle_ms(clock, self._snapshot.now_ms) // 1000)
        elif clock != NO_CLOCK and self._clocks == USE_COUNT:
            out.append(types.FREQUENCY)
            out.append(u8(clock & COUNT_MAX))
        out.append(type_of(stored))
        write_string(out, records.keys[place], self._compresses)

    def _end(self) -> None:
        self._out.append(types.END)
        self.is_done = True
