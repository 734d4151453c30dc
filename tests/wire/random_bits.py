"""Makers of random requests about strings as arrays of bits, and about HyperLogLogs.

Bit offsets stay small, because a string of 512 MB is nothing to compare ten times a second.
HyperLogLogs have keys of their own, which strings rarely overwrite, and a limit that makes them
dense early.
"""

from __future__ import annotations

from typing import Final

from .random_grammar import INT_MAX, INTEGERS, Maker, Pools, Words

HLL_KEYS: Final = frozenset({b"y1", b"y2", b"y3", b"y4"})
# In place of 3,000, so that a run sees both layouts.
HLL_SPARSE_BYTES: Final = 300
BAD_OFFSETS: Final[Words] = [-1, 2**32, INT_MAX, "x", "", "1.5", "#1", "#-1"]
BAD_TYPES: Final[Words] = ["u64", "i65", "i0", "u0", "x8", "i", "", "I8", "u+8", "u08", "i-1"]


def bit_key(p: Pools) -> object:
    """A string, now and then a HyperLogLog, whose bits then get corrupt."""
    return hll_key(p) if p.chance(0.02) else p.key("string")


def hll_key(p: Pools) -> object:
    """A key that likely holds a HyperLogLog."""
    return p.any_key() if p.chance(0.03) else f"y{p.random.randint(1, 4)}"


def bit_offset(p: Pools) -> object:
    if p.chance(0.03):
        return p.random.choice(BAD_OFFSETS)
    return p.random.randint(0, 5000) if p.chance(0.1) else p.random.randint(0, 200)


def position(p: Pools) -> object:
    """A position in a string, in bytes or bits."""
    if p.chance(0.05):
        return p.integer()
    return p.random.randint(-60, 60) if p.chance(0.3) else p.random.randint(-500, 500)


def setbit(p: Pools) -> Words:
    if p.chance(0.3):
        return ["GETBIT", bit_key(p), bit_offset(p)]
    bit = p.random.choice([0, 1, 1, 1]) if p.chance(0.97) else p.random.choice([2, -1, "x", ""])
    return ["SETBIT", bit_key(p), bit_offset(p), bit]


def bitcount(p: Pools) -> Words:
    if p.chance(0.2):
        return ["BITCOUNT", bit_key(p), *p.option(0)]
    unit = p.one_of("", "", "BYTE", "BIT", "bit", "NIBBLE")
    return ["BITCOUNT", bit_key(p), position(p), position(p), *unit]


def bitpos(p: Pools) -> Words:
    bit = p.random.choice([0, 1]) if p.chance(0.97) else p.random.choice([2, -1, "x"])
    if p.chance(0.2):
        return ["BITPOS", bit_key(p), bit]
    if p.chance(0.3):
        return ["BITPOS", bit_key(p), bit, position(p)]
    unit = p.one_of("", "", "BYTE", "BIT", "byte", "NIBBLE")
    return ["BITPOS", bit_key(p), bit, position(p), position(p), *unit]


def bitop(p: Pools) -> Words:
    name = p.random.choice(["AND", "OR", "XOR", "NOT", "and", "NAND"])
    count = 1 if name == "NOT" and p.chance(0.8) else p.random.randint(1, 4)
    return ["BITOP", name, bit_key(p), *[bit_key(p) for _ in range(count)]]


def field(p: Pools) -> Words:
    """A field's type and place."""
    if p.chance(0.03):
        return [p.random.choice(BAD_TYPES), bit_offset(p)]
    bits = p.random.randint(1, 63) if p.chance(0.5) else p.random.choice([1, 8, 16, 32, 63])
    kind = "i64" if p.chance(0.1) else p.random.choice("iu") + str(bits)
    if p.chance(0.3):
        place: object = p.random.choice(["#1000", "#x", "#"]) if p.chance(0.02) else "#2"
        return [kind, place if p.chance(0.5) else f"#{p.random.randint(0, 10)}"]
    return [kind, bit_offset(p)]


def amount(p: Pools) -> object:
    """A value or an increment."""
    draw = p.random.random()
    if draw < 0.3:
        return p.random.choice(INTEGERS)
    if draw < 0.6:
        return p.random.randint(-300, 300)
    if draw < 0.97:
        return p.random.choice([-1, 1]) * (1 << p.random.randint(0, 62)) + p.random.randint(-1, 1)
    return p.integer()


def bitfield(p: Pools) -> Words:
    words: Words = []
    for _ in range(p.random.randint(0, 4)):
        draw = p.random.random()
        if draw < 0.25:
            words += ["GET", *field(p)]
        elif draw < 0.5:
            words += ["SET", *field(p), amount(p)]
        elif draw < 0.8:
            words += ["INCRBY", *field(p), amount(p)]
        else:
            words += ["OVERFLOW", *p.one_of("WRAP", "SAT", "FAIL", "sat", "BEND")]
    return ["BITFIELD", bit_key(p), *words]


def bitfield_ro(p: Pools) -> Words:
    words = [word for _ in range(p.random.randint(0, 3)) for word in ("GET", *field(p))]
    return ["BITFIELD_RO", bit_key(p), *words, *p.option("SET", "u8", 0, 1, p=0.05)]


def pfadd(p: Pools) -> Words:
    count = p.random.randint(0, 5) if p.chance(0.8) else p.random.randint(0, 60)
    return ["PFADD", hll_key(p), *[f"m{p.random.randint(0, 20_000)}" for _ in range(count)]]


def pfcount(p: Pools) -> Words:
    return ["PFCOUNT", *[hll_key(p) for _ in range(p.random.choice([1, 1, 1, 2, 3]))]]


def pfmerge(p: Pools) -> Words:
    return ["PFMERGE", *[hll_key(p) for _ in range(p.random.randint(1, 3))]]


def hll_bytes(p: Pools) -> Words:
    key = hll_key(p)
    choices: list[Words] = [
        ["GET", key],
        ["GET", key],
        ["GET", key],
        ["OBJECT", "ENCODING", key],
        ["STRLEN", key],
        ["PFDEBUG", "DECODE", key],
        ["PFDEBUG", "encoding", key],
        ["PFDEBUG", p.random.choice(["TODENSE", "GETREG", "BOGUS"]), key],
        ["COPY", key, hll_key(p), "REPLACE"],
    ]
    if p.chance(0.05):
        return ["SETRANGE", key, p.random.randint(0, 60), bytes([p.random.randrange(256)])]
    return ["DEL", key] if p.chance(0.05) else p.random.choice(choices)


BITS: Final[dict[str, list[tuple[int, Maker]]]] = {
    "bits": [
        (10, setbit),
        (5, bitcount),
        (5, bitpos),
        (5, bitop),
        (10, bitfield),
        (2, bitfield_ro),
    ],
    "hyperloglogs": [(12, pfadd), (6, pfcount), (3, pfmerge), (6, hll_bytes)],
}
