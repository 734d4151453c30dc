"""HyperLogLog registers in Redis's two layouts, and the estimate of a cardinality from them.

A value is a header of 16 bytes and 16,384 registers of 6 bits. An element's hash names a register
(its low 14 bits) and a rank: one more than the number of zero bits that follow. A register keeps
the highest rank it was given. The header: `HYLL`, the layout, three unused bytes, and the last
estimate in 8 bytes little-endian, whose highest bit says that it no longer holds.

Dense: the registers one after another, lowest bits first. Sparse: runs of equal registers.

    00nnnnnn            n + 1 registers are 0
    01nnnnnn nnnnnnnn   n + 1 registers are 0
    1vvvvvnn            n + 1 registers are v + 1

Setting a register splits its run, then joins neighbours that became equal within the next five
runs. Both are done as in Redis, run for run, so the bytes are those that Redis would have: GET,
DUMP and replication show them.

Source of the estimate: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
sketches", arXiv:1702.01284, algorithm 6.
"""

import math
from typing import Final

from librt.strings import BytesWriter, read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

HEADER_SIZE: Final = 16
REGISTERS: Final = 16384
DENSE_SIZE: Final = 12304
MAGIC: Final = b"HYLL"
DENSE: Final = 0
SPARSE: Final = 1
EMPTY: Final = b"HYLL\x01" + bytes(11) + b"\x7f\xff"
_EMPTY_CHANGED: Final = b"HYLL\x01" + bytes(10) + b"\x80\x7f\xff"  # its estimate is old

_REGISTER_BITS: Final = 14
_RANK_MAX: Final = 51
_HASH_MASK: Final = (1 << 50) - 1
_HASH_END: Final = 1 << 50
_SPARSE_RANK_MAX: Final = 32
_SHORT_RUN_MAX: Final = 64
_VALUE_RUN_MAX: Final = 4
_JOINED_RUNS: Final = 5
_ALPHA: Final = 0.721347520444481703680


class CorruptRegisters(ValueError):
    """The runs of a sparse layout do not make up the registers."""


def register_of(hashed: i64) -> i64:
    """Return the number of the register that a hash belongs to."""
    return hashed & (REGISTERS - 1)


def rank_of(hashed: i64) -> i64:
    """Return the rank of a hash, from 1 to 51."""
    rest = ((hashed >> _REGISTER_BITS) & _HASH_MASK) | _HASH_END
    rank: i64 = 1
    while not rest & 1:
        rest >>= 1
        rank += 1
    return rank


# --- the sparse layout ----------------------------------------------------------------------------


def _run_length(data: bytes, at: i64) -> i64:
    """Return how many registers the run at an offset covers."""
    lead: i64 = data[at]
    if lead & 0x80:
        return (lead & 3) + 1
    if not lead & 0x40:
        return lead + 1
    low: i64 = data[at + 1] if at + 1 < len(data) else 0
    return ((lead & 0x3F) << 8) + low + 1


def _write_run(writer: BytesWriter, rank: i64, length: i64) -> None:
    """Append a run of registers that are 0, or of at most four that have a rank."""
    if rank > 0:
        writer.append(int(0x80 | (rank - 1) << 2 | (length - 1)))
        return
    if length > _SHORT_RUN_MAX:
        writer.append(int(0x40 | (length - 1) >> 8))
    writer.append(int((length - 1) & 0xFF))


