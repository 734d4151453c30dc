"""The commands that the random generator knows: per group, makers of one request each.

Keys are short names of any type; most commands prefer the names of their own type (`h1` for
hashes), and now and then take any name, so that WRONGTYPE and overwriting occur.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

Words = list[object]
FAR_S: Final = 4102444800
INT_MAX: Final = 2**63 - 1
LETTERS: Final = {"string": "s", "list": "l", "set": "e", "hash": "h", "zset": "z", "stream": "t"}
KEYS: Final = frozenset(f"{letter}{i}".encode() for letter in LETTERS.values() for i in range(1, 6))
# Sorted sets whose scores are all 0; only lexicographic commands touch them.
LEX_KEYS: Final = frozenset({b"x1", b"x2", b"x3"})
ALL_KEYS: Final = sorted(KEYS)
# Unequal up to their first NUL: SORT ALPHA compares with strcoll(), which stops there.
# Some begin like the tags of packed values in kvnode.
WORDS: Final = [
    *(b"", b"a", b"b", b"foo", b"bar", b"q\x00\xff\r\n", b"\xf8", b"\xf9tag", b"\xfa\x02", b"\xfc"),
    *(b"x" * 44, b"w" * 45, b"v" * 63, b"u" * 64, b"y" * 65, b"z" * 300),
]
LONG: Final = [b"L" * 2047, b"M" * 4096, b"N" * 9000]
# Around the ends of each width in which a listpack or an intset keeps integers.
INTEGERS: Final = [
    *(0, 1, -1, 2, 3, 5, 10, 100, -7, 12345, 70000, 127, 128, -4096, -4097, 4095, 4096, 32767),
    *(32768, -32769, 8388607, 8388608, -8388609, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1),
    *(2**32, 2**40, INT_MAX, -INT_MAX - 1),
]
ODD_NUMBERS: Final = [b"007", b"+1", b" 1", b"-0", b"1.0", b"1e3", b"abc", b"9223372036854775808"]
SCORES: Final = [
    b"inf",
    b"-inf",
    b"+inf",
    b"1e3",
    b"-0",
    b"0.5",
    b"1.25",
    b"-3.75",
    b"1e20",
    b"2.5",
]
PATTERNS: Final = [
    b"*",
    b"f*",
    b"?",
    b"[a-f]*",
    b"*1*",
    b"m[0-4]",
    b"nothing*",
    b"",
    b"s?",
    b"*\xff*",
]


class Pools:
    """Draws keys, fields, values and numbers from one random source."""

    def __init__(self, source: random.Random) -> None:
        self.random = source

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.random.random() < probability

    def key(self, kind: str) -> object:
        """A key that likely holds this kind."""
        if self.chance(0.06):
            return self.random.choice(ALL_KEYS)
        return f"{LETTERS[kind]}{self.random.randint(1, 5)}"

    def lex_key(self) -> object:
        """A sorted set whose scores are all equal."""
        return f"x{self.random.randint(1, 3)}"

    def any_key(self) -> object:
        """A key of any kind, or one that does not exist."""
        return b"none" if self.chance(0.03) else self.random.choice(ALL_KEYS)

    def member(self) -> object:
        """A field or member; the pools of 200 make containers outgrow their packed form."""
        draw = self.random.random()
        if draw < 0.5:
            return f"m{self.random.randint(0, 200)}"
        if draw < 0.8:
            return self.random.randint(-10, 700)
        return self.random.choice(WORDS) if draw < 0.97 else self.random.choice(INTEGERS)

    def members(self, most: int = 5) -> Words:
        """One or more members."""
        return [self.member() for _ in range(self.random.randint(1, most))]

    def value(self) -> object:
        """A string value: words, integers, what looks like one, now and then a long one."""
        draw = self.random.random()
        if draw < 0.4:
            return self.random.choice(INTEGERS)
        if draw < 0.5:
            return self.random.choice(ODD_NUMBERS)
        if draw < 0.6:
            return self.random.choice(SCORES)
        return self.random.choice(LONG if draw > 0.995 else WORDS)

    def integer(self) -> object:
        """An argument that should be an integer."""
        if self.chance(0.03):
            return self.random.choice(ODD_NUMBERS)
        return self.random.choice(INTEGERS) if self.chance(0.5) else self.random.randint(-20, 20)

    def index(self) -> object:
        """A position in a list, a sorted set or a string."""
        return self.integer() if self.chance(0.05) else self.random.randint(-12, 12)

    def score(self) -> object:
        """A score; sums of them are exact in binary, so the order of additions does not matter."""
        if self.chance(0.02):
            # Without 1e400: after one Redis's next SORT may fail, because it does not reset errno.
            return self.random.choice([b"nan", b"abc", b""])
        if self.chance(0.1):
            return self.random.choice(SCORES)
        return self.random.randint(-20, 20) * self.random.choice([1, 1, 0.5, 0.25])

    def score_bound(self) -> object:
        """A bound of a score range."""
        sign = "(" if self.chance(0.3) else ""
        if self.chance(0.2):
            return sign + self.random.choice(["-inf", "+inf", "inf", "x", ""])
        return f"{sign}{self.random.randint(-20, 20)}"

    def lex_bound(self) -> object:
        """A bound of a lexicographic range."""
        if self.chance(0.3):
            return self.random.choice(["-", "+"])
        if self.chance(0.04):
            return "unbounded"
        return self.random.choice("[(") + f"m{self.random.randint(0, 200)}"

    def option(self, *words: object, p: float = 0.3) -> Words:
        """These words, or nothing."""
        return list(words) if self.chance(p) else []

    def one_of(self, *choices: str) -> Words:
        """The words of one choice."""
        return list(self.random.choice(choices).split())

    def limit(self) -> Words:
        """LIMIT, or nothing."""
        rows = (self.random.randint(-1, 5), self.random.randint(-1, 8))
        return self.option("LIMIT", *rows, p=0.25)

    def shuffled(self, *options: Words) -> Words:
        """The options in any order."""
        rows = list(options)
        self.random.shuffle(rows)
        return [word for row in rows for word in row]

    def far_time(self) -> Words:
        """An expiry's option that cannot end during the run."""
        second = self.random.randint(10**5, 10**7)
        return self.random.choice(
            [
                ["EX", second],
                ["PX", second * 1000],
                ["EXAT", FAR_S + second],
                ["PXAT", (FAR_S + second) * 1000],
                ["EX", self.random.choice([0, -1, "x", INT_MAX])],
            ]
        )


