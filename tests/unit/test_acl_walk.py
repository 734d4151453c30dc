"""A user who may do one thing can do that and nothing else: the whole command table is tried.

Every command is sent with random words, plainly, in a transaction and from a script. What the user
must not reach holds the word SECRET, which then must stand in no reply, and must stay as it is.
"""

from __future__ import annotations

import random
from typing import Final

import pytest

from kvnode.command import NO_AUTH, Command

from .engine import Engine

SECRETS: Final = {
    b"secret:s": [b"SET", b"secret:s", b"SECRET"],
    b"secret:l": [b"RPUSH", b"secret:l", b"SECRET1", b"SECRET2"],
    b"secret:h": [b"HSET", b"secret:h", b"field", b"SECRET"],
    b"secret:e": [b"SADD", b"secret:e", b"SECRET"],
    b"secret:z": [b"ZADD", b"secret:z", b"1", b"SECRET"],
}
OWN: Final = [
    [b"SET", b"cache:s", b"own"],
    [b"RPUSH", b"cache:l", b"s", b"l", b"h"],
    [b"HSET", b"cache:h", b"field", b"own"],
    [b"SADD", b"cache:e", b"s", b"l"],
    [b"ZADD", b"cache:z", b"1", b"s", b"2", b"l"],
]
READS: Final = [
    [b"GET", b"secret:s"],
    [b"LRANGE", b"secret:l", b"0", b"-1"],
    [b"HGETALL", b"secret:h"],
    [b"SMEMBERS", b"secret:e"],
    [b"ZRANGE", b"secret:z", b"0", b"-1", b"WITHSCORES"],
    *([b"PTTL", key] for key in SECRETS),
]
WORDS: Final = (
    b"0 1 2 3 -1 01 0x2 field s l h BY GET STORE LIMIT ALPHA secret:* secret:*->field # nosort "
    b"KEYS STREAMS COPY REPLACE DB AND OR COUNT MATCH * $ > LEFT RIGHT MIN MAX WEIGHTS WITHSCORES "
    b"AGGREGATE SUM NX XX PX EX u8 i16 INCRBY FROMMEMBER BYRADIUS km ASC STOREDIST ID MAXLEN"
).split()
SCRIPTS: Final = (
    b"return redis.call('get', KEYS[1])",
    b"return redis.pcall(ARGV[1], ARGV[2], ARGV[3])",
    b"return redis.call('get', 'secret:s')",
    b"return redis.call('sort', 'cache:l', 'by', 'nosort', 'get', 'secret:*')",
    b"return {redis.acl_check_cmd('get', 'secret:s')}",
    b"redis.call('set', 'secret:s', 'x')",
)
# They leave the connection or the user; what follows would be another's.
LEAVES: Final = frozenset((b"quit", b"reset", b"auth", b"hello", b"shutdown"))
# They keep the session waiting, or silent.
HOLDS: Final = frozenset((b"client|reply", b"client|pause", b"monitor", b"sync", b"psync"))
ROUNDS: Final = 6


def prepare(rules: str, user: str = "alice") -> Engine:
    """An engine with secrets, and a session that is logged in as a user of these rules."""
    engine = Engine()
    for argv in (*SECRETS.values(), *OWN):
        assert not engine.send(argv, "admin").startswith(b"-")
    words = f"ACL SETUSER {user} on nopass {rules}".encode().split(b" ")
    assert engine.send(words, "admin") == b"+OK\r\n"
    assert engine.send([b"AUTH", user.encode(), b"x"]) == b"+OK\r\n"
    return engine


def secrets_of(engine: Engine) -> list[bytes]:
    """What the secret keys hold."""
    engine.send([b"SELECT", b"0"], "admin")
    return [engine.send(argv, "admin") for argv in READS]


