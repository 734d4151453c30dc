"""The handle through which commands see a HyperLogLog, which is stored as a string.

The sparse layout stands in the keyspace as `bytes`: a change makes a new object of at most 3,000
bytes, and compiled code walks its runs natively. The dense one is a `MutableString`, whose 12,304
bytes change in place.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from kvnode.datatypes.strings import computed_form, text_or_empty
from kvnode.structures import hyperloglog as layout
from kvnode.structures.murmur import murmur64
from kvnode.structures.mutable_string import MutableString
from kvprotocol.errors import ReplyError

_NOT_A_HYPERLOGLOG: Final = "WRONGTYPE Key is not a valid HyperLogLog string value."
_SEED: Final = 0xADC83B19


@final
@mypyc_attr(acyclic=True)
class HyperLogLog:
    """A HyperLogLog in either layout; methods that meet corrupt runs raise CorruptRegisters."""

    sparse: bytes  # the whole value; without meaning while there is a dense one
    dense: MutableString | None

    def __init__(self, sparse: bytes, dense: MutableString | None) -> None:
        self.sparse = sparse
        self.dense = dense

    @staticmethod
    def open(stored: object) -> "HyperLogLog":
        """A handle over a stored string, or over a new value for None; raises WRONGTYPE errors."""
        if stored is None:
            return HyperLogLog(layout.EMPTY, None)
        if isinstance(stored, MutableString):
            data = stored.data
            if len(data) == layout.DENSE_SIZE and data[4] == layout.DENSE:
                if not _has_magic(data):
                    raise ReplyError(_NOT_A_HYPERLOGLOG)
                stored.changed = True
                return HyperLogLog(b"", stored)
            value = bytes(data)
        else:
            value = text_or_empty(stored)
        if len(value) < layout.HEADER_SIZE or value[:4] != layout.MAGIC:
            raise ReplyError(_NOT_A_HYPERLOGLOG)
        if value[4] == layout.SPARSE:
            return HyperLogLog(value, None)
        if value[4] != layout.DENSE or len(value) != layout.DENSE_SIZE:
            raise ReplyError(_NOT_A_HYPERLOGLOG)
        return HyperLogLog(b"", MutableString(value, True))

    @property
    def body(self) -> object:
        """The stored form as it is now."""
        dense = self.dense
        return computed_form(self.sparse) if dense is None else dense

    def text(self) -> bytes:
        """The whole value."""
        dense = self.dense
        return self.sparse if dense is None else bytes(dense.data)

    def add(self, element: bytes, bytes_max: i64) -> bool:
        """Add an element; return whether a register changed. `bytes_max` bounds the sparse one."""
        hashed = murmur64(element, _SEED)
        return self.set(layout.register_of(hashed), layout.rank_of(hashed), bytes_max)

    def set(self, register: i64, rank: i64, bytes_max: i64) -> bool:
        """Raise a register to a rank; return whether it was lower."""
        dense = self.dense
        if dense is None:
            before = self.sparse
            after = layout.sparse_set(before, register, rank, bytes_max)
            if after is not None:
                self.sparse = after
                return after is not before
            dense = self._make_dense()
        return layout.dense_set(dense.data, register, rank)

    def set_all(self, registers: vec[i64], bytes_max: i64) -> None:
        """Raise every register to the one given, which is nowhere lower than this value's own."""
        if not self.is_dense():
            own = layout.no_registers()
            layout.merge(own, self.sparse)
            register: i64 = 0
            while register < layout.REGISTERS and not self.is_dense():
                if registers[register] > own[register]:
                    self.set(register, registers[register], bytes_max)
                register += 1
        dense = self.dense
        if dense is not None:
            dense.data = layout.dense(bytes(dense.data[: layout.HEADER_SIZE]), registers)

    def is_dense(self) -> bool:
        """Return whether every register has its place."""
        return self.dense is not None

    def to_dense(self) -> bool:
        """Change to the dense layout; return whether it was the sparse one."""
        if self.is_dense():
            return False
        self._make_dense()
        return True

    def _make_dense(self) -> MutableString:
        registers = layout.no_registers()
        layout.merge(registers, self.sparse)
        dense = MutableString(b"", True)
        dense.data = layout.dense(self.sparse[: layout.HEADER_SIZE], registers)
        dense.measure()
        self.dense = dense
        self.sparse = b""
        return dense

    def cached_estimate(self) -> i64:
        """The estimate that was stored last; negative where it no longer holds."""
        dense = self.dense
        if dense is None:
            return layout.cached_estimate(self.sparse)
        data = dense.data
        if data[15] & 0x80:
            return -1
        estimate: i64 = 0
        at: i64 = 15
        while at >= 8:
            estimate = estimate << 8 | i64(data[at])
            at -= 1
        return estimate

    def estimate(self) -> int:
        """The cardinality, reckoned from the registers."""
        return layout.estimate(layout.histogram(self.text()))

    def keep_estimate(self, estimate: int) -> None:
        """Store an estimate."""
        dense = self.dense
        if dense is None:
            self.sparse = layout.with_estimate(self.sparse, estimate)
            return
        header = bytes(dense.data[: layout.HEADER_SIZE])
        dense.data[: layout.HEADER_SIZE] = layout.with_estimate(header, estimate)

    def forget_estimate(self) -> None:
        """Mark the stored estimate as old."""
        dense = self.dense
        if dense is None:
            self.sparse = layout.with_old_estimate(self.sparse)
        else:
            dense.data[15] |= 0x80


def _has_magic(data: bytearray) -> bool:
    """Return whether a value begins as a HyperLogLog does; a slice would take longer."""
    magic = layout.MAGIC
    return (
        data[0] == magic[0] and data[1] == magic[1] and data[2] == magic[2] and data[3] == magic[3]
    )
