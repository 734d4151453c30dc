"""REQUEST: a command runs at most once; its repeats get the first reply."""

from __future__ import annotations

import pytest

from kvnode.config import Config
from kvnode.config.directives import BY_NAME

from .engine import Engine, output
from .requesters import Requester, is_refused

NOT_NOW = b"-ERR Command not allowed inside a transaction\r\n"


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def client(engine: Engine) -> Requester:
    return Requester(engine)


def transaction(engine: Engine, *requests: list[bytes], name: str = "main") -> None:
    assert engine.send([b"MULTI"], name) == b"+OK\r\n"
    for words in requests:
        assert engine.send(words, name) == b"+QUEUED\r\n"


def test_a_repeat_gets_the_first_reply_and_runs_nothing(client: Requester) -> None:
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    assert client.send(1, b"INCR", b"n", name="another connection") == b":1\r\n"
    assert client.engine.send([b"GET", b"n"]) == b"$1\r\n1\r\n"
    assert client.send(2, b"INCR", b"n") == b":2\r\n"


def test_numbers_may_come_out_of_order_and_with_gaps(client: Requester) -> None:
    for seq in (5, 2, 900, 3, 1):
        assert client.send(seq, b"RPUSH", b"l", b"%d" % seq).startswith(b":")
    for seq in (1, 2, 3, 5, 900):
        client.send(seq, b"RPUSH", b"l", b"again")
    assert client.engine.send([b"LLEN", b"l"]) == b":5\r\n"


def test_what_was_acknowledged_is_forgotten_and_refused(client: Requester) -> None:
    for seq in (1, 2, 3):
        client.send(seq, b"INCR", b"n")
    client.acknowledged = 2
    assert client.send(3, b"INCR", b"n") == b":3\r\n"
    for seq in (1, 2):
        client.acknowledged = 0
        assert is_refused(client.send(seq, b"INCR", b"n"))
    assert client.engine.node.requests.reply_count == 1
    assert client.engine.send([b"GET", b"n"]) == b"$1\r\n3\r\n"


def test_an_acknowledgement_over_a_gap_forgets_all_below(client: Requester) -> None:
    for seq in (1, 5, 9):
        client.send(seq, b"INCR", b"n")
    client.acknowledged = 1 << 60
    assert client.send((1 << 60) + 1, b"INCR", b"n") == b":4\r\n"
    client.engine.node.check()
    assert client.engine.node.requests.reply_count == 1


@pytest.mark.parametrize(
    "words",
    [
        [b"x", b"1", b"0", b"PING"],
        [b"12", b"1", b"0", b"PING"],
        [b"-ab", b"1", b"0", b"PING"],
        [b"1-a b", b"1", b"0", b"PING"],
        [b"1" * 19 + b"-ab", b"1", b"0", b"PING"],
        [b"1-" + b"a" * 63, b"1", b"0", b"PING"],
        [b"1-ab", b"0", b"0", b"PING"],
        [b"1-ab", b"1", b"1", b"PING"],
        [b"1-ab", b"1", b"-1", b"PING"],
        [b"1-ab", b"1", b"x", b"PING"],
        [b"1-ab", b"%d" % (1 << 61), b"0", b"PING"],
        [b"1-ab", b"1", b"0"],
        [b"1-ab"],
        [b"1-ab", b"1", b"0", b"NOPE", b"x"],
        [b"1-ab", b"1", b"0", b"XINFO", b"NOPE"],
        [b"1-ab", b"1", b"0", b"GET"],
    ],
)
def test_what_is_no_request_is_an_error_and_not_remembered(
    engine: Engine, words: list[bytes]
) -> None:
    assert engine.send([b"REQUEST", *words]).startswith(b"-ERR ")
    assert len(engine.node.requests) == 0


