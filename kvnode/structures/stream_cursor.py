"""Walking over a stream's entries, in both directions, and writing them in wire form."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from kvnode.structures.listpack import END, get, get_integer, next_entry
from kvnode.structures.stream_ids import difference, is_before, total, write_bulk_id
from kvnode.structures.stream_layout import (
    DELETED,
    SAME_FIELDS,
    entry_before,
    fields_offset,
    first_entry,
    skip_entry,
    write_bulk,
)
from kvnode.structures.stream_nodes import StreamNodes

_ARRAYS: Final[list[bytes]] = [b"*%d\r\n" % n for n in range(256)]


@final
@mypyc_attr(acyclic=True)
class StreamCursor:
    """A place among the entries of a stream that nobody changes meanwhile.

    After `next` or `previous` returned True, (`ms`, `seq`) is the id of the entry there. Deleted
    entries are passed over.
    """

    nodes: StreamNodes
    ms: i64
    seq: i64
    place: i64
    data: bytes
    key_ms: i64
    key_seq: i64
    n_master: i64
    begin: i64
    at: i64
    behind: i64
    wires: list[bytes]

    def __init__(self, nodes: StreamNodes) -> None:
        self.nodes = nodes
        self.ms = 0
        self.seq = 0
        self.place = nodes.first
        self.data = b""
        self.key_ms = 0
        self.key_seq = 0
        self.n_master = 0
        self.begin = 0  # of the node's first entry
        self.at = 0  # of the entry here
        self.behind = 0  # the offset behind it; 0: not known yet
        self.wires = []  # the master's fields in wire form, made when first needed

    def _enter(self, place: i64) -> None:
        """Go into a node, without choosing an entry."""
        nodes = self.nodes
        data = nodes.node(place)
        self.place = place
        self.data = data
        self.key_ms, self.key_seq = nodes.key(place)
        self.n_master = get_integer(data, fields_offset(data))
        self.begin = first_entry(data)
        if self.wires:
            self.wires = []

    def _read_id(self, at: i64) -> None:
        """Make the entry at an offset the one here."""
        data = self.data
        self.at = at
        self.behind = 0
        time = at + 2
        self.ms = total(self.key_ms, get_integer(data, time))
        self.seq = total(self.key_seq, get_integer(data, next_entry(data, time)))

    # --- forward ----------------------------------------------------------------------------------

    def seek(self, ms: i64, seq: i64) -> bool:
        """Go to the first entry whose id is not smaller; return whether there is one."""
        nodes = self.nodes
        if not nodes.length:
            return False
        place = max(nodes.find_node(ms, seq), nodes.first)
        self._enter(place)
        if not is_before(self.key_ms, self.key_seq, ms, seq):
            return self._next_from(self.begin)
        if self._is_near_end(ms, seq):
            return self._seek_from_behind(ms, seq)
        data = self.data
        at = self.begin
        while data[at] != END:
            self._read_id(at)
            if not is_before(self.ms, self.seq, ms, seq):
                break
            at = skip_entry(data, at, self.n_master)
        return self._next_from(at)

    def _is_near_end(self, ms: i64, seq: i64) -> bool:
        """Guess from the ids which end of the node an id is nearer to."""
        last_ms, last_seq = self.nodes.last_of(self.place)
        if last_ms != self.key_ms:
            return difference(last_ms, ms) < difference(ms, self.key_ms)
        return difference(last_seq, seq) < difference(seq, self.key_seq)

    def _seek_from_behind(self, ms: i64, seq: i64) -> bool:
        """As `seek`, for an id behind the node's first one."""
        data = self.data
        found: i64 = len(data) - 1
        while found > self.begin:
            at = entry_before(data, found)
            self._read_id(at)
            if is_before(self.ms, self.seq, ms, seq):
                break
            found = at
        return self._next_from(found)

    def next(self) -> bool:
        """Go to the next entry; return whether there is one."""
        behind = self.behind
        if behind == 0:
            behind = skip_entry(self.data, self.at, self.n_master)
        return self._next_from(behind)

    def _next_from(self, at: i64) -> bool:
        """Go to the first live entry at an offset or behind it."""
        while True:
            data = self.data
            while data[at] != END:
                if not data[at] & DELETED:
                    self._read_id(at)
                    return True
                at = skip_entry(data, at, self.n_master)
            if self.place + 1 >= self.nodes.end():
                return False
            self._enter(self.place + 1)
            at = self.begin

    # --- backward ---------------------------------------------------------------------------------

    def seek_back(self, ms: i64, seq: i64) -> bool:
        """Go to the last entry whose id is not greater; return whether there is one."""
        nodes = self.nodes
        if not nodes.length:
            return False
        place = nodes.find_node(ms, seq)
        if place < nodes.first:
            return False
        self._enter(place)
        at: i64 = len(self.data) - 1
        while at > self.begin:
            at = entry_before(self.data, at)
            self._read_id(at)
            if not self.data[at] & DELETED and not is_before(ms, seq, self.ms, self.seq):
                return True
        return self._previous_from(at)

    def previous(self) -> bool:
        """Go to the entry before; return whether there is one."""
        return self._previous_from(self.at)

    def _previous_from(self, at: i64) -> bool:
        """Go to the last live entry before an offset."""
        while True:
            data = self.data
            while at > self.begin:
                at = entry_before(data, at)
                if not data[at] & DELETED:
                    self._read_id(at)
                    return True
            if self.place <= self.nodes.first:
                return False
            self._enter(self.place - 1)
            at = len(self.data) - 1

    # --- reading ----------------------------------------------------------------------------------

    def write(self, out: BytesWriter) -> None:
        """Append the entry here: an array of its id and of an array of fields and values."""
        data = self.data
        out.write(b"*2\r\n")
        write_bulk_id(out, self.ms, self.seq)
        at = next_entry(data, next_entry(data, self.at + 2))
        i: i64 = 0
        pairs: i64
        if data[self.at] & SAME_FIELDS:
            wires = self.wires
            if not wires:
                wires = self._master_wires()
            pairs = self.n_master
            _write_array(out, 2 * pairs)
            while i < pairs:
                out.write(wires[i])
                at = write_bulk(out, data, at)
                i += 1
        else:
            pairs = 2 * get_integer(data, at)
            at = next_entry(data, at)
            _write_array(out, pairs)
            while i < pairs:
                at = write_bulk(out, data, at)
                i += 1
        self.behind = next_entry(data, at)

    def _master_wires(self) -> list[bytes]:
        wires: list[bytes] = []
        at = next_entry(self.data, fields_offset(self.data))
        left = self.n_master
        while left > 0:
            wire = BytesWriter()
            at = write_bulk(wire, self.data, at)
            wires.append(wire.getvalue())
            left -= 1
        self.wires = wires
        return wires

    def items(self) -> list[bytes]:
        """Return fields and values of the entry here, alternating."""
        data = self.data
        found: list[bytes] = []
        at = next_entry(data, next_entry(data, self.at + 2))
        left: i64
        if data[self.at] & SAME_FIELDS:
            field = next_entry(data, fields_offset(data))
            left = self.n_master
            while left > 0:
                found.append(get(data, field))
                found.append(get(data, at))
                field = next_entry(data, field)
                at = next_entry(data, at)
                left -= 1
        else:
            left = 2 * get_integer(data, at)
            while left > 0:
                at = next_entry(data, at)
                found.append(get(data, at))
                left -= 1
        return found


def _write_array(out: BytesWriter, count: i64) -> None:
    if count < 256:
        out.write(_ARRAYS[count])
    else:
        out.write(b"*%d\r\n" % count)
