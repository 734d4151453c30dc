"""Example requests for every writing command, for the tests of effects.

A script is requests between semicolons. `B:` before a request sends it on a second session; `@10`
lets ten seconds pass; `dump:k` is what DUMP k answers; `library:f` is the code of a library with
a function, both called f; `libraries` is what FUNCTION DUMP answers. The last request is the one
the script is there for, but for blocking commands that wait: there the request that serves them
comes last.
"""

from typing import Final

BLOCKED: Final[dict[str, tuple[str, ...]]] = {
    "BLPOP": ("B: BLPOP x l 0; RPUSH l a b", "B: BLPOP l 0; RPUSH l a", "RPUSH l a b; BLPOP l 0"),
    "BRPOP": ("B: BRPOP l 0; RPUSH l a b", "RPUSH l a b; BRPOP x l 0"),
    "BLMOVE": (
        "B: BLMOVE l d LEFT RIGHT 0; RPUSH l a b",
        "B: BLMOVE l d RIGHT LEFT 0; C: BLPOP d 0; RPUSH l a b",
        "RPUSH l a b; BLMOVE l l LEFT RIGHT 0",
    ),
    "BRPOPLPUSH": ("B: BRPOPLPUSH l d 0; RPUSH l a b", "RPUSH l a b; BRPOPLPUSH l d 0"),
    "BLMPOP": (
        "B: BLMPOP 0 2 x l LEFT COUNT 2; RPUSH l a b c",
        "RPUSH l a b c; BLMPOP 0 2 x l RIGHT COUNT 2",
    ),
    "BZPOPMIN": ("B: BZPOPMIN x z 0; ZADD z 2 b 1 a", "ZADD z 2 b 1 a; BZPOPMIN z 0"),
    "BZPOPMAX": ("B: BZPOPMAX x z 0; ZADD z 2 b 1 a", "ZADD z 2 b 1 a; BZPOPMAX z 0"),
    "BZMPOP": (
        "B: BZMPOP 0 2 x z MIN COUNT 2; ZADD z 3 c 2 b 1 a",
        "ZADD z 3 c 2 b 1 a; BZMPOP 0 1 z MAX COUNT 2",
    ),
}

STRINGS: Final[dict[str, tuple[str, ...]]] = {
    "SET": (
        "SET k v",
        "RPUSH k a; SET k v",
        "SET k v EX 10",
        "SET k v PX 10500",
        "SET k v EXAT 1700000100",
        "SET k v PXAT 1700000100123",
        "SET k v EX 10; SET k w KEEPTTL",
        "SET k v EX 10; SET k w",
        "SET k v NX",
        "SET k v; SET k w XX GET EX 5",
        "SET k v PXAT 1700000000001; @1; GET k; SET k w NX",
    ),
    "SETNX": ("SETNX k v",),
    "SETEX": ("SETEX k 10 v",),
    "PSETEX": ("PSETEX k 10500 v",),
    "GETSET": ("GETSET k v", "SET k v EX 10; GETSET k w"),
    "GETDEL": ("SET k v; GETDEL k",),
    "GETEX": (
        "SET k v; GETEX k EX 10",
        "SET k v; GETEX k PX 10500",
        "SET k v; GETEX k EXAT 1700000100",
        "SET k v EX 10; GETEX k PERSIST",
        "SET k v; GETEX k EXAT 1",
    ),
    "MSET": ("MSET a 1 b 2 a 3",),
    "MSETNX": ("MSETNX a 1 b 2",),
    "APPEND": ("APPEND k v", "SET k v EX 10; APPEND k w"),
    "SETRANGE": ("SET k hello; SETRANGE k 3 xyz", "SETRANGE k 5 x"),
    "INCR": ("INCR k", "SET k 41 EX 10; INCR k"),
    "DECR": ("DECR k",),
    "INCRBY": ("INCRBY k 5",),
    "DECRBY": ("DECRBY k 5",),
    "INCRBYFLOAT": ("SET k 10.1 EX 10; INCRBYFLOAT k 0.2", "INCRBYFLOAT k 3"),
    "SETBIT": ("SETBIT k 7 1", "SET k 12; SETBIT k 100 0", "SETBIT k 9 1; SETBIT k 9 0"),
    "BITOP": (
        "SET a x; SET b y; BITOP XOR d a b",
        "SET a x EX 10; BITOP NOT a a",
        "RPUSH d x; BITOP OR d a b",
    ),
    "BITFIELD": (
        "BITFIELD k INCRBY u8 0 5",
        "SET k 12; BITFIELD k SET i5 3 -7 OVERFLOW SAT INCRBY u8 #3 300",
        "BITFIELD k OVERFLOW FAIL INCRBY u8 64 300",
    ),
    "PFADD": ("PFADD k a b", "PFADD k", "PFADD k a b; PFADD k a c"),
    "PFMERGE": ("PFADD a x; PFADD b y; PFMERGE d a b", "PFMERGE d"),
    "PFDEBUG": ("PFADD k a b; PFDEBUG TODENSE k", "PFADD k a; PFDEBUG GETREG k"),
}

