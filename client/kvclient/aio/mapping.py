"""A cluster's map as it is learnt: before the first request, and again when it was found old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kvclient.aio.batch import Pinned
from kvclient.errors import ConnectError, KvError, ReplyError, Unavailable
from kvclient.retrying import backoff_s, is_for_later
from kvclient.routing.address import Address
from kvclient.wire.channel import Request

if TYPE_CHECKING:
    from kvclient.aio.core import Core

_SLOTS: Final = (b"CLUSTER", b"SLOTS")


class Mapping:
    """Asks for the map, one node after another, in a task of its own.

    Calls that come before there is any map wait for it: who holds which keys is not known, nor
    which nodes there are. Later ones go by the map that is there while a new one is asked for.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.is_missing = core.options.mode == "cluster"
        self._waiting: list[tuple[float, asyncio.Future[Any], Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._failure: KvError | None = None
        self._turn = 0
        self._not_before = 0.0

    def hold(
        self, deadline: float, future: asyncio.Future[Any], launch: Callable[[], None]
    ) -> None:
        """Do `launch` when there is a map; `future` gets the error if there is none in time."""
        self._waiting.append((deadline, future, launch))
        self.refresh()

    async def known(self, deadline: float) -> None:
        """Return when there is a map, or none is needed."""
        if self.is_missing:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._core.start_ticking()
            self.hold(deadline, future, lambda: _settle(future))
            await future

    def refresh(self) -> None:
        """Ask for the map, unless that is under way, or was a moment ago."""
        if self._task is not None or self._core.is_closed:
            return
        loop = asyncio.get_running_loop()
        if self.is_missing or loop.time() >= self._not_before:
            self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        """Ask until there is a map; a map that is there already is good enough after one round."""
        options = self._core.options
        loop = asyncio.get_running_loop()
        attempt = 0
        try:
            while not await self._ask_round() and self._waiting:
                pause = backoff_s(attempt, options.backoff_min_s, options.backoff_max_s)
                await asyncio.sleep(pause)
                attempt += 1
        finally:
            self._task = None
            self._not_before = loop.time() + options.backoff_min_s

    async def _ask_round(self) -> bool:
        """Ask each node until one tells a map: those first that are connected."""
        core = self._core
        sources = core.router.sources()
        self._turn += 1
        turn = self._turn % len(sources)
        for address in sorted(
            sources[turn:] + sources[:turn], key=lambda address: not self._is_connected(address)
        ):
            try:
                reply = await self._asked(address)
                core.router.learn(reply, address)
            except KvError as error:
                self._failure = error
                if isinstance(error, ReplyError) and not is_for_later(error):
                    self._fail(error)
                continue
            if not core.router.map_is_due:
                self._learnt()
                return True
            self._failure = ConnectError(f"{address} knows of nobody who serves slots")
        return False

    def _is_connected(self, address: Address) -> bool:
        link = self._core.links.get(address)
        return link is not None and link.channel is not None

    async def _asked(self, address: Address) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        deadline = loop.time() + self._core.options.connect_timeout_s
        self._core.start_ticking()
        self._core.link(address).submit(Request(_SLOTS, None, Pinned(address, future), deadline))
        return await future

    def _learnt(self) -> None:
        """There is a map: go on with what waited for it, and with what waits for lost nodes."""
        self.is_missing = False
        waiting, self._waiting = self._waiting, []
        for _, future, launch in waiting:
            if not future.done():
                try:
                    launch()
                except KvError as error:
                    future.set_exception(error)
        for link in list(self._core.links.values()):
            if link.channel is None:
                for request in link.take_held():
                    self._core.route_again(request)

    def _fail(self, error: KvError) -> None:
        waiting, self._waiting = self._waiting, []
        for _, future, _ in waiting:
            if not future.done():
                future.set_exception(error)

    def tick(self, now: float) -> bool:
        """End what has waited for too long; return whether anybody waits."""
        kept = []
        for entry in self._waiting:
            deadline, future, _ = entry
            if future.done():
                continue
            if deadline > now:
                kept.append(entry)
            else:
                future.set_exception(
                    ConnectError(f"no map of the cluster within the deadline: {self._failure}")
                )
        self._waiting = kept
        if kept:
            self.refresh()
        return bool(kept)

    def close(self, error: Unavailable) -> None:
        """End; whoever waits gets `error`."""
        if self._task is not None:
            self._task.cancel()
        self._fail(error)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
