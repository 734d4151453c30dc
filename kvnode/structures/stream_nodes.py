"""A stream's entries: nodes in id order, of which the last is open.

The sealed nodes are Redis's listpacks as they stand (`stream_layout.py`), cut where Redis cuts
them, because trimming with `~` drops whole nodes and a dump copies them. The last node grows; while
it is only written to it is held in a `BytesWriter`, and the first reader after that turns it into
bytes: a copy of a few kilobytes at most, where a writer that could be read would cost every append
more.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter
from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr, u8

from kvnode.structures.container import Container
from kvnode.structures.listpack import (
    COUNT_UNKNOWN,
    END,
    HEADER_SIZE,
    count,
    encode_integer,
    get_integer,
    integer_size,
    next_entry,
    validate,
)
from kvnode.structures.stream_ids import LOWEST, difference, is_before, total
from kvnode.structures.stream_layout import (
    DELETED,
    deleted_count,
    element_count,
    entry_before,
    fields_offset,
    first_entry,
    has_fields,
    live_count,
    master_fields,
    patch_header,
    skip_entry,
    validate_node,
    with_counts,
    write_entry,
    write_master,
)

NODE_BYTES_MAX: Final = 1 << 30
"""The bound of a node, and of the fields and values of one entry, where none is set."""

BASE_COST: Final = 640
"""An empty stream with its lists, its vecs and the metadata of the open node."""

NODE_COST: Final = 24
"""A node's pointer and key; its bytes object comes on top."""

_PREFIX_SIZES: Final = 4  # of the two counts in a node's master entry, as `write_master` makes it


def node_cost(size: i64) -> i64:
    """Return the memory of a node with that many bytes, and of its place."""
    return ((size + 48) & -16) + NODE_COST


