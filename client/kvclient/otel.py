"""Spans and metrics of calls, by OpenTelemetry's conventions for databases.

    from kvclient import otel
    otel.instrument()                                # all clients that are made from now on
    otel.observe(client, tracer_provider=provider)   # or this one

A call is a span of kind CLIENT and a value of `db.client.operation.duration`, with
`db.system.name`, `db.operation.name` (the command), `db.namespace` (the database's number),
`server.address` and `server.port` where there is one node, `db.operation.batch.size`, and for a
failure `error.type` and `db.response.status_code`. Keys and values are not told: not even error
texts are, which may quote them, and a command that is not known is `_OTHER`.

A call's repetitions are one span. What is asked under a watch has its spans, and WATCH itself.
Subscriptions have none: nobody waits for a reply to SUBSCRIBE, and a message is nobody's call.
"""

from __future__ import annotations

import time
from asyncio import CancelledError, Future
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final

from kvclient.batches import EXEC
from kvclient.errors import KvError, ReplyError
from kvclient.observation import watch_with
from kvclient.retrying import bare
from kvclient.traits import Argv, traits_of
from kvclient.wire.channel import Shape

try:
    from opentelemetry.metrics import get_meter_provider
    from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer_provider
except ImportError:
    raise ImportError("kvclient.otel needs opentelemetry-api: pip install 'kvnode[otel]'") from None

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from kvclient.aio.client import AsyncClient
    from kvclient.blocking.client import Client
    from kvclient.options import Options
    from kvclient.routing.address import Address

__all__ = ["instrument", "observe", "uninstrument"]

_SCOPE: Final = "kvclient"
_BOUNDARIES_S: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Watch all clients that are made from now on, with these providers or the process's."""
    watch_with(_Recorder(tracer_provider, meter_provider).around)


def uninstrument() -> None:
    """Watch no client that is made from now on."""
    watch_with(None)