def word(draw: random.Random) -> bytes:
    """One random argument."""
    chance = draw.random()
    if chance < 0.35:
        return draw.choice(list(SECRETS))
    if chance < 0.6:
        return draw.choice(OWN)[1]
    return draw.choice(SCRIPTS) if chance < 0.65 else draw.choice(WORDS)


def request_of(draw: random.Random, command: Command) -> list[bytes]:
    """A request of a command, mostly of the right number of words."""
    names = command.full_name.split(b"|")
    count = max(int(command.argc_min) - len(names), 0)
    count += draw.choice([0, 0, 0, 1, 2, 3, 4]) if command.argc_max > command.argc_min else 0
    return [*names, *(word(draw) for _ in range(count))]


def walk(engine: Engine, seed: int) -> list[tuple[Command, list[bytes]]]:
    """Requests of every command of the table."""
    draw = random.Random(seed)
    found = []
    for command in engine.node.all_commands():
        if command.full_name in LEAVES | HOLDS:
            continue
        found += [(command, request_of(draw, command)) for _ in range(ROUNDS)]
    get = engine.node.commands[b"get"]
    return found + [(get, [b"get", argv[1]]) for argv in OWN]


def is_allowed(argv: list[bytes]) -> bool:
    """Is this what the user of the issue may do?"""
    return len(argv) == 2 and argv[0] == b"get" and argv[1].startswith(b"cache:")


REFUSED: Final = (
    b"-NOPERM ",
    b"-ERR wrong number of arguments",
    b"-ERR unknown ",
    b"-EXECABORT Transaction discarded because of: NOPERM ",
    b"-ERR Command not allowed inside a transaction",
)


def test_nothing_but_the_one_command_on_the_keys_is_run() -> None:
    engine = prepare("+get ~cache:*")
    before = engine.dump()
    passed = 0
    for _, argv in walk(engine, 1):
        reply = engine.send(argv)
        if is_allowed(argv):
            assert reply == b"$3\r\nown\r\n" or reply.startswith((b"-WRONGTYPE", b"$-1"))
            passed += 1
        else:
            assert reply.startswith(REFUSED), (argv, reply)
    assert passed
    assert engine.dump() == before
    assert engine.node.acl.log.entries
    # What everybody may do without having logged in is all that is left.
    open_to_all = {c.full_name for c in engine.node.all_commands() if c.flags & NO_AUTH}
    assert open_to_all == {b"auth", b"hello", b"quit", b"reset"}


def test_a_transaction_runs_nothing_else() -> None:
    engine = prepare("+get +multi +exec +discard ~cache:*")
    before = engine.dump()
    for _, argv in walk(engine, 2):
        if argv[0] in (b"multi", b"exec", b"discard"):
            continue
        engine.send([b"MULTI"])
        queued = engine.send(argv)
        ran = engine.send([b"EXEC"])
        if is_allowed(argv):
            assert queued == b"+QUEUED\r\n"
        else:
            assert queued.startswith(REFUSED), (argv, queued)
            assert ran.startswith(b"-EXECABORT"), (argv, ran)
    assert engine.dump() == before


def test_a_transaction_queued_with_more_rights_runs_nothing_else() -> None:
    engine = prepare("+get ~cache:*")
    before = engine.dump()
    for _, argv in walk(engine, 3):
        if argv[0] in (b"multi", b"exec", b"discard", b"watch"):
            continue
        engine.send([b"AUTH", b"default", b"x"])
        engine.send([b"MULTI"])
        engine.send([b"AUTH", b"alice", b"x"])
        if engine.send(argv) != b"+QUEUED\r\n":
            engine.send([b"DISCARD"])
            continue
        first, _, rest = engine.send([b"EXEC"]).partition(b"+OK\r\n")
        assert first == b"*2\r\n"
        if not is_allowed(argv):
            assert rest.startswith(b"-NOPERM ACLs rules changed "), (argv, rest)
    assert engine.dump() == before


