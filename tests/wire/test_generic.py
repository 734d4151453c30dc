"""Commands on keys of any type answer as redis-server does: every option, valid and not."""

from __future__ import annotations

import pytest

from .harness import Pair, words

FAR_S = 4102444800
PAST_S = 1000000000
INT_MAX = 2**63 - 1


def fill(pair: Pair) -> None:
    """One key of each type and encoding."""
    pair.same_script("""
        SET string value
        SET int 42
        SET raw xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        RPUSH list a b c
        SADD set a b c
        SADD intset 1 2 3
        HSET hash f v g w
        ZADD zset 1 a 2 b
    """)
    pair.same("SADD", "bigset", *range(600))
    pair.same("SADD", "strset", *[f"m{i}" for i in range(200)])
    pair.same("HSET", "bighash", *[f"x{i}" for i in range(400)])
    pair.same("ZADD", "bigzset", *[word for i in range(200) for word in (i, f"m{i}")])
    pair.same("RPUSH", "biglist", *[f"element {i}" for i in range(2000)])


KEYS = words(
    "string int raw list set intset hash zset bigset strset bighash bigzset biglist missing"
)


def test_type_encoding_refcount_and_freq_of_every_kind(pair: Pair) -> None:
    fill(pair)
    for key in KEYS:
        pair.same("TYPE", key)
        for question in ("ENCODING", "REFCOUNT", "FREQ", "encoding"):
            pair.same("OBJECT", question, key)
    pair.same_script("""
        OBJECT
        OBJECT ENCODING
        OBJECT ENCODING a b
        OBJECT BOGUS
        OBJECT BOGUS key
        OBJECT REFCOUNT
        SET small 5
        OBJECT REFCOUNT small
        INCR small
        OBJECT REFCOUNT small
        SET zero 0
        OBJECT REFCOUNT zero
        SET last 9999
        OBJECT REFCOUNT last
        SET large 10000
        OBJECT REFCOUNT large
        SET negative -1
        OBJECT REFCOUNT negative
        OBJECT IDLETIME
        OBJECT IDLETIME missing
        OBJECT HELP x
        OBJECT FREQ a b
        TYPE
        TYPE a b
    """)


def test_object_idletime_is_not_for_lfu_nor_freq_for_lru(pair: Pair) -> None:
    for policy in ("allkeys-lfu", "volatile-lfu"):
        pair.config("maxmemory-policy", policy)
        pair.same_script("""
            SET k 5
            OBJECT IDLETIME k
            OBJECT IDLETIME missing
            OBJECT FREQ missing
            OBJECT REFCOUNT k
        """)
    for policy in ("allkeys-lru", "volatile-ttl", "noeviction"):
        pair.config("maxmemory-policy", policy)
        pair.same_script("""
            OBJECT FREQ k
            OBJECT IDLETIME missing
        """)


def test_the_idle_time_of_a_key_is_not_known_without_an_lru_policy(pair: Pair) -> None:
    wire = pair.client().ours
    wire.call("SET", "k", "v")
    assert wire.call("OBJECT", "IDLETIME", "k").kind == "error"
    pair.config("maxmemory-policy", "allkeys-lru")
    assert wire.call("OBJECT", "IDLETIME", "k").value == 0


def test_small_integers_are_not_shared_under_a_policy_that_keeps_clocks(pair: Pair) -> None:
    pair.config("maxmemory", "1gb")
    for policy in ("allkeys-lru", "volatile-lfu", "allkeys-random", "noeviction"):
        pair.config("maxmemory-policy", policy)
        pair.same("SET", "k", 5)
        pair.same("OBJECT", "REFCOUNT", "k")


