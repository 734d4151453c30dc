"""The node over time: expiry, freeing, memory limits, monitors, refusals, unusual requests."""

from __future__ import annotations

import pytest

from kvnode.config import Config, ConfigError
from kvnode.context import Clock
from kvnode.node import Node
from kvprotocol import errors

from .engine import Engine, output


def configure(engine: Engine, **values: str) -> None:
    """Set directives; `_` stands for `-`."""
    pairs = [(name.replace("_", "-"), value) for name, value in values.items()]
    engine.node.config.set_many(pairs)
    engine.node.apply_settings()


def ask(engine: Engine, line: bytes) -> bytes:
    """The reply to a line on a session of its own."""
    session, _ = engine.client()
    session.feed(line + b"\r\n")
    reply = output(session)
    engine.node.disconnect(session)
    return reply


def test_keys_expire_with_the_tick_and_the_log_is_told() -> None:
    engine = Engine()
    for i in range(500):
        assert ask(engine, b"SET k%d v PX %d" % (i, 100 + i)) == b"+OK\r\n"
    engine.log.units.clear()
    engine.wait(0.099)
    assert engine.node.dataset.key_count() == 500
    engine.wait(0.301)
    assert engine.node.dataset.key_count() == 199
    assert len(engine.log.units) == 301
    assert [(0, b"DEL k0")] in engine.log.lines()
    engine.wait(1.0)
    assert engine.node.dataset.key_count() == 0
    engine.node.check()


def test_expiry_may_be_switched_off_and_then_access_alone_expires() -> None:
    engine = Engine()
    ask(engine, b"SET k v PX 100")
    engine.node.active_expiry = False
    engine.wait(10)
    assert engine.node.dataset.key_count() == 1
    assert ask(engine, b"GET k") == b"$-1\r\n"
    assert engine.node.dataset.key_count() == 0
    assert engine.log.lines()[-1] == [(0, b"DEL k")]


def test_a_pause_stops_expiry_and_the_tick_still_returns() -> None:
    engine = Engine()
    ask(engine, b"SET k v PX 100")
    ask(engine, b"CLIENT PAUSE 1000 WRITE")
    engine.wait(0.5)  # a clock that stands still would never use a time budget up
    assert engine.node.dataset.key_count() == 1
    assert ask(engine, b"GET k") == b"$-1\r\n"
    engine.wait(0.6)
    engine.wait(0.1)
    assert engine.node.dataset.key_count() == 0


def test_what_is_freed_lazily_is_gone_after_some_ticks() -> None:
    engine = Engine()
    session, _ = engine.client()
    for part in range(20):
        members = b" ".join(b"%d" % i for i in range(part * 1000, part * 1000 + 1000))
        session.feed(b"SADD s " + members + b"\r\n")
    session.feed(b"UNLINK s\r\n")
    freeing = engine.node.dataset.freeing
    assert freeing.pending == 1
    engine.wait(0.1)
    assert freeing.is_idle()


def test_the_tick_comes_back_in_time() -> None:
    engine = Engine()
    assert engine.node.tick(engine.clock.seconds) == 0.1
    session, _ = engine.client()
    session.feed(b"BLPOP l 0.02\r\n")
    assert engine.node.tick(engine.clock.seconds) == pytest.approx(0.02)


def test_the_timer_follows_hz_and_comes_more_often_for_many_clients() -> None:
    engine = Engine()
    configure(engine, hz="50")
    assert engine.node.tick(engine.clock.seconds) == 0.02
    configure(engine, hz="1")
    for _ in range(201):
        engine.client()
    assert engine.node.tick(engine.clock.seconds) == 0.5
    assert b"\r\nhz:2\r\nconfigured_hz:1\r\n" in ask(engine, b"INFO server")
    configure(engine, dynamic_hz="no")
    assert engine.node.tick(engine.clock.seconds) == 1.0


def test_idle_clients_are_closed_and_those_that_wait_are_not() -> None:
    engine = Engine()
    configure(engine, timeout="10")
    requests = (b"PING", b"BLPOP l 0", b"SUBSCRIBE c", b"MONITOR")
    sessions = []
    for request in requests:
        session, _ = engine.client()
        session.feed(request + b"\r\n")
        sessions.append(session)
    engine.wait(9)
    assert not any(session.closing for session in sessions)
    engine.wait(2)
    assert [session.closing for session in sessions] == [True, False, False, False]


