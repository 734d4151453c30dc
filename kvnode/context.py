"""What a handler is given: the caller, the database, the time, randomness; and what it may answer.

Time, randomness and I/O come in from outside, so that a simulator or an embedding process can
provide its own: the engine itself reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from librt.random import Random
from librt.time import time
from mypy_extensions import i64, mypyc_attr

from kvprotocol.replies import Reply

if TYPE_CHECKING:
    from kvnode.keyspace import Keyspace
    from kvnode.node import Node
    from kvnode.session import Session


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock:
    """The wall clock; a simulator subclasses it."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time()


@final
class Blocked:
    """A handler's answer when it has to wait: for one of `keys`, until `deadline_ms` (0: for ever).

    `serve(ctx, key)` is called when a key was signalled and returns the reply, or `STILL_BLOCKED`.
    """

    def __init__(
        self,
        keys: list[bytes],
        deadline_ms: i64,
        serve: Callable[[Context, bytes], Reply],
        on_timeout: Reply,
    ) -> None:
        self.keys = keys
        self.deadline_ms: i64 = deadline_ms
        self.serve = serve
        self.on_timeout = on_timeout
        self.serves_absent = False  # whether `serve` is called when the key is gone, too


@final
class _Sentinel:
    """A value that is compared by identity."""


STILL_BLOCKED: Final = _Sentinel()


def never_served(ctx: Context, key: bytes) -> Reply:
    """Serve a wait that no key can end."""
    return STILL_BLOCKED


@final
class Context:
    """One node's context, filled anew for each command.

    `now_ms` is one value per command or EXEC. `may_block` is False inside EXEC and scripts.
    """

    def __init__(self, node: Node, random: Random) -> None:
        self.node = node
        self.random = random
        self.encodings = node.encodings
        self.now_ms: i64 = 0
        self.may_block = True
        self.effects: list[list[bytes]] | None = None
        self._session: Session | None = None
        self._keyspace: Keyspace | None = None

    @property
    def session(self) -> Session:
        """The session whose command runs."""
        session = self._session
        assert session is not None
        return session

    @property
    def keyspace(self) -> Keyspace:
        """The database that the session has selected."""
        keyspace = self._keyspace
        assert keyspace is not None
        return keyspace

    def enter(self, session: Session, keyspace: Keyspace) -> None:
        """Make `session` the caller."""
        self._session = session
        self._keyspace = keyspace

    def effect(self, *argv: bytes) -> None:
        """Say what the log shall carry instead of the request itself; may be called repeatedly.

        Called by a handler whose result does not follow from its arguments (SPOP says SREM).
        """
        if self.effects is None:
            self.effects = []
        self.effects.append(list(argv))

    def effect_argv(self, argv: list[bytes]) -> None:
        """As `effect`, with a list that the caller gives away."""
        if self.effects is None:
            self.effects = []
        self.effects.append(argv)

    def no_effect(self) -> None:
        """Say that the log shall carry nothing of the request."""
        if self.effects is None:
            self.effects = []