def test_object_help_has_the_forms_of_redis(pair: Pair) -> None:
    forms = []
    for reply in pair.both("OBJECT", "HELP"):
        lines = [item.text() for item in reply.items()]
        assert all(item.kind == "simple" for item in reply.items())
        forms.append([line for line in lines if not line.startswith(b" ")])
    assert forms[0] == forms[1]


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_deletion_counts_the_keys_that_were_there(pair: Pair, command: str) -> None:
    fill(pair)
    pair.same_script(f"""
        {command}
        {command} missing
        {command} string missing int string
        EXISTS string
        {command} list set hash zset bigset bighash bigzset biglist
        DBSIZE
        {command.lower()} raw
        KEYS *
    """)


@pytest.mark.parametrize("command", ["EXISTS", "TOUCH"])
def test_exists_and_touch_count_repetitions(pair: Pair, command: str) -> None:
    fill(pair)
    pair.same_script(f"""
        {command}
        {command} string
        {command} missing
        {command} string string list missing list
    """)
    pair.same("EXPIREAT", "string", PAST_S)
    pair.same(command, "string", "int")


@pytest.mark.parametrize("directive", ["lazyfree-lazy-user-del", "lazyfree-lazy-server-del"])
def test_deletion_and_overwriting_with_lazy_freeing(pair: Pair, directive: str) -> None:
    pair.config(directive, "yes")
    pair.config("lazyfree-lazy-expire", "yes")
    for _ in range(2):
        fill(pair)
        pair.same_script("""
            DEL bigset missing hash
            RENAME biglist bigzset
            COPY bighash biglist REPLACE
            COPY string bighash REPLACE
            SORT missing STORE strset
            EXPIRE bigzset -1
            DBSIZE
        """)
        pair.same_keyspace()
    pair.same("FLUSHALL")


def test_keys_matches_globs(pair: Pair) -> None:
    names = words(
        r"a b ab abc aXc a.c hello hallo hxllo hllo heello a*b a?b a[b a]b a\b x-y [x] ^x !x 1 12 é"
    )
    for name in names:
        pair.same("SET", name, "v")
    pair.same("SET", b"bin\x00\xff", "v")
    pair.same("SET", "", "v")
    patterns = words(
        r"* ** a* *a *c a?c a\*b a\?b a\[b h[ae]llo h[^e]llo h[a-b]llo h[b-a]llo h*llo h?llo h**o "
        r"[ [] [a [^] [^a [a- [a-] \ \\ a\ a\\b *\* [[] []] [\]] [!x]* ? ?? ??? [^a]* [a-z]* é ?? "
        r"[0-9]* [\^]x \^x [x] \[x\] nothing *b*c* a[^-]c"
    )
    for pattern in patterns:
        pair.same("KEYS", pattern)
    pair.same("KEYS", "")
    pair.same("KEYS", b"bin*\xff")
    pair.same("EXPIREAT", "hello", PAST_S)
    pair.same("SET", "hallo", "v", "EX", 1000)
    for pattern in ("*", "h*llo", "hallo", "nothing", "hello", r"h\allo", r"hall\o"):
        pair.same("KEYS", pattern)


def test_keys_with_hash_tags_are_found_by_every_pattern(pair: Pair) -> None:
    for name in words("{t}1 {t}2 x{t}3 {}t1 {t 1{t {t{u}v t {T}1 {t}{u} {u}{t} a{t}b{u}"):
        pair.same("SET", name, "v")
    for pattern in words(
        r"{t}* {t}1 x{t}* ?{t}* *{t}* {}t* {}* {t* {t{u}* {t{u}v {[tT]}1 \{t}1 {t\}1 {t}{u}* {t}?"
    ):
        pair.same("KEYS", pattern)
        pair.same_scan("SCAN", "MATCH", pattern)
        pair.same_scan("SCAN", "MATCH", pattern, "COUNT", 1)


def test_keys_refuses_a_wrong_number_of_patterns(pair: Pair) -> None:
    pair.same_script("KEYS\nKEYS a b")


