"""Values as Redis 7.0 serialises them: for DUMP, and for the keys of an RDB file.

A packed value is copied as it stands, since it is Redis's own layout. A large one is written in
parts: a `ValueWriter` is asked for some elements more until it has no more, so that a snapshot
need not hold the node up for a value of millions. Between two parts `value` may be exchanged for a
copy of equal content.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, write_f64_le, write_i64_be, write_i64_le
from mypy_extensions import i64

from kvnode.datatypes import strings
from kvnode.datatypes.tags import TAG_HASH, TAG_INTSET, TAG_LIST, TAG_MAX, TAG_MIN, TAG_ZSET
from kvnode.rdb import types
from kvnode.rdb.encoding import write_length, write_small_integer, write_string
from kvnode.structures import bulk_strings, listpack
from kvnode.structures.container import Container
from kvnode.structures.index_table import HashTable, SetTable
from kvnode.structures.list_nodes import ListNodes
from kvnode.structures.mutable_string import MutableString
from kvnode.structures.score_table import ScoreTable
from kvnode.structures.sealed_nodes import LargeElement
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_groups import Group
from kvnode.structures.stream_ids import LOWEST
from kvnode.structures.stream_pending import DELIVERIES, TIME, PendingTable

_EVERYTHING: Final = 1 << 60
_NODE_BYTES_MAX: Final = 8192  # of a listpack in a list, as by default in Redis
_ENTRIES_PER_NODE: Final = 100
_WIRE_BASE: Final = 2  # where a packed list's elements begin


def type_of(stored: object) -> int:
    """Return the type under which a stored form is serialised."""
    if isinstance(stored, bytes):
        tag: i64 = stored[0] if len(stored) > 0 else 0
        if tag < TAG_MIN or tag > TAG_MAX:
            return types.STRING
        if tag == TAG_HASH:
            return types.HASH_LISTPACK
        if tag == TAG_ZSET:
            return types.SORTED_SET_LISTPACK
        if tag == TAG_LIST:
            return types.LIST_OF_LISTPACKS
        return types.SET_INTSET if tag == TAG_INTSET else types.SET
    if isinstance(stored, HashTable):
        return types.HASH
    if isinstance(stored, SetTable):
        return types.SET
    if isinstance(stored, ScoreTable):
        return types.SORTED_SET
    if isinstance(stored, ListNodes):
        return types.LIST_OF_LISTPACKS
    if isinstance(stored, Stream):
        return types.STREAM_2
    return types.STRING


def write_value(out: BytesWriter, stored: object, compresses: bool) -> None:
    """Append a value, without its type; `compresses` is rdbcompression."""
    if isinstance(stored, bytes):
        _write_packed(out, stored, compresses)
    elif isinstance(stored, int):
        if not (-(1 << 31) <= stored < 1 << 31 and write_small_integer(out, stored)):
            write_string(out, b"%d" % stored, False)
    elif isinstance(stored, MutableString):
        write_string(out, strings.text_or_empty(stored), compresses)
    else:
        assert isinstance(stored, Container)
        ValueWriter(stored, compresses).write(out, _EVERYTHING)


def _write_packed(out: BytesWriter, stored: bytes, compresses: bool) -> None:
    tag: i64 = stored[0] if len(stored) > 0 else 0
    if tag < TAG_MIN or tag > TAG_MAX:
        write_string(out, stored, compresses)
    elif tag == TAG_LIST:
        write_length(out, 1)
        elements = bulk_strings.decode(stored, _WIRE_BASE)
        _write_list_node(out, listpack.build(b"", elements), types.PACKED, compresses)
    elif tag in (TAG_HASH, TAG_ZSET, TAG_INTSET):
        write_string(out, stored[1:], compresses)
    else:
        members = listpack.entries(stored, 1)
        write_length(out, len(members))
        for member in members:
            write_string(out, member, compresses)


@final
class ValueWriter:
    """Writes one large value in parts."""

    def __init__(self, value: Container, compresses: bool) -> None:
        self.value = value
        self._compresses = compresses
        self._next: i64 = 0

    def write(self, out: BytesWriter, elements: i64) -> bool:
        """Append about so many elements more; return whether that was all."""
        value = self.value
        begin = self._next
        if isinstance(value, ListNodes):
            count = _list_node_count(value)
            end = min(begin + elements // _ENTRIES_PER_NODE + 1, count)
            if begin == 0:
                write_length(out, count)
            _write_list_nodes(out, value, begin, end, self._compresses)
        elif isinstance(value, Stream):
            return self._write_stream(out, value, elements)
        else:
            count = value.count()
            end = min(begin + elements, count)
            if begin == 0:
                write_length(out, count)
            if isinstance(value, HashTable):
                self._write_fields(out, value, begin, end)
            elif isinstance(value, ScoreTable):
                self._write_scores(out, value, begin, end)
            else:
                assert isinstance(value, SetTable)
                self._write_members(out, value, begin, end)
        self._next = end
        return end == count

    def _write_members(self, out: BytesWriter, table: SetTable, begin: i64, end: i64) -> None:
        members = table.members
        while begin < end:
            write_string(out, members[begin], self._compresses)
            begin += 1

    def _write_fields(self, out: BytesWriter, table: HashTable, begin: i64, end: i64) -> None:
        fields = table.members
        values = table.values
        while begin < end:
            write_string(out, fields[begin], self._compresses)
            write_string(out, values[begin], self._compresses)
            begin += 1

    def _write_scores(self, out: BytesWriter, table: ScoreTable, begin: i64, end: i64) -> None:
        """Append members from the greatest score down, which is how Redis adds them fastest."""
        members, scores = table.order.slice(begin, end - begin, True)
        i: i64 = 0
        for member in members:
            write_string(out, member, self._compresses)
            write_f64_le(out, scores[i])
            i += 1

    def _write_stream(self, out: BytesWriter, stream: Stream, elements: i64) -> bool:
        """Append nodes, and behind the last of them the rest as a whole."""
        count = stream.node_count()
        begin = self._next
        end = min(begin + elements // _ENTRIES_PER_NODE + 1, count)
        if begin == 0:
            write_length(out, count)
        while begin < end:
            place = stream.first + begin
            ms, seq = stream.key(place)
            write_length(out, 16)
            _write_id(out, ms, seq)
            write_string(out, stream.node(place), self._compresses)
            begin += 1
        self._next = end
        if end < count:
            return False
        write_length(out, stream.length)
        _write_id_lengths(out, stream.last_ms, stream.last_seq)
        _write_id_lengths(out, stream.first_ms, stream.first_seq)
        _write_id_lengths(out, stream.deleted_ms, stream.deleted_seq)
        write_length(out, stream.entries_added)
        groups = stream.sorted_groups()
        write_length(out, len(groups))
        for group in groups:
            _write_group(out, group, self._compresses)
        return True


# --- lists ----------------------------------------------------------------------------------------


def _list_node_count(value: ListNodes) -> i64:
    sealed: i64 = len(value.nodes) - value.first
    return sealed + len(_runs(value.head)) + len(_runs(value.tail))


def _write_list_nodes(
    out: BytesWriter, value: ListNodes, begin: i64, end: i64, compresses: bool
) -> None:
    """Append nodes of a list: those of its head, the sealed ones, those of its tail."""
    heads = _runs(value.head[::-1])
    tails = _runs(value.tail)
    sealed: i64 = len(value.nodes) - value.first
    before_tail = len(heads) + sealed
    while begin < end:
        if begin < len(heads):
            _write_run(out, heads[begin], compresses)
        elif begin < before_tail:
            node = value.nodes[value.first + begin - len(heads)]
            if isinstance(node, LargeElement):
                _write_run(out, [node.content], compresses)
            else:
                assert isinstance(node, bytes)
                _write_run(out, bulk_strings.decode(node, 0), compresses)
        else:
            _write_run(out, tails[begin - before_tail], compresses)
        begin += 1


def _runs(elements: list[bytes]) -> list[list[bytes]]:
    """Return elements in runs, each of which fits a node or is one element.

    There are as many runs when the elements come in reverse: each element of more than a 32nd of a
    node is a run by itself, and the open ends of a list hold no more than 32 others.
    """
    runs: list[list[bytes]] = []
    small: list[bytes] = []
    for element in elements:
        if len(element) * 32 <= _NODE_BYTES_MAX:
            small.append(element)
            continue
        if small:
            runs.append(small)
            small = []
        runs.append([element])
    if small:
        runs.append(small)
    return runs


def _write_run(out: BytesWriter, elements: list[bytes], compresses: bool) -> None:
    if len(elements) == 1 and len(elements[0]) > _NODE_BYTES_MAX:
        _write_list_node(out, elements[0], types.PLAIN, compresses)
    else:
        _write_list_node(out, listpack.build(b"", elements), types.PACKED, compresses)


def _write_list_node(out: BytesWriter, data: bytes, form: i64, compresses: bool) -> None:
    write_length(out, form)
    write_string(out, data, compresses)


# --- streams --------------------------------------------------------------------------------------


def _write_id(out: BytesWriter, ms: i64, seq: i64) -> None:
    write_i64_be(out, ms ^ LOWEST)
    write_i64_be(out, seq ^ LOWEST)


def _write_id_lengths(out: BytesWriter, ms: i64, seq: i64) -> None:
    write_length(out, ms ^ LOWEST)
    write_length(out, seq ^ LOWEST)


def _write_group(out: BytesWriter, group: Group, compresses: bool) -> None:
    write_string(out, group.name, compresses)
    _write_id_lengths(out, group.last_ms, group.last_seq)
    write_length(out, group.entries_read)
    _write_pending(out, group.pending, True)
    consumers = group.sorted_consumers()
    write_length(out, len(consumers))
    for consumer in consumers:
        write_string(out, consumer.name, compresses)
        write_i64_le(out, consumer.seen_ms)
        _write_pending(out, consumer.pending, False)


def _write_pending(out: BytesWriter, table: PendingTable, with_deliveries: bool) -> None:
    write_length(out, table.count)
    found = table.seek(LOWEST, LOWEST)
    while found:
        _write_id(out, table.get(0), table.get(1))
        if with_deliveries:
            write_i64_le(out, table.get(TIME))
            write_length(out, table.get(DELIVERIES))
        found = table.step()