LISTS: Final[dict[str, tuple[str, ...]]] = {
    "LPUSH": ("LPUSH l a b c",),
    "RPUSH": ("RPUSH l a b c",),
    "LPUSHX": ("RPUSH l a; LPUSHX l b c",),
    "RPUSHX": ("RPUSH l a; RPUSHX l b c",),
    "LPOP": ("RPUSH l a b; LPOP l", "RPUSH l a b c; LPOP l 2", "RPUSH l a; LPOP l"),
    "RPOP": ("RPUSH l a b; RPOP l", "RPUSH l a b c; RPOP l 2", "RPUSH l a; RPOP l 5"),
    "LSET": ("RPUSH l a b; LSET l -1 x",),
    "LINSERT": ("RPUSH l a b; LINSERT l BEFORE b x", "RPUSH l a b; LINSERT l AFTER b x"),
    "LREM": ("RPUSH l a b a; LREM l -1 a", "RPUSH l a a; LREM l 0 a"),
    "LTRIM": ("RPUSH l a b c; LTRIM l 1 1", "RPUSH l a b c; LTRIM l 5 9"),
    "LMOVE": (
        "RPUSH l a b; LMOVE l d LEFT LEFT",
        "RPUSH l a b; LMOVE l l LEFT RIGHT",
        "RPUSH l a; LMOVE l d RIGHT RIGHT",
    ),
    "RPOPLPUSH": ("RPUSH l a b; RPOPLPUSH l d",),
    "LMPOP": ("RPUSH l a b c; LMPOP 2 x l LEFT COUNT 2", "RPUSH l a; LMPOP 1 l RIGHT"),
}

SETS: Final[dict[str, tuple[str, ...]]] = {
    "SADD": ("SADD s a b", "SADD s 1 2 3", "SADD s 1; SADD s x 1"),
    "SREM": ("SADD s a b c; SREM s a x", "SADD s a; SREM s a"),
    "SPOP": (
        "SADD s a b c d e f g; SPOP s",
        "SADD s 1 2 3 4 5 6 7; SPOP s 3",
        "SADD s 1 2 3 4 5 6 7; SPOP s 6",
        "SADD s a; SPOP s",
        "SADD s a b; SPOP s 5",
    ),
    "SMOVE": ("SADD s a b; SMOVE s d a", "SADD s a; SADD d a; SMOVE s d a"),
    "SINTERSTORE": ("SADD a x y; SADD b y z; SINTERSTORE d a b", "SET d v; SINTERSTORE d a b"),
    "SUNIONSTORE": ("SADD a x y; SADD b y z; SUNIONSTORE d a b", "SADD d x; SUNIONSTORE d a b"),
    "SDIFFSTORE": ("SADD a x y; SADD b y z; SDIFFSTORE d a b",),
}

HASHES: Final[dict[str, tuple[str, ...]]] = {
    "HSET": ("HSET h f v g w", "HSET h f v; HSET h f w x y"),
    "HMSET": ("HMSET h f v g w",),
    "HSETNX": ("HSETNX h f v",),
    "HDEL": ("HSET h f v g w; HDEL h f x", "HSET h f v; HDEL h f"),
    "HINCRBY": ("HINCRBY h f 5",),
    "HINCRBYFLOAT": ("HSET h f 10.1; HINCRBYFLOAT h f 0.2",),
}