Maker = Callable[[Pools], Words]


# -- strings -------------------------------------------------------------------------------------


def set_(p: Pools) -> Words:
    expiry = p.far_time() if p.chance(0.2) else p.option("KEEPTTL", p=0.1)
    condition = p.one_of("", "", "", "NX", "XX")
    return [
        "SET",
        p.key("string"),
        p.value(),
        *p.shuffled(expiry, condition, p.option("GET", p=0.15)),
    ]


def getex(p: Pools) -> Words:
    options: list[Words] = [[], ["PERSIST"], p.far_time()]
    return ["GETEX", p.key("string"), *p.random.choice(options)]


def setex(p: Pools) -> Words:
    command = p.random.choice(["SETEX", "PSETEX"])
    return [command, p.key("string"), p.random.randint(10**8, 10**9), p.value()]


def mset(p: Pools) -> Words:
    rows = [word for _ in range(p.random.randint(1, 3)) for word in (p.key("string"), p.value())]
    return [p.random.choice(["MSET", "MSET", "MSETNX"]), *rows]


def string_of_key(p: Pools) -> Words:
    names = ["GET", "GET", "GETDEL", "STRLEN", "INCR", "DECR", "INCR"]
    return [p.random.choice(names), p.key("string")]


def string_with_value(p: Pools) -> Words:
    return [p.random.choice(["GETSET", "SETNX", "APPEND"]), p.key("string"), p.value()]


