"""The layout of a stream's node: Redis's listpack with a master entry.

    count, deleted, n, field 1 ... field n, 0       the master entry
    flags, ms, seq, value 1 ... value n, n + 3      an entry with the master's fields
    flags, ms, seq, m, field 1, value 1 ... , 2m+4  an entry with fields of its own

`ms` and `seq` are differences from the node's key, which is the id of its first entry. The number
at an entry's end counts the elements before it, so that a node is read from behind, too. A deleted
entry stays where it is and is marked in its flags.
"""

from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64, u8

from kvnode.structures.bulk_strings import bulk_header
from kvnode.structures.listpack import (
    COUNT_UNKNOWN,
    EMPTY,
    END,
    HEADER_SIZE,
    encode_integer,
    get,
    get_integer,
    is_integer,
    next_entry,
    previous_entry,
    validate,
    write_element,
    write_integer,
)
from kvnode.structures.stream_ids import is_before, total

DELETED: Final = 1
SAME_FIELDS: Final = 2

_CRLF: Final = b"\r\n"
_HEADS: Final[list[bytes]] = [b"$%d\r\n" % n for n in range(64)]
_SMALL_BULKS: Final[list[bytes]] = [b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(128)]
_WORDS_MAX: Final = 40  # up to here a copy by words is cheaper than a slice


def write_master(out: BytesWriter, fields: list[bytes]) -> i64:
    """Append header and master entry of a node without entries; return how many elements it has."""
    out.write(EMPTY[:HEADER_SIZE])
    write_integer(out, 0)
    write_integer(out, 0)
    write_integer(out, len(fields))
    for field in fields:
        write_element(out, field)
    write_integer(out, 0)
    return len(fields) + 4


def has_fields(argv: list[bytes], begin: i64, fields: list[bytes]) -> bool:
    """Say whether the fields in `argv`, every second word from `begin` on, are these."""
    count: i64 = len(fields)
    size: i64 = len(argv)
    if size - begin != 2 * count:
        return False
    i: i64 = 0
    while i < count:
        if argv[begin + 2 * i] != fields[i]:
            return False
        i += 1
    return True


def write_entry(
    out: BytesWriter, ms: i64, seq: i64, argv: list[bytes], begin: i64, same_fields: bool
) -> i64:
    """Append an entry with the fields and values in `argv`; return how many elements it has."""
    size: i64 = len(argv)
    pairs = (size - begin) // 2
    elements: i64
    i = begin
    if same_fields:
        write_integer(out, SAME_FIELDS)
        write_integer(out, ms)
        write_integer(out, seq)
        elements = pairs + 3
        i += 1
        while i < size:
            write_element(out, argv[i])
            i += 2
    else:
        write_integer(out, 0)
        write_integer(out, ms)
        write_integer(out, seq)
        write_integer(out, pairs)
        elements = 2 * pairs + 4
        while i < size:
            write_element(out, argv[i])
            i += 1
    write_integer(out, elements)
    return elements + 1


def patch_header(out: BytesWriter, elements: i64) -> None:
    """Write total size and number of elements over the header of a whole node."""
    size: i64 = len(out)
    if elements > COUNT_UNKNOWN:
        elements = COUNT_UNKNOWN
    out[0] = u8(size & 0xFF)
    out[1] = u8((size >> 8) & 0xFF)
    out[2] = u8((size >> 16) & 0xFF)
    out[3] = u8((size >> 24) & 0xFF)
    out[4] = u8(elements & 0xFF)
    out[5] = u8((elements >> 8) & 0xFF)


def element_count(data: bytes) -> i64:
    """Return the number of elements that a node's header says."""
    low: i64 = data[4]
    high: i64 = data[5]
    return low | (high << 8)


def live_count(data: bytes) -> i64:
    """Return how many entries a node has that are not deleted."""
    return get_integer(data, HEADER_SIZE)


def deleted_count(data: bytes) -> i64:
    """Return how many entries of a node are marked as deleted."""
    return get_integer(data, next_entry(data, HEADER_SIZE))


def fields_offset(data: bytes) -> i64:
    """Return the offset of the number of master fields."""
    return next_entry(data, next_entry(data, HEADER_SIZE))


def master_fields(data: bytes) -> list[bytes]:
    """Return the fields in a node's master entry."""
    offset = fields_offset(data)
    left = get_integer(data, offset)
    fields: list[bytes] = []
    while left > 0:
        offset = next_entry(data, offset)
        fields.append(get(data, offset))
        left -= 1
    return fields


def first_entry(data: bytes) -> i64:
    """Return the offset behind the master entry."""
    offset = fields_offset(data)
    left = get_integer(data, offset) + 2
    while left > 0:
        offset = next_entry(data, offset)
        left -= 1
    return offset


def entry_before(data: bytes, offset: i64) -> i64:
    """Return the offset of the entry that ends at `offset`."""
    at = previous_entry(data, 0, offset)
    left = get_integer(data, at)
    while left > 0:
        at = previous_entry(data, 0, at)
        left -= 1
    return at