def test_an_id_from_the_future_is_refused(engine: Engine) -> None:
    birth = int(engine.clock.seconds * 1000) + 60_001
    assert is_refused(engine.send([b"REQUEST", b"%d-ab" % birth, b"1", b"0", b"PING"]))
    assert engine.send([b"REQUEST", b"%d-ab" % (birth - 1), b"1", b"0", b"PING"]) == b"+PONG\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"BLPOP l 0",
        b"XREAD BLOCK 0 STREAMS s $",
        b"XREADGROUP GROUP block block BLOCK 0 STREAMS s >",
        b"WAIT 1 0",
        b"SUBSCRIBE c",
        b"UNSUBSCRIBE",
        b"MONITOR",
        b"MULTI",
        b"WATCH k",
        b"UNWATCH",
        b"DISCARD",
        b"HELLO 3",
        b"RESET",
        b"QUIT",
        b"AUTH x",
        b"SELECT 1",
        b"CLIENT REPLY OFF",
        b"CLIENT TRACKING ON",
        b"REPLCONF ACK 1",
        b"PSYNC ? -1",
        b"SYNC",
        b"REPLICAOF NO ONE",
        b"REQUEST ID",
        b"SAVE",
        b"DEBUG RELOAD",
        b"SHUTDOWN",
        b"READONLY",
    ],
)
def test_what_acts_on_the_connection_or_waits_is_refused(client: Requester, line: bytes) -> None:
    reply = client.send(1, *line.split())
    assert reply.startswith(b"-ERR Command '") and reply.endswith(b"be sent with REQUEST\r\n")
    assert client.send(1, b"INCR", b"n") == b":1\r\n"


def test_readers_of_streams_that_do_not_wait_are_run(client: Requester) -> None:
    engine = client.engine
    engine.send([b"XGROUP", b"CREATE", b"s", b"block", b"$", b"MKSTREAM"])
    engine.send([b"XADD", b"s", b"1-1", b"f", b"v"])
    words = b"XREADGROUP GROUP block block STREAMS s >".split()
    first = client.send(1, *words)
    assert b"1-1" in first
    assert client.send(1, *words) == first
    assert client.send(2, *words) == b"*-1\r\n"


def test_an_error_of_the_command_is_remembered(client: Requester) -> None:
    client.engine.send([b"SET", b"s", b"x"])
    error = client.send(1, b"INCR", b"s")
    assert error.startswith(b"-ERR value is not an integer")
    client.engine.send([b"DEL", b"s"])
    assert client.send(1, b"INCR", b"s") == error
    assert client.engine.send([b"EXISTS", b"s"]) == b":0\r\n"


def test_a_refusal_before_the_command_ran_is_not_remembered(client: Requester) -> None:
    engine = client.engine
    engine.send([b"SET", b"k", b"x" * 1000])
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"])
    assert client.send(1, b"SET", b"k", b"v").startswith(b"-OOM ")
    assert client.send(2, b"DEL", b"k") == b":1\r\n"
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"0"])
    assert client.send(1, b"SET", b"k", b"v") == b"+OK\r\n"
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"])
    assert client.send(1, b"SET", b"k", b"v") == b"+OK\r\n"


def test_a_script_that_the_node_refuses_may_run_later(client: Requester) -> None:
    engine = client.engine
    assert client.send(1, b"EVALSHA", b"a" * 40, b"0").startswith(b"-NOSCRIPT ")
    script = b"return redis.call('SET', KEYS[1], 'v')"
    engine.send([b"CONFIG", b"SET", b"min-replicas-to-write", b"1"])
    assert client.send(1, b"EVAL", script, b"1", b"k").startswith(b"-NOREPLICAS ")
    assert len(engine.node.requests) == 0
    engine.send([b"CONFIG", b"SET", b"min-replicas-to-write", b"0"])
    assert client.send(1, b"EVAL", script, b"1", b"k") == b"+OK\r\n"
    fails = b"redis.call('INCR', KEYS[1]) return redis.error_reply('OOM of its own')"
    first = client.send(2, b"EVAL", fails, b"1", b"n")
    assert first == b"-OOM of its own\r\n" == client.send(2, b"EVAL", fails, b"1", b"n")
    assert engine.send([b"GET", b"n"]) == b"$1\r\n1\r\n"


def test_the_rights_are_those_that_the_command_needs(client: Requester) -> None:
    engine = client.engine
    engine.send(b"ACL SETUSER u on nopass +request +get +incr +exec +multi ~mine:*".split())
    engine.send([b"AUTH", b"u", b"x"], "u")
    assert client.send(1, b"SET", b"mine:k", b"v", name="u").startswith(b"-NOPERM ")
    assert client.send(1, b"INCR", b"k", name="u").startswith(b"-NOPERM ")
    assert engine.send([b"EXISTS", b"k", b"mine:k"]) == b":0\r\n"
    assert client.send(1, b"INCR", b"mine:k", name="u") == b":1\r\n"
    engine.send(b"ACL SETUSER u -request".split())
    assert client.send(2, b"INCR", b"mine:k", name="u").startswith(b"-NOPERM ")
    assert engine.send([b"ACL", b"LOG"]).count(b"mine:k") == 0
    assert engine.send([b"ACL", b"LOG"]).startswith(b"*3\r\n")


