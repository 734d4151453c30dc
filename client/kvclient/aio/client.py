"""The client: typed methods, pipelines, transactions, scripts, locks, channels, over one Core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, overload

from kvclient import option_values
from kvclient.aio.consumers import Consumer
from kvclient.aio.core import Core
from kvclient.aio.nodes import Node
from kvclient.aio.once import Once
from kvclient.aio.scripts import Script
from kvclient.aio.subscriptions import Subscription
from kvclient.arguments import Argv, Seconds
from kvclient.batches import as_requests, check_shared, raise_first
from kvclient.cache import CacheStats
from kvclient.commands import Commands
from kvclient.errors import ArgumentError, TransactionAborted, UsageError
from kvclient.observation import observed
from kvclient.options import Options
from kvclient.results import T
from kvclient.traits import traits_of
from kvclient.urls import node_address
from kvclient.wire.encoding import Argument

if TYPE_CHECKING:
    from kvclient.aio.locks import Lock
    from kvclient.aio.pipelines import Pipeline
    from kvclient.aio.watching import Watch
    from kvclient.routing.ring import RingRouter

R = TypeVar("R")

_DEADLINE: Final = option_values.seconds()
_PIECE_BYTES: Final = 256 << 10


class AsyncClient(Commands[T]):
    """A client of a node, a cluster, or a ring of independent nodes; `url` says which.

    Without `url` the environment's KV_URL counts, else kv://127.0.0.1:6379. With `decode` replies
    are str instead of bytes. Other options have the names and meanings of `kvclient.Options`.
    Nothing is connected before the first call. A client may be pickled: its options are.
    """

    @overload
    def __init__(
        self: AsyncClient[bytes],
        url: str | Sequence[str] | None = None,
        *,
        decode: Literal[False] = False,
        **options: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: AsyncClient[str],
        url: str | Sequence[str] | None = None,
        *,
        decode: Literal[True],
        **options: Any,
    ) -> None: ...

    def __init__(
        self,
        url: str | Sequence[str] | None = None,
        *,
        decode: bool | None = None,
        **options: Any,
    ) -> None:
        if decode is not None:
            options["decode"] = decode
        self._use(Core(Options.from_url(url, **options)), None)

    @overload
    @staticmethod
    def embedded(
        path: str | PathLike[str] | None = None, *, decode: Literal[False] = False
    ) -> AsyncClient[bytes]: ...

    @overload
    @staticmethod
    def embedded(
        path: str | PathLike[str] | None = None, *, decode: Literal[True]
    ) -> AsyncClient[str]: ...

    @staticmethod
    def embedded(
        path: str | PathLike[str] | None = None, *, decode: bool = False
    ) -> AsyncClient[Any]:
        """Return a client of a node in this process, without a server; close it at the end.

        Its data is in memory only, or with `path` also in that folder, which one process uses at a
        time (ConfigurationError names it). What is there is loaded before this returns.
        """
        # The server's engine, which no other client needs.
        from kvclient.aio.embedded import EmbeddedCore

        client: AsyncClient[Any] = AsyncClient.__new__(AsyncClient)
        client._use(EmbeddedCore(path, decode), None)
        return client

    def _use(self, core: Core, deadline_s: float | None, once: Once | None = None) -> None:
        self._core = core = observed(core)
        self._deadline_s = core.options.deadline_s if deadline_s is None else deadline_s
        # A method of the sender's stands in for `_send`: one call less on the way of a request.
        send = self.__dict__["_send"] = core.sender(self._deadline_s).send
        self._once = once or (Once(core) if core.options.exactly_once else None)
        if self._once is not None:
            self.__dict__["_send"] = partial(self._once.send, send, self._deadline_s)
        self._send_all = core.send_all if self._once is None else self._once.send_all

    @property
    def options(self) -> Options:
        """What this client was told."""
        return self._core.options

    def _send(self, argv: Argv, shape: Callable[[Any], Any] | None = None) -> Awaitable[Any]:
        raise AssertionError("each client has its sender's method in place of this one")

    def _send_blocking(
        self, argv: Argv, shape: Callable[[Any], Any] | None, timeout_s: int | float
    ) -> Awaitable[Any]:
        return self._core.send_waiting(argv, shape, timeout_s, self._deadline_s)

    async def _parts(self) -> Sequence[Commands[T]]:
        if self.options.mode == "standalone":
            return (self,)
        return await self.nodes()

    async def nodes(self) -> Sequence[Commands[T]]:
        """Return the nodes that together hold all keys, each with the methods of its own."""
        addresses = await self._core.leaders(self._deadline_s)
        return [Node(self._core, address, self._deadline_s) for address in addresses]

    def add_node(self, url: str, weight: float = 1.0) -> None:
        """Add a node to the ring, or change its weight: its share of the keys moves to it."""
        self._ring().add(node_address(url), weight)

    def remove_node(self, url: str) -> None:
        """Remove a node from the ring: its keys, and no others, go to the other nodes."""
        self._ring().remove(node_address(url))

    def _ring(self) -> RingRouter:
        router = self._core.router
        if self.options.mode != "ring":
            raise UsageError(f"mode is {self.options.mode!r}: only a ring has nodes of your choice")
        return cast("RingRouter", router)

    def with_deadline(self, seconds: float) -> AsyncClient[T]:
        """Return a view of this client whose calls may take so long; it shares the connections."""
        if not _DEADLINE.fits(seconds):
            raise ArgumentError(f"a deadline is {seconds!r}, must be {_DEADLINE.allowed}")
        view: AsyncClient[T] = AsyncClient.__new__(AsyncClient)
        view._use(self._core, seconds, self._once)
        return view

    def execute(self, *argv: Argument) -> Awaitable[Any]:
        """Send any command; return its reply as it comes (str instead of bytes with `decode`).

        UsageError for a command that would change the state of the connection, which is shared.
        """
        check_shared(argv)
        if traits_of(argv).blocks(argv):
            return self._send_blocking(argv, None, 0)
        return self._send(argv)

    async def many(
        self, requests: Iterable[Sequence[Argument]], *, raise_errors: bool = True
    ) -> list[Any]:
        """Send many requests together; return their replies in order, as they come.

        The first error is raised when all are executed; without `raise_errors` errors stand among
        the replies. OutcomeUnknown stands for a request that may or may not have been executed.
        """
        parts = as_requests(requests)
        replies = await self._send_all(parts, self._deadline_s, is_transaction=False)
        if raise_errors:
            raise_first(replies)
        return replies

    def pipeline(self) -> Pipeline[T]:
        """Return a queue of requests that are sent together; each stands alone."""
        return self._queue(is_transaction=False)

    def transaction(self) -> Pipeline[T]:
        """Return a queue of requests that are executed as one (MULTI ... EXEC)."""
        return self._queue(is_transaction=True)

    def _queue(self, is_transaction: bool) -> Pipeline[T]:
        # All methods once more, a third of the time that importing this module would take.
        from kvclient.aio.pipelines import Pipeline

        send_all = self._send_all
        return Pipeline(
            partial(send_all, deadline_s=self._deadline_s, is_transaction=is_transaction)
        )

    def watch(self, *keys: Argument) -> Watch[T]:
        """Return keys under watch: `async with` it, read, and execute its `transaction()`."""
        from kvclient.aio.watching import Watch  # it has pipelines: see `_queue`

        return Watch(self._core, keys, self._deadline_s)

    async def transact(
        self, body: Callable[[Watch[T], Pipeline[T]], Awaitable[R]], *keys: Argument
    ) -> R:
        """Execute a transaction as often as needed until no watched key changes under it.

        `body(watch, transaction)` reads with the one and queues with the other; what it returned
        when the transaction was executed is returned.
        """
        while True:
            async with self.watch(*keys) as watch:
                transaction = watch.transaction()
                result = await body(watch, transaction)
                try:
                    await transaction.execute()
                except TransactionAborted:
                    continue
                return result

    def script(self, source: str, *, read_only: bool = False) -> Script:
        """Return a Lua script to call: `await script(keys, args)`."""
        return Script(self, source, read_only)

    def lock(
        self, name: str, *, ttl_s: float = 10.0, wait_s: float | None = None, renew: bool = True
    ) -> Lock:
        """Return a lock that processes share; see `Lock`."""
        # What makes its random owners takes a tenth of the time of all other imports.
        from kvclient.aio.locks import Lock

        return Lock(self, name, ttl_s, wait_s, renew)

    def subscribe(
        self,
        *channels: Argument,
        patterns: Sequence[Argument] = (),
        shards: Sequence[Argument] = (),
    ) -> Subscription[T]:
        """Return a subscription: `async with` it, and iterate over its messages."""
        return Subscription(self._core, channels, patterns, shards)

    def consumer(
        self,
        *streams: Argument,
        group: Argument,
        name: Argument,
        count: int = 100,
        block_s: float = 5.0,
        claim_idle_s: float | None = None,
        start: Argument = "0",
    ) -> Consumer[T]:
        """Return a consumer of a group: iterate over its entries, and `ack` each; see `Consumer`.

        A group that is missing is made to begin behind the id `start` ("$": with what comes later).
        It reads up to `count` entries at once, and waits up to `block_s` seconds at a time.
        """
        return Consumer(self, streams, group, name, count, block_s, claim_idle_s, start)

    async def get_large(self, key: Argument, *, piece_bytes: int = _PIECE_BYTES) -> bytes | None:
        """Return a string of many megabytes, None if the key is missing.

        It is read in pieces, on a connection of its own, so that other calls do not wait behind it.
        """
        from kvclient.aio import large_values  # needed seldom

        return await large_values.get_large(self._core, key, piece_bytes)

    async def set_large(
        self,
        key: Argument,
        value: Argument,
        *,
        ex: Seconds | None = None,
        piece_bytes: int = _PIECE_BYTES,
    ) -> None:
        """Set a string of many megabytes, with a lifetime of `ex` seconds if given.

        It is sent in pieces, so that other calls do not wait behind it; readers see it whole.
        """
        from kvclient.aio import large_values  # needed seldom

        await large_values.set_large(self, key, value, ex, piece_bytes, self._deadline_s)

    def cache_stats(self) -> CacheStats:
        """Return how often the cache (option cache_bytes_max) had a reply, and what it holds."""
        return self._core.cache_stats()

    async def close(self) -> None:
        """Close the connections; calls that wait end with Unavailable."""
        self._core.close()

    aclose = close

    async def __aenter__(self) -> AsyncClient[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.options.addresses))})"

    def __getstate__(self) -> dict[str, Any]:
        self._core.check_portable()
        return {"options": self.options, "deadline_s": self._deadline_s}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._use(Core(state["options"]), state["deadline_s"])
