"""Random arguments for the Lua libraries: JSON, MessagePack, numbers, formats, right and wrong."""

from __future__ import annotations

import json
import random
import struct
from typing import Final

from .harness import words

_WORDS: Final = "abcxyz01 _"
_SPECIAL: Final = 'a"\\/\n\x01\x7fé€\U0001f600'
_JSON_PIECES: Final = (
    *(bytes((code,)) for code in b'{}[],:"1-0 \n\t\x0b\x00\\\xfftn'),
    *(b'"a"', b".5", b"e3", b"0x1F", b"0x1p4", b"0x", b"inf", b"nan", b"NaN", b"-inf", b"Infinity"),
    *(b"true", b"false", b"null", b"\\u00e9", b"\\ud83d\\ude00", b"\\ud800", b"\\q", b"+1", b"-0"),
    *(b"01", b"1e400", b"1.", b"nan(a)", b'"b\\n"', b"123456789012345678901", b'{"k":', b"[["),
)
NUMBERS: Final = words(
    "0 1 -1 255 65536 2^31 -2^31 2^32 2^32-1 2^53 2^63 2^64 -2^63 1.5 -1.5 0.5 2.5 1e300 "
    "-1e300 0/0 1/0 -1/0 '12' '0x10' 'x' nil {} true -0 2^51 2^51+0.5 -2^51 -2^52 123456789 "
    "-129"
)
_OPTIONS: Final = words(
    "> < ! !2 !4 !8 !3 !16 b B h H l L T i I i3 I5 i8 I2 I7 i16 i33 i0 x c0 c1 c4 c s f d z 4 "
    "i99999999999"
)
BIT_FUNCTIONS: Final = words("tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap")


class LuaValues:
    """A seeded source of arguments."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def text(self) -> str:
        """A short string, with odd characters now and then."""
        rng = self._random
        if rng.random() < 0.6:
            return "".join(rng.choice(_WORDS) for _ in range(rng.randrange(12)))
        if rng.random() < 0.6:
            return "".join(rng.choice(_SPECIAL) for _ in range(rng.randrange(8)))
        return "".join(chr(rng.choice((rng.randrange(128), 0x20AC, 0x1F600))) for _ in range(5))

    def number(self) -> float:
        """A number, integer or not."""
        rng = self._random
        return rng.choice(
            (
                rng.randrange(300),
                -rng.randrange(1 << 40),
                rng.randrange(1 << 66),
                rng.random(),
                rng.uniform(-1e300, 1e300),
                *(-0.0, 1e15, 2**53 + 1, 5e-324, 1.5, -33, -129, 65535, 2**32, -(2**31) - 1),
            )
        )

    def value(self, depth: int = 0) -> object:
        """A value as JSON has them."""
        rng = self._random
        chance = rng.random()
        if depth < 4 and chance < 0.25:
            return [self.value(depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 17)))]
        if depth < 4 and chance < 0.5:
            return {self.text(): self.value(depth + 1) for _ in range(rng.choice((0, 1, 3, 17)))}
        if chance < 0.7:
            return self.text()
        return self.number() if chance < 0.9 else rng.choice((None, True, False))

    def json(self) -> bytes:
        """A JSON text."""
        return json.dumps(self.value(), ensure_ascii=self._random.random() < 0.5).encode()

    def broken_json(self) -> bytes:
        """Something like JSON."""
        rng = self._random
        if rng.random() < 0.5:
            pieces = b"".join(rng.choice(_JSON_PIECES) for _ in range(rng.randrange(1, 8)))
            return pieces if rng.random() < 0.5 else b"[" + pieces + b"]"
        return self._mutated(self.json(), _JSON_PIECES)

    def packed(self, depth: int = 0) -> bytes:
        """A value in MessagePack, in forms that are not the shortest too."""
        rng = self._random
        chance = rng.random()
        size = rng.choice((0, 1, 2, 3, 16, 17))
        if depth < 4 and chance < 0.2:
            head = bytes((0x90 + size,)) if size < 16 else b"\xdc" + struct.pack(">H", size)
            return head + b"".join(self.packed(depth + 1) for _ in range(size))
        if depth < 4 and chance < 0.45:
            head = bytes((0x80 + size,)) if size < 16 else b"\xde" + struct.pack(">H", size)
            names = rng.sample(range(1000), size)
            fields = (_short(f"{name}") + self.packed(depth + 1) for name in names)
            return head + b"".join(fields)
        if chance < 0.6:
            return _short(self.text())
        if chance < 0.65:
            text = rng.randbytes(rng.choice((0, 31, 32, 255, 256, 70)))
            return b"\xda" + struct.pack(">H", len(text)) + text
        return self._packed_scalar()

    def _packed_scalar(self) -> bytes:
        rng = self._random
        return rng.choice(
            (
                *(b"\xc0", b"\xc2", b"\xc3", bytes((rng.randrange(128),)), b"\xe0", b"\xff"),
                *(b"\xcc" + rng.randbytes(1), b"\xcd" + rng.randbytes(2), b"\xce\x80\0\0\x01"),
                *(b"\xcf" + rng.randbytes(8), b"\xd0" + rng.randbytes(1), b"\xd1\x80\0"),
                *(b"\xd2" + rng.randbytes(4), b"\xd3" + rng.randbytes(8)),
                b"\xca" + struct.pack(">f", rng.random()),
                b"\xcb" + struct.pack(">d", rng.uniform(-1e9, 1e9)),
                *(b"\xc4\x02ab", b"\xc7\x01\x05a", b"\xd4\x05a", b"\xc1", b"\xc4\x00"),
            )
        )

    def broken_packed(self) -> bytes:
        """Something like MessagePack."""
        if self._random.random() < 0.3:
            return self._random.randbytes(self._random.randrange(1, 10))
        return self._mutated(self.packed(), (b"\0", b"\xc0", b"\x91", b"\xa3"))

    def _mutated(self, data: bytes, pieces: tuple[bytes, ...]) -> bytes:
        rng = self._random
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(changed) + 1)
            if rng.random() < 0.5:
                del changed[at : at + rng.randrange(1, 4)]
            else:
                changed[at:at] = rng.choice(pieces)
        return bytes(changed)

    def bit_call(self) -> str:
        """A call of a function of bit."""
        rng = self._random
        return f"run(bit.{rng.choice(BIT_FUNCTIONS)}{self._arguments(4)})"

    def struct_call(self) -> str:
        """A call of a function of struct."""
        rng = self._random
        form = "".join(rng.choice(_OPTIONS) for _ in range(rng.randrange(1, 6)))
        kind = rng.randrange(3)
        if kind == 0:
            return f"run(struct.size, '{form}')"
        if kind == 1:
            return f"run(struct.pack, '{form}'{self._arguments(6)})"
        data = "".join(
            f"\\{rng.choice((0, 1, 2, 3, 255, 127, 128, 65))}" for _ in range(rng.randrange(40))
        )
        place = rng.choice(("", "", ", 1", ", 2", ", 0", ", -1", ", 5", ", 'x'", ", 1e18"))
        return f"run(struct.unpack, '{form}', '{data}'{place})"

    def _arguments(self, count_max: int) -> str:
        rng = self._random
        return "".join(
            ", "
            + (rng.choice(NUMBERS) if rng.random() < 0.6 else f"{rng.randrange(-(2**40), 2**40)}")
            for _ in range(rng.randrange(count_max))
        )


def _short(text: str) -> bytes:
    data = text.encode()[:31]
    return bytes((0xA0 + len(data),)) + data