def test_a_user_without_a_login_may_nothing() -> None:
    config = Config()
    config.set_words(BY_NAME["requirepass"], ["secret"])
    engine = Engine(config=config)
    assert engine.send([b"REQUEST", b"1-ab", b"1", b"0", b"PING"]).startswith(b"-NOAUTH")
    assert engine.send([b"REQUEST", b"ID"]).startswith(b"-NOAUTH")


def test_a_transaction_runs_once(client: Requester) -> None:
    engine = client.engine
    block = [[b"INCR", b"n"], [b"LPUSH", b"n", b"x"], [b"GET", b"n"]]
    transaction(engine, *block)
    first = client.send(1, b"EXEC")
    assert first.startswith(b"*3\r\n:1\r\n-WRONGTYPE ") and first.endswith(b"$1\r\n1\r\n")
    transaction(engine, *block, name="fresh")
    assert client.send(1, b"EXEC", name="fresh") == first
    assert engine.session("fresh").transaction is None
    assert client.send(1, b"EXEC", name="without the commands") == first
    assert engine.send([b"GET", b"n"]) == b"$1\r\n1\r\n"


def test_a_transaction_that_a_watch_broke_stays_so(client: Requester) -> None:
    engine = client.engine
    engine.send([b"WATCH", b"k"])
    transaction(engine, [b"INCR", b"n"])
    engine.send([b"SET", b"k", b"v"], "other")
    assert client.send(1, b"EXEC") == b"*-1\r\n"
    transaction(engine, [b"INCR", b"n"])
    assert client.send(1, b"EXEC") == b"*-1\r\n"
    assert engine.send([b"EXISTS", b"n"]) == b":0\r\n"


def test_an_exec_that_ran_nothing_is_not_remembered(client: Requester) -> None:
    engine = client.engine
    assert client.send(1, b"EXEC") == b"-ERR EXEC without MULTI\r\n"
    engine.send([b"MULTI"])
    engine.send([b"NOPE"])
    assert client.send(1, b"EXEC").startswith(b"-EXECABORT ")
    transaction(engine, [b"SUBSCRIBE", b"c"])
    assert client.send(1, b"EXEC").startswith(b"-ERR Command 'subscribe'")
    assert engine.session().transaction is None
    transaction(engine, [b"INCR", b"n"])
    assert client.send(1, b"EXEC") == b"*1\r\n:1\r\n"


def test_inside_a_transaction_there_is_only_exec(client: Requester) -> None:
    for words in ([b"INCR", b"n"], [b"DISCARD"], [b"NOPE"]):
        transaction(client.engine)
        assert client.send(1, *words) == NOT_NOW
        assert client.engine.send([b"EXEC"]).startswith(b"-EXECABORT ")
    transaction(client.engine)
    assert client.engine.send([b"REQUEST", b"ID"]) == NOT_NOW
    client.engine.send([b"DISCARD"])
    script = b"return redis.pcall('REQUEST', 'ID')"
    assert client.engine.send([b"EVAL", script, b"0"]).startswith(b"-ERR This Redis command is not")


def test_an_exec_that_is_refused_ends_its_transaction(client: Requester) -> None:
    engine = client.engine
    client.acknowledged = 1
    client.send(2, b"INCR", b"n")
    client.acknowledged = 0
    transaction(engine, [b"INCR", b"n"])
    assert is_refused(client.send(1, b"EXEC"))
    assert engine.session().transaction is None
    engine.send(b"ACL SETUSER u on nopass +@all -exec ~*".split())
    engine.send([b"AUTH", b"u", b"x"], "u")
    transaction(engine, [b"INCR", b"n"], name="u")
    assert client.send(3, b"EXEC", name="u").startswith(b"-EXECABORT ")
    assert engine.session("u").transaction is None


def test_scripts_and_functions_run_once(client: Requester) -> None:
    engine = client.engine
    script = b"redis.call('INCR', KEYS[1]) return {redis.call('GET', KEYS[1]), false, 'x'}"
    first = client.send(1, b"EVAL", script, b"1", b"n")
    assert first == b"*3\r\n$1\r\n1\r\n$-1\r\n$1\r\nx\r\n"
    assert client.send(1, b"EVAL", script, b"1", b"n") == first
    body = b"function(keys) return redis.call('INCR', keys[1]) end"
    code = b"#!lua name=l\nredis.register_function('f', %b)" % body
    engine.send([b"FUNCTION", b"LOAD", code])
    assert client.send(2, b"FCALL", b"f", b"1", b"n") == b":2\r\n"
    assert client.send(2, b"FCALL", b"f", b"1", b"n") == b":2\r\n"
    fails = b"redis.call('INCR', KEYS[1]) error('after it wrote')"
    first = client.send(3, b"EVAL", fails, b"1", b"n")
    assert first.startswith(b"-ERR ") and client.send(3, b"EVAL", fails, b"1", b"n") == first
    assert engine.send([b"GET", b"n"]) == b"$1\r\n3\r\n"