def incrby(p: Pools) -> Words:
    return [p.random.choice(["INCRBY", "DECRBY"]), p.key("string"), p.integer()]


def incrbyfloat(p: Pools) -> Words:
    return ["INCRBYFLOAT", p.key("string"), p.score()]


def getrange(p: Pools) -> Words:
    return [p.random.choice(["GETRANGE", "SUBSTR"]), p.key("string"), p.index(), p.index()]


def setrange(p: Pools) -> Words:
    offset = p.random.choice([0, 1, 3, 10, 50, -1, 2**29])
    return ["SETRANGE", p.key("string"), offset, p.random.choice([b"", b"q", b"12"])]


def mget(p: Pools) -> Words:
    return ["MGET", *[p.any_key() for _ in range(p.random.randint(1, 4))]]


def lcs(p: Pools) -> Words:
    form = p.one_of("", "LEN", "IDX", "IDX WITHMATCHLEN", "IDX MINMATCHLEN 3", "LEN IDX")
    return ["LCS", p.key("string"), p.key("string"), *form]


# -- keys ----------------------------------------------------------------------------------------


def deletion(p: Pools) -> Words:
    name = p.random.choice(["DEL", "UNLINK", "EXISTS", "TOUCH"])
    return [name, *[p.any_key() for _ in range(p.random.randint(1, 2))]]


