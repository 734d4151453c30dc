"""`redis.Redis` and its pipelines, over `kvclient.Client`."""

from __future__ import annotations

from typing import Any, Final, Self, cast

import redis
import redis.client

from kvclient.blocking.client import Client
from kvclient.blocking.core import Core
from kvclient.compat.outcomes import (
    counterpart,
    is_sent_in_transaction,
    result,
    results,
    spread,
)
from kvclient.compat.pools import Clients
from kvclient.compat.transport import (
    is_for_the_transport,
    needs_own_connection,
    options_of,
    wait_s,
    words,
)
from kvclient.errors import KvError, ReplyError
from kvclient.options import Options
from kvclient.traits import traits_of


def _made(options: Options) -> Client[bytes]:
    client: Client[bytes] = Client.__new__(Client)
    client._use(Core(options), None)
    return client


_clients: Final = Clients(_made)


class Redis(redis.Redis):
    """`redis.Redis` with the same arguments and methods, on this package's transport."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An argument that means nothing here is told now, not at the first command.
        options_of(self.connection_pool)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Self:
        """Return a client of the server at a URL of redis-py's kind."""
        made: Any = super().from_url(url, **kwargs)
        return cast(Self, made)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command; return what redis-py makes of its reply."""
        encoder = self.get_encoder()
        argv = words(encoder, args)
        reply: Any
        try:
            if self.connection is not None or needs_own_connection(argv):
                return super().execute_command(*args, **options)
            client = _clients.of(self.connection_pool)
            if traits_of(argv).blocks(argv):
                reply = client._send_blocking(argv, None, wait_s(argv))
            else:
                reply = client._send(argv)
        except KvError as error:
            reply = error
        return result(encoder, self.response_callbacks, args[0], reply, options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline; without `transaction` its commands stand alone."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    def close(self) -> None:
        """Close the connections, unless they are of a pool that somebody else made."""
        super().close()
        if getattr(self, "auto_close_connection_pool", False):
            client = _clients.take_from(self.connection_pool)
            if client is not None:
                client.close()


class Pipeline(redis.client.Pipeline):
    """redis-py's pipeline; what has no watched keys goes by the transport."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send what was queued; return the results."""
        commands = self.command_stack
        # redis-py has an attribute of this name in place of the method.
        asked: Any = self.transaction
        is_transaction = bool(asked or self.explicit_transaction)
        encoder = self.get_encoder()
        sent = [each for each in commands if not is_transaction or is_sent_in_transaction(each)]
        parts = [words(encoder, args) for args, _ in sent]
        try:
            if self.connection is not None or not is_for_the_transport(parts, is_transaction):
                return super().execute(raise_on_error)
            client = _clients.of(self.connection_pool)
            if self.scripts:
                self._load_scripts(client)
            replies = client._send_all(parts, client._deadline_s, is_transaction)
        except KvError as error:
            raised = counterpart(error)
            if isinstance(error, ReplyError) and error.place is not None:
                self.annotate_exception(raised, error.place, sent[error.place - 1][0])
            raise raised from error
        finally:
            self.reset()
        if is_transaction:
            replies = spread(commands, replies)
        found = results(encoder, self.response_callbacks, commands, replies)
        if raise_on_error:
            self.raise_first_error(commands, found)
        return found

    def _load_scripts(self, client: Client[bytes]) -> None:
        scripts = list(self.scripts)
        known = client.script_exists(*(script.sha for script in scripts))
        for script, is_known in zip(scripts, known):
            if not is_known:
                script.sha = client.script_load(script.script)

    def raise_first_error(self, commands: Any, response: Any) -> None:
        """Raise the first error among the results; a refusal names its command."""
        super().raise_first_error(commands, response)
        for value in response:
            if isinstance(value, redis.RedisError):
                raise value