SORTED_SETS: Final[dict[str, tuple[str, ...]]] = {
    "ZADD": (
        "ZADD z 1 a 2 b",
        "ZADD z 1 a; ZADD z GT CH 2 a 0 b",
        "ZADD z 1 a; ZADD z XX 3 a 4 b",
        "ZADD z 1 a; ZADD z NX 3 a 4 b",
        "ZADD z 1 a; ZADD z LT 0.5 a",
        "ZADD z INCR 1.5 a",
    ),
    "ZINCRBY": ("ZADD z 0.1 a; ZINCRBY z 0.2 a",),
    "ZREM": ("ZADD z 1 a 2 b; ZREM z a x", "ZADD z 1 a; ZREM z a"),
    "ZPOPMIN": ("ZADD z 1 a 2 b; ZPOPMIN z", "ZADD z 1 a 2 b 3 c; ZPOPMIN z 2"),
    "ZPOPMAX": ("ZADD z 1 a 2 b; ZPOPMAX z", "ZADD z 1 a; ZPOPMAX z"),
    "ZMPOP": ("ZADD z 1 a 2 b 3 c; ZMPOP 2 x z MIN COUNT 2", "ZADD z 1 a; ZMPOP 1 z MAX"),
    "ZRANGESTORE": ("ZADD z 1 a 2 b 3 c; ZRANGESTORE d z 1 2", "SET d v; ZRANGESTORE d z 0 -1"),
    "ZREMRANGEBYRANK": ("ZADD z 1 a 2 b 3 c; ZREMRANGEBYRANK z 0 1",),
    "ZREMRANGEBYSCORE": ("ZADD z 1 a 2 b 3 c; ZREMRANGEBYSCORE z (1 +inf",),
    "ZREMRANGEBYLEX": ("ZADD z 0 a 0 b 0 c; ZREMRANGEBYLEX z [a (c",),
    "ZUNIONSTORE": (
        "ZADD a 1 x 2 y; ZADD b 3 y; ZUNIONSTORE d 2 a b WEIGHTS 2 3 AGGREGATE MAX",
        "SADD s x; ZADD z 2 x; ZUNIONSTORE z 2 s z",
    ),
    "ZINTERSTORE": ("ZADD a 1 x 2 y; ZADD b 3 y; ZINTERSTORE d 2 a b",),
    "ZDIFFSTORE": ("ZADD a 1 x 2 y; ZADD b 3 y; ZDIFFSTORE d 2 a b",),
}

_PLACES: Final = "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b 2.35 48.85 c"
GEO: Final[dict[str, tuple[str, ...]]] = {
    "GEOADD": (_PLACES, f"{_PLACES}; GEOADD g XX CH 1 2 a 3 4 d", f"{_PLACES}; GEOADD g 5 6 a"),
    "GEOSEARCHSTORE": (
        f"{_PLACES}; GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 300 km STOREDIST",
        f"{_PLACES}; GEOSEARCHSTORE d g FROMLONLAT 5 45 BYBOX 3000 3000 km COUNT 2 ANY",
        f"{_PLACES}; SET d v; GEOSEARCHSTORE d g FROMLONLAT 100 -40 BYRADIUS 1 m",
    ),
    "GEORADIUS": (
        f"{_PLACES}; GEORADIUS g 13 38 300 km STORE d",
        f"{_PLACES}; GEORADIUS g 13 38 300 mi STOREDIST g DESC",
    ),
    "GEORADIUSBYMEMBER": (
        f"{_PLACES}; GEORADIUSBYMEMBER g b 300 km STORE d COUNT 1",
        "SET d v; GEORADIUSBYMEMBER missing b 300 km STORE d",
    ),
}

# A stream of six entries in nodes of two, and a group that read three of them.
_ENTRIES: Final = "CONFIG SET stream-node-max-entries 2; " + "; ".join(
    f"XADD s {i}-1 f {i}" for i in range(1, 7)
)
_GROUP: Final = f"{_ENTRIES}; XGROUP CREATE s g 0; XREADGROUP GROUP g c COUNT 3 STREAMS s >"

