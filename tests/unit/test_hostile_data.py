"""Damaged and forged data: refused in one line, or loaded as what it is; never a broken container.

A few thousand forged payloads here; `python -m tests.unit.test_hostile_data SEED SECONDS` for more.
"""

from __future__ import annotations

import random
import sys
import time

import pytest

from kvnode.durability.rdb_reader import FileError
from kvnode.rdb.payload import seal

from .disks import MemoryDisk
from .engine import Dump, Engine

FILE = "dump.rdb"
LEADS = (0, 1, 2, 127, 128, 129, 0xC0, 0xC1, 0xC3, 0xE0, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xFE, 0xFF)
LENGTHS = (1 << 63, (1 << 63) - 1, (1 << 64) - 1, 1 << 44, (1 << 32) - 1, 5)
KINDS = 22
HISTORY = b"""
SET integer 1
SET text ababababababababababababababababababababababababab
SET volatile v PX 100000000
RPUSH list 1 x -5 70000 5000000000 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
SADD integers 1 2 300
SADD members x y
SADD table zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz q
HSET hash f v g 1
HSET fields x zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz q r
ZADD scores 1.5 m 2 n
ZADD tree 1 zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz 2.5 m
XADD stream 1-1 f v
XADD stream 2-1 f w
XADD stream 3-1 f w o p
XADD stream 4-1 f w
XGROUP CREATE stream g 0
XREADGROUP GROUP g c COUNT 2 STREAMS stream >
XDEL stream 2-1 4-1
"""
# As Redis wrote them before version 7: lists, sets, hashes, sorted sets and zipmaps.
OLD_VALUES = (
    "0a12120000000d0000000200000161 03026263 ff",
    "0c11110000000d0000000200000161030131 ff",
    "0d11110000000d0000000200000161030131 ff",
    "0e0111110000000d0000000200000161030131 ff",
    "0907010161010062 ff",
    "030201610131 0162 fe",
    "0401 01610162",
    "0102 01610162",
    "0202 01610162",
    "14121200000004008166028176028167020101 ff",
)
USES = b"""
GET k
APPEND k x
HGETALL k
HSET k f 1
HDEL k f
SMEMBERS k
SADD k 7 z
SPOP k
ZRANGE k 0 -1 WITHSCORES
ZADD k 3 m
ZPOPMIN k
LRANGE k 0 -1
LPUSH k q
LREM k 0 x
XRANGE k - +
XREVRANGE k + -
XADD k * a b
XDEL k 3-1 1-1
XINFO STREAM k FULL
XPENDING k g - + 10
XCLAIM k g d 0 2-1 3-1
XAUTOCLAIM k g d 0 0
XREADGROUP GROUP g c STREAMS k >
XTRIM k MAXLEN 3
XSETID k 99-1
SORT k
MEMORY USAGE k
COPY k other REPLACE
"""


def engine_with_history() -> tuple[Engine, MemoryDisk]:
    disk = MemoryDisk()
    engine = Engine(disk=disk)
    for line in HISTORY.split(b"\n")[1:-1]:
        assert not engine.send(line.split()).startswith(b"-"), line
    return engine, disk


def dumped(engine: Engine, key: bytes) -> bytes:
    """What DUMP replies, as bytes."""
    reply = engine.send([b"DUMP", key])
    return reply[reply.index(b"\n") + 1 : -2]


def loaded(data: bytes) -> Dump:
    """What a node makes of a file."""
    disk = MemoryDisk()
    disk.content[FILE] = bytearray(data)
    engine = Engine(disk=disk)
    loader = engine.node.start_loading([FILE], False)
    while not loader.is_done:
        loader.step(1.0)
    engine.node.check()
    return engine.dump()


def test_a_file_that_is_damaged_at_any_byte_is_refused_or_loaded_as_it_was() -> None:
    engine, disk = engine_with_history()
    engine.send([b"SAVE"])
    data = bytes(disk.content[FILE])
    expected = engine.dump()
    assert loaded(data) == expected
    source = random.Random(1)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= source.randrange(1, 256)
        for damaged in (data[:place], bytes(flipped)):
            try:
                assert loaded(damaged) == expected, place
            except FileError as error:
                assert str(error).startswith("dump.rdb: "), place
                assert "(offset " in str(error), place


def test_damage_that_no_checksum_shows_never_makes_a_broken_container() -> None:
    engine, disk = engine_with_history()
    engine.send([b"SAVE"])
    data = disk.content[FILE][:-8] + bytes(8)
    source = random.Random(2)
    for place in range(9, len(data) - 8, 2):
        flipped = bytearray(data)
        flipped[place] ^= source.randrange(1, 256)
        try:
            loaded(bytes(flipped))
        except FileError as error:
            assert str(error).startswith("dump.rdb: "), place


