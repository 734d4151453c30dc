"""What is done again and again in the background, until it is over or is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


def unattended(call: Awaitable[object]) -> None:
    """Let a call take its way, whose result nobody waits for; errors are nobody's either."""
    asyncio.ensure_future(call).add_done_callback(lambda done: done.cancelled() or done.exception())


class Renewal:
    """Calls `renew` every `every_s` seconds, as long as it returns True."""

    def __init__(self, renew: Callable[[], Awaitable[bool]], every_s: float) -> None:
        self._renew = renew
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; no call is under way afterwards."""
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            # Not awaited itself: its cancellation is not the caller's.
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            if not await self._renew():
                return