STREAMS: Final[dict[str, tuple[str, ...]]] = {
    "XADD": (
        "XADD s * f v",
        "XADD s 5-* f v; XADD s 5-* f v g w",
        "XADD s 5-1 f v; XADD s NOMKSTREAM 6-1 f v",
        f"{_ENTRIES}; XADD s MAXLEN 2 * f v",
        f"{_ENTRIES}; XADD s MAXLEN ~ 3 LIMIT 2 * f v",
        f"{_ENTRIES}; XADD s MAXLEN ~ 100 LIMIT 2 9-* f v",
        f"{_ENTRIES}; XADD s MINID 4 9-1 f v",
        f"{_ENTRIES}; XADD s MINID ~ 4 LIMIT 2 9-1 f v",
        f"{_ENTRIES}; XADD s MAXLEN ~ 0 9-1 f v",
    ),
    "XTRIM": (
        f"{_ENTRIES}; XTRIM s MAXLEN 3",
        f"{_ENTRIES}; XTRIM s MAXLEN ~ 3",
        f"{_ENTRIES}; XTRIM s MAXLEN ~ 0 LIMIT 3",
        f"{_ENTRIES}; XDEL s 2-1; XTRIM s MINID ~ 6",
        f"{_ENTRIES}; XTRIM s MINID 4-1",
        f"{_ENTRIES}; XTRIM s MINID ~ 99",
    ),
    "XDEL": (f"{_ENTRIES}; XDEL s 1-1 3-1 9-9", f"{_GROUP}; XDEL s 1-1 2-1 3-1 4-1 5-1 6-1"),
    "XSETID": (f"{_ENTRIES}; XSETID s 9-9 ENTRIESADDED 20 MAXDELETEDID 8-8",),
    "XGROUP CREATE": (
        f"{_ENTRIES}; XGROUP CREATE s g 2",
        f"{_ENTRIES}; XGROUP CREATE s g $ ENTRIESREAD 4",
        "XGROUP CREATE s g $ MKSTREAM",
    ),
    "XGROUP SETID": (
        f"{_GROUP}; XGROUP SETID s g $ ENTRIESREAD 6",
        f"{_GROUP}; XGROUP SETID s g 2",
    ),
    "XGROUP DESTROY": (f"{_GROUP}; XGROUP DESTROY s g",),
    "XGROUP CREATECONSUMER": (f"{_GROUP}; XGROUP CREATECONSUMER s g d",),
    "XGROUP DELCONSUMER": (f"{_GROUP}; XGROUP DELCONSUMER s g c",),
    "XREADGROUP": (
        f"{_GROUP}; @2; XREADGROUP GROUP g c STREAMS s >",
        f"{_GROUP}; XREADGROUP GROUP g d COUNT 1 STREAMS s >",
        f"{_GROUP}; @2; XREADGROUP GROUP g c COUNT 2 STREAMS s 0",
        f"{_GROUP}; XREADGROUP GROUP g d STREAMS s 0",
        f"{_GROUP}; XREADGROUP GROUP g d NOACK STREAMS s >",
        f"{_GROUP}; XDEL s 4-1; XREADGROUP GROUP g d STREAMS s >",
        f"{_GROUP}; XGROUP SETID s g 1; @2; XREADGROUP GROUP g d STREAMS s >",
        f"{_GROUP}; XADD t 1-1 f v; XGROUP CREATE t g 0; XREADGROUP GROUP g c STREAMS s t > >",
        f"{_GROUP}; XREADGROUP GROUP g c STREAMS s >;"
        " B: XREADGROUP GROUP g d BLOCK 0 STREAMS s >; XADD s * f v; XADD s * f w",
        f"{_GROUP}; B: XREADGROUP GROUP g d BLOCK 0 NOACK STREAMS s >; XADD s * f v",
    ),
    "XACK": (f"{_GROUP}; XACK s g 1-1 3-1 9-9",),
    "XCLAIM": (
        f"{_GROUP}; @2; XCLAIM s g d 1 1-1 2-1 9-9",
        f"{_GROUP}; XCLAIM s g c 0 1-1 RETRYCOUNT 7 IDLE 500",
        f"{_GROUP}; XCLAIM s g d 0 2-1 5-1 FORCE JUSTID",
        f"{_GROUP}; XCLAIM s g d 0 5-1 FORCE TIME 1000 LASTID 5-1",
        f"{_GROUP}; XDEL s 1-1; XCLAIM s g d 0 1-1 2-1",
        f"{_GROUP}; XDEL s 1-1; XCLAIM s g d 0 1-1 LASTID 5-1",
        f"{_GROUP}; XCLAIM s g d 0 9-9 LASTID 5-1",
    ),
    "XAUTOCLAIM": (
        f"{_GROUP}; @2; XAUTOCLAIM s g d 100 0",
        f"{_GROUP}; XDEL s 2-1; XAUTOCLAIM s g d 0 0 COUNT 2 JUSTID",
        f"{_GROUP}; XDEL s 1-1 2-1 3-1; XAUTOCLAIM s g d 0 0",
    ),
}

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "DEL": ("MSET a 1 b 2 c 3; DEL a b x",),
    "UNLINK": ("MSET a 1 b 2; RPUSH l x; UNLINK a l x",),
    "EXPIRE": ("SET k v; EXPIRE k 10", "SET k v EX 5; EXPIRE k 10 GT", "SET k v; EXPIRE k -1"),
    "PEXPIRE": ("SET k v; PEXPIRE k 10500 NX", "SET k v; PEXPIRE k 0"),
    "EXPIREAT": ("SET k v; EXPIREAT k 1700000100", "SET k v; EXPIREAT k 1"),
    "PEXPIREAT": ("SET k v; PEXPIREAT k 1700000100123", "SET k v EX 5; PEXPIREAT k 1 LT"),
    "PERSIST": ("SET k v EX 10; PERSIST k",),
    "RENAME": ("SET a 1 EX 10; SET b 2; RENAME a b", "RPUSH a x; RENAME a b"),
    "RENAMENX": ("SET a 1 EX 10; RENAMENX a b",),
    "COPY": (
        "SET a 1 EX 10; COPY a b",
        "RPUSH a 1 2; SET b x; COPY a b REPLACE",
        "SADD a x y; COPY a b DB 3",
    ),
    "MOVE": ("SET a 1 EX 10; MOVE a 2",),
    "SORT": (
        "RPUSH l 3 1 2; SORT l STORE d",
        "SADD l 3 1 2; SET d x; SORT l BY nosort STORE d",
        "SET d v; SORT missing STORE d",
    ),
    "MIGRATE": (
        "RPUSH l a b; MIGRATE h 1 l 0 100",
        'SET a 1 EX 10; SET b 1; MIGRATE h 1 "" 3 100 KEYS a x b',
    ),
    "RESTORE-ASKING": ("RPUSH l a b; RESTORE-ASKING k 0 dump:l",),
    "RESTORE": ("RPUSH l a b; RESTORE k 10000 dump:l", "SET s v; RESTORE s 0 dump:s REPLACE"),
    "FLUSHDB": ("MSET a 1 b 2; FLUSHDB", "SELECT 2; SET a 1; SELECT 0; SET b 1; FLUSHDB ASYNC"),
    "FLUSHALL": ("SET a 1; SELECT 3; SET b 1; FLUSHALL",),
    "SWAPDB": ("SET a 1 EX 10; SELECT 3; SET b 2; SWAPDB 0 3",),
}

