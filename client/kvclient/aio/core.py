"""What all views of one AsyncClient share: the links to the nodes, and what becomes of requests.

There is no coroutine between a call and its reply. A call makes a future and writes a request; the
reply, a repetition, a redirection or an error settles the future from the loop's callbacks. So a
call may be cancelled at any moment, and nothing but its future knows.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from kvclient.aio.batch import Batch, Whole
from kvclient.aio.caching import CachingSender, Tracking
from kvclient.aio.connection import Connection, open_connection
from kvclient.aio.link import Link
from kvclient.batches import MULTI, as_transaction, transaction_replies
from kvclient.cache import CacheStats
from kvclient.errors import ConnectError, KvError, ReplyError, Unavailable, UsageError
from kvclient.options import Options
from kvclient.retrying import after_loss, backoff_s, check_single, is_for_later, may_repeat
from kvclient.routing.address import Address
from kvclient.routing.router import Router, router_of
from kvclient.wire.channel import Argv, Gate, Request, Sender, Shape
from kvclient.wire.encoding import as_wire

_TICK_S: Final = 0.025
_SLOTS: Final = (b"CLUSTER", b"SLOTS")
_CLOSED: Final = "the client was closed"


class Core:
    """Links, routes and the clock of one client; bound to the loop of its first call."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.router: Router = router_of(options)
        self.gate = Gate()
        self.is_closed = False
        self._links: dict[Address, Link] = {}
        self._idle: dict[Address, list[Connection]] = {}
        self._lent: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._refresh: asyncio.Task[None] | None = None
        self.tracking = Tracking(options.cache_bytes_max) if options.cache_bytes_max else None

    def check_portable(self) -> None:
        """Raise UsageError where a client in another process could not reach the same data."""

    def sender(self, deadline_s: float) -> Sender | CachingSender:
        """Return the way in for calls with such a deadline."""
        sender = Sender(
            self.gate, deadline_s, events._get_running_loop, self._start_ticking, self.submit
        )
        return sender if self.tracking is None else CachingSender(self.tracking, sender.send)

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> asyncio.Future[Any]:
        """Send a request where it belongs; for what the Sender cannot write at once."""
        loop = self._bound_loop()
        for argument in argv:
            as_wire(argument)
        future: asyncio.Future[Any] = loop.create_future()
        self._start_ticking()
        self.route(Request(argv, shape, future, loop.time() + deadline_s))
        return future

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool
    ) -> asyncio.Future[list[Any]]:
        """Send many requests; return the future of their replies, errors among them.

        A transaction goes to one node and is executed as one; the others are sent to the nodes
        that their keys name, side by side.
        """
        loop = self._bound_loop()
        for part in parts:
            for argument in part:
                as_wire(argument)
            if self.tracking is not None:
                self.tracking.cache.note_sent(part)
        future: asyncio.Future[list[Any]] = loop.create_future()
        if not parts:
            future.set_result([])
            return future
        deadline = loop.time() + deadline_s
        self._start_ticking()
        if is_transaction:
            address = self.router.address_of_all(parts)
            transaction = as_transaction(parts)
            request = Request(MULTI, transaction_replies, future, deadline, transaction)
            self.link(address).submit(request)
            return future
        batch = Batch(parts, future, deadline)
        groups: dict[Address, list[int]] = {}
        for index, part in enumerate(parts):
            address_or_none = self.router.address_of(part)
            if address_or_none is None:
                self._split(batch.single(index))
            else:
                groups.setdefault(address_or_none, []).append(index)
        for address, indexes in groups.items():
            again = partial(self._is_sent_again, address)
            self.link(address).submit(batch.group(indexes, again))
        return future

    def route(self, request: Request) -> None:
        """Submit a request to the node, or the nodes, that its keys name."""
        address = self.router.address_of(request.argv)
        if address is None:
            self._split(request)
        else:
            self.link(address).submit(request)
        if self.router.map_is_due:
            self._refresh_map()

    def _split(self, request: Request) -> None:
        """Send the parts of a request to their nodes; its reply is made of theirs."""
        plan = self.router.split(request.argv)
        whole = Whole(request, plan.merge)
        batch = Batch([part.argv for part in plan.parts], whole, request.deadline)
        for index, part in enumerate(plan.parts):
            again = partial(self._is_sent_again, part.address)
            self.link(part.address).submit(batch.group([index], again))

    def link(self, address: Address) -> Link:
        """Return the link to a node, made when first asked for."""
        link = self._links.get(address)
        if link is None:
            link = Link(self.options, address, self, self._link_changed, self._pushed)
            link.on_flush = self._read_clock
            self._links[address] = link
        return link

    async def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait for `timeout_s` seconds, 0 for ever, on a connection lent.

        It is never sent twice if it takes something: OutcomeUnknown if its reply is lost.
        """
        for argument in argv:
            as_wire(argument)
        if self.tracking is not None:
            self.tracking.cache.note_sent(argv)
        while True:
            connection = await self.lend(argv)
            is_clean = False
            try:
                limit_s = timeout_s + deadline_s if timeout_s else None
                reply = await connection.ask(argv, limit_s, shape)
                is_clean = True
                return reply
            except ReplyError as error:
                is_clean = True
                redirect = self.router.redirected(error, connection.address)
                if redirect is None:
                    raise
            except ConnectError as error:
                if not may_repeat(argv):
                    raise after_loss(argv, connection.address, error) from error
            finally:
                await self.give_back(connection, is_clean)

    async def lend(self, argv: Argv) -> Connection:
        """Return a connection of the caller's own to the node that a request belongs to.

        `give_back` takes it back. ConnectError when none can be made within the deadline.
        """
        loop = self._bound_loop()
        address = self._private_address(argv)
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if not connection.is_closed:
                return connection
        deadline = loop.time() + self.options.deadline_s
        attempt = 0
        while True:
            try:
                connection = await self._new_connection(address)
                self._lent.add(connection)
                return connection
            except ConnectError:
                pause = backoff_s(attempt, self.options.backoff_min_s, self.options.backoff_max_s)
                if loop.time() + pause >= deadline:
                    raise
            attempt += 1
            await asyncio.sleep(pause)
            address = self._private_address(argv)

    async def _new_connection(self, address: Address) -> Connection:
        return await open_connection(self.options, address)

    async def give_back(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back; it is closed unless it is clean: no reply due, no state."""
        if is_clean and not self.is_closed and not connection.is_closed:
            self._idle.setdefault(connection.address, []).append(connection)
        else:
            self._lent.discard(connection)
            connection.abort()

    def _private_address(self, argv: Argv) -> Address:
        return check_single(self.router.address_of(argv, leader_only=True), argv)

    def _bound_loop(self) -> asyncio.AbstractEventLoop:
        loop = events._get_running_loop()
        if loop is None:
            raise UsageError("an AsyncClient is called from a coroutine; kvclient.Client blocks")
        if self.is_closed:
            raise UsageError(_CLOSED)
        if loop is not self._loop:
            self._bind(loop)
        return loop

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to a loop from now on: to the first, and to another when that one is closed."""
        if self._loop is not None and not self._loop.is_closed():
            raise UsageError(
                "this AsyncClient belongs to another event loop that still runs;"
                " make one client for each loop"
            )
        self._loop = loop
        if self.tracking is not None:
            for link in self._links.values():
                self.tracking.lost(link)
        self._links.clear()
        self._idle.clear()
        self._lent.clear()
        self._ticker = None
        self._refresh = None
        self.gate.channel = None
        self.gate.is_ticking = False
        self.gate.loop = loop

    def _link_changed(self, link: Link) -> None:
        """A link was opened or lost: with one node alone, calls write to it directly."""
        if self.tracking is not None:
            if link.connection is None:
                self.tracking.lost(link)
            else:
                assert self._loop is not None
                deadline = self._loop.time() + self.options.deadline_s
                self.tracking.opened(link, link.connection, deadline)
        if self.options.mode == "standalone":
            self.gate.channel = link.channel

    def _read_clock(self) -> None:
        assert self._loop is not None
        self.gate.now = self._loop.time()

    def _pushed(self, link: Link, message: list[Any]) -> None:
        """An invalidation, where there is a cache; nothing else comes unasked."""
        if self.tracking is not None:
            self.tracking.cache.take_push(message)

    # --- what a node refuses ----------------------------------------------------------------------

    def refused(self, link: Link, request: Request, error: ReplyError) -> None:
        """Send a refused request again where that helps before its deadline, else raise."""
        if not self._is_sent_again(link.address, request, error):
            request.fail(error)

    def _is_sent_again(self, address: Address, request: Request, error: ReplyError) -> bool:
        """Send a request again that the node at `address` refused, if that helps."""
        assert self._loop is not None
        redirect = self.router.redirected(error, address)
        if self.router.map_is_due:
            self._refresh_map()
        if redirect is not None:
            link = self.link(redirect.address)
            if redirect.asking:
                link.submit_asking(request)
            else:
                link.submit(request)
            return True
        if not is_for_later(error):
            return False
        pause = backoff_s(request.attempts, self.options.backoff_min_s, self.options.backoff_max_s)
        if self._loop.time() + pause >= request.deadline:
            return False
        self._loop.call_later(pause, self._again, request)
        return True

    def _again(self, request: Request) -> None:
        if self.is_closed:
            request.fail(Unavailable(_CLOSED))
        elif not request.future.done():
            self._start_ticking()
            self.route(request)

    def _refresh_map(self) -> None:
        """Ask for the cluster's map, unless that is under way."""
        if self._refresh is None and self._loop is not None and not self.is_closed:
            self._refresh = self._loop.create_task(self._learn_map())

    async def _learn_map(self) -> None:
        """Ask one node after another until one tells its map."""
        router = self.router
        try:
            for address in router.sources():
                deadline = asyncio.get_running_loop().time() + self.options.connect_timeout_s
                future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._start_ticking()
                self.link(address).submit(Request(_SLOTS, None, future, deadline))
                try:
                    router.learn(await future, address)
                except KvError:
                    continue
                return
        finally:
            self._refresh = None

    # --- time -------------------------------------------------------------------------------------

    def _start_ticking(self) -> None:
        if not self.gate.is_ticking:
            assert self._loop is not None
            self.gate.is_ticking = True
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        """Look after deadlines, as long as anything is under way."""
        assert self._loop is not None
        now = self._loop.time()
        self.gate.now = now
        is_needed = False
        for link in list(self._links.values()):
            if link.tick(now):
                is_needed = True
        if is_needed:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)
        else:
            self.gate.is_ticking = False

    def cache_stats(self) -> CacheStats:
        """Return the counters of the cache."""
        return self.tracking.cache.stats() if self.tracking is not None else CacheStats(0, 0, 0, 0)

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection; whoever waits gets Unavailable."""
        self.is_closed = True
        self.gate.channel = None
        if self._ticker is not None:
            self._ticker.cancel()
        if self._refresh is not None:
            self._refresh.cancel()
        for link in self._links.values():
            link.close(Unavailable(_CLOSED))
            if self.tracking is not None:
                self.tracking.lost(link)
        self._links.clear()
        for connection in list(self._lent):
            connection.abort(Unavailable(_CLOSED))
        self._lent.clear()
        self._idle.clear()