def renaming(*pairs: tuple[str, str]) -> Node:
    config = Config()
    config.renamed_commands.extend(pairs)
    return Node(config, Clock(), 1)


def test_a_renamed_command_is_known_by_its_new_name_alone() -> None:
    commands = renaming(("Flushall", ""), ("CONFIG", "Settings"), ("GET", "get")).commands
    assert b"flushall" not in commands
    assert b"config" not in commands
    assert commands[b"settings"].full_name == b"config"
    assert b"get" in commands


@pytest.mark.parametrize(("old", "new", "word"), [("GTE", "g", "no such"), ("GET", "SET", "taken")])
def test_a_command_that_cannot_be_renamed_ends_the_start(old: str, new: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f"rename-command {old} {new}: .*{word}.*allowed"):
        renaming((old, new))


def test_expired_values_are_freed_in_slices_where_lazyfree_lazy_expire_says_so() -> None:
    for value, pending in (("no", 0), ("yes", 1)):
        engine = Engine()
        configure(engine, lazyfree_lazy_expire=value)
        session, _ = engine.client()
        members = b" ".join(b"%d" % i for i in range(3000))
        session.feed(b"SADD s " + members + b"\r\nPEXPIRE s 1\r\n")
        engine.clock.seconds += 1
        session.feed(b"EXISTS s\r\n")
        assert engine.node.dataset.freeing.pending == pending


def test_overwritten_values_are_freed_in_slices_where_lazyfree_lazy_server_del_says_so() -> None:
    for value, pending in (("no", 0), ("yes", 1)):
        engine = Engine()
        configure(engine, lazyfree_lazy_server_del=value)
        session, _ = engine.client()
        members = b" ".join(b"%d" % i for i in range(3000))
        session.feed(b"SADD s " + members + b"\r\nSET s 1\r\n")
        assert engine.node.dataset.freeing.pending == pending


def test_writes_that_need_memory_are_refused_over_the_limit_and_reads_are_not() -> None:
    engine = Engine()
    assert ask(engine, b"SET k " + b"v" * 1000) == b"+OK\r\n"
    configure(engine, maxmemory="500b")
    refused = b"-" + errors.OUT_OF_MEMORY.encode() + b"\r\n"
    assert ask(engine, b"SET l v") == refused
    assert ask(engine, b"GET k").startswith(b"$1000")
    assert ask(engine, b"DEL k") == b":1\r\n"
    assert ask(engine, b"SET l v") == b"+OK\r\n"
    configure(engine, maxmemory="0")
    assert ask(engine, b"SET k " + b"v" * 1000) == b"+OK\r\n"
    engine.node.check()


def test_a_monitor_sees_commands_of_others_until_it_leaves() -> None:
    engine = Engine()
    monitor, _ = engine.client()
    monitor.feed(b"MONITOR\r\n")
    assert output(monitor) == b"+OK\r\n"
    ask(engine, b'SET k "a \\"b\\"\\x00"')
    seen = output(monitor)
    assert seen.startswith(b"+%d.000000 [0 " % engine.clock.seconds)
    assert seen.endswith(b'] "SET" "k" "a \\"b\\"\\x00"\r\n')
    engine.node.disconnect(monitor)
    ask(engine, b"PING")
    assert engine.node.dispatcher.gate == 0
    assert output(monitor) == b""


def test_peers_over_the_limit_and_from_elsewhere_are_refused() -> None:
    engine = Engine()
    node = engine.node
    assert node.refusal(True) == ""
    assert node.refusal(False) == errors.PROTECTED_MODE
    configure(engine, requirepass="secret")
    assert node.refusal(False) == ""
    configure(engine, requirepass="", protected_mode="no")
    assert node.refusal(False) == ""
    node.settings.maxclients = 2
    session, _ = engine.client()
    engine.client()
    assert node.refusal(True) == errors.MAX_CLIENTS
    node.disconnect(session)
    assert node.refusal(True) == ""
    assert node.stats.rejected_connections == 2