def sparse_set(data: bytes, register: i64, rank: i64, bytes_max: i64) -> bytes | None:
    """Return the value with a register raised to a rank, `data` itself where it is not lower.

    None says that the change needs the dense layout: the rank is too high for the sparse one, or
    the value would grow beyond `bytes_max`. Raises CorruptRegisters where no run has the register.
    """
    if rank > _SPARSE_RANK_MAX:
        return None
    end: i64 = len(data)
    at: i64 = HEADER_SIZE
    previous: i64 = HEADER_SIZE
    first: i64 = 0
    lead: i64 = 0
    length: i64 = 0
    while at < end:
        lead = data[at]
        size: i64 = 1
        if lead & 0x80:
            length = (lead & 3) + 1
        elif not lead & 0x40:
            length = lead + 1
        else:
            length = _run_length(data, at)
            size = 2
        if register < first + length:
            break
        first += length
        previous = at
        at += size
    if at >= end:
        raise CorruptRegisters()
    following = at + (1 if lead & 0xC0 != 0x40 else 2)
    present = ((lead >> 2) & 0x1F) + 1 if lead & 0x80 else 0
    if present >= rank:
        return data
    if data is EMPTY:
        data = _EMPTY_CHANGED
    writer = BytesWriter()
    writer.write(data[:at])
    if length == 1 and lead & 0xC0 != 0x40:
        _write_run(writer, rank, 1)
        writer.write(data[following:])
        return _join(writer.getvalue(), previous)
    if register > first:
        _write_run(writer, present, register - first)
    _write_run(writer, rank, 1)
    last = first + length - 1
    if register < last:
        _write_run(writer, present, last - register)
    grown = len(writer) + end - following
    if grown > end and grown > bytes_max:
        return None
    writer.write(data[following:])
    if following > end:
        writer.truncate(grown)  # the last run was cut short: Redis keeps to the length it reckoned
    return _join(writer.getvalue(), previous)


def _join(data: bytes, at: i64) -> bytes:
    """Return the value with equal neighbours joined within five runs, its estimate marked old."""
    left: i64 = _JOINED_RUNS
    while at < len(data) and left > 0:
        left -= 1
        lead: i64 = data[at]
        if not lead & 0x80:
            at += 2 if lead & 0x40 else 1
            continue
        if at + 1 < len(data):
            following: i64 = data[at + 1]
            length = (lead & 3) + (following & 3) + 2
            if following & 0x80 and (lead ^ following) & 0x7C == 0 and length <= _VALUE_RUN_MAX:
                joined = bytes([(lead & 0xFC) | (length - 1)])
                data = data[:at] + joined + data[at + 2 :]
                continue
        at += 1
    return with_old_estimate(data)


def sparse_runs(data: bytes) -> bytes:
    """Return the runs in readable form: `z:` and `Z:` with a length, `v:` with a rank and one."""
    runs: list[bytes] = []
    at: i64 = HEADER_SIZE
    while at < len(data):
        lead: i64 = data[at]
        length = _run_length(data, at)
        at += 1
        if lead & 0x80:
            runs.append(b"v:%d,%d" % (((lead >> 2) & 0x1F) + 1, length))
        elif lead & 0x40:
            runs.append(b"Z:%d" % length)
            at += 1
        else:
            runs.append(b"z:%d" % length)
    return b" ".join(runs)


# --- registers of either layout -------------------------------------------------------------------


def no_registers() -> vec[i64]:
    """Return registers that are all 0."""
    return vec[i64]([0] * REGISTERS)


def merge(registers: vec[i64], data: bytes) -> None:
    """Raise registers to those of a value; raises CorruptRegisters."""
    if data[4] == DENSE:
        _merge_dense(registers, data)
        return
    at: i64 = HEADER_SIZE
    register: i64 = 0
    while at < len(data):
        lead: i64 = data[at]
        length = _run_length(data, at)
        at += 1
        if lead & 0x80:
            rank = ((lead >> 2) & 0x1F) + 1
            if register + length > REGISTERS:
                raise CorruptRegisters()
            while length > 0:
                if registers[register] < rank:
                    registers[register] = rank
                register += 1
                length -= 1
        else:
            register += length
            if lead & 0x40:
                at += 1
    if register != REGISTERS:
        raise CorruptRegisters()


def _merge_dense(registers: vec[i64], data: bytes) -> None:
    """Take four registers from every three bytes."""
    at: i64 = HEADER_SIZE
    register: i64 = 0
    while register < REGISTERS:
        low: i64 = data[at]
        middle: i64 = data[at + 1]
        high: i64 = data[at + 2]
        word = low | middle << 8 | high << 16
        place: i64 = 0
        while place < 4:
            rank = word & 63
            if registers[register + place] < rank:
                registers[register + place] = rank
            word >>= 6
            place += 1
        register += 4
        at += 3