def test_a_script_runs_nothing_else() -> None:
    engine = prepare("+get +eval +eval_ro +evalsha ~cache:*")
    before = engine.dump()
    script = b"return redis.call(unpack(ARGV))"
    for _, argv in walk(engine, 4):
        reply = engine.send([b"EVAL", script, b"0", *argv])
        if not is_allowed(argv):
            assert reply.startswith(b"-"), (argv, reply)
        reply = engine.send([b"EVAL", script.replace(b"call", b"pcall"), b"0", *argv])
        if not is_allowed(argv):
            assert reply.startswith(b"-"), (argv, reply)
    for text in SCRIPTS:
        assert b"SECRET" not in engine.send([b"EVAL", text, b"1", b"cache:s", b"get", b"secret:s"])
    assert engine.dump() == before
    assert any(entry.context == b"lua" for entry in engine.node.acl.log.entries)


def test_sorting_reads_no_foreign_keys() -> None:
    engine = prepare("+get +sort +sort_ro ~cache:*")
    draw = random.Random(5)
    for _ in range(1500):
        argv = [draw.choice([b"SORT", b"SORT_RO"]), b"cache:l"]
        argv += [word(draw) for _ in range(draw.randint(0, 6))]
        reply = engine.send(argv)
        assert b"SECRET" not in reply, argv
    assert secrets_of(engine) == secrets_of(prepare("+get"))
    assert b"-ERR BY option of SORT denied" in engine.send(
        [b"SORT", b"cache:l", b"BY", b"secret:*"]
    )
    assert b"-ERR GET option of SORT denied" in engine.send(
        [b"SORT", b"cache:l", b"GET", b"secret:*"]
    )


def test_waiting_commands_wait_for_no_foreign_keys() -> None:
    names = (b"blpop", b"brpop", b"bzpopmin", b"bzpopmax")
    engine = prepare("+get +blpop +brpop +bzpopmin +bzpopmax +blmove ~cache:*")
    for name in names:
        assert engine.send([name, b"secret:none", b"0"]).startswith(b"-NOPERM")
        assert engine.send([name, b"cache:none", b"secret:none", b"0"]).startswith(b"-NOPERM")
    move = [b"BLMOVE", b"cache:none", b"secret:l", b"LEFT", b"LEFT", b"0"]
    assert engine.send(move).startswith(b"-NOPERM")
    move[1:3] = [b"secret:l", b"cache:none"]
    assert engine.send(move).startswith(b"-NOPERM")
    assert engine.send([b"BLPOP", b"cache:none", b"0"]) == b""
    assert engine.session().blocked is not None
    engine.send([b"RPUSH", b"cache:none", b"x"], "admin")
    assert b"x" in b"".join(engine.session().take_output())


@pytest.mark.parametrize("door", ["plain", "multi", "script"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_no_reply_to_a_user_of_some_keys_tells_what_others_hold(door: str, protocol: int) -> None:
    engine = prepare("+@all -@admin -@dangerous +sort +sort_ro +eval ~cache:*")
    before = secrets_of(engine)
    engine.send([b"HELLO", b"%d" % protocol])
    draw = random.Random(protocol)
    for seed in range(2):
        requests = walk(engine, 10 + seed)
        draw.shuffle(requests)
        for command, argv in requests:
            if command.full_name in (b"multi", b"exec", b"discard"):
                continue
            if door == "multi":
                engine.send([b"MULTI"])
                engine.send(argv)
                argv = [b"EXEC"]
            elif door == "script":
                argv = [b"EVAL", b"return redis.call(unpack(ARGV))", b"0", *argv]
            reply = engine.send(argv)
            assert b"SECRET" not in reply, (argv, reply)
            if engine.session().blocked is not None or engine.session().is_subscribed():
                engine.send([b"CLIENT", b"UNBLOCK", b"%d" % engine.session().number], "admin")
                engine.send([b"RESET"])
                engine.send([b"AUTH", b"alice", b"x"])
                engine.send([b"HELLO", b"%d" % protocol])
    assert secrets_of(engine) == before