def test_a_peer_without_the_password_is_asked_for_it_and_kept_small() -> None:
    engine = Engine()
    configure(engine, requirepass="secret")
    session, outlet = engine.client()
    session.feed(b"GET k\r\nAUTH wrong\r\n")
    refused = output(session)
    assert refused.startswith(b"-NOAUTH ")
    assert refused.count(b"-WRONGPASS ") == 1
    session.feed(b"*11\r\n")
    assert output(session) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    assert outlet.closed
    large = b"*12\r\n$4\r\nMGET\r\n" + b"$1\r\na\r\n" * 11
    trusted, outlet = engine.client()
    trusted.feed(b"AUTH secret\r\n" + large)
    assert output(trusted) == b"+OK\r\n*11\r\n" + b"$-1\r\n" * 11
    assert not outlet.closed
    early, _ = engine.client()
    configure(engine, requirepass="")
    early.feed(large)
    assert output(early) == b"*11\r\n" + b"$-1\r\n" * 11


@pytest.mark.parametrize(
    "line", [b"POST / HTTP/1.1", b"post", b"Host: localhost", b"HOST:", b'"post\\x00"']
)
def test_a_request_of_a_browser_is_cut_off_without_a_reply(line: bytes) -> None:
    engine = Engine()
    session, outlet = engine.client()
    session.feed(line + b"\r\nSET k v\r\n")
    assert outlet.aborted
    fields = {"id": session.number, "peer": b"", "reason": "http-request"}
    assert engine.node.journal.take() == [("warning", "client-dropped", fields)]
    session.feed(b"SET k v\r\n")
    assert engine.node.dataset.key_count() == 0


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        ([b"nope"], b"'nope', with args beginning with: "),
        ([b"a\0b", b"c\0d", b"\xff"], b"'a', with args beginning with: 'c' '\xff' "),
        ([b"x" * 200], b"'" + b"x" * 128 + b"', with args beginning with: "),
        ([b"x", b"y" * 200, b"z"], b"'x', with args beginning with: '" + b"y" * 128 + b"' "),
        ([b"x", b"\xc3\xa9" * 100], b"'x', with args beginning with: '" + b"\xc3\xa9" * 64 + b"' "),
        ([b"a\r\nb"], b"'a  b', with args beginning with: "),
    ],
)
def test_an_unknown_command_is_shown_as_redis_shows_it(argv: list[bytes], shown: bytes) -> None:
    session, _ = Engine().client()
    session.feed(b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in argv))
    assert output(session) == b"-ERR unknown command " + shown + b"\r\n"


def test_a_session_that_fails_does_not_keep_others_from_going_on() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"BLPOP l 0\r\n")
    other, _ = engine.client()

    def broken(ctx: object, argv: list[bytes]) -> object:
        raise ZeroDivisionError

    engine.node.commands[b"ping"].handler = broken
    session.feed(b"PING\r\n")
    with pytest.raises(ZeroDivisionError):
        other.feed(b"RPUSH l a\r\n")
    third, _ = engine.client()
    third.feed(b"BLPOP l 0\r\nECHO b\r\n")
    other.feed(b"RPUSH l b\r\n")
    assert output(third).endswith(b"$1\r\nb\r\n")


def test_statistics_begin_anew() -> None:
    engine = Engine()
    ask(engine, b"GET k")
    ask(engine, b"nope")
    node = engine.node
    assert (node.stats.commands, node.stats.error_replies, node.dataset.misses) == (1, 1, 1)
    node.reset_stats()
    assert (node.stats.commands, node.stats.error_replies, node.dataset.misses) == (0, 0, 0)
    assert all(command.calls == 0 for command in node.all_commands())
    ask(engine, b"GET k")
    assert node.stats.commands == 1


def test_a_transaction_queues_nothing_over_the_memory_limit() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET k 1234567890\r\n")
    configure(engine, maxmemory="1b")
    session.feed(b"MULTI\r\nGET k\r\nEXEC\r\nMULTI\r\nDISCARD\r\n")
    oom = f"-{errors.OUT_OF_MEMORY}\r\n".encode()
    aborted = f"-{errors.EXEC_ABORTED}\r\n".encode()
    assert output(session) == b"+OK\r\n+OK\r\n" + oom + aborted + b"+OK\r\n+OK\r\n"


def test_spellings_of_command_names_take_bounded_memory() -> None:
    engine = Engine()
    session, _ = engine.client()
    name = b"zrangebyscore"
    for number in range(1 << len(name)):
        letters = [c ^ 32 if number >> i & 1 else c for i, c in enumerate(name)]
        session.feed(bytes(letters) + b"\r\n")
    assert output(session).count(b"wrong number of arguments") == 1 << len(name)
    assert len(engine.node.dispatcher.known) == 4096