def observe(
    client: Client[Any] | AsyncClient[Any],
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Watch one client, and the views that are made of it from now on."""
    recorder = _Recorder(tracer_provider, meter_provider)
    core: Any = client._core
    client._use(recorder.around(core), client._deadline_s)


class _Recorder:
    """Where spans and durations go."""

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        tracers = tracer_provider or get_tracer_provider()
        meters = meter_provider or get_meter_provider()
        self.tracer: Tracer = tracers.get_tracer(_SCOPE)
        self.durations: Histogram = meters.get_meter(_SCOPE).create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="How long calls took, repetitions included.",
            explicit_bucket_boundaries_advisory=_BOUNDARIES_S,
        )

    def around(self, core: Any) -> Any:
        """Return what stands for a Core whose calls are watched; itself if it is such already."""
        if isinstance(core, _Watched):
            return core
        kind = _AsyncWatched if iscoroutinefunction(core.send_waiting) else _Watched
        return kind(core, self)


class _Call:
    """One call, from here to its end."""

    def __init__(self, recorder: _Recorder, attributes: dict[str, str | int], name: str) -> None:
        self._recorder = recorder
        self._attributes = attributes
        self._begin = time.perf_counter()
        self._span = recorder.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def end(self, error: BaseException | None) -> None:
        """Tell how it went."""
        if error is not None:
            failure = _failure(error)
            self._attributes.update(failure)
            self._span.set_attributes(failure)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
        self._recorder.durations.record(time.perf_counter() - self._begin, self._attributes)

    def end_with(self, future: Future[Any]) -> None:
        """Tell how it went with a future that is done."""
        # Asked for its exception directly, a future would not report one that nobody fetched.
        cancelled = CancelledError() if future.cancelled() else None
        self.end(cancelled or getattr(future, "_exception", None))


def _failure(error: BaseException) -> dict[str, str | int]:
    if isinstance(error, ReplyError):
        return {"error.type": error.code, "db.response.status_code": error.code}
    if isinstance(error, CancelledError):
        return {"error.type": "cancelled"}
    kind = type(error)
    name = kind.__name__ if isinstance(error, KvError) else f"{kind.__module__}.{kind.__name__}"
    return {"error.type": name}


class _Watched:
    """Stands for a blocking Core: watches what is sent, and hands on everything else."""

    def __init__(self, core: Any, recorder: _Recorder) -> None:
        self._core = core
        self._recorder = recorder
        self._common, self._target = _common(core.options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def _call(self, argv: Argv) -> _Call:
        return self._named(_operation(argv), 1)

    def _batch(self, parts: Sequence[Argv], is_transaction: bool) -> _Call:
        operations = {_operation(part) for part in parts}
        words = ["MULTI" if is_transaction else "PIPELINE"]
        if len(operations) == 1:
            words += operations
        return self._named(" ".join(words), len(parts))

    def _named(self, operation: str, size: int) -> _Call:
        attributes = {**self._common, "db.operation.name": operation}
        if size > 1:
            attributes["db.operation.batch.size"] = size
        return _Call(self._recorder, attributes, operation + self._target)

    def _watch(self, call: _Call, send: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `send` returns, and end the call then."""
        try:
            reply = send(*arguments)
        except BaseException as error:
            call.end(error)
            raise
        call.end(None)
        return reply

    def _over(self, call: _Call, send: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `send` returns, of which the asynchronous Core has coroutines."""
        return self._watch(call, send, *arguments)

    def sender(self, deadline_s: float) -> _Sender:
        """Return the way in for calls with such a deadline."""
        return _Sender(self, self._core.sender(deadline_s).send)

    def submit_to(
        self, address: Address, argv: Argv, shape: Shape | None, deadline_s: float
    ) -> Any:
        """Send a request to one node among several."""
        call = self._call(argv)
        return self._watch(call, self._core.submit_to, address, argv, shape, deadline_s)

    def submit(self, argv: Argv, shape: Shape | None, deadline_s: float) -> Any:
        """Send a request that carries a number, most often."""
        return self._watch(self._call(argv), self._core.submit, argv, shape, deadline_s)

    def send_all(
        self, parts: Sequence[Argv], deadline_s: float, is_transaction: bool, end: Argv = EXEC
    ) -> Any:
        """Send many requests."""
        call = self._batch(parts, is_transaction)
        return self._watch(call, self._core.send_all, parts, deadline_s, is_transaction, end)

    def send_waiting(
        self, argv: Argv, shape: Shape | None, timeout_s: float, deadline_s: float
    ) -> Any:
        """Send a request that may wait."""
        call = self._call(argv)
        return self._over(call, self._core.send_waiting, argv, shape, timeout_s, deadline_s)

    def begin(self, argv: Argv, deadline_s: float) -> Any:
        """Return a connection on which `argv`, WATCH, was executed."""
        connection = self._over(self._call(argv), self._core.begin, argv, deadline_s)
        return _Connection(self, connection)

    def give_back(self, connection: Any, is_clean: bool) -> Any:
        """Take a connection back."""
        if isinstance(connection, _Connection):
            connection = connection.inner
        return self._core.give_back(connection, is_clean)


class _Connection:
    """Stands for a connection with keys under watch."""

    def __init__(self, watched: _Watched, connection: Any) -> None:
        self._watched = watched
        self.inner = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def ask(self, argv: Argv, limit_s: float, shape: Shape | None = None) -> Any:
        """Send a request."""
        watched = self._watched
        return watched._over(watched._call(argv), self.inner.ask, argv, limit_s, shape)

    def ask_all(self, argvs: list[Argv], limit_s: float) -> Any:
        """Send a transaction, from MULTI to EXEC."""
        watched = self._watched
        call = watched._batch(argvs[1:-1], True)
        return watched._over(call, self.inner.ask_all, argvs, limit_s)


class _Sender:
    """Stands for a Core's Sender."""

    def __init__(self, watched: _Watched, send: Callable[[Argv, Shape | None], Any]) -> None:
        self._watched = watched
        self._send = send

    def send(self, argv: Argv, shape: Shape | None = None) -> Any:
        """Send a request."""
        watched = self._watched
        return watched._watch(watched._call(argv), self._send, argv, shape)


def _common(options: Options) -> tuple[dict[str, str | int], str]:
    """Return the attributes that all calls of a client have, and the end of spans' names."""
    common: dict[str, str | int] = {"db.system.name": "redis", "db.namespace": str(options.db)}
    if options.mode != "standalone":
        return common, ""
    address = options.addresses[0]
    if address.path:
        common["server.address"] = address.path
    else:
        common["server.address"] = address.host
        common["server.port"] = address.port
    return common, f" {address}"


def _operation(argv: Argv) -> str:
    traits = traits_of(bare(argv) or argv)
    return traits.name if traits.is_known else "_OTHER"


class _AsyncWatched(_Watched):
    """Stands for an asynchronous Core."""

    def _watch(self, call: _Call, send: Callable[..., Any], *arguments: Any) -> Any:
        """Return the future that `send` returns, and end the call with it."""
        try:
            future = send(*arguments)
        except BaseException as error:
            call.end(error)
            raise
        future.add_done_callback(call.end_with)
        return future

    async def _over(self, call: _Call, send: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the coroutine returns, and end the call then."""
        try:
            reply = await send(*arguments)
        except BaseException as error:
            call.end(error)
            raise
        call.end(None)
        return reply

    async def begin(self, argv: Argv, deadline_s: float) -> Any:
        """Return a connection on which `argv`, WATCH, was executed."""
        connection = await self._over(self._call(argv), self._core.begin, argv, deadline_s)
        return _Connection(self, connection)
