"""CLIENT PAUSE stops requests and lets them go on in their order."""

from __future__ import annotations

from .engine import Engine, output


def test_paused_requests_go_on_in_order_when_the_time_is_over() -> None:
    engine = Engine()
    admin, _ = engine.client()
    first, _ = engine.client()
    second, _ = engine.client()
    admin.feed(b"CLIENT PAUSE 500 WRITE\r\n")
    assert output(admin) == b"+OK\r\n"
    first.feed(b"GET k\r\nRPUSH k 1\r\nECHO x\r\n")
    second.feed(b"RPUSH k 2\r\n")
    first.feed(b"RPUSH k 3\r\n")
    assert output(first) == b"$-1\r\n"
    engine.wait(0.4)
    assert output(first) == output(second) == b""
    engine.wait(0.2)
    assert output(first) == b":1\r\n$1\r\nx\r\n:2\r\n"
    assert output(second) == b":3\r\n"
    assert engine.node.dataset.expires_keys


def test_a_pause_of_all_stops_every_request() -> None:
    engine = Engine()
    admin, _ = engine.client()
    other, _ = engine.client()
    admin.feed(b"CLIENT PAUSE 500\r\nPING\r\n")
    other.feed(b"GET k\r\n")
    assert output(admin) == b"+OK\r\n"
    assert output(other) == b""
    engine.wait(1.0)
    assert output(admin) == b"+PONG\r\n"
    assert output(other) == b"$-1\r\n"


def test_a_pause_only_grows() -> None:
    engine = Engine()
    admin, _ = engine.client()
    other, _ = engine.client()
    admin.feed(b"CLIENT PAUSE 500 WRITE\r\nCLIENT PAUSE 100 WRITE\r\n")
    other.feed(b"SET k v\r\n")
    engine.wait(0.3)
    assert output(other) == b""
    admin.feed(b"CLIENT UNPAUSE\r\n")
    assert output(other) == b"+OK\r\n"


def test_a_pause_of_writes_stops_the_exec_that_would_write() -> None:
    engine = Engine()
    admin, _ = engine.client()
    reader, _ = engine.client()
    writer, _ = engine.client()
    reader.feed(b"MULTI\r\nGET k\r\n")
    writer.feed(b"MULTI\r\nSET k v\r\n")
    admin.feed(b"CLIENT PAUSE 500 WRITE\r\n")
    for session in (reader, writer):
        output(session)
    reader.feed(b"EXEC\r\n")
    writer.feed(b"EXEC\r\n")
    assert output(reader) == b"*1\r\n$-1\r\n"
    assert output(writer) == b""
    engine.wait(1.0)
    assert output(writer) == b"*1\r\n+OK\r\n"


def test_a_pause_that_was_ended_does_not_lengthen_the_next_one() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"CLIENT PAUSE 5000 WRITE\r\nCLIENT UNPAUSE\r\nCLIENT PAUSE 100 WRITE\r\n")
    session.feed(b"SET k v\r\n")
    engine.wait(0.2)
    assert output(session) == b"+OK\r\n" * 4


def test_a_paused_session_that_ends_is_forgotten() -> None:
    engine = Engine()
    admin, _ = engine.client()
    other, _ = engine.client()
    admin.feed(b"CLIENT PAUSE 500 WRITE\r\n")
    other.feed(b"SET k v\r\n")
    engine.node.disconnect(other)
    assert not engine.node.pause.parked
    engine.wait(1.0)
    admin.feed(b"GET k\r\n")
    assert output(admin) == b"+OK\r\n$-1\r\n"


def test_keys_expire_again_after_the_pause() -> None:
    engine = Engine()
    session, _ = engine.client()
    session.feed(b"SET k v PX 100\r\nCLIENT PAUSE 500 WRITE\r\n")
    engine.wait(0.3)
    session.feed(b"GET k\r\nDBSIZE\r\n")
    assert output(session) == b"+OK\r\n+OK\r\n$-1\r\n:1\r\n"
    engine.wait(0.3)
    session.feed(b"DBSIZE\r\n")
    assert output(session) == b":0\r\n"
