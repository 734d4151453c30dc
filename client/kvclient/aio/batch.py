"""Many requests, one future: each group of them goes to its node, each reply into its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from kvclient.errors import KvError, ReplyError
from kvclient.routing.plan import Merge
from kvclient.wire.channel import Argv, Request

Again: TypeAlias = Callable[[Request, ReplyError], bool]
"""Takes a part that was refused, and says whether it is sent again."""


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
        self._replies: list[Any] = [None] * len(parts)
        self._left = len(parts)

    def single(self, index: int) -> Request:
        """Return the request for one part alone."""
        return Request(self.parts[index], None, _Place(self, index), self.deadline)

    def group(self, indexes: Sequence[int], again: Again) -> Request:
        """Return the request that asks for some of the parts."""
        parts = [self.parts[index] for index in indexes]
        place = _GroupPlace(self, indexes, again)
        return Request(parts[0], None, place, self.deadline, parts)

    def put_group(self, indexes: Sequence[int], replies: Sequence[Any], again: Again) -> None:
        """Take the replies of a group; a part that may be asked again is."""
        for index, reply in zip(indexes, replies):
            if isinstance(reply, ReplyError):
                if again(self.single(index), reply):
                    continue
            self.put(index, reply)

    def put(self, index: int, reply: Any) -> None:
        """Take one reply."""
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


class _GroupPlace:
    """What stands for the future of a group."""

    def __init__(self, batch: Batch, indexes: Sequence[int], again: Again) -> None:
        self._batch = batch
        self._indexes = indexes
        self._again = again

    def done(self) -> bool:
        return self._batch.future.done()

    def set_result(self, replies: list[Any]) -> None:
        self._batch.put_group(self._indexes, replies, self._again)

    def set_exception(self, error: BaseException) -> None:
        for index in self._indexes:
            self._batch.put(index, error)


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
        except KvError as error:
            self._request.fail(error)
        else:
            self._request.settle(reply)


class Rest:
    """What stands for the future of the parts of a lost request that had no replies yet."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._answered = list(request.replies or ())

    def done(self) -> bool:
        return bool(self._request.future.done())

    def set_result(self, replies: list[Any]) -> None:
        self._request.settle(self._answered + replies)

    def set_exception(self, error: BaseException) -> None:
        assert isinstance(error, Exception)
        self._request.fail(error)