def question(p: Pools) -> Words:
    name = p.random.choice(["TYPE", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST", "DUMP"])
    return ["TYPE" if name == "DUMP" else name, p.any_key()]


def object_encoding(p: Pools) -> Words:
    # Not REFCOUNT: whether a small integer is Redis's shared object depends on who wrote it.
    return ["OBJECT", "ENCODING", p.any_key()]


def rename(p: Pools) -> Words:
    kind = p.random.choice(list(LETTERS))
    return [p.random.choice(["RENAME", "RENAMENX"]), p.key(kind), p.key(kind)]


def copy(p: Pools) -> Words:
    kind = p.random.choice(list(LETTERS))
    options = p.shuffled(
        p.option("REPLACE", p=0.5), p.option("DB", p.random.choice([0, 0, 99]), p=0.1)
    )
    return ["COPY", p.key(kind), p.key(kind), *options]


def expire(p: Pools) -> Words:
    second = p.random.randint(10**5, 10**7)
    name, time = p.random.choice(
        [
            ("EXPIRE", second),
            ("PEXPIRE", second * 1000),
            ("EXPIREAT", FAR_S + second),
            ("PEXPIREAT", (FAR_S + second) * 1000 + 499),
            ("EXPIREAT", p.random.choice([0, -1, 1000, "abc", INT_MAX])),
        ]
    )
    return [name, p.any_key(), time, *p.one_of("", "", "NX", "XX", "GT", "LT", "XX LT", "NX GT")]


def keyspace(p: Pools) -> Words:
    if p.chance(0.03):
        return ["FLUSHDB"]
    pattern = p.random.choice(PATTERNS)
    return p.random.choice(
        [["DBSIZE"], ["KEYS", pattern], ["SCAN", 0, "COUNT", 1000, "MATCH", pattern], ["RANDOMKEY"]]
    )


def sort(p: Pools) -> Words:
    key = p.key(p.random.choice(["list", "list", "set", "zset"]))
    limit = p.limit()
    order = p.one_of("", "ASC", "DESC")
    store = p.option("STORE", p.key("list"), p=0.15)
    # Weights come from keys that hold anything: mostly an error or all zero.
    by = p.option("BY", p.random.choice(["s*", "h1->*"]), p=0.1)
    alpha = [] if by else p.option("ALPHA", p=0.7)
    return ["SORT", key, *p.shuffled(limit, order, store, by, alpha, p.option("GET", "#", p=0.2))]


# -- hashes --------------------------------------------------------------------------------------


def hset(p: Pools) -> Words:
    rows = [w for _ in range(p.random.randint(1, 12)) for w in (p.member(), p.value())]
    return [p.random.choice(["HSET", "HSET", "HMSET"]), p.key("hash"), *rows]


def hash_field(p: Pools) -> Words:
    return [p.random.choice(["HGET", "HEXISTS", "HSTRLEN"]), p.key("hash"), p.member()]


def hash_fields(p: Pools) -> Words:
    return [p.random.choice(["HDEL", "HMGET"]), p.key("hash"), *p.members()]


def hash_whole(p: Pools) -> Words:
    return [p.random.choice(["HGETALL", "HKEYS", "HVALS", "HLEN"]), p.key("hash")]


def hsetnx(p: Pools) -> Words:
    return ["HSETNX", p.key("hash"), p.member(), p.value()]


def hincrby(p: Pools) -> Words:
    return ["HINCRBY", p.key("hash"), p.member(), p.integer()]


def hincrbyfloat(p: Pools) -> Words:
    return ["HINCRBYFLOAT", p.key("hash"), p.member(), p.score()]


def hrandfield(p: Pools) -> Words:
    return ["HRANDFIELD", p.key("hash"), *p.one_of("", "1000", "1000 WITHVALUES", "-3", "0", "x")]


def hscan(p: Pools) -> Words:
    return [
        "HSCAN",
        p.key("hash"),
        0,
        "COUNT",
        10000,
        *p.option("MATCH", p.random.choice(PATTERNS)),
    ]


# -- lists ---------------------------------------------------------------------------------------


def push(p: Pools) -> Words:
    name = p.random.choice(["LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"])
    return [name, p.key("list"), *[p.value() for _ in range(p.random.randint(1, 8))]]


def pop(p: Pools) -> Words:
    return [
        p.random.choice(["LPOP", "RPOP"]),
        p.key("list"),
        *p.one_of("", "", "0", "2", "5", "-1"),
    ]


def lmpop(p: Pools) -> Words:
    keys = [p.key("list") for _ in range(p.random.randint(1, 3))]
    return ["LMPOP", len(keys), *keys, *p.one_of("LEFT", "RIGHT", "LEFT COUNT 3", "RIGHT COUNT 0")]


def lmove(p: Pools) -> Words:
    if p.chance(0.3):
        return ["RPOPLPUSH", p.key("list"), p.key("list")]
    sides = p.one_of("LEFT RIGHT", "RIGHT LEFT", "LEFT LEFT", "RIGHT RIGHT", "LEFT UP")
    return ["LMOVE", p.key("list"), p.key("list"), *sides]


def lrange(p: Pools) -> Words:
    name = p.random.choice(["LRANGE", "LRANGE", "LRANGE", "LTRIM"])
    return [name, p.key("list"), p.index(), p.index()]


def list_small(p: Pools) -> Words:
    key = p.key("list")
    return p.random.choice(
        [
            ["LLEN", key],
            ["LINDEX", key, p.index()],
            ["LSET", key, p.index(), p.value()],
            ["LREM", key, p.random.randint(-2, 2), p.value()],
            [
                "LINSERT",
                key,
                p.random.choice(["BEFORE", "AFTER", "after", "AT"]),
                p.value(),
                p.value(),
            ],
        ]
    )


def lpos(p: Pools) -> Words:
    options = p.shuffled(
        p.option("RANK", p.random.choice([1, 2, -1, -2, 0])),
        p.option("COUNT", p.random.choice([0, 1, 2, -1])),
        p.option("MAXLEN", p.random.choice([0, 1, 5, -1])),
    )
    return ["LPOS", p.key("list"), p.value(), *options]


# -- sets ----------------------------------------------------------------------------------------


def sadd(p: Pools) -> Words:
    if p.chance(0.3):
        return ["SADD", p.key("set"), *[p.random.randint(-5, 600) for _ in range(20)]]
    return [p.random.choice(["SADD", "SADD", "SREM"]), p.key("set"), *p.members(12)]


def set_question(p: Pools) -> Words:
    key = p.key("set")
    return p.random.choice(
        [
            ["SISMEMBER", key, p.member()],
            ["SMISMEMBER", key, *p.members()],
            ["SCARD", key],
            ["SMEMBERS", key],
            ["SSCAN", key, 0, "COUNT", 10000, "MATCH", p.random.choice(PATTERNS)],
            ["SRANDMEMBER", key, *p.one_of("1000", "0", "-3", "x", "")],
        ]
    )


def spop(p: Pools) -> Words:
    return ["SPOP", p.key("set"), p.random.choice([0, 100_000, -1, "x"])]


def smove(p: Pools) -> Words:
    return ["SMOVE", p.key("set"), p.key("set"), p.member()]


def set_algebra(p: Pools) -> Words:
    keys = [p.key("set") for _ in range(p.random.randint(1, 3))]
    name = p.random.choice(["SINTER", "SUNION", "SDIFF"])
    if p.chance(0.3):
        return [f"{name}STORE", p.key("set"), *keys]
    if p.chance(0.2):
        return ["SINTERCARD", len(keys), *keys, *p.option("LIMIT", p.random.choice([0, 1, 3, -1]))]
    return [name, *keys]


# -- sorted sets ---------------------------------------------------------------------------------


def zadd(p: Pools) -> Words:
    flags = p.shuffled(
        p.one_of("", "", "NX", "XX"),
        p.one_of("", "", "GT", "LT"),
        p.option("CH"),
        p.option("INCR", p=0.1),
    )
    count = 1 if "INCR" in flags and p.chance(0.9) else p.random.randint(1, 10)
    rows = [word for _ in range(count) for word in (p.score(), p.member())]
    return ["ZADD", p.key("zset"), *flags, *rows]


def zset_small(p: Pools) -> Words:
    key = p.key("zset")
    return p.random.choice(
        [
            ["ZCARD", key],
            ["ZSCORE", key, p.member()],
            ["ZMSCORE", key, *p.members()],
            ["ZRANK", key, p.member()],
            ["ZREVRANK", key, p.member()],
            ["ZREM", key, *p.members()],
            ["ZINCRBY", key, p.score(), p.member()],
            ["ZCOUNT", key, p.score_bound(), p.score_bound()],
            ["ZRANDMEMBER", key, *p.one_of("1000", "0", "-3", "1000 WITHSCORES", "")],
            ["ZSCAN", key, 0, "COUNT", 10000, "MATCH", p.random.choice(PATTERNS)],
        ]
    )


def zpop(p: Pools) -> Words:
    return [p.random.choice(["ZPOPMIN", "ZPOPMAX"]), p.key("zset"), *p.one_of("", "2", "0", "-1")]


def zmpop(p: Pools) -> Words:
    keys = [p.key("zset") for _ in range(p.random.randint(1, 3))]
    return ["ZMPOP", len(keys), *keys, *p.one_of("MIN", "MAX", "MIN COUNT 3", "MAX COUNT 0", "UP")]


def zrange(p: Pools) -> Words:
    form = p.random.randrange(3)
    source = p.lex_key() if form == 2 else p.key("zset")
    store = p.chance(0.15)
    head: Words = ["ZRANGESTORE", p.key("zset"), source] if store else ["ZRANGE", source]
    bounds: Words = [p.index(), p.index()]
    options: Words = []
    if form == 1:
        bounds, options = [p.score_bound(), p.score_bound()], ["BYSCORE"]
    elif form == 2:
        bounds, options = [p.lex_bound(), p.lex_bound()], ["BYLEX"]
    limit = p.limit() if form or p.chance(0.1) else []
    scores = [] if store else p.option("WITHSCORES")
    return [*head, *bounds, *p.shuffled(options, limit, scores, p.option("REV"))]


def zset_lex(p: Pools) -> Words:
    key = p.lex_key()
    bounds: Words = [p.lex_bound(), p.lex_bound()]
    rows: Words = [word for _ in range(p.random.randint(1, 10)) for word in (0, p.member())]
    return p.random.choice(
        [
            ["ZADD", key, *rows],
            ["ZADD", key, *rows],
            ["ZADD", key, *rows],
            ["ZLEXCOUNT", key, *bounds],
            ["ZRANGEBYLEX", key, *bounds, *p.limit()],
            ["ZREVRANGEBYLEX", key, *bounds, *p.limit()],
            ["ZREMRANGEBYLEX", key, *bounds] if p.chance(0.2) else ["ZCARD", key],
        ]
    )


def zrange_old(p: Pools) -> Words:
    key = p.key("zset")
    scores = p.option("WITHSCORES")
    score_range: Words = [p.score_bound(), p.score_bound()]
    return p.random.choice(
        [
            ["ZREVRANGE", key, p.index(), p.index(), *scores],
            ["ZRANGEBYSCORE", key, *score_range, *p.shuffled(scores, p.limit())],
            ["ZREVRANGEBYSCORE", key, *score_range, *p.shuffled(scores, p.limit())],
        ]
    )


def zremrange(p: Pools) -> Words:
    key = p.key("zset")
    return p.random.choice(
        [
            ["ZREMRANGEBYRANK", key, p.index(), p.index()],
            ["ZREMRANGEBYSCORE", key, p.score_bound(), p.score_bound()],
        ]
    )


def zset_algebra(p: Pools) -> Words:
    # Two sources at most: inf + -inf + x depends on the order of the sources.
    keys = [p.key(p.random.choice(["zset", "zset", "set"])) for _ in range(p.random.randint(1, 2))]
    name = p.random.choice(["ZUNION", "ZINTER", "ZDIFF"])
    weights: Words = []
    if name != "ZDIFF":
        weights = p.shuffled(
            p.option("WEIGHTS", *[p.random.choice([1, 2, -1, 0.5, 0]) for _ in keys]),
            p.option("AGGREGATE", p.random.choice(["SUM", "MIN", "MAX", "max", "AVG"])),
        )
    if p.chance(0.4):
        return [f"{name}STORE", p.key("zset"), len(keys), *keys, *weights]
    if p.chance(0.15):
        return ["ZINTERCARD", len(keys), *keys, *p.option("LIMIT", p.random.choice([0, 1, 3, -1]))]
    return [name, len(keys), *keys, *weights, *p.option("WITHSCORES", p=0.6)]


# Group -> (weight, maker) rows.
GENERATORS: Final[dict[str, list[tuple[int, Maker]]]] = {
    "strings": [
        *((8, set_), (2, getex), (1, setex), (3, mset), (8, string_of_key), (5, string_with_value)),
        *((4, incrby), (3, incrbyfloat), (4, getrange), (2, setrange), (2, mget), (2, lcs)),
    ],
    "generic": [
        *((3, deletion), (5, question), (5, object_encoding), (2, rename), (3, copy), (4, expire)),
        *((2, keyspace), (3, sort)),
    ],
    "hashes": [
        *((8, hset), (5, hash_field), (5, hash_fields), (4, hash_whole), (2, hsetnx), (3, hincrby)),
        *((2, hincrbyfloat), (1, hrandfield), (2, hscan)),
    ],
    "lists": [
        (10, push),
        (5, pop),
        (2, lmpop),
        (4, lmove),
        (6, lrange),
        (7, list_small),
        (5, lpos),
    ],
    "sets": [(10, sadd), (7, set_question), (1, spop), (3, smove), (7, set_algebra)],
    "zsets": [
        *((12, zadd), (9, zset_small), (4, zpop), (2, zmpop), (8, zrange), (6, zrange_old)),
        *((2, zremrange), (6, zset_algebra), (5, zset_lex)),
    ],
}