@pytest.mark.parametrize(
    ("line", "resp2", "resp3"),
    [
        (b"HGETALL h", b"*2\r\n$1\r\nf\r\n$1\r\nv\r\n", b"%1\r\n$1\r\nf\r\n$1\r\nv\r\n"),
        (b"SMEMBERS set", b"*1\r\n$1\r\nm\r\n", b"~1\r\n$1\r\nm\r\n"),
        (b"ZSCORE z m", b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (
            b"ZRANGE z 0 -1 WITHSCORES",
            b"*2\r\n$1\r\nm\r\n$3\r\n1.5\r\n",
            b"*1\r\n*2\r\n$1\r\nm\r\n,1.5\r\n",
        ),
        (b"GET none", b"$-1\r\n", b"_\r\n"),
        (b"LPOP none 2", b"*-1\r\n", b"_\r\n"),
        (b"LPOP l 2", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        (b"INCR n", b":1\r\n", b":1\r\n"),
        (
            b"XREAD STREAMS s 0",
            b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
            b"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_repeat_speaks_the_protocol_of_its_session(
    client: Requester, line: bytes, resp2: bytes, resp3: bytes, is_first: bool
) -> None:
    engine = client.engine
    for words in (b"HSET h f v", b"SADD set m", b"ZADD z 1.5 m", b"RPUSH l a b", b"XADD s 1-1 f v"):
        engine.send(words.split())
    engine.send([b"HELLO", b"3"], "modern")
    expected = {"main": resp2, "modern": resp3}
    names = ("main", "modern") if is_first else ("modern", "main")
    for name in (*names, *names):
        assert client.send(1, *line.split(), name=name) == expected[name]


def test_what_a_script_wrote_in_one_protocol_can_be_read_in_the_other(client: Requester) -> None:
    engine = client.engine
    engine.send([b"HELLO", b"3"], "modern")
    script = b"redis.setresp(3) return {1, {false, 'x'}, {map = {a = true}}, {double = 1.5}}"
    client.send(1, b"EVAL", script, b"0", name="modern")
    reply = client.send(1, b"EVAL", script, b"0")
    assert reply == (b"*4\r\n:1\r\n*2\r\n:0\r\n$1\r\nx\r\n*2\r\n$1\r\na\r\n:1\r\n$3\r\n1.5\r\n")


def test_a_muted_session_has_its_request_remembered(client: Requester) -> None:
    engine = client.engine
    engine.send([b"CLIENT", b"REPLY", b"OFF"], "muted")
    assert client.send(1, b"INCR", b"n", name="muted") == b""
    assert client.send(1, b"INCR", b"n") == b":1\r\n"
    transaction(engine, [b"INCR", b"n"])
    engine.send([b"CLIENT", b"REPLY", b"SKIP"], "other")
    assert client.send(2, b"EXEC") == b"*1\r\n:2\r\n"


def test_a_paused_write_waits_and_a_repeat_finds_it(client: Requester) -> None:
    engine = client.engine
    engine.send([b"CLIENT", b"PAUSE", b"1000", b"WRITE"])
    assert client.send(1, b"INCR", b"n", name="first") == b""
    assert client.send(1, b"INCR", b"n", name="second") == b""
    assert client.send(2, b"GET", b"n", name="reader") == b"$-1\r\n"
    engine.wait(1.1)
    assert output(engine.session("first")) == b":1\r\n"
    assert output(engine.session("second")) == b":1\r\n"


def test_who_waits_for_a_key_is_served_by_a_request(client: Requester) -> None:
    engine = client.engine
    assert engine.send([b"BLPOP", b"l", b"0"], "waits") == b""
    assert client.send(1, b"RPUSH", b"l", b"x") == b":1\r\n"
    assert output(engine.session("waits")).endswith(b"$1\r\nx\r\n")
    engine.send([b"BLPOP", b"l", b"0"], "waits")
    assert client.send(1, b"RPUSH", b"l", b"x") == b":1\r\n"
    assert output(engine.session("waits")) == b""


def test_effects_and_record_are_one_unit_of_the_log(client: Requester) -> None:
    engine = client.engine
    engine.send([b"SADD", b"set", b"m"])
    engine.log.units.clear()
    client.send(1, b"SPOP", b"set")
    client.send(2, b"GET", b"none")
    client.send(1, b"SPOP", b"set")
    record = b"ECHO kvnode:request %b 0 1 7 0 $1\r\nm\r\n" % client.id
    assert engine.log.lines() == [[(0, b"SREM set m"), (0, record)]]
    engine.log.units.clear()
    transaction(engine, [b"INCR", b"n"], [b"GET", b"n"], [b"INCR", b"m"])
    client.acknowledged = 2
    client.send(3, b"EXEC")
    record = b"ECHO kvnode:request %b 2 3 19 0 *3\r\n:1\r\n$1\r\n1\r\n:1\r\n" % client.id
    assert engine.log.lines() == [[(0, b"INCR n"), (0, b"INCR m"), (0, record)]]


def test_a_message_is_recorded_though_no_data_changes(client: Requester) -> None:
    client.send(1, b"PUBLISH", b"c", b"x")
    assert len(client.engine.log.units) == 1


def test_what_expired_before_goes_with_the_unit(client: Requester) -> None:
    engine = client.engine
    engine.send([b"SET", b"k", b"v", b"PX", b"10"])
    engine.log.units.clear()
    engine.clock.seconds += 1
    assert client.send(1, b"APPEND", b"k", b"x") == b":1\r\n"
    lines = [line for _, line in engine.log.lines()[0]]
    assert lines[:2] == [b"DEL k", b"APPEND k x"]
    assert lines[2].startswith(b"ECHO kvnode:request ")
    assert len(engine.log.units) == 1


def test_a_repeat_is_counted_and_info_shows_what_is_kept(client: Requester) -> None:
    engine = client.engine
    client.send(1, b"INCR", b"n")
    client.send(1, b"INCR", b"n")
    client.acknowledged = 1
    client.send(2, b"INCR", b"n")
    client.acknowledged = 0
    client.send(1, b"INCR", b"n")
    info = engine.send([b"INFO", b"stats"])
    for line in (b"clients:1", b"replies:1", b"repeats:1", b"refused:1", b"trimmed_clients:0"):
        assert b"request_" + line in info
    assert b"cmdstat_incr:calls=2," in engine.send([b"INFO", b"commandstats"])


def test_the_bounds_are_directives(client: Requester) -> None:
    engine = client.engine
    engine.send([b"CONFIG", b"SET", b"request-max-replies", b"2"])
    for seq in (1, 2, 3):
        client.send(seq, b"INCR", b"n")
    assert is_refused(client.send(1, b"INCR", b"n"))
    engine.send([b"CONFIG", b"SET", b"request-max-clients", b"1"])
    other = Requester(engine)
    assert other.send(1, b"INCR", b"n") == b":4\r\n"
    assert is_refused(client.send(3, b"INCR", b"n"))
    engine.send([b"CONFIG", b"SET", b"request-max-idle", b"10"])
    engine.wait(11.0)
    assert is_refused(other.send(1, b"INCR", b"n"))
    assert len(engine.node.requests) == 0
    assert b"request_trimmed_clients:2" in engine.send([b"INFO", b"stats"])
    engine.send([b"CONFIG", b"SET", b"request-max-memory", b"0"])
    fresh = Requester(engine)
    assert fresh.send(1, b"INCR", b"n") == b":5\r\n"
    assert is_refused(fresh.send(1, b"INCR", b"n"))
    assert engine.send([b"GET", b"n"]) == b"$1\r\n5\r\n"


def test_what_is_remembered_counts_as_used_memory(client: Requester) -> None:
    engine = client.engine
    before = engine.node.used_memory()
    engine.send([b"SET", b"k", b"x" * 5000])
    size = engine.node.used_memory() - before
    client.send(1, b"GETDEL", b"k")
    after = engine.node.used_memory()
    assert after - before == engine.node.requests.bytes > 5000
    assert size > 5000


def test_no_password_in_a_request_is_shown_to_monitors(client: Requester) -> None:
    engine = client.engine
    engine.send([b"MONITOR"], "monitor")
    client.send(1, b"AUTH", b"user", b"hidden")
    client.send(1, b"CONFIG", b"SET", b"requirepass", b"hidden")
    client.send(1, b"MIGRATE", *b"h 1 k 0 1 AUTH hidden".split())
    shown = output(engine.session("monitor"))
    assert b"hidden" not in shown and shown.count(b"(redacted)") >= 3