def test_randomkey_returns_a_key_of_the_keyspace(pair: Pair) -> None:
    pair.same_script("""
        RANDOMKEY
        SET only 1
    """)
    assert pair.same_exactly("RANDOMKEY").value == b"only"
    pair.same_script("""
        SET gone 1
        DEL only
        EXPIREAT gone 1000000000
        RANDOMKEY
        RANDOMKEY x
    """)


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
def test_renaming_moves_the_value_and_its_ttl(pair: Pair, command: str) -> None:
    pair.same_script(f"""
        {command}
        {command} a
        {command} a b c
        {command} missing b
        {command} missing missing
        SET a 1 EX 1000
        {command} a b
        EXISTS a
        TTL b
        SET c 3
        {command} b c
        MGET a b c
        TTL c
        TTL b
        {command} c c
        GET c
        RPUSH l x
        {command} l c
        TYPE c
        TYPE l
        {command} c {{tag}}other
        SET d 4
        SET e 5 EX 1000
        {command} d e
        TTL e
        DBSIZE
    """)


def test_copy_with_every_option(pair: Pair) -> None:
    fill(pair)
    for key in KEYS:
        pair.same("COPY", key, f"{key}:copy")
        pair.same("COPY", key, f"{key}:copy")
        pair.same("COPY", key, f"{key}:copy", "REPLACE")
        pair.same("COPY", key, key)
        pair.same("COPY", key, key, "REPLACE")
        pair.same("COPY", key, key, "DB", 1)
        pair.same("COPY", key, key, "DB", 1, "REPLACE")
        pair.same("COPY", key, "other", "REPLACE", "DB", "0")
    pair.same_script("""
        COPY string
        COPY string x DB
        COPY string x DB abc
        COPY string x DB 16
        COPY string x DB -1
        COPY string x BOGUS
        COPY string x REPLACE REPLACE
        COPY string x db 2 replace
        COPY missing x DB 1
        COPY missing missing
        EXPIRE string 1000
        COPY string ttl
        TTL ttl
        HSET hash new 1
        HGETALL hash:copy
        APPEND string more
        GET ttl
        RPUSH list more
        LRANGE list:copy 0 -1
        SADD set more
        SMEMBERS set:copy
        ZADD zset 5 more
        ZRANGE zset:copy 0 -1
    """)
    pair.same_keyspace()
    pair.same("SELECT", 1)
    pair.same_keyspace()


def test_move_between_databases(pair: Pair) -> None:
    pair.same_script("""
        SET a 1 EX 1000
        MOVE a 1
        MOVE a 1
        EXISTS a
        SELECT 1
        GET a
        TTL a
        MOVE a 1
        MOVE a 0
        MOVE a
        MOVE a 16
        MOVE a -1
        MOVE a abc
        MOVE a 99999999999999999999
        SELECT 0
        GET a
        SELECT 1
        SET a other
        MOVE a 0
        GET a
        SELECT 16
        SELECT -1
        SELECT abc
        SELECT
        SELECT 15
        DBSIZE
        SWAPDB 0 1
        SELECT 0
        GET a
        SELECT 1
        GET a
        SWAPDB 0
        SWAPDB a 1
        SWAPDB 0 b
        SWAPDB 0 16
        SWAPDB 3 3
    """)


EXPIRE_FORMS = [
    ("EXPIRE", [1000, 100000, 0, -1]),
    ("PEXPIRE", [1000000, 100000000, 0, -1]),
    ("EXPIREAT", [FAR_S, FAR_S + 1000, PAST_S, 0, -1]),
    ("PEXPIREAT", [FAR_S * 1000, FAR_S * 1000 + 1000000, PAST_S * 1000, 0, -1]),
]


@pytest.mark.parametrize(("command", "times"), EXPIRE_FORMS, ids=[row[0] for row in EXPIRE_FORMS])
def test_expiry_with_every_condition(pair: Pair, command: str, times: list[int]) -> None:
    for condition in ("", "NX", "XX", "GT", "LT", "nx", "XX GT", "XX LT", "lt xx", "XX XX"):
        for before in ("", f"EXPIREAT k {FAR_S - 500}", f"EXPIREAT k {FAR_S + 500}"):
            for time in times:
                pair.same("DEL", "k")
                pair.same("SET", "k", "v")
                if before:
                    pair.same(*before.split())
                pair.same(command, "k", time, *condition.split())
                pair.same_script("EXISTS k\nTTL k\nPTTL k\nEXPIRETIME k\nPEXPIRETIME k")