# More elements than a packed form holds.
FUNCTIONS: Final[dict[str, tuple[str, ...]]] = {
    "FUNCTION LOAD": (
        "FUNCTION LOAD library:f",
        "FUNCTION LOAD library:f; FUNCTION LOAD REPLACE library:f",
    ),
    "FUNCTION DELETE": ("FUNCTION LOAD library:f; FUNCTION DELETE f",),
    "FUNCTION FLUSH": ("FUNCTION LOAD library:f; FUNCTION FLUSH", "FUNCTION FLUSH ASYNC"),
    "FUNCTION RESTORE": (
        "FUNCTION LOAD library:f; FUNCTION RESTORE libraries FLUSH",
        "FUNCTION LOAD library:f; FUNCTION RESTORE libraries REPLACE",
    ),
}

_MANY: Final = " ".join(f"element{i:03}" for i in range(300))
_MANY_SCORES: Final = " ".join(f"{i * 7 % 100} element{i:03}" for i in range(300))

EXAMPLES: Final = (
    STRINGS | LISTS | SETS | HASHES | SORTED_SETS | GEO | STREAMS | KEYS | FUNCTIONS | BLOCKED
)

# More than one command: the effects belong together, or come from the clock.
MIXED: Final = (
    "SELECT 5; SET a 1; SELECT 0; SET a 2",
    "MULTI; SET a 1; INCR a; SPOP x; SELECT 4; SET b 2 EX 10; EXEC",
    "SADD s a b c d e f; MULTI; SPOP s; SPOP s 2; EXEC",
    "SET k v PX 500; RPUSH l a; @1; SET other v",
    "SET k v PX 500; MULTI; @1; GET k; SET k 2; EXEC",
    "SET k 1 PX 500; @1; INCR k",
    "RPUSH k a; PEXPIRE k 500; @1; SADD k a",
    "B: BLPOP l 0; MULTI; RPUSH l a; RPUSH l b; EXEC",
    "B: BLPOP l 0; C: BLPOP l 0; RPUSH l a b c",
    "B: SELECT 2; B: BLPOP l 0; RPUSH l a; SELECT 2; RPUSH l b",
    "SELECT 3; SET k v PX 500; SELECT 0; @1",
    f"SADD s {_MANY}; SPOP s; SPOP s 10; SPOP s 280; SREM s element001; SMOVE s d element002",
    f"ZADD z {_MANY_SCORES}; ZPOPMIN z 5; ZPOPMAX z; ZREMRANGEBYSCORE z 20 (40; ZINCRBY z 0.1 x",
    f"ZADD z {_MANY_SCORES}; SADD s {_MANY}; ZUNIONSTORE d 2 s z; ZRANGESTORE e d 5 -5 REV",
    f"HSET h {_MANY}; HINCRBYFLOAT h f 0.1; HDEL h element000 element002; COPY h g; RENAME h i",
    f"RPUSH l {_MANY}; LMPOP 1 l RIGHT COUNT 40; LTRIM l 5 -5; LINSERT l AFTER element100 x",
    f"RPUSH l {_MANY}; SORT l ALPHA DESC STORE d; LREM d -1 element050; LMOVE d l LEFT LEFT",
    f"B: BLMPOP 0 1 l LEFT COUNT 100; RPUSH l {_MANY}; UNLINK l",
    "ZADD z 1 a; ZADD z NAN b; HSET h f x; HINCRBY h f 1; SET k v",
)

