"""The first requests of a connection do on a real server what they are meant to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kvclient.errors import ReplyError
from kvclient.handshake import handshake, knows_no_hello
from kvclient.options import Options
from kvclient.routing.address import Address

from ..wire.servers import Server, redis_server
from .link import Link

ACCOUNTS = ("--user", "default on >secret ~* &* +@all", "--user", "ann on >hers ~* &* +@all")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Address]:
    """Where a server with users listens. Its test of being alive needs no password."""
    with redis_server() as server:
        with Link(Address("127.0.0.1", server.port)) as link:
            for words in ACCOUNTS[1::2]:
                assert link.call("ACL", "SETUSER", *words.split()) == b"OK"
            assert link.call("ACL", "SETUSER", "default", "resetpass", ">secret") == b"OK"
        yield Address("127.0.0.1", server.port)


@pytest.mark.parametrize("protocol", [3, 2])
@pytest.mark.parametrize(("user", "name"), [("ann:hers", "ann"), (":secret", "default")])
def test_the_caller_is_who_the_url_says(
    guarded: Address, protocol: int, user: str, name: str
) -> None:
    options = Options.from_url(f"kv://{user}@{guarded}/3?name=worker", environment={})
    with Link(guarded) as link:
        for request in handshake(options, protocol):
            assert not isinstance(link.call(*request), ReplyError), request
        assert link.call("ACL", "WHOAMI") == name.encode()
        line = link.call("CLIENT", "INFO")
        assert b" name=worker " in line
        assert b" db=3 " in line
        assert isinstance(link.call("HGETALL", "k"), dict if protocol == 3 else list)


@pytest.mark.parametrize("protocol", [3, 2])
def test_a_wrong_password_is_not_taken_for_an_old_server(guarded: Address, protocol: int) -> None:
    options = Options.from_url(f"kv://ann:wrong@{guarded}", environment={})
    with Link(guarded) as link:
        error = link.call(*handshake(options, protocol)[0])
        assert isinstance(error, ReplyError)
        assert error.code == "WRONGPASS"
        assert not knows_no_hello(error)


def test_a_server_without_hello_is_known_by_its_error(redis: Server) -> None:
    with Link(Address("127.0.0.1", redis.port)) as link:
        for request in (("HELLO", "4"), ("HELL0", "3")):
            error = link.call(*request)
            assert isinstance(error, ReplyError)
            assert knows_no_hello(error)