class Forger:
    """Changes sound payloads in a few places, and restores them under a right checksum."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.engine, _ = engine_with_history()
        keys = [key for database, key in self.engine.dump() if database == 0]
        self.values = [dumped(self.engine, key)[:-10] for key in keys]
        self.values += [bytes.fromhex(text) for text in OLD_VALUES]
        self.uses = [line.split() for line in USES.split(b"\n")[1:-1]]
        self.restored = 0

    def step(self) -> None:
        """Forge one; what is taken is sound, can be used, and is restored from its own dump."""
        source = self.source
        send = self.engine.send
        data = bytearray(source.choice(self.values))
        for _ in range(source.choice((1, 1, 1, 2, 3, 6))):
            self._change(data)
        reply = send([b"RESTORE", b"k", b"0", seal(bytes(data)), b"REPLACE"])
        if reply != b"+OK\r\n":
            assert reply == b"-ERR Bad data format\r\n", data.hex()
            return
        self.restored += 1
        self.engine.node.check()
        again = send([b"RESTORE", b"twin", b"0", dumped(self.engine, b"k"), b"REPLACE"])
        assert again == b"+OK\r\n", data.hex()
        for _ in range(4):
            send(source.choice(self.uses))
        self.engine.node.check()

    def _change(self, data: bytearray) -> None:
        source = self.source
        place = source.randrange(len(data)) if data else 0
        choice = source.randrange(7)
        if choice == 0:
            data[place : place + 1] = bytes([source.randrange(256)])
        elif choice == 1:
            data[place : place + 1] = bytes([source.choice(LEADS)])
        elif choice == 2:
            data[place:place] = source.randbytes(source.randrange(1, 9))
        elif choice == 3:
            del data[place : place + source.randrange(1, 9)]
        elif choice == 4:
            begin = source.randrange(len(data) + 1)
            data[place:place] = data[begin : begin + source.randrange(1, 20)]
        elif choice == 5:
            length = source.choice(LENGTHS)
            data[place : place + 9] = b"\x81" + length.to_bytes(8, "big")
        else:
            data[:1] = bytes([source.randrange(KINDS)])


@pytest.mark.parametrize("seed", range(3))
def test_forged_payloads_never_make_a_broken_container(seed: int) -> None:
    forger = Forger(seed)
    for _ in range(1500):
        forger.step()
    assert forger.restored > 50


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("020102010001", "020100010001"),  # the second entry's id is not behind the first one's
        ("020100010001", "020101010001"),  # the first entry's id is not its node's key
        ("020102010001", "040102010001"),  # flags that no version has
    ],
)
def test_a_stream_whose_entries_are_out_of_order_is_refused(before: str, after: str) -> None:
    engine = Engine()
    engine.node.config.set_many([("rdbcompression", "no")])
    for number in (b"5-1", b"7-1"):
        engine.send([b"XADD", b"k", number, b"f", b"v"])
    data = dumped(engine, b"k")[:-10]
    old, new = bytes.fromhex(before), bytes.fromhex(after)
    assert old in data
    payload = seal(data.replace(old, new, 1))
    assert engine.send([b"RESTORE", b"j", b"0", payload]) == b"-ERR Bad data format\r\n"


def test_ids_that_were_deleted_may_come_again_after_xsetid() -> None:
    engine = Engine()
    for number in (b"5-1", b"6-1", b"7-1"):
        engine.send([b"XADD", b"k", number, b"f", b"v"])
    engine.send([b"XDEL", b"k", b"6-1", b"7-1"])
    engine.send([b"XSETID", b"k", b"5-5"])
    engine.node.check()
    for number in (b"5-6", b"6-1"):
        assert not engine.send([b"XADD", b"k", number, b"f", b"w"]).startswith(b"-")
    engine.node.check()
    assert engine.send([b"RESTORE", b"j", b"0", dumped(engine, b"k")]) == b"+OK\r\n"
    assert engine.send([b"XDEL", b"k", b"6-1"]) == b":1\r\n"
    assert engine.send([b"XLEN", b"k"]) == b":2\r\n"
    engine.node.check()


def main() -> None:
    seed, seconds = int(sys.argv[1]), float(sys.argv[2])
    forger = Forger(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        forger.step()
        count += 1
    print(f"{count:,} forged, {forger.restored:,} taken, all of them sound")


if __name__ == "__main__":
    main()
