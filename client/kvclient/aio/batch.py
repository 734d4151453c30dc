"""Requests whose reply goes into several places, or through a second look, before its caller.

What stands in place of such a request's future is a `Composite`: it takes the reply like a future,
and knows what is left to ask when the connection is lost before the reply is whole.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from kvclient.batches import ASKING, MULTI, as_transaction, transaction_replies
from kvclient.errors import KvError, ReplyError
from kvclient.routing.address import Address
from kvclient.routing.plan import Merge
from kvclient.wire.channel import Argv, Request

Again: TypeAlias = Callable[[Request, ReplyError], bool]
"""Takes a request that was refused, and says whether it is sent again."""

Judge: TypeAlias = Callable[[Argv], Exception | None]
"""Says how a request without a reply ends; None: it is to be asked again."""

_MISSING: Final[Any] = object()


def unfinished(request: Request, judge: Judge) -> list[Request]:
    """End a request that gets no more replies as `judge` says; return what is asked again."""
    future = request.future
    if isinstance(future, Composite):
        return future.unfinished(request, judge)
    error = judge(request.argv)
    if error is None:
        return [request]
    request.fail(error)
    return []


class Composite(ABC):
    """What stands in place of a request's future."""

    @abstractmethod
    def done(self) -> bool:
        """Does nobody wait any more?"""

    @abstractmethod
    def set_result(self, reply: Any, /) -> None:
        """Take the reply."""

    @abstractmethod
    def set_exception(self, error: BaseException) -> None:
        """Take the error that the request ended with."""

    @abstractmethod
    def unfinished(self, request: Request, judge: Judge) -> list[Request]:
        """Keep what was answered, end the rest as `judge` says; return what is asked again."""


class Batch:
    """The replies of `parts`, as they come; errors are values among them."""

    def __init__(
        self,
        parts: Sequence[Argv],
        future: asyncio.Future[list[Any]] | Whole,
        deadline: float,
    ) -> None:
        self.parts = parts
        self.future = future
        self.deadline = deadline
        self._replies: list[Any] = [_MISSING] * len(parts)
        self._left = len(parts)

    def single(self, index: int) -> Request:
        """Return the request for one part alone."""
        return Request(self.parts[index], None, _Place(self, index), self.deadline)

    def group(self, indexes: Sequence[int], again: Again) -> Request:
        """Return the request that asks for some of the parts."""
        if len(indexes) == len(self.parts):
            parts = list(self.parts)
        else:
            parts = [self.parts[index] for index in indexes]
        return Request(parts[0], None, _Group(self, indexes, again), self.deadline, parts)

    def put_all(self, replies: list[Any]) -> None:
        """Take the replies of all parts."""
        self._replies = replies
        self._left = 0
        if not self.future.done():
            self.future.set_result(replies)

    def put(self, index: int, reply: Any) -> None:
        """Take one reply; the first one counts."""
        if self._replies[index] is not _MISSING:
            return
        self._replies[index] = reply
        self._left -= 1
        if self._left == 0 and not self.future.done():
            self.future.set_result(self._replies)


class _Place:
    """What stands for the future of one part."""

    def __init__(self, batch: Batch, index: int) -> None:
        self._batch = batch
        self._index = index

    def done(self) -> bool:
        return self._batch.future.done()

    def set_result(self, reply: Any) -> None:
        self._batch.put(self._index, reply)

    def set_exception(self, error: BaseException) -> None:
        self._batch.put(self._index, error)


