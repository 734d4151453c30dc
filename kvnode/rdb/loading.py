"""Values as Redis serialised them, from version 2.4 on to 7.2, turned into stored forms.

What is read may come from anywhere, so all of it is checked. A collection is built anew from its
elements, so that its form follows this node's thresholds, unless its bytes are what that would come
to (`adopting.py`). The nodes of streams are checked as a whole.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_be
from librt.vecs import append, vec
from mypy_extensions import i64

from kvnode.datatypes import strings
from kvnode.datatypes.encodings import Encodings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.lists import List
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvnode.rdb import types
from kvnode.rdb.adopting import adopted_hash, adopted_intset, adopted_sorted_set
from kvnode.rdb.encoding import Reader
from kvnode.rdb.lzf import DamagedError
from kvnode.rdb.old_layouts import ziplist_entries, zipmap_entries
from kvnode.structures import intset, listpack
from kvnode.structures.stream_container import Stream
from kvnode.structures.stream_groups import Group
from kvnode.structures.stream_ids import LOWEST, is_before
from kvnode.structures.stream_pending import DELIVERIES
from kvprotocol.numbers import parse_as_strtod

_TEXT_NAN: Final = 253  # the size of an old score's text stands for these
_TEXT_INFINITY: Final = 254
_TEXT_MINUS_INFINITY: Final = 255


def read_value(reader: Reader, kind: int, encodings: Encodings) -> object | None:
    """Return the stored form of the next value, None of a collection without elements.

    DamagedError: there is none, or none of this type.
    """
    try:
        return _read_value(reader, kind, encodings)
    except DamagedError:
        raise
    except ValueError as error:
        raise DamagedError(str(error)) from None


def _read_value(reader: Reader, kind: int, encodings: Encodings) -> object | None:
    if kind == types.STRING:
        text = reader.string_or_integer()
        return strings.stored_form(text) if isinstance(text, bytes) else text
    if kind in (types.HASH, types.HASH_LISTPACK, types.HASH_ZIPLIST, types.HASH_ZIPMAP):
        if kind == types.HASH_LISTPACK:
            data = reader.string()
            adopted = adopted_hash(data, encodings)
            if adopted is not None:
                return adopted
            flat = listpack.entries(data, 0)
        else:
            flat = _fields(reader, kind)
        return Hash.build(flat, encodings).body if flat else None
    if kind in (types.SET, types.SET_INTSET, types.SET_LISTPACK):
        if kind == types.SET_INTSET:
            data = reader.string()
            adopted = adopted_intset(data, encodings)
            if adopted is not None:
                return adopted
            members = intset.members(data, 0)
        else:
            members = _members(reader, kind)
        return Set.build(members, encodings).body if members else None
    if kind in (types.LIST, types.LIST_ZIPLIST, types.LIST_OF_ZIPLISTS, types.LIST_OF_LISTPACKS):
        elements = _elements(reader, kind)
        return List.build(elements).body if elements else None
    if kind in (types.STREAM, types.STREAM_2, types.STREAM_3):
        return _read_stream(reader, kind)
    if kind in (types.MODULE, types.MODULE_PRE_GA):
        raise DamagedError("a value of a module, which kvnode does not have")
    return _read_sorted_set(reader, kind, encodings)


def _strings(reader: Reader, count: i64) -> list[bytes]:
    if count < 0:
        raise DamagedError("a length beyond 63 bits")
    found: list[bytes] = []
    while count > 0:
        found.append(reader.string())
        count -= 1
    return found


def _listpack_entries(data: bytes) -> list[bytes]:
    listpack.validate(data, 0)
    return listpack.entries(data, 0)


def _fields(reader: Reader, kind: int) -> list[bytes]:
    if kind == types.HASH:
        return _strings(reader, reader.length() * 2)
    if kind == types.HASH_ZIPLIST:
        return ziplist_entries(reader.string())
    return zipmap_entries(reader.string())


def _members(reader: Reader, kind: int) -> list[bytes]:
    if kind == types.SET:
        return _strings(reader, reader.length())
    return _listpack_entries(reader.string())


def _elements(reader: Reader, kind: int) -> list[bytes]:
    if kind == types.LIST_ZIPLIST:
        return ziplist_entries(reader.string())
    count = reader.length()
    if kind == types.LIST:
        return _strings(reader, count)
    elements: list[bytes] = []
    while count > 0:
        count -= 1
        form = reader.length() if kind == types.LIST_OF_LISTPACKS else types.PACKED
        data = reader.string()
        if form == types.PLAIN:
            elements.append(data)
        elif form != types.PACKED:
            raise DamagedError("no known form of a list's node")
        elif kind == types.LIST_OF_LISTPACKS:
            elements.extend(_listpack_entries(data))
        else:
            elements.extend(ziplist_entries(data))
    return elements


# --- sorted sets ----------------------------------------------------------------------------------


def _read_sorted_set(reader: Reader, kind: int, encodings: Encodings) -> object | None:
    members: list[bytes] = []
    scores = vec[float]()
    if kind in (types.SORTED_SET_LISTPACK, types.SORTED_SET_ZIPLIST):
        data = reader.string()
        if kind == types.SORTED_SET_LISTPACK:
            adopted = adopted_sorted_set(data, encodings)
            if adopted is not None:
                return adopted
            flat = listpack.entries(data, 0)
        else:
            flat = ziplist_entries(data)
        if len(flat) % 2:
            raise DamagedError("a member without a score")
        members = flat[::2]
        for text in flat[1::2]:
            scores = append(scores, _score(text))
    elif kind in (types.SORTED_SET, types.SORTED_SET_TEXT):
        count = reader.length()
        while count > 0:
            count -= 1
            members.append(reader.string())
            score = reader.double_le() if kind == types.SORTED_SET else _text_score(reader)
            if score != score:
                raise DamagedError("a score that is no number")
            scores = append(scores, score)
    else:
        raise DamagedError(f"no known type of a value: {kind}")
    if not members:
        return None
    if len(set(members)) != len(members):
        raise DamagedError("a member stands twice")
    return SortedSet.build(members, scores, encodings).body


def _text_score(reader: Reader) -> float:
    size = reader.byte()
    if size == _TEXT_NAN:
        raise DamagedError("a score that is no number")
    if size == _TEXT_INFINITY:
        return float("inf")
    if size == _TEXT_MINUS_INFINITY:
        return float("-inf")
    return _score(reader.take(size))


def _score(text: bytes) -> float:
    score = parse_as_strtod(text)
    if score is None or score != score:
        raise DamagedError("a score that is no number")
    return score


# --- streams --------------------------------------------------------------------------------------


def _read_stream(reader: Reader, kind: int) -> Stream:
    stream = Stream()
    count = reader.length()
    while count > 0:
        count -= 1
        ms, seq = _read_key(reader.string())
        stream.adopt_node(ms, seq, reader.string())
    length = reader.length()
    stream.last_ms, stream.last_seq = _read_id_lengths(reader)
    if kind == types.STREAM:
        stream.entries_added = stream.length
    else:
        _read_id_lengths(reader)  # the first entry's, which is known
        stream.deleted_ms, stream.deleted_seq = _read_id_lengths(reader)
        stream.entries_added = reader.length()
    stream.find_first()
    greatest_ms, greatest_seq = stream.greatest()
    if length != stream.length:
        raise DamagedError("a stream of another length than was announced")
    if is_before(stream.last_ms, stream.last_seq, greatest_ms, greatest_seq):
        raise DamagedError("a stream whose last id is not the last one")
    stream.drop_deleted_behind(stream.last_ms, stream.last_seq)
    groups = reader.length()
    while groups > 0:
        groups -= 1
        _read_group(reader, kind, stream)
    stream.settle()
    return stream


def _read_group(reader: Reader, kind: int, stream: Stream) -> None:
    name = reader.string()
    ms, seq = _read_id_lengths(reader)
    read: i64 = stream.entries_up_to(ms, seq) if kind == types.STREAM else reader.length()
    if not stream.create_group(name, ms, seq, read):
        raise DamagedError("a consumer group stands twice")
    group = stream.group(name)
    assert group is not None
    deliveries: dict[tuple[int, int], tuple[int, int]] = {}
    pending = reader.length()
    while pending > 0:
        pending -= 1
        ms, seq = _read_key(reader.take(16))
        time_ms = reader.number_le()
        deliveries[(int(ms), int(seq))] = (int(time_ms), int(reader.length()))
    consumers = reader.length()
    while consumers > 0:
        consumers -= 1
        _read_consumer(reader, kind, group, deliveries)
    if deliveries:
        raise DamagedError("an entry is pending for no consumer")


def _read_consumer(
    reader: Reader,
    kind: int,
    group: Group,
    deliveries: dict[tuple[int, int], tuple[int, int]],
) -> None:
    name = reader.string()
    if group.consumer(name) is not None:
        raise DamagedError("a consumer stands twice")
    consumer = group.create_consumer(name, reader.number_le())
    if kind == types.STREAM_3:
        reader.number_le()  # when it was last served, which kvnode does not keep
    pending = reader.length()
    while pending > 0:
        pending -= 1
        ms, seq = _read_key(reader.take(16))
        found = deliveries.pop((int(ms), int(seq)), None)
        if found is None:
            raise DamagedError("a consumer's pending entry is not its group's")
        group.deliver(consumer, ms, seq, i64(found[0]))
        group.pending.set(DELIVERIES, i64(found[1]))


def _read_key(data: bytes) -> tuple[i64, i64]:
    """Return the id in 16 bytes."""
    if len(data) != 16:
        raise DamagedError("an id that is not of 16 bytes")
    return read_i64_be(data, 0) ^ LOWEST, read_i64_be(data, 8) ^ LOWEST


def _read_id_lengths(reader: Reader) -> tuple[i64, i64]:
    ms = reader.length()
    return ms ^ LOWEST, reader.length() ^ LOWEST
