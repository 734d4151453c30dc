"""From replies and errors of this client to results and errors of redis-py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis
from redis._parsers import BaseParser, Encoder
from redis.client import EMPTY_RESPONSE, NEVER_DECODE

from kvclient import errors
from kvclient.compat.transport import Command


class OutcomeUnknown(redis.ConnectionError, redis.TimeoutError):
    """The request was sent once and its reply was lost: it may have been executed.

    Caught by whoever catches redis-py's ConnectionError or TimeoutError.
    """


_COUNTERPARTS: Final = (
    (errors.OutcomeUnknown, OutcomeUnknown),
    (errors.DeadlineExceeded, redis.TimeoutError),
    (errors.Unavailable, redis.ConnectionError),
    (errors.TransactionAborted, redis.WatchError),
    (errors.ArgumentError, redis.DataError),
    (errors.ProtocolError, redis.InvalidResponse),
)


def counterpart(error: BaseException) -> Exception:
    """Return redis-py's exception for one of ours."""
    if isinstance(error, errors.ReplyError):
        made: Exception = BaseParser.parse_error(error.message)
        return made
    for ours, theirs in _COUNTERPARTS:
        if isinstance(error, ours):
            return theirs(str(error))
    return redis.RedisError(str(error))


def decoded(encoder: Encoder, reply: Any) -> Any:
    """Return a reply with text in place of bytes, at any depth."""
    kind = type(reply)
    if kind is bytes:
        return encoder.decode(reply)
    if kind is list:
        return [decoded(encoder, item) for item in reply]
    if kind is dict:
        return {decoded(encoder, key): decoded(encoder, item) for key, item in reply.items()}
    if kind is set:
        return {decoded(encoder, item) for item in reply}
    return reply


def result(
    encoder: Encoder, callbacks: Mapping[Any, Any], name: Any, reply: Any, options: dict[str, Any]
) -> Any:
    """Return what redis-py makes of a reply; it may have to be awaited. An error is raised."""
    if isinstance(reply, Exception):
        error = counterpart(reply)
        if EMPTY_RESPONSE in options and isinstance(error, redis.ResponseError):
            return options[EMPTY_RESPONSE]
        raise error from reply
    if encoder.decode_responses and NEVER_DECODE not in options:
        reply = decoded(encoder, reply)
    callback = callbacks.get(name)
    if callback is None:
        return reply
    if options:
        # What is meant for the reading of the reply and for redis-py's cache.
        options = {
            option: value
            for option, value in options.items()
            if option not in (NEVER_DECODE, EMPTY_RESPONSE, "keys")
        }
    return callback(reply, **options)


def results(
    encoder: Encoder, callbacks: Mapping[Any, Any], commands: Sequence[Command], replies: list[Any]
) -> list[Any]:
    """Return the results of a pipeline, exceptions among them."""
    found = []
    for (args, options), reply in zip(commands, replies):
        try:
            found.append(result(encoder, callbacks, args[0], reply, options))
        except redis.RedisError as error:
            found.append(error)
    return found


def spread(commands: Sequence[Command], replies: Sequence[Any]) -> list[Any]:
    """Return a reply for each command: those that a transaction leaves out have theirs at hand."""
    rest = iter(replies)
    return [
        options[EMPTY_RESPONSE] if EMPTY_RESPONSE in options else next(rest)
        for _, options in commands
    ]


def is_sent_in_transaction(command: Command) -> bool:
    """Say whether a command has a place in a transaction: not if it would only be refused."""
    return EMPTY_RESPONSE not in command[1]