class _Group(Composite):
    """Parts of a batch that leave together."""

    def __init__(self, batch: Batch, indexes: Sequence[int], again: Again) -> None:
        self._batch = batch
        self._indexes = indexes
        self._again = again
        self._is_over = False

    def done(self) -> bool:
        return self._is_over or self._batch.future.done()

    def set_result(self, replies: list[Any]) -> None:
        self._is_over = True
        batch = self._batch
        if len(replies) == len(batch.parts):
            for reply in replies:
                if isinstance(reply, ReplyError):
                    break
            else:
                batch.put_all(replies)
                return
        for index, reply in zip(self._indexes, replies):
            if isinstance(reply, ReplyError) and self._again(batch.single(index), reply):
                continue
            batch.put(index, reply)

    def set_exception(self, error: BaseException) -> None:
        self._is_over = True
        for index in self._indexes:
            self._batch.put(index, error)

    def unfinished(self, request: Request, judge: Judge) -> list[Request]:
        """Put what was answered; each other part is judged by itself."""
        answered = request.replies or []
        self.set_result(answered)
        rest = []
        for index in self._indexes[len(answered) :]:
            error = judge(self._batch.parts[index])
            if error is None:
                single = self._batch.single(index)
                single.was_sent = request.was_sent
                rest.append(single)
            else:
                self._batch.put(index, error)
        return rest


class Transaction(Composite):
    """MULTI, requests, EXEC: executed as one, or sent again where nothing of it was executed."""

    def __init__(
        self,
        parts: Sequence[Argv],
        end: Argv,
        future: asyncio.Future[list[Any]],
        deadline: float,
        again: Again,
    ) -> None:
        self.parts = parts
        self._end = end
        self.request = Request(MULTI, None, self, deadline, as_transaction(parts, end))
        self._future = future
        self._again = again

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, replies: list[Any]) -> None:
        try:
            outcome = transaction_replies(replies)
        except ReplyError as error:
            if not self._again(self.request, error):
                self.set_exception(error)
        except KvError as error:
            self.set_exception(error)
        else:
            if not self._future.done():
                self._future.set_result(outcome)

    def set_exception(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    def unfinished(self, request: Request, judge: Judge) -> list[Request]:
        """It is judged as a whole, by its end."""
        error = judge(self._end)
        if error is None:
            return [self.request]
        self.set_exception(error)
        return []


class Asked(Composite):
    """A request behind ASKING, in one piece: nobody else's request may come between them."""

    def __init__(self, request: Request, again: Again) -> None:
        self._inner = request
        self._again = again
        parts = [request.argv] if request.parts is None else request.parts
        self.request = Request(ASKING, None, self, request.deadline, [ASKING, *parts])

    def done(self) -> bool:
        return bool(self._inner.future.done())

    def set_result(self, replies: list[Any]) -> None:
        if self._inner.parts is not None:
            self._inner.settle(replies[1:])
            return
        reply = replies[1]
        if not isinstance(reply, Exception):
            self._inner.settle(reply)
        elif not (isinstance(reply, ReplyError) and self._again(self._inner, reply)):
            self._inner.fail(reply)

    def set_exception(self, error: BaseException) -> None:
        assert isinstance(error, Exception)
        self._inner.fail(error)

    def unfinished(self, request: Request, judge: Judge) -> list[Request]:
        """What is asked again is the request itself, where the map then says."""
        self._inner.was_sent = self._inner.was_sent or request.was_sent
        return unfinished(self._inner, judge)


class Pinned(Composite):
    """A request that belongs to one node, whatever the router says."""

    def __init__(self, address: Address, future: asyncio.Future[Any] | _Place) -> None:
        self.address = address
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, reply: Any) -> None:
        if not self._future.done():
            self._future.set_result(reply)

    def set_exception(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    def unfinished(self, request: Request, judge: Judge) -> list[Request]:
        """It is judged like any single request."""
        error = judge(request.argv)
        if error is None:
            return [request]
        self.set_exception(error)
        return []


class Whole:
    """What stands for the future of the parts of a request that concerns several nodes."""

    def __init__(self, request: Request, merge: Merge) -> None:
        self._request = request
        self._merge = merge

    def done(self) -> bool:
        return bool(self._request.future.done())

    def set_result(self, replies: list[Any]) -> None:
        try:
            reply = self._merge(replies)
        except (KvError, UnicodeDecodeError) as error:
            self._request.fail(error)
        else:
            self._request.settle(reply)