@pytest.mark.parametrize("command", ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
def test_expiry_refuses_what_redis_refuses(pair: Pair, command: str) -> None:
    pair.same("SET", "k", "v")
    for condition in (
        "NX XX",
        "NX GT",
        "NX LT",
        "GT LT",
        "XX GT LT",
        "BOGUS",
        "NX BOGUS",
        "10",
        "XX NX",
    ):
        pair.same(command, "k", FAR_S, *condition.split())
        pair.same(command, "missing", FAR_S, *condition.split())
    bad_times = ["abc", "", "1.5", str(INT_MAX + 1), str(-INT_MAX - 2)]
    for time in [
        *bad_times,
        str(INT_MAX),
        str(-INT_MAX - 1),
        "9223372036854775",
        "9223372036854776",
    ]:
        pair.same("SET", "k", "v")
        pair.same(command, "k", time)
        pair.same("EXISTS", "k")
        pair.same("EXPIRETIME", "k")
        pair.same(command, "missing", time)
    pair.same_script(f"{command}\n{command} k\n{command} missing 100\n{command} missing abc")


def test_ttl_family_and_persist(pair: Pair) -> None:
    pair.same_script(f"""
        TTL missing
        PTTL missing
        EXPIRETIME missing
        PEXPIRETIME missing
        PERSIST missing
        SET k v
        TTL k
        PTTL k
        EXPIRETIME k
        PEXPIRETIME k
        PERSIST k
        EXPIRE k 1000
        PERSIST k
        TTL k
        PEXPIREAT k {FAR_S}499
        EXPIRETIME k
        PEXPIREAT k {FAR_S}500
        EXPIRETIME k
        PEXPIRETIME k
        SET k v
        TTL k
        TTL
        TTL a b
        PTTL
        EXPIRETIME
        PEXPIRETIME
        PERSIST
        RPUSH l a
        EXPIRE l 1000
        RPUSH l b
        TTL l
        LTRIM l 1 0
        TTL l
        RPUSH l c
        TTL l
    """)


def test_times_are_rounded_to_the_second(pair: Pair) -> None:
    pair.same("SET", "k", "v")
    for milliseconds in (0, 1, 499, 500, 501, 999):
        pair.same("PEXPIREAT", "k", FAR_S * 1000 + milliseconds)
        pair.same_exactly("EXPIRETIME", "k")
        pair.same_exactly("PEXPIRETIME", "k")


def test_expiry_shows_an_unsupported_option_as_it_came(pair: Pair) -> None:
    pair.same("SET", "k", "v")
    for option in (b"\xff\xfe", b"a\x00b", b"a\r\nb", b"", b"x" * 300):
        pair.same("EXPIRE", "k", 100, option)
        pair.same("EXPIRE", "k", "abc", option)


def test_wait_without_replicas(pair: Pair) -> None:
    pair.same_script("""
        WAIT
        WAIT 0
        WAIT 0 0 0
        WAIT 0 0
        WAIT -1 0
        WAIT 0 100
        WAIT 1 1
        WAIT 3 20
        WAIT abc 1
        WAIT 1 abc
        WAIT abc abc
        WAIT 0 -1
        WAIT 0 1.5
        WAIT 0 99999999999999999999
        WAIT 99999999999999999999 0
        WAIT 0 9223372036854775807
        MULTI
        WAIT 1 0
        EXEC
        A> WAIT 1 0
        A<!
        B> WAIT 1 9223372036854775807
        B<!
    """)
    for name in ("A", "B"):
        channel = pair.channels[name]
        for wire, control in (
            (channel.ours, pair.control.ours),
            (channel.theirs, pair.control.theirs),
        ):
            lines = control.call("CLIENT", "LIST").text().decode().splitlines()
            ids = [
                line.split()[0][3:] for line in lines if "cmd=wait" in line and "flags=b" in line
            ]
            assert ids
            control.call("CLIENT", "UNBLOCK", ids[0])
            assert wire.read().value == 0
        channel.waiting.clear()


def test_a_short_expiry_does_end(pair: Pair) -> None:
    pair.same_script("""
        PSETEX k 1 v
        SET j v PX 1
        RPUSH l a
        PEXPIRE l 1
        DEBUG SLEEP 0.02
        GET k
        EXISTS j l
        TTL l
        RPUSH l b
        LRANGE l 0 -1
        KEYS *
        DBSIZE
    """)


def test_flushing_empties_databases(pair: Pair) -> None:
    pair.same_script("""
        SET a 1
        SELECT 3
        SET b 2
        FLUSHDB
        DBSIZE
        SELECT 0
        DBSIZE
        FLUSHDB SYNC
        SET a 1
        FLUSHDB ASYNC
        SET a 1
        FLUSHDB BOGUS
        FLUSHALL BOGUS
        FLUSHALL SYNC ASYNC
        FLUSHALL async
        DBSIZE
        DBSIZE x
    """)


def test_unknown_commands_and_wrong_arity(pair: Pair) -> None:
    pair.same_script("""
        NOPE
        NOPE a b c
        nope "with space" "\\x00\\xff"
    """)
    pair.same("NOPE", *["argument" * 5] * 20)
    pair.same("X" * 300, "Y" * 300)
    pair.same("NEW\r\nLINE", "a\r\nb")
    pair.same("")
    names = words(
        "DEL UNLINK EXISTS TOUCH TYPE KEYS RANDOMKEY RENAME RENAMENX COPY MOVE EXPIRE PEXPIRE "
        "EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST OBJECT SORT SORT_RO SCAN "
        "DBSIZE SELECT SWAPDB FLUSHDB FLUSHALL ECHO PING"
    )
    for name in names:
        for count in range(6):
            pair.same(name, *["1"] * count)
            pair.same("SELECT", 0)


def test_raw_requests_and_protocol_errors(pair: Pair) -> None:
    pair.same_raw(b"PING\r\n")
    pair.same_raw(b"PING\n")
    pair.same_raw(b"\r\n\r\nPING\r\n")
    pair.same_raw(b"  SET  k   'a b'  \r\nGET k\r\n", replies=2)
    pair.same_raw(b'SET k "\\x41\\n"\r\nGET k\r\n', replies=2)
    pair.same_raw(b"*0\r\nPING\r\n")
    pair.same_raw(b"*-1\r\nPING\r\n")
    for broken in (
        *(
            b'SET k "unbalanced\r\n',
            b"*1\r\nPING\r\n",
            b"*abc\r\n",
            b"*1\r\n$-1\r\n",
            b"*1\r\n$abc\r\n",
        ),
        *(b"*2147483648\r\n", b"*1\r\n$536870913\r\n", b"*2\r\n$3\r\nGET\r\n+x\r\n"),
        *(b"GET 'a'b\r\n", b"x" * 70000),
    ):
        pair.same_raw(broken, replies=2)


def test_blocked_clients_and_silence_are_seen(pair: Pair) -> None:
    pair.same_script("""
        A> BLPOP queue 0
        A<!
        B: RPUSH queue job
        A<
        B: EXISTS queue
        A: MULTI
        A: SET k v
        A: GET k
        B: GET k
        A: EXEC
        B: GET k
    """)


def test_a_database_number_beyond_32_bits_is_out_of_range(pair: Pair) -> None:
    for number in ("2147483648", "-2147483649", "9223372036854775808", "x"):
        pair.same("MOVE", "k", number)
        pair.same("COPY", "k", "c", "DB", number)
