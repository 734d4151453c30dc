"""Makers of random commands inside of scripts, whose replies are what the commands reply to them.

The command and its arguments are the script's arguments, so that `normalise` finds the rule by
which the reply is compared.
"""

from __future__ import annotations

from typing import Final

from .random_grammar import GENERATORS as GRAMMAR
from .random_grammar import Maker, Pools, Words

MAKERS: Final = [row for rows in GRAMMAR.values() for row in rows]
WEIGHTS: Final = [weight for weight, _ in MAKERS]
# What is not a table of more than one reply: the rule is that of the command itself.
PLAIN: Final = (
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "local r = redis.call(unpack(ARGV)) return r",
    "local ok, r = pcall(redis.call, unpack(ARGV)) return ok and r or redis.error_reply(r)",
    "redis.setresp(3) return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "redis.call('select', 0) return redis.call(unpack(ARGV))",
    "return coroutine.wrap(function() return redis.call(unpack(ARGV)) end)()",
)


def command_in_script(p: Pools) -> Words:
    """A random command, run by a script."""
    maker: Maker = p.random.choices([maker for _, maker in MAKERS], WEIGHTS)[0]
    return ["EVAL", p.random.choice(PLAIN), 0, *maker(p)]


def several_in_script(p: Pools) -> Words:
    """Writes whose replies are numbers and states, one after the other."""
    code = (
        "local out = {} for i = 1, #KEYS do "
        "local r = redis.pcall(ARGV[1], KEYS[i], unpack(ARGV, 2)) "
        "out[i] = type(r) == 'table' and (r.err or r.ok or #r) or tostring(r) end return out"
    )
    keys = [p.any_key() for _ in range(p.random.randint(1, 4))]
    choices: list[Words] = [
        ["INCR"],
        ["APPEND", p.value()],
        ["TYPE"],
        ["DEL"],
        ["SADD", *p.members()],
        ["RPUSH", *p.members()],
        ["HSET", p.member(), p.value()],
        ["ZADD", p.random.randint(-5, 5), p.member()],
        ["LRANGE", 0, -1],
        ["STRLEN"],
        ["NOSUCHCOMMAND"],
    ]
    return ["EVAL", code, len(keys), *keys, *p.random.choice(choices)]


SCRIPTS: Final[dict[str, list[tuple[int, Maker]]]] = {
    "scripts": [(8, command_in_script), (2, several_in_script)],
}