@mypyc_attr(acyclic=True)
class StreamNodes(Container):
    """Entries by id. `length` counts those that are not deleted.

    `nodes[first:]` are sealed, with their keys in `key_ms` and `key_seq`. If there is any node, the
    last one is described by the `tail_*` fields, its bytes being in `tail_open` or else in
    `tail_data`.
    """

    nodes: list[bytes]
    key_ms: vec[i64]
    key_seq: vec[i64]
    first: i64
    length: i64
    has_tail: bool
    tail_ms: i64
    tail_seq: i64
    tail_live: i64
    tail_deleted: i64
    tail_elements: i64
    tail_fields: list[bytes]
    tail_open: BytesWriter | None
    tail_data: bytes
    tail_prefix: i64
    tail_bytes: i64

    def __init__(self) -> None:
        super().__init__()
        self.nodes = []
        self.key_ms = vec[i64]()
        self.key_seq = vec[i64]()
        self.first = 0
        self.length = 0
        self.has_tail = False
        self.tail_ms = 0
        self.tail_seq = 0
        self.tail_live = 0
        self.tail_deleted = 0
        self.tail_elements = 0
        self.tail_fields = []
        self.tail_open = None
        self.tail_data = b""
        self.tail_prefix = 0  # bytes that the two counts take in the open node
        self.tail_bytes = 0  # of the whole node, as Redis would hold it
        self.memory = BASE_COST

    # --- appending --------------------------------------------------------------------------------

    def append(
        self,
        ms: i64,
        seq: i64,
        argv: list[bytes],
        begin: i64,
        node_bytes_max: i64,
        node_entries_max: i64,
    ) -> None:
        """Add an entry behind all others; its fields and values are `argv[begin:]`.

        A limit of 0 is none.
        """
        if node_bytes_max == 0 or node_bytes_max > NODE_BYTES_MAX:
            node_bytes_max = NODE_BYTES_MAX
        if self.has_tail:
            size: i64 = 0
            i = begin
            end: i64 = len(argv)
            while i < end:
                size += len(argv[i])
                i += 1
            if self.tail_bytes + size >= node_bytes_max or (
                node_entries_max and self.tail_live + self.tail_deleted >= node_entries_max
            ):
                self._seal()
        if not self.has_tail:
            self._begin_node(ms, seq, argv, begin)
        out = self._reopen()
        same = has_fields(argv, begin, self.tail_fields)
        before = len(out)
        self.tail_elements += write_entry(
            out,
            difference(ms, self.tail_ms),
            difference(seq, self.tail_seq),
            argv,
            begin,
            same,
        )
        self.tail_live += 1
        self.length += 1
        self._resize_tail(
            self.tail_bytes
            + len(out)
            - before
            + integer_size(self.tail_live)
            - integer_size(self.tail_live - 1)
        )

    def _resize_tail(self, size: i64) -> None:
        self.memory += node_cost(size) - node_cost(self.tail_bytes)
        self.tail_bytes = size

    def _begin_node(self, ms: i64, seq: i64, argv: list[bytes], begin: i64) -> None:
        """Open a node whose master entry has the fields in `argv`."""
        fields: list[bytes] = []
        i = begin
        end: i64 = len(argv)
        while i < end:
            fields.append(argv[i])
            i += 2
        out = BytesWriter()
        self.tail_elements = write_master(out, fields)
        self.has_tail = True
        self.tail_ms = ms
        self.tail_seq = seq
        self.tail_live = 0
        self.tail_deleted = 0
        self.tail_fields = fields
        self.tail_open = out
        self.tail_data = b""
        self.tail_prefix = _PREFIX_SIZES
        self.tail_bytes = len(out) + 1
        self.memory += node_cost(self.tail_bytes)

    def _reopen(self) -> BytesWriter:
        """Return the last node as a writer without the end byte."""
        out = self.tail_open
        if out is None:
            out = BytesWriter()
            out.write(self.tail_data)
            out.truncate(len(out) - 1)
            self.tail_prefix = fields_offset(self.tail_data) - HEADER_SIZE
            self.tail_open = out
            self.tail_data = b""
        return out

    def tail(self) -> bytes:
        """Return the last node as bytes, and hold it so from now on."""
        out = self.tail_open
        if out is None:
            return self.tail_data
        live = self.tail_live
        deleted = self.tail_deleted
        if self.tail_prefix == _PREFIX_SIZES and live < 128 and deleted < 128:
            out[HEADER_SIZE] = u8(live)
            out[HEADER_SIZE + 2] = u8(deleted)
        else:
            old = out.getvalue()
            out = BytesWriter()
            out.write(old[:HEADER_SIZE])
            out.write(encode_integer(live))
            out.write(encode_integer(deleted))
            out.write(old[HEADER_SIZE + self.tail_prefix :])
        out.append(END)
        patch_header(out, self.tail_elements)
        self.tail_data = out.getvalue()
        self.tail_open = None
        return self.tail_data

    def _seal(self) -> None:
        """Close the last node for good."""
        self.nodes.append(self.tail())
        self.key_ms = append(self.key_ms, self.tail_ms)
        self.key_seq = append(self.key_seq, self.tail_seq)
        self.tail_data = b""
        self.has_tail = False

    # --- nodes ------------------------------------------------------------------------------------

    def end(self) -> i64:
        """Return the place behind the last node; the first one's is `first`."""
        return len(self.nodes) + (1 if self.has_tail else 0)

    def node_count(self) -> i64:
        """Return the number of nodes."""
        return self.end() - self.first

    def node(self, place: i64) -> bytes:
        """Return the bytes of a node."""
        if place == len(self.nodes):
            return self.tail()
        return self.nodes[place]

    def key(self, place: i64) -> tuple[i64, i64]:
        """Return the id of a node's first entry, deleted or not."""
        if place == len(self.nodes):
            return self.tail_ms, self.tail_seq
        return self.key_ms[place], self.key_seq[place]

    def find_node(self, ms: i64, seq: i64) -> i64:
        """Return the place of the last node whose key is not greater than an id, or `first` - 1."""
        high: i64 = len(self.nodes)
        if self.has_tail and not is_before(ms, seq, self.tail_ms, self.tail_seq):
            return high
        low = self.first
        keys = self.key_ms
        while low < high:
            middle = (low + high) >> 1
            key = keys[middle]
            if key < ms or (key == ms and self.key_seq[middle] <= seq):
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _replace(self, place: i64, data: bytes, live: i64, deleted: i64) -> None:
        """Put other bytes in the place of a node."""
        size: i64 = len(data)
        if place == len(self.nodes):
            self.tail_data = data
            self.tail_live = live
            self.tail_deleted = deleted
            self._resize_tail(size)
            return
        self.memory += node_cost(size) - node_cost(len(self.nodes[place]))
        self.nodes[place] = data

    def _drop_node(self, place: i64) -> None:
        """Take out a node, whatever is in it."""
        if place == len(self.nodes):
            self.memory -= node_cost(self.tail_bytes)
            self.has_tail = False
            self.tail_open = None
            self.tail_data = b""
            self.tail_fields = []
            if place > self.first:
                self._adopt_last()
            else:
                self._compact()
            return
        self.memory -= node_cost(len(self.nodes[place]))
        if place == self.first:
            self.nodes[place] = b""
            self.first += 1
            self._compact()
            return
        del self.nodes[place]
        self.key_ms = _without(self.key_ms, place)
        self.key_seq = _without(self.key_seq, place)

    def adopt_node(self, ms: i64, seq: i64, data: bytes) -> None:
        """Put a foreign node behind all others. ValueError: it is damaged, or not behind them."""
        validate_node(data, ms, seq)
        if self.has_tail:
            last_ms, last_seq = self.last_of(len(self.nodes))
            if not is_before(last_ms, last_seq, ms, seq):
                raise ValueError("a stream's nodes out of order")
            self._seal()
        self.nodes.append(data)
        self.key_ms = append(self.key_ms, ms)
        self.key_seq = append(self.key_seq, seq)
        self._adopt_last()
        self.length += self.tail_live
        self.memory += node_cost(self.tail_bytes)

    def _adopt_last(self) -> None:
        """Make the last sealed node the open one again, as the tail is gone."""
        place: i64 = len(self.nodes) - 1
        data = self.nodes.pop()
        self.tail_ms = self.key_ms[place]
        self.tail_seq = self.key_seq[place]
        self.key_ms = self.key_ms[:place]
        self.key_seq = self.key_seq[:place]
        self.has_tail = True
        self.tail_live = live_count(data)
        self.tail_deleted = deleted_count(data)
        self.tail_elements = element_count(data)
        self.tail_fields = master_fields(data)
        self.tail_data = data
        self.tail_bytes = len(data)

    def _compact(self) -> None:
        """Give up the free places at the front once they are as many as the nodes."""
        first = self.first
        held: i64 = len(self.nodes)
        if first == held:
            self.nodes = []
            self.key_ms = vec[i64]()
            self.key_seq = vec[i64]()
            self.first = 0
        elif first >= 32 and first * 2 >= held:
            del self.nodes[:first]
            self.key_ms = self.key_ms[first:]
            self.key_seq = self.key_seq[first:]
            self.first = 0

    # --- deleting ---------------------------------------------------------------------------------

    def find(self, ms: i64, seq: i64) -> tuple[i64, i64]:
        """Return the node and the offset of the entry with an id; (-1, 0) when there is none."""
        place = self.find_node(ms, seq)
        if place < self.first or self.length == 0:
            return -1, 0
        data = self.node(place)
        key_ms, key_seq = self.key(place)
        ms_delta = difference(ms, key_ms)
        seq_delta = difference(seq, key_seq)
        n_master = get_integer(data, fields_offset(data))
        at = first_entry(data)
        while data[at] != END:
            time = at + 2
            if get_integer(data, time) == ms_delta:
                if get_integer(data, next_entry(data, time)) == seq_delta:
                    if get_integer(data, at) & DELETED:
                        return -1, 0
                    return place, at
            elif get_integer(data, time) > ms_delta >= 0:
                break
            at = skip_entry(data, at, n_master)
        return -1, 0

    def delete(self, ms: i64, seq: i64) -> bool:
        """Delete the entry with an id; return whether it was there. O(log n + size of a node)."""
        place, at = self.find(ms, seq)
        if place < 0:
            return False
        data = self.node(place)
        live = live_count(data)
        self.length -= 1
        if live == 1:
            self._drop_node(place)
            return True
        deleted = deleted_count(data)
        marked: list[int] = [int(at)]
        self._replace(
            place, with_counts(data, live - 1, deleted + 1, marked), live - 1, deleted + 1
        )
        return True

    def drop_deleted_behind(self, ms: i64, seq: i64) -> None:
        """Forget the entries behind an id, which are deleted ones: the next may be before them."""
        if not self.has_tail:
            return
        last_ms, last_seq = self.last_of(len(self.nodes))
        if not is_before(ms, seq, last_ms, last_seq):
            return
        data = self.tail()
        n_master = get_integer(data, fields_offset(data))
        at = first_entry(data)
        kept: i64 = 0
        while True:
            time = at + 2
            entry_ms = total(self.tail_ms, get_integer(data, time))
            entry_seq = total(self.tail_seq, get_integer(data, next_entry(data, time)))
            if is_before(ms, seq, entry_ms, entry_seq):
                break
            kept += 1
            at = skip_entry(data, at, n_master)
        self.tail_deleted = kept - self.tail_live
        self.tail_elements = 0
        offset: i64 = HEADER_SIZE
        while offset < at:
            offset = next_entry(data, offset)
            self.tail_elements += 1
        out = BytesWriter()
        out.write(data[:at])
        self.tail_prefix = fields_offset(data) - HEADER_SIZE
        self.tail_open = out
        self._resize_tail(len(self.tail()))

    def trim_to_length(self, length_max: i64, whole_nodes: bool, limit: i64) -> i64:
        """Delete entries from the front until at most `length_max` are left; return how many.

        With `whole_nodes` only such are dropped. At most `limit` entries (0: any number).
        """
        deleted: i64 = 0
        while self.length > length_max and self.has_tail:
            live = self._live(self.first)
            if limit and deleted + live > limit:
                break
            if self.length - live >= length_max:
                self._drop_node(self.first)
                self.length -= live
                deleted += live
                continue
            if not whole_nodes:
                deleted += self._trim_first(self.length - length_max, LOWEST, LOWEST)
            break
        return deleted

    def trim_before(self, ms: i64, seq: i64, whole_nodes: bool, limit: i64) -> i64:
        """Delete the entries with smaller ids than this; else as `trim_to_length`."""
        deleted: i64 = 0
        while self.has_tail:
            live = self._live(self.first)
            if limit and deleted + live > limit:
                break
            last_ms, last_seq = self.last_of(self.first)
            if is_before(last_ms, last_seq, ms, seq):
                self._drop_node(self.first)
                self.length -= live
                deleted += live
                continue
            if not whole_nodes:
                deleted += self._trim_first(-1, ms, seq)
            break
        return deleted

    def _live(self, place: i64) -> i64:
        return self.tail_live if place == len(self.nodes) else live_count(self.nodes[place])

    def last_of(self, place: i64) -> tuple[i64, i64]:
        """Return the id of a node's last entry, deleted or not."""
        data = self.node(place)
        time = entry_before(data, len(data) - 1) + 2
        ms, seq = self.key(place)
        return (
            total(ms, get_integer(data, time)),
            total(seq, get_integer(data, next_entry(data, time))),
        )

    def _trim_first(self, left: i64, ms: i64, seq: i64) -> i64:
        """Mark entries at the front of the first node as deleted; return how many.

        They are `left` of them, or with `left` < 0 those before the id.
        """
        place = self.first
        data = self.node(place)
        key_ms, key_seq = self.key(place)
        n_master = get_integer(data, fields_offset(data))
        at = first_entry(data)
        marked: list[int] = []
        while data[at] != END and left != 0:
            if left < 0:
                time = at + 2
                entry_ms = total(key_ms, get_integer(data, time))
                entry_seq = total(key_seq, get_integer(data, next_entry(data, time)))
                if not is_before(entry_ms, entry_seq, ms, seq):
                    break
            if not get_integer(data, at) & DELETED:
                marked.append(int(at))
                if left > 0:
                    left -= 1
            at = skip_entry(data, at, n_master)
        found: i64 = len(marked)
        if found:
            live = live_count(data) - found
            deleted = deleted_count(data) + found
            self._replace(place, with_counts(data, live, deleted, marked), live, deleted)
            self.length -= found
        return found

    # --- the whole --------------------------------------------------------------------------------

    def copy_nodes(self, twin: StreamNodes) -> None:
        """Give an empty twin the same entries; the bytes are shared. O(nodes)."""
        twin.nodes = self.nodes[self.first :]
        twin.key_ms = self.key_ms[self.first :]
        twin.key_seq = self.key_seq[self.first :]
        twin.length = self.length
        twin.has_tail = self.has_tail
        twin.tail_ms = self.tail_ms
        twin.tail_seq = self.tail_seq
        twin.tail_live = self.tail_live
        twin.tail_deleted = self.tail_deleted
        twin.tail_elements = self.tail_elements
        twin.tail_fields = self.tail_fields
        twin.tail_data = self.tail() if self.has_tail else b""
        twin.tail_bytes = self.tail_bytes

    def nodes_memory(self) -> i64:
        """Return the memory of the nodes, counted anew; O(nodes)."""
        memory: i64 = 0
        place = self.first
        while place < len(self.nodes):
            memory += node_cost(len(self.nodes[place]))
            place += 1
        return memory + (node_cost(self.tail_bytes) if self.has_tail else 0)

    def check_nodes(self) -> None:
        """Assert every invariant of the nodes; O(n)."""
        assert len(self.key_ms) == len(self.key_seq) == len(self.nodes) >= self.first
        assert self.has_tail or self.first == len(self.nodes)
        length: i64 = 0
        last_ms: i64 = LOWEST
        last_seq: i64 = LOWEST
        place = self.first
        while place < self.end():
            data = self.node(place)
            validate(data, 0)
            assert element_count(data) == min(count(data, 0), COUNT_UNKNOWN)
            ms, seq = self.key(place)
            assert place == self.first or is_before(last_ms, last_seq, ms, seq)
            live, deleted = self._check_entries(data, ms, seq)
            assert live == live_count(data) and deleted == deleted_count(data)
            last_ms, last_seq = self.last_of(place)
            length += live
            place += 1
        assert length == self.length
        if self.has_tail:
            data = self.tail()
            assert len(data) == self.tail_bytes
            assert live_count(data) == self.tail_live
            assert deleted_count(data) == self.tail_deleted
            assert master_fields(data) == self.tail_fields

    def _check_entries(self, data: bytes, key_ms: i64, key_seq: i64) -> tuple[i64, i64]:
        """Assert the order of a node's entries; return how many are live and deleted."""
        live: i64 = 0
        deleted: i64 = 0
        n_master = get_integer(data, fields_offset(data))
        at = first_entry(data)
        last_ms = key_ms
        last_seq = key_seq
        while data[at] != END:
            time = at + 2
            ms = total(key_ms, get_integer(data, time))
            seq = total(key_seq, get_integer(data, next_entry(data, time)))
            is_first = live + deleted == 0
            assert (ms == key_ms and seq == key_seq) == is_first
            assert is_first or is_before(last_ms, last_seq, ms, seq)
            last_ms = ms
            last_seq = seq
            if get_integer(data, at) & DELETED:
                deleted += 1
            else:
                live += 1
            following = skip_entry(data, at, n_master)
            assert entry_before(data, following) == at
            at = following
        return live, deleted


def _without(column: vec[i64], place: i64) -> vec[i64]:
    """Return a vec without its element at a place."""
    i = place + 1
    size: i64 = len(column)
    while i < size:
        column[i - 1] = column[i]
        i += 1
    return column[: size - 1]
