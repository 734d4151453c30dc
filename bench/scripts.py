"""CPU time of script calls beside redis-server: EVALSHA and FCALL of what applications run.

Measured as `speed` measures commands, by redis-benchmark; a script is loaded before its samples.
What is of interest is the CPU of a call: a script's commands, its values that cross between Lua and
the server, and its result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

from tests.wire.client import encode_request

from .contestants import Contestant
from .speed import VALUE, SpeedTest, fill_keys

LIBRARY: Final = """#!lua name=bench
redis.register_function('read', function(keys, args) return redis.call('GET', keys[1]) end)
redis.register_function('bump', function(keys, args)
  return redis.call('HINCRBY', keys[1], args[1], 1)
end)
"""
DOCUMENT: Final = json.dumps({f"field{i}": f"value{i}" if i % 2 else i * 7 for i in range(20)})

UNLOCK: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""
LIMIT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
if count > tonumber(ARGV[2]) then return 0 end
return 1
"""
LOOP: Final = "local n for i = 1, 100 do n = redis.call('INCR', KEYS[1]) end return n"
BITS: Final = """
local band, bor, bxor = bit.band, bit.bor, bit.bxor
local x = 0
for i = 1, 20 do x = bxor(bor(band(i, 0xff), 0x100), x) end
return x
"""
RECORDS: Final = """
local packed = struct.pack('>I4I2s', 70000, 7, ARGV[1])
local a, b, c = struct.unpack('>I4I2s', packed)
return c
"""
MESSAGES: Final = """
local packed = cmsgpack.pack({1, 2, 'three', ARGV[1]})
return cmsgpack.unpack(packed)[3]
"""

KEY: Final = "key:__rand_int__"


def fill_lists(contestant: Contestant, _: int) -> None:
    """One list of 20 elements."""
    contestant.load([encode_request([b"RPUSH", b"mylist", *[VALUE] * 20])])


def fill_hash(contestant: Contestant, _: int) -> None:
    """One hash of 10 fields."""
    fields = [word for i in range(10) for word in (b"field:%d" % i, VALUE)]
    contestant.load([encode_request([b"HSET", b"myhash", *fields])])


def evalsha(
    name: str,
    code: str,
    *words: str,
    fill: Callable[[Contestant, int], None] | None = None,
) -> SpeedTest:
    """A test of one cached script with one key, the first of `words`."""

    def prepare(contestant: Contestant, count: int) -> None:
        contestant.call("SCRIPT", "LOAD", code)
        if fill is not None:
            fill(contestant, count)

    digest = hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()
    keys = ("1", *words) if words else ("0",)
    return SpeedTest(name, ("EVALSHA", digest, *keys), prepare)


def fcall(
    name: str,
    function: str,
    *words: str,
    fill: Callable[[Contestant, int], None] | None = None,
) -> SpeedTest:
    """A test of one function of LIBRARY with one key."""

    def prepare(contestant: Contestant, count: int) -> None:
        contestant.call("FUNCTION", "LOAD", "REPLACE", LIBRARY)
        if fill is not None:
            fill(contestant, count)

    return SpeedTest(name, ("FCALL", function, "1", *words), prepare)


TESTS: Final = [
    evalsha("return_1", "return 1"),
    evalsha("get", "return redis.call('GET', KEYS[1])", KEY, fill=fill_keys),
    evalsha("set", "return redis.call('SET', KEYS[1], ARGV[1])", KEY, VALUE.decode()),
    fcall("fcall_get", "read", KEY, fill=fill_keys),
    fcall("fcall_hincrby", "bump", "myhash", "count"),
    evalsha("small_table", "return {KEYS[1], ARGV[1], 3, 'four'}", KEY, "two"),
    evalsha("lrange_20", "return redis.call('LRANGE', KEYS[1], 0, 19)", "mylist", fill=fill_lists),
    evalsha("hgetall_10", "return redis.call('HGETALL', KEYS[1])", "myhash", fill=fill_hash),
    evalsha("unlock", UNLOCK, KEY, "token", fill=fill_keys),
    evalsha("rate_limit", LIMIT, KEY, "60000", "100"),
    evalsha("incr_100", LOOP, "counter"),
    evalsha("cjson", "return cjson.encode(cjson.decode(ARGV[1]))", KEY, DOCUMENT.replace(" ", "")),
    evalsha("cmsgpack", MESSAGES, KEY, "four"),
    evalsha("struct", RECORDS, KEY, "text"),
    evalsha("bit_60", BITS, KEY),
]