# The last request leaves the data as they are.
UNCHANGED: Final[dict[str, str]] = {
    "SET": "SET k v; SET k w NX",
    "SETNX": "SET k v; SETNX k w",
    "MIGRATE": "SET k v; MIGRATE h 1 k 0 100 COPY",
    "GETDEL": "GETDEL k",
    "GETEX": "SET k v; GETEX k",
    "MSETNX": "SET a 1; MSETNX a 2 b 3",
    "SETRANGE": 'SET k v; SETRANGE k 0 ""',
    "LPUSHX": "LPUSHX l a",
    "RPUSHX": "RPUSHX l a",
    "LPOP": "LPOP l",
    "RPOP": "RPUSH l a; RPOP l 0",
    "LINSERT": "RPUSH l a; LINSERT l BEFORE x y",
    "LREM": "RPUSH l a; LREM l 0 x",
    "LMOVE": "LMOVE l d LEFT LEFT",
    "RPOPLPUSH": "RPOPLPUSH l d",
    "LMPOP": "LMPOP 1 l LEFT",
    "SADD": "SADD s a b; SADD s a b",
    "SREM": "SADD s a; SREM s x",
    "SPOP": "SPOP s",
    "SMOVE": "SADD s a; SMOVE s d x",
    "SINTERSTORE": "SINTERSTORE d a b",
    "SUNIONSTORE": "SUNIONSTORE d a b",
    "SDIFFSTORE": "SDIFFSTORE d a b",
    "HSETNX": "HSET h f v; HSETNX h f w",
    "HDEL": "HSET h f v; HDEL h x",
    "ZADD": "ZADD z 1 a; ZADD z 1 a",
    "ZREM": "ZADD z 1 a; ZREM z x",
    "ZPOPMIN": "ZPOPMIN z",
    "ZPOPMAX": "ZADD z 1 a; ZPOPMAX z 0",
    "ZMPOP": "ZMPOP 1 z MIN",
    "ZRANGESTORE": "ZRANGESTORE d z 0 -1",
    "ZREMRANGEBYRANK": "ZADD z 1 a; ZREMRANGEBYRANK z 5 9",
    "ZREMRANGEBYSCORE": "ZADD z 1 a; ZREMRANGEBYSCORE z 5 9",
    "ZREMRANGEBYLEX": "ZADD z 0 a; ZREMRANGEBYLEX z [x [y",
    "ZUNIONSTORE": "ZUNIONSTORE d 2 a b",
    "ZINTERSTORE": "ZINTERSTORE d 2 a b",
    "ZDIFFSTORE": "ZDIFFSTORE d 2 a b",
    "XADD": "XADD s NOMKSTREAM * f v",
    "XTRIM": "XADD s 1-1 f v; XTRIM s MAXLEN 5",
    "XDEL": "XADD s 1-1 f v; XDEL s 2-1",
    "XGROUP DESTROY": "XADD s 1-1 f v; XGROUP DESTROY s g",
    "XGROUP CREATECONSUMER": "XGROUP CREATE s g 0 MKSTREAM; XGROUP CREATECONSUMER s g c;"
    " XGROUP CREATECONSUMER s g c",
    "XGROUP DELCONSUMER": "XGROUP CREATE s g 0 MKSTREAM; XGROUP DELCONSUMER s g c",
    "XREADGROUP": "XGROUP CREATE s g 0 MKSTREAM; XREADGROUP GROUP g c STREAMS s >",
    "XACK": "XGROUP CREATE s g 0 MKSTREAM; XACK s g 1-1",
    "XCLAIM": "XGROUP CREATE s g 0 MKSTREAM; XCLAIM s g c 0 1-1",
    "XAUTOCLAIM": "XGROUP CREATE s g 0 MKSTREAM; XAUTOCLAIM s g c 0 0",
    "DEL": "DEL k",
    "UNLINK": "UNLINK k",
    "EXPIRE": "EXPIRE k 10",
    "PEXPIRE": "SET k v; PEXPIRE k 10 XX",
    "EXPIREAT": "SET k v EX 10; EXPIREAT k 1800000000 NX",
    "PEXPIREAT": "SET k v; PEXPIREAT k 1800000000000 GT",
    "PERSIST": "SET k v; PERSIST k",
    "RENAMENX": "MSET a 1 b 2; RENAMENX a b",
    "COPY": "MSET a 1 b 2; COPY a b",
    "MOVE": "MOVE k 1",
    "SORT": "RPUSH l 2 1; SORT l",
    "BLPOP": "BLPOP l 0",
    "BRPOP": "BRPOP l 0",
    "BLMOVE": "BLMOVE l d LEFT RIGHT 0",
    "BRPOPLPUSH": "BRPOPLPUSH l d 0",
    "BLMPOP": "BLMPOP 0 1 l LEFT",
    "BZPOPMIN": "BZPOPMIN z 0",
    "BZPOPMAX": "BZPOPMAX z 0",
    "BZMPOP": "BZMPOP 0 1 z MIN",
    "BITOP": "BITOP AND d a b",
    "BITFIELD": "BITFIELD k GET u8 0",
    "PFADD": "PFADD k a; PFADD k a",
    "PFDEBUG": "PFADD k a; PFDEBUG TODENSE k; PFDEBUG GETREG k",
    "SETBIT": "SETBIT k 7 1; SETBIT k 7 1",
    "GEOADD": "GEOADD g 1 2 a; GEOADD g 1 2 a",
    "GEOSEARCHSTORE": "GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m",
    "GEORADIUS": "GEOADD g 1 2 a; GEORADIUS g 1 2 3 m",
    "GEORADIUSBYMEMBER": "GEORADIUSBYMEMBER g a 3 m STORE d",
}

# They count as a change whatever they meet, as in Redis.
ALWAYS_CHANGE: Final = frozenset(
    (
        *("SETEX", "PSETEX", "GETSET", "MSET", "APPEND", "INCR", "DECR", "INCRBY", "DECRBY"),
        *("INCRBYFLOAT", "PFMERGE", "LPUSH", "RPUSH", "LSET", "LTRIM", "HSET"),
        *("HMSET", "HINCRBY", "HINCRBYFLOAT", "ZINCRBY", "RENAME", "RESTORE", "RESTORE-ASKING"),
        *("FLUSHDB", "FLUSHALL", "SWAPDB", "XSETID", "XGROUP CREATE", "XGROUP SETID"),
        *("FUNCTION LOAD", "FUNCTION DELETE", "FUNCTION FLUSH", "FUNCTION RESTORE"),
    )
)
