"""What all views of one AsyncClient share: the links to the nodes, and what becomes of requests.

There is no coroutine between a call and its reply. A call makes a future and writes a request; the
reply, a repetition, a redirection or an error settles the future from the loop's callbacks. So a
call may be cancelled at any moment, and nothing but its future knows.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from kvclient.aio.batch import Asked, Batch, Pinned, Transaction, Whole
from kvclient.aio.caching import CachingSender, Tracking
from kvclient.aio.connection import Connection, open_connection
from kvclient.aio.link import Link
from kvclient.aio.mapping import Mapping
from kvclient.aio.private import Private
from kvclient.batches import EXEC
from kvclient.cache import CacheStats
from kvclient.errors import (
    KvError,
    ProtocolError,
    ReplyError,
    Unavailable,
    UnknownRequestError,
    UsageError,
)
from kvclient.forks import fork_generation
from kvclient.options import Options
from kvclient.retrying import (
    after_forgetting,
    backoff_s,
    check_single,
    follows_at_once,
    is_for_later,
)
from kvclient.routing.address import Address
from kvclient.routing.router import Router, router_of
from kvclient.traits import traits_of
from kvclient.wire.channel import Argv, Channel, Gate, Request, Sender, Shape
from kvclient.wire.encoding import as_wire, sizes_of

_TICK_S: Final = 0.025
_CLOSED: Final = "the client was closed"
_GROUP_BYTES: Final = 1 << 18
"""A batch is sent in groups of about so many bytes, so that back-pressure holds them back too."""


class Core:
    """Links, routes and the clock of one client; bound to the loop of its first call."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.router: Router = router_of(options)
        self.gate = Gate()
        self.is_closed = False
        self.mapping = Mapping(self)
        self.private = Private(self)
        self.links: dict[Address, Link] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = fork_generation()
        self._ticker: asyncio.TimerHandle | None = None
        self._tracking = Tracking(options.cache_bytes_max) if options.cache_bytes_max else None

    # --- the ways in ------------------------------------------------------------------------------

    def sender(self, deadline_s: float) -> Sender | CachingSender:
        """Return the way in for calls with such a deadline."""
        sender = Sender(self.gate, deadline_s, self.start_ticking, self.submit)
        if self._tracking is None:
            return sender
        return CachingSender(self._tracking, self.gate, sender.send)

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> asyncio.Future[Any]:
        """Send a request where it belongs; for what the Sender cannot write at once."""
        loop = self.bound_loop()
        for argument in argv:
            as_wire(argument)
        self.note_sent([argv])
        future: asyncio.Future[Any] = loop.create_future()
        request = Request(argv, shape, future, loop.time() + deadline_s)
        self.start_ticking()
        if self.mapping.is_missing:
            self.mapping.hold(request.deadline, future, partial(self.route, request))
        else:
            self.route(request)
        return future

    def submit_to(
        self, address: Address, argv: Argv, shape: Shape | None, deadline_s: float
    ) -> asyncio.Future[Any]:
        """Send a request to the node at `address`, and to no other."""
        loop = self.bound_loop()
        future: asyncio.Future[Any] = loop.create_future()
        pinned = Pinned(address, future)
        self.note_sent([argv])
        self.start_ticking()
        self.route(Request(argv, shape, pinned, loop.time() + deadline_s))
        return future

    def begun(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin what takes several requests, as if it were one."""
        return self.bound_loop().create_task(call)

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool, end: Argv = EXEC
    ) -> asyncio.Future[list[Any]]:
        """Send many requests; return the future of their replies, errors among them.

        A transaction goes to one node and is executed as one, at `end`; the others are sent to the
        nodes that their keys name, side by side.
        """
        loop = self.bound_loop()
        sizes = sizes_of(parts)
        self.note_sent(parts)
        future: asyncio.Future[list[Any]] = loop.create_future()
        deadline = loop.time() + deadline_s
        if not parts:
            future.set_result([])
        elif is_transaction:
            self.router.address_of_all(parts)  # where they are apart, that is said at once
            transaction = Transaction(parts, end, future, deadline, self._transaction_again)
            self._when_mapped(deadline, future, partial(self.route, transaction.request))
        else:
            batch = Batch(parts, future, deadline)
            self._when_mapped(deadline, future, partial(self._send_batch, batch, sizes))
        return future

    async def leaders(self, deadline_s: float) -> list[Address]:
        """Return the nodes that together hold all keys."""
        await self.mapping.known(self.bound_loop().time() + deadline_s)
        return self.router.leaders()

    async def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait for `timeout_s` seconds, 0 for ever."""
        return await self.private.send_waiting(argv, shape, timeout_s, deadline_s)

    def note_sent(self, parts: Sequence[Argv]) -> None:
        """Drop from the cache what requests may change that are about to leave, or are back."""
        if self._tracking is not None:
            for part in parts:
                self._tracking.cache.note_sent(part)

    async def lend(self, where: Callable[[], Address], deadline_s: float) -> Connection:
        """Return a connection of the caller's own to `where()`; `give_back` takes it back."""
        return await self.private.lend(where, self.bound_loop().time() + deadline_s)

    async def begin(self, argv: Argv, deadline_s: float) -> Connection:
        """Return such a connection on which `argv`, WATCH, was executed."""
        return await self.private.begin(argv, deadline_s)

    async def give_back(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back; it is closed unless it is clean: no reply due, no state."""
        self.private.give_back(connection, is_clean)

    # --- routes -----------------------------------------------------------------------------------

    def _when_mapped(
        self, deadline: float, future: asyncio.Future[Any], launch: Callable[[], None]
    ) -> None:
        """Do `launch` now, or, where a cluster's map must be learnt first, then."""
        self.start_ticking()
        if self.mapping.is_missing:
            self.mapping.hold(deadline, future, launch)
        else:
            launch()

    def route(self, request: Request) -> None:
        """Submit a request to the node, or the nodes, that its keys name."""
        future = request.future
        address: Address | None
        if request.parts is None and not isinstance(future, Pinned):
            address = self.router.address_of(request.argv, leader_only=request.attempts > 0)
        elif isinstance(future, Transaction):
            address = self.router.address_of_all(future.parts)
        else:
            assert isinstance(future, Pinned), "groups are routed part by part"
            address = future.address
        if address is None:
            self._split(request)
        else:
            self.link(address).submit(request)
        if self.router.map_is_due:
            self.mapping.refresh()

    def route_again(self, request: Request) -> None:
        """Route a request that was given up somewhere; what is wrong with it is its own error."""
        if request.future.done():
            return
        try:
            if self.is_closed:
                raise Unavailable(_CLOSED)
            self.start_ticking()
            request.attempts = max(request.attempts, 1)
            self.route(request)
        except KvError as error:
            request.fail(error)

    def _send_batch(self, batch: Batch, sizes: list[int]) -> None:
        """Send the parts of a batch in groups, each to the node of its parts."""
        if self.options.mode == "standalone" and sum(sizes) <= _GROUP_BYTES:
            self._send_group(batch, self.options.addresses[0], range(len(sizes)))
            return
        groups: dict[Address, list[int]] = {}
        room: dict[Address, int] = {}
        addresses = [self.router.address_of(part) for part in batch.parts]
        for index, address in enumerate(addresses):
            if address is None:
                self._split(batch.single(index))
                continue
            groups.setdefault(address, []).append(index)
            room[address] = room.get(address, _GROUP_BYTES) - sizes[index]
            if room[address] <= 0:
                self._send_group(batch, address, groups.pop(address))
                del room[address]
        for address, indexes in groups.items():
            self._send_group(batch, address, indexes)
        if self.router.map_is_due:
            self.mapping.refresh()

    def _send_group(self, batch: Batch, address: Address, indexes: Sequence[int]) -> None:
        again = partial(self._is_sent_again, address)
        self.link(address).submit(batch.group(indexes, again))

    def _split(self, request: Request) -> None:
        """Send the parts of a request to their nodes; its reply is made of theirs."""
        plan = self.router.split(request.argv, leader_only=request.attempts > 0)
        whole = Whole(request, plan.merge)
        batch = Batch([part.argv for part in plan.parts], whole, request.deadline)
        for index, part in enumerate(plan.parts):
            single = batch.single(index)
            if not part.indexes:
                # Without keys the router would send a repetition everywhere again.
                single.future = Pinned(part.address, single.future)
            self.link(part.address).submit(single)

    def address_of(self, argv: Argv) -> Address:
        """Return the one leader that a request belongs to."""
        return check_single(self.router.address_of(argv, leader_only=True), argv)

    def link(self, address: Address) -> Link:
        """Return the link to a node, made when first asked for."""
        link = self.links.get(address)
        if link is None:
            link = Link(self.options, address, self, self._read_clock)
            self.links[address] = link
        return link

    async def connect(self, address: Address, limit_s: float) -> Connection:
        """Return a new connection to a node, for one user."""
        return await open_connection(self.options, address, limit_s)

    async def connect_shared(self, address: Address) -> Connection:
        """Return a new connection to a node, for a link."""
        limit_s = self.options.connect_timeout_s
        connection = await self.connect(address, limit_s)
        if self._tracking is not None:
            await self._tracking.begin(connection, limit_s)
        return connection

    # --- the loop ---------------------------------------------------------------------------------

    def bound_loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, to which this client belongs from the first call on."""
        loop = events._get_running_loop()
        if loop is None:
            raise UsageError("an AsyncClient is called from a coroutine; kvclient.Client blocks")
        if self.is_closed:
            raise UsageError(_CLOSED)
        if loop is not self._loop:
            self._bind(loop)
        return loop

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to another loop: where the one before is closed, or is a parent process's."""
        is_own = self._generation == fork_generation()
        if self._loop is not None and not self._loop.is_closed() and is_own:
            raise UsageError(
                "this AsyncClient belongs to another event loop that still runs;"
                " make one client for each loop"
            )
        self._forsake()
        self._loop = loop
        self._generation = fork_generation()
        self.links = {}
        self.mapping = Mapping(self)
        self.private = Private(self)
        self._ticker = None
        self.gate.belong(loop)
        # Where reads take turns between nodes, asking the router twice would skip every other one.
        if self.options.mode != "standalone" and self.options.read_from == "leader":
            self.gate.find = self._channel_of

    def _forsake(self) -> None:
        """Let go of all connections: their loop is closed, or they are a parent process's."""
        for link in self.links.values():
            link.forsake()
            if self._tracking is not None:
                self._tracking.lost(link)
        self.private.forsake()

    def _channel_of(self, argv: Argv) -> Channel | None:
        """Return the connection that a request belongs to, None where it is not so simple.

        Only where one key decides: of nodes that take turns `route` alone may name the next.
        """
        router = self.router
        if router.map_is_due or not traits_of(argv).only_place:
            return None
        address = router.address_of(argv)
        link = None if address is None else self.links.get(address)
        return None if link is None else link.channel

    def _read_clock(self) -> None:
        assert self._loop is not None
        self.gate.now = self._loop.time()

    # --- what links report ------------------------------------------------------------------------

    def map_is_old(self) -> None:
        """The nodes say otherwise than the map of the cluster."""
        if self.options.mode == "cluster" and not self.is_closed:
            self.router.map_is_due = True
            self.mapping.refresh()

    def changed(self, link: Link) -> None:
        """A link was opened or lost: with one node alone, calls write to it directly."""
        if self._tracking is not None:
            if link.connection is None:
                self._tracking.lost(link)
            else:
                self._tracking.opened(link, link.connection)
        if self.options.mode == "standalone":
            self.gate.channel = link.channel

    def unreachable(self, address: Address) -> None:
        """No connection could be made: in a cluster the keys may have another leader by now."""
        self.map_is_old()

    def pushed(self, link: Link, message: list[Any]) -> None:
        """An invalidation, where there is a cache; nothing else comes unasked."""
        if self._tracking is not None:
            self._tracking.cache.take_push(message)

    def refused(self, link: Link, request: Request, error: ReplyError) -> None:
        """Send a refused request again where that helps before its deadline, else raise."""
        if not self._is_sent_again(link.address, request, error):
            request.fail(error)

    def _transaction_again(self, request: Request, error: ReplyError) -> bool:
        return self._is_sent_again(self.router.address_of_all(request.future.parts), request, error)

    def _is_sent_again(self, address: Address, request: Request, error: ReplyError) -> bool:
        """Send a request again that the node at `address` refused, if that helps."""
        assert self._loop is not None
        if isinstance(error, UnknownRequestError) and request.was_sent:
            request.fail(after_forgetting(request.argv, address))
            return True
        try:
            redirect = self.router.redirected(error, address)
        except ProtocolError as strange:
            request.fail(strange)
            return True
        if self.router.map_is_due and not self.is_closed:
            self.mapping.refresh()
        if redirect is None and not is_for_later(error):
            return False
        if redirect is not None and follows_at_once(request.attempts):
            if redirect.asking:
                request.attempts += 1
                again = partial(self._is_sent_again, redirect.address)
                request = Asked(request, again).request
            self.link(redirect.address).submit(request)
            return True
        options = self.options
        pause = backoff_s(request.attempts, options.backoff_min_s, options.backoff_max_s)
        if self._loop.time() + pause >= request.deadline:
            return False
        # CLUSTERDOWN, say: what the other nodes know may be newer.
        self.map_is_old()
        self._loop.call_later(pause, self.route_again, request)
        return True

    # --- time -------------------------------------------------------------------------------------

    def start_ticking(self) -> None:
        """Look after deadlines from now on."""
        if not self.gate.is_ticking:
            assert self._loop is not None
            self.gate.is_ticking = True
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        """Look after deadlines, as long as anything is under way."""
        assert self._loop is not None
        now = self._loop.time()
        self.gate.now = now
        is_needed = self.mapping.tick(now)
        for link in list(self.links.values()):
            if link.tick(now):
                is_needed = True
        if is_needed:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)
        else:
            self.gate.is_ticking = False

    # --- what clients tell ------------------------------------------------------------------------

    def check_portable(self) -> None:
        """Raise UsageError where a client in another process could not reach the same data."""

    def cache_stats(self) -> CacheStats:
        """Return the counters of the cache."""
        return CacheStats() if self._tracking is None else self._tracking.cache.stats()

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection; whoever waits gets Unavailable, or OutcomeUnknown."""
        if self.is_closed:
            return
        self.is_closed = True
        self.gate.channel = None
        if self._loop is None:
            return
        if self._loop.is_closed() or self._generation != fork_generation():
            self._forsake()
            return
        if self._ticker is not None:
            self._ticker.cancel()
        error = Unavailable(_CLOSED)
        self.mapping.close(error)
        for link in list(self.links.values()):
            link.close(error)
        self.links = {}
        self.private.close(error)
