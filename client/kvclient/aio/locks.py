"""A lock that several processes share, held for a time and renewed while it is used.

The lock is a key with a random owner in it, and a lifetime. Beside it lies the last fencing token,
and each that takes the lock gets a larger one: the time on the node in microseconds, or one more
than the last where that is not larger. Whoever acts under the lock on another system hands the
token on, and that system refuses a token that is smaller than one it has seen: so a process that
was asleep while its lock expired can do no harm. A counter alone would begin anew where it is lost:
by FLUSHALL, by eviction, with a leader whose followers had not seen it yet.

Taking, renewing and releasing are scripts that may be run twice: a call whose reply was lost is
repeated, for as long as the lock would live.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final

from kvclient.aio.renewal import Renewal, unattended
from kvclient.aio.scripts import Script
from kvclient.errors import ArgumentError, KvError, LockError, OutcomeUnknown
from kvclient.neighbours import beside
from kvclient.results import T

if TYPE_CHECKING:
    from kvclient.aio.client import AsyncClient

_ACQUIRE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return tonumber(redis.call('GET', KEYS[2]))
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    local now = redis.call('TIME')
    local last = tonumber(redis.call('GET', KEYS[2])) or 0
    local token = math.max(last + 1, now[1] * 1000000 + now[2])
    redis.call('SET', KEYS[2], string.format('%.0f', token))
    return token
end
return false
"""
_RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""
_PAUSE_S: Final = 0.01
_PAUSE_S_MAX: Final = 0.1
_RENEWALS: Final = 3
"""How often a lock is renewed in its lifetime: two may fail, so each has a third of it."""


class Lock:
    """A lock by name. `async with` takes and releases it; `token` is its fencing token.

    It lives for `ttl_s` seconds, and is renewed in the background while it is held unless `renew`
    is false. Whoever waits for it waits `wait_s` seconds at most, None for ever.
    """

    def __init__(
        self,
        client: AsyncClient[T],
        name: str,
        ttl_s: float = 10.0,
        wait_s: float | None = None,
        renew: bool = True,
    ) -> None:
        if ttl_s < 0.001:
            raise ArgumentError(f"ttl_s is {ttl_s}, must be at least 0.001")
        self._client = client
        self._renew_every_s = ttl_s / _RENEWALS
        self.name = name
        self.token = 0
        self._ttl_ms = round(ttl_s * 1000)
        self._wait_s = wait_s
        self._renews = renew
        self._keys = (name, fence_key(name))
        self._owner = ""
        self._held_until = 0.0
        self._renewal: Renewal | None = None
        self._acquire = Script(client, _ACQUIRE)
        self._renew = Script(client.with_deadline(self._renew_every_s), _RENEW)
        self._release = Script(client, _RELEASE)

    @property
    def is_held(self) -> bool:
        """Whether the lock is still this one's, as far as is known here; by the local clock."""
        return bool(self._owner) and time.monotonic() < self._held_until

    def check(self) -> None:
        """Raise LockError unless the lock is still held."""
        if not self.is_held:
            raise LockError(f"the lock {self.name!r} is not held, or was lost")

    async def acquire(self) -> bool:
        """Take the lock; return whether it was there to take before the wait was over."""
        if self._owner:
            raise LockError(f"the lock {self.name!r} is held by this object")
        owner = secrets.token_hex(16)
        give_up_at = None if self._wait_s is None else time.monotonic() + self._wait_s
        pause = _PAUSE_S
        try:
            while not await self._take(owner):
                if give_up_at is not None and time.monotonic() + pause >= give_up_at:
                    return False
                await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
                pause = min(pause * 2, _PAUSE_S_MAX)
        except KvError:
            raise
        except BaseException:
            self._let_go(owner)
            raise
        self._owner = owner
        if self._renews:
            self._renewal = Renewal(self._renewed, self._renew_every_s)
            self._renewal.start()
        return True

    async def _take(self, owner: str) -> bool:
        # Counted from before the call: the lock does not live longer than is believed here.
        until = time.monotonic() + self._ttl_ms / 1000
        token = await self._call(self._acquire, owner, self._ttl_ms)
        if token is None:
            return False
        self.token = token
        self._held_until = until
        return True

    async def renew(self) -> bool:
        """Begin the lifetime anew; return whether the lock is still held."""
        until = time.monotonic() + self._ttl_ms / 1000
        if self._owner and await self._call(self._renew, self._owner, self._ttl_ms):
            self._held_until = until
            return True
        self._held_until = 0.0
        return False

    async def _renewed(self) -> bool:
        """Renew, and try again after an error of the connection, while the lock lives."""
        while True:
            try:
                return await self.renew()
            except KvError:
                if not self.is_held:
                    return False
            await asyncio.sleep(_PAUSE_S_MAX)

    async def release(self) -> None:
        """Give the lock back; LockError if it was lost before."""
        owner, self._owner = self._owner, ""
        renewal, self._renewal = self._renewal, None
        until, self._held_until = self._held_until, 0.0
        try:
            if renewal is not None:
                await renewal.stop()
            was_held = bool(owner) and await self._released(owner, until)
        except KvError:
            raise
        except BaseException:
            self._let_go(owner)
            raise
        if not was_held:
            raise LockError(f"the lock {self.name!r} was lost before it was released")

    async def _released(self, owner: str, until: float) -> bool:
        try:
            return bool(await self._release(self._keys, (owner,)))
        except OutcomeUnknown:
            # The second time it says that nothing was there to release, as it should be.
            await self._call(self._release, owner)
            return time.monotonic() < until

    def _let_go(self, owner: str) -> None:
        """Cancelled: a lock that is taken, or kept, behind our back would live until it expires."""
        with suppress(KvError):
            unattended(self._client._send((b"EVAL", _RELEASE, 1, self.name, owner)))

    async def _call(self, script: Script, *args: str | int) -> int | None:
        reply: int | None = await script.repeated(self._keys, args, self._ttl_ms / 1000)
        return reply

    async def __aenter__(self) -> Lock:
        if not await self.acquire():
            raise LockError(f"the lock {self.name!r} was not free within {self._wait_s:g} s")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.release()
        except LockError:
            # What happened inside matters more than the end of the lock.
            if error is None:
                raise


def fence_key(name: str) -> bytes:
    """Return the key of a lock's counter, which lies in the same hash slot as the lock."""
    return beside(name.encode(), b"fence")