def skip_entry(data: bytes, offset: i64, n_master: i64) -> i64:
    """Return the offset behind the entry at `offset`."""
    flags = get_integer(data, offset)
    at = next_entry(data, offset + 2)
    at = next_entry(data, at)
    left = n_master
    if not flags & SAME_FIELDS:
        left = 2 * get_integer(data, at)
        at = next_entry(data, at)
    while left > 0:
        at = next_entry(data, at)
        left -= 1
    return at + 2 if data[at] < 0x80 else next_entry(data, at)


def with_counts(data: bytes, live: i64, deleted: i64, marked: list[int]) -> bytes:
    """Return a node with other counts, and its entries at the offsets `marked` deleted."""
    writer = BytesWriter()
    body = fields_offset(data)
    if body == HEADER_SIZE + 4 and live < 128 and deleted < 128:
        writer.write(data)
        writer[HEADER_SIZE] = u8(live)
        writer[HEADER_SIZE + 2] = u8(deleted)
        for place in marked:
            at: i64 = place
            writer[at] = writer[at] | u8(DELETED)
        return writer.getvalue()
    writer.write(data[:HEADER_SIZE])
    writer.write(encode_integer(live))
    writer.write(encode_integer(deleted))
    shift: i64 = len(writer) - body
    writer.write(data[body:])
    for place in marked:
        at = place
        at += shift
        writer[at] = writer[at] | u8(DELETED)
    patch_header(writer, element_count(data))
    return writer.getvalue()


def validate_node(data: bytes, key_ms: i64, key_seq: i64) -> None:
    """Raise ValueError unless the bytes are a sound node with an entry that is not deleted.

    Its first entry has the id of its key, and the others follow in their order.
    """
    validate(data, 0)
    at = _after_integers(data, HEADER_SIZE, 3)
    live = live_count(data)
    deleted = deleted_count(data)
    n_master = get_integer(data, fields_offset(data))
    if live < 1 or deleted < 0 or n_master < 0:
        raise ValueError("a stream's node with wrong counts")
    at = _after_integers(data, _after(data, at, n_master), 1)
    marked: i64 = 0
    last_ms = key_ms
    last_seq = key_seq
    is_first = True
    entries = live + deleted
    while entries > 0:
        entries -= 1
        begin = at
        at = _after_integers(data, at, 3)
        if data[begin] > DELETED | SAME_FIELDS:  # each is one byte and its size, never more
            raise ValueError("a stream's entry with unknown flags")
        flags = get_integer(data, begin)
        time = begin + 2
        ms = total(key_ms, get_integer(data, time))
        seq = total(key_seq, get_integer(data, next_entry(data, time)))
        if is_first:
            is_placed = ms == key_ms and seq == key_seq
        else:
            is_placed = is_before(last_ms, last_seq, ms, seq)
        if not is_placed:
            raise ValueError("a stream's entries out of order")
        is_first = False
        last_ms = ms
        last_seq = seq
        expected = n_master + 3
        if flags & DELETED:
            marked += 1
        if flags & SAME_FIELDS:
            at = _after(data, at, n_master)
        else:
            own = get_integer(data, at) if is_integer(data, at) else -1
            if not 0 <= own <= len(data):
                raise ValueError("a stream's node with wrong counts")
            at = _after(data, _after_integers(data, at, 1), 2 * own)
            expected = 2 * own + 4
        if get_integer(data, at) != expected:
            raise ValueError("a stream's entry of a wrong size")
        at = _after_integers(data, at, 1)
    if data[at] != END or marked != deleted:
        raise ValueError("a stream's node with wrong counts")


def _after_integers(data: bytes, offset: i64, count: i64) -> i64:
    """Return the offset behind so many integers. ValueError: they are none."""
    while count > 0:
        if data[offset] == END or not is_integer(data, offset):
            raise ValueError("a stream's node without a number")
        offset = next_entry(data, offset)
        count -= 1
    return offset


def _after(data: bytes, offset: i64, count: i64) -> i64:
    """Return the offset behind so many entries. ValueError: there are fewer."""
    if count < 0:
        raise ValueError("a stream's node with wrong counts")
    while count > 0:
        if data[offset] == END:
            raise ValueError("a stream's node that ends early")
        offset = next_entry(data, offset)
        count -= 1
    return offset


def write_bulk(out: BytesWriter, data: bytes, offset: i64) -> i64:
    """Append the element at `offset` as a bulk string; return the offset behind it."""
    lead: i64 = data[offset]
    if lead < 0x80:
        out.write(_SMALL_BULKS[lead])
        return offset + 2
    if lead >= 0xC0:
        element = get(data, offset)
        out.write(bulk_header(len(element)))
        out.write(element)
        out.write(_CRLF)
        return next_entry(data, offset)
    size = lead & 0x3F
    out.write(_HEADS[size])
    begin = offset + 1
    limit: i64 = len(data)
    if size <= _WORDS_MAX and begin + size + 8 <= limit:
        stop = len(out) + size
        at = begin
        end = begin + size
        while at < end:
            write_i64_le(out, read_i64_le(data, at))
            at += 8
        out.truncate(stop)
    else:
        out.write(data[begin : begin + size])
    out.write(_CRLF)
    return begin + size + 1
