"""MIGRATE: whatever breaks on the way, a key is here or there, and the log says which."""

from __future__ import annotations

import socket

import pytest

from kvnode.peers import KeptPeers, SystemPeers

from .engine import Engine
from .peers import LINE, SEND, NodePeers

KEYS = [b"a", b"b", b"c"]
BROKEN = ConnectionResetError
LATE = TimeoutError
READING = b"-IOERR error or timeout reading to target instance\r\n"
WRITING = b"-IOERR error or timeout writing to target instance\r\n"


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    for name in KEYS:
        engine.send([b"RPUSH", name, name, b"x"])
    engine.log.units.clear()
    return engine


def migrate(engine: Engine, *options: bytes) -> bytes:
    """Move the keys to database 2 of the other node."""
    head = [b"MIGRATE", b"h", b"1", b"", b"2", b"100"]
    return engine.send([*head, *options, b"KEYS", *KEYS])


def here(engine: Engine) -> list[bytes]:
    return sorted(key for index, key in engine.dump() if index == 0)


def there(engine: Engine) -> list[bytes]:
    return sorted(key for index, key in engine.peers.target.dump() if index == 2)


def test_keys_move_with_their_deadlines_and_the_log_says_del(engine: Engine) -> None:
    engine.send([b"PEXPIRE", b"b", b"5000"])
    before = {key: value for (_, key), value in engine.dump().items()}
    engine.log.units.clear()
    assert migrate(engine) == b"+OK\r\n"
    assert here(engine) == []
    assert {key: value for (_, key), value in engine.peers.target.dump().items()} == before
    assert engine.log.lines() == [[(0, b"DEL a b c")]]
    assert migrate(engine) == b"+NOKEY\r\n"


def test_a_copy_changes_nothing_here(engine: Engine) -> None:
    assert migrate(engine, b"COPY") == b"+OK\r\n"
    assert here(engine) == there(engine) == KEYS
    assert engine.log.units == []
    assert migrate(engine, b"COPY", b"REPLACE") == b"+OK\r\n"


def test_what_the_target_refuses_stays(engine: Engine) -> None:
    engine.peers.target.send([b"SELECT", b"2"])
    engine.peers.target.send([b"SET", b"b", b"its own"])
    busy = b"-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"
    assert migrate(engine) == busy
    assert here(engine) == [b"b"]
    assert engine.log.lines() == [[(0, b"DEL a c")]]
    assert engine.peers.target.send([b"GET", b"b"]) == b"$7\r\nits own\r\n"
    # The connection is in step still.
    assert migrate(engine, b"REPLACE") == b"+OK\r\n"
    assert len(engine.peers.opened) == 1


def test_a_database_that_is_not_there_is_told_and_nothing_moves(engine: Engine) -> None:
    reply = engine.send([b"MIGRATE", b"h", b"1", b"a", b"99", b"100"])
    assert reply == b"-ERR Target instance replied with error: ERR DB index is out of range\r\n"
    assert here(engine) == KEYS
    assert engine.log.units == []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("error", [BROKEN, LATE])
def test_a_connection_that_breaks_while_it_answers(
    engine: Engine, number: int, error: type[OSError]
) -> None:
    """The first line answers SELECT, the others one RESTORE each."""
    engine.peers.fails_at[LINE] = (number, error())
    reply = migrate(engine)
    taken = KEYS[: max(number - 2, 0)]
    if error is BROKEN and number <= 2:
        # Nothing was answered: a second attempt, which finds that the first one took effect.
        assert reply.startswith(b"-ERR Target instance replied with error: BUSYKEY")
        assert len(engine.peers.opened) == 2
    else:
        assert reply == READING
        assert engine.peers.opened[0].closed
    assert here(engine) == KEYS[len(taken) :]
    assert there(engine) == KEYS
    assert engine.log.lines() == ([[(0, b" ".join([b"DEL", *taken]))]] if taken else [])
    assert engine.node.ctx.effects is None
    # With REPLACE the rest follows on a new connection.
    engine.peers.fails_at.clear()
    assert migrate(engine, b"REPLACE") == b"+OK\r\n"
    assert here(engine) == []


@pytest.mark.parametrize("error", [BROKEN, LATE])
def test_a_connection_that_breaks_while_it_is_written_to(
    engine: Engine, error: type[OSError]
) -> None:
    engine.peers.fails_at[SEND] = (1, error())
    assert migrate(engine) == (b"+OK\r\n" if error is BROKEN else WRITING)
    assert here(engine) == ([] if error is BROKEN else KEYS)


def test_nobody_there(engine: Engine) -> None:
    engine.peers.fails_at["connect"] = (1, TimeoutError())
    assert migrate(engine) == b"-IOERR error or timeout connecting to the client\r\n"
    engine.peers.fails_at["connect"] = (2, ConnectionRefusedError())
    assert migrate(engine) == b"+OK\r\n"


def test_connections_are_kept_for_ten_seconds(engine: Engine) -> None:
    for name, second in ((b"a", 0.0), (b"b", 9.0), (b"c", 11.5)):
        engine.wait(second)
        assert engine.send([b"MIGRATE", b"h", b"1", name, b"0", b"100"]) == b"+OK\r\n"
        assert b"migrate_cached_sockets:1\r\n" in engine.send([b"INFO", b"stats"])
    assert len(engine.peers.opened) == 2
    assert [peer.closed for peer in engine.peers.opened] == [True, False]
    engine.wait(12.0)
    assert b"migrate_cached_sockets:0\r\n" in engine.send([b"INFO", b"stats"])


def test_so_many_connections_are_kept_and_no_more() -> None:
    peers = NodePeers(Engine)
    kept = KeptPeers(peers)
    first = kept.get(b"h", 0, 1.0, 0.0)
    assert kept.get(b"h", 0, 1.0, 0.0) is first
    for port in range(1, 70):
        kept.get(b"h", port, 1.0, 0.0)
    assert kept.count() == 64
    assert peers.opened[0].closed


def test_the_sockets_of_the_system() -> None:
    peers = SystemPeers()
    for host, port in ((b"127.0.0.1", 70000), (b"no\xffname", 1), (b"no\0name", 1)):
        with pytest.raises(OSError, match=r"[Nn]o such|not known"):
            peers.connect(host, port, 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        peer = peers.connect(b"localhost", port, 1.0)
        other, _ = server.accept()
        with other:
            pieces = (b"one\r\ntwo", b"\r\n")
            for piece in pieces:
                other.sendall(piece)
            assert [peer.line(1.0), peer.line(1.0)] == [b"one", b"two"]
            with pytest.raises(TimeoutError):
                peer.line(0.01)
            with pytest.raises(TimeoutError):
                peer.send(bytes(1 << 26), 0.01)
        with pytest.raises(ConnectionError):
            peer.line(1.0)
        peer.close()
    with pytest.raises(ConnectionRefusedError):
        peers.connect(b"127.0.0.1", port, 1.0)