def dense(header: bytes, registers: vec[i64]) -> bytearray:
    """Return a value in the dense layout, with the rest of an older value's header."""
    writer = BytesWriter()
    writer.write(header[:4])
    writer.append(DENSE)
    writer.write(header[5:HEADER_SIZE])
    register: i64 = 0
    while register < REGISTERS:
        word = registers[register] | registers[register + 1] << 6
        word |= registers[register + 2] << 12 | registers[register + 3] << 18
        writer.append(int(word & 0xFF))
        writer.append(int((word >> 8) & 0xFF))
        writer.append(int(word >> 16))
        register += 4
    return bytearray(writer.getvalue())


def dense_set(data: bytearray, register: i64, rank: i64) -> bool:
    """Raise a register in place to a rank; return whether it was lower."""
    bit = register * 6
    at = HEADER_SIZE + (bit >> 3)
    shift = bit & 7
    word: i64 = data[at]
    if shift > 2:
        following: i64 = data[at + 1]
        word |= following << 8
    if (word >> shift) & 63 >= rank:
        return False
    word = (word & ~(63 << shift)) | rank << shift
    data[at] = int(word & 0xFF)
    if shift > 2:
        data[at + 1] = int(word >> 8)
    return True


# --- the estimate ---------------------------------------------------------------------------------


def cached_estimate(header: bytes) -> i64:
    """Return the estimate in a header, negative where it no longer holds."""
    return read_i64_le(header, 8)


def with_estimate(header: bytes, estimate: int) -> bytes:
    """Return a value, or its header alone, with an estimate."""
    return header[:8] + (estimate % (1 << 64)).to_bytes(8, "little") + header[HEADER_SIZE:]


def with_old_estimate(data: bytes) -> bytes:
    """Return a value whose estimate is marked as no longer holding."""
    if data[15] & 0x80:
        return data
    return data[:15] + bytes([data[15] | 0x80]) + data[HEADER_SIZE:]


def histogram(data: bytes) -> vec[i64]:
    """Return how many registers of a value have each rank; raises CorruptRegisters."""
    counts = vec[i64]([0] * 64)
    if data[4] == DENSE:
        at: i64 = HEADER_SIZE
        while at < DENSE_SIZE:
            low: i64 = data[at]
            middle: i64 = data[at + 1]
            high: i64 = data[at + 2]
            counts[low & 63] += 1
            counts[(low >> 6 | middle << 2) & 63] += 1
            counts[(middle >> 4 | high << 4) & 63] += 1
            counts[high >> 2] += 1
            at += 3
        return counts
    at = HEADER_SIZE
    covered: i64 = 0
    while at < len(data):
        lead: i64 = data[at]
        length = _run_length(data, at)
        at += 1
        if lead & 0x80:
            counts[((lead >> 2) & 0x1F) + 1] += length
        else:
            counts[0] += length
            if lead & 0x40:
                at += 1
        covered += length
    if covered != REGISTERS:
        raise CorruptRegisters()
    return counts


def histogram_of(registers: vec[i64]) -> "vec[i64]":
    """Return how many registers have each rank."""
    counts = vec[i64]([0] * 64)
    i: i64 = 0
    while i < REGISTERS:
        counts[registers[i]] += 1
        i += 1
    return counts


def estimate(counts: vec[i64]) -> int:
    """Return the cardinality that a histogram of ranks speaks for."""
    size = float(REGISTERS)
    z = size * _tau((size - float(counts[_RANK_MAX])) / size)
    rank: i64 = _RANK_MAX - 1
    while rank >= 1:
        z += float(counts[rank])
        z *= 0.5
        rank -= 1
    z += size * _sigma(float(counts[0]) / size)
    if z == 0.0:
        return -(1 << 63)  # every register at the highest rank: an infinity, as C rounds it
    value = _ALPHA * size * size / z
    whole = int(value)
    return whole + 1 if value - float(whole) >= 0.5 else whole


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y = 1.0
    z = x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def _tau(x: float) -> float:
    if x == 0.0 or x == 1.0:
        return 0.0
    y = 1.0
    z = 1.0 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
        if z == before:
            return z / 3.0
