"""Tests that change users leave none behind: both servers begin and end with the default user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from .client import Reply
from .harness import Pair

OK: Final = Reply("simple", b"OK")
KEEPER: Final = "keeper"
EVERYTHING: Final = ("allkeys", "allchannels", "+@all")


@pytest.fixture(autouse=True)
def only_the_default_user(pair: Pair) -> Iterator[None]:
    """Keep a user for the control connections; in the end delete all that a test made."""
    for wire in (pair.control.ours, pair.control.theirs):
        assert wire.call("ACL", "SETUSER", KEEPER, "on", "nopass", *EVERYTHING) == OK
        assert wire.call("AUTH", KEEPER, "") == OK
    restore(pair)
    yield
    restore(pair)
    for wire in (pair.control.ours, pair.control.theirs):
        assert wire.call("AUTH", "default", "") == OK
        assert wire.call("ACL", "DELUSER", KEEPER).number() == 1


def restore(pair: Pair) -> None:
    """Make the default user the only one beside the keeper, and let it do everything."""
    for wire in (pair.control.ours, pair.control.theirs):
        assert wire.call("ACL", "SETUSER", "default", "reset", "on", "nopass", *EVERYTHING) == OK
        for user in wire.call("ACL", "USERS").items():
            if user.text() not in (b"default", KEEPER.encode()):
                wire.call("ACL", "DELUSER", user.text())
        assert wire.call("ACL", "LOG", "RESET") == OK
