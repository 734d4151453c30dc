"""`kvclient.otel`: what is told of calls, and what is not."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kvclient import AsyncClient, Client, OutcomeUnknown, ReplyError
from kvclient.compat import Redis

from ..wire.servers import Server

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.trace import SpanKind, StatusCode

from kvclient import otel


class Telemetry:
    """Providers that keep what they are told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that ended since the last call."""
        ended = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return ended

    def operations(self) -> list[Any]:
        """Return the operations of these spans."""
        return [(span.attributes or {})["db.operation.name"] for span in self.spans()]

    def counts(self) -> dict[Any, int]:
        """Return how many durations each operation has."""
        data: Any = self._reader.get_metrics_data()
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
        assert (metric.name, metric.unit) == ("db.client.operation.duration", "s")
        return {
            point.attributes["db.operation.name"]: point.count for point in metric.data.data_points
        }


@pytest.fixture
def told() -> Iterator[Telemetry]:
    """Telemetry of all clients that the test makes."""
    telemetry = Telemetry()
    otel.instrument(telemetry.tracers, telemetry.meters)
    yield telemetry
    otel.uninstrument()


@pytest.fixture
def url(servers: dict[str, Server]) -> str:
    """The URL of an empty node."""
    node = servers["kvnode"]
    node.revive()
    url = f"kv://localhost:{node.port}"
    with Client(url) as client:
        client.flushall()
    return url


def test_a_call_is_a_span_and_a_duration(url: str, told: Telemetry) -> None:
    with Client(url + "/1") as client:
        client.set("secret key", "secret value")
        client.execute("client", "id")
        client.blpop("nothing", 0.01)
    first, *_ = spans = told.spans()
    port = int(url.rpartition(":")[2])
    assert first.name == f"SET localhost:{port}"
    assert first.kind is SpanKind.CLIENT
    assert dict(first.attributes or {}) == {
        "db.system.name": "redis",
        "db.namespace": "1",
        "db.operation.name": "SET",
        "server.address": "localhost",
        "server.port": port,
    }
    assert first.status.status_code is StatusCode.UNSET
    assert [span.name.split(" localhost")[0] for span in spans] == ["SET", "CLIENT ID", "BLPOP"]
    assert told.counts() == {"SET": 1, "CLIENT ID": 1, "BLPOP": 1}


def test_batches_are_one_span_each(url: str, told: Telemetry) -> None:
    with Client(url) as client:
        client.many([("SET", "a", 1), ("SET", "b", 2)])
        with client.pipeline() as pipeline:
            pipeline.get("a")
            pipeline.incr("b")
        with client.transaction() as transaction:
            transaction.incr("b")
    found = [dict(span.attributes or {}) for span in told.spans()]
    assert [(each["db.operation.name"], each.get("db.operation.batch.size")) for each in found] == [
        ("PIPELINE SET", 2),
        ("PIPELINE", 2),
        ("MULTI INCRBY", None),
    ]


def test_a_failure_says_its_kind_and_nothing_of_the_request(url: str, told: Telemetry) -> None:
    with Client(url) as client:
        client.set("secret key", "x")
        with pytest.raises(ReplyError):
            client.lpush("secret key", "secret value")
        with pytest.raises(ReplyError):
            client.execute("secret command", "secret value")
        with pytest.raises(OutcomeUnknown):
            client.with_deadline(0.1).execute("DEBUG", "SLEEP", 0.3)
    _, refused, unknown, lost = told.spans()
    assert (refused.attributes or {})["error.type"] == "WRONGTYPE"
    assert (refused.attributes or {})["db.response.status_code"] == "WRONGTYPE"
    assert refused.status.status_code is StatusCode.ERROR
    assert (unknown.attributes or {})["db.operation.name"] == "_OTHER"
    assert (lost.attributes or {})["error.type"] == "OutcomeUnknown"
    assert "secret" not in "".join(span.to_json() for span in (refused, unknown, lost))


def test_scripts_locks_views_and_pickled_clients_are_watched(url: str, told: Telemetry) -> None:
    with Client(url) as client, pickle.loads(pickle.dumps(client)) as twin:
        client.script("return 1")()
        assert told.operations() == ["EVALSHA", "EVAL"]
        with client.lock("door", renew=False):
            pass
        assert told.operations()[0] == "EVALSHA"
        client.with_deadline(1).ping()
        twin.ping()
        assert told.operations() == ["PING", "PING"]


async def test_calls_of_tasks_end_with_their_replies(url: str, told: Telemetry) -> None:
    async with AsyncClient(url) as client:
        await asyncio.gather(*(client.incr("n") for _ in range(10)))
        await client.many([("GET", "n"), ("GET", "n")])
        await client.blpop("nothing", 0.01)
        with pytest.raises(ReplyError):
            await client.lpush("n", 1)
        assert told.operations() == ["INCRBY"] * 10 + ["PIPELINE GET", "BLPOP", "LPUSH"]
        task = asyncio.ensure_future(client.get("n"))
        await asyncio.sleep(0)
        task.cancel()
        waiting = asyncio.ensure_future(client.blpop("nothing", 5))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0.05)
        failures = [(span.attributes or {}).get("error.type") for span in told.spans()]
        assert failures == ["cancelled", "cancelled"]


def test_what_is_asked_under_a_watch_is_told(url: str, told: Telemetry) -> None:
    with Client(url) as client:
        client.set("k", "string")
        with client.watch("k") as watch:
            watch.get("k")
            with pytest.raises(ReplyError):
                watch.lpush("k", "v")
            transaction = watch.transaction()
            transaction.set("k", 1)
            transaction.incr("k")
            transaction.execute()
        _, *spans = told.spans()
        still_open = [each for each in client._core._all if not each.is_closed]
    operations = [(span.attributes or {})["db.operation.name"] for span in spans]
    assert operations == ["WATCH", "GET", "LPUSH", "MULTI"]
    assert (spans[2].attributes or {})["error.type"] == "WRONGTYPE"
    assert (spans[3].attributes or {})["db.operation.batch.size"] == 2
    assert len(still_open) == 1, "the connection was not given back"


async def test_what_a_task_asks_under_a_watch_is_told(url: str, told: Telemetry) -> None:
    async with AsyncClient(url) as client:
        await client.set("k", "string")
        async with client.watch("k") as watch:
            await watch.get("k")
            transaction = watch.transaction()
            transaction.set("k", 1)
            await transaction.execute()
        assert told.operations() == ["SET", "WATCH", "GET", "MULTI SET"]
        assert not client._core.private._lent


def test_subscriptions_have_no_spans(url: str, told: Telemetry) -> None:
    with Client(url) as client, client.subscribe("c") as heard:
        assert heard.next(timeout_s=0.05) is None
        client.publish("c", "m")
        assert heard.next(timeout_s=5) is not None
    assert told.operations() == ["PUBLISH"]


def test_a_client_can_be_watched_alone(url: str) -> None:
    telemetry = Telemetry()
    with Client(url) as client, Client(url) as other:
        otel.observe(client, telemetry.tracers, telemetry.meters)
        otel.observe(client, telemetry.tracers, telemetry.meters)
        client.ping()
        other.ping()
        assert telemetry.operations() == ["PING"]


def test_a_span_has_the_callers_as_its_parent(url: str, told: Telemetry) -> None:
    tracer = told.tracers.get_tracer("test")
    with Client(url) as client, tracer.start_as_current_span("work") as work:
        client.ping()
    child, _ = told.spans()
    assert child.parent is not None
    assert child.parent.span_id == work.get_span_context().span_id


def test_the_calls_of_compat_are_watched(url: str, told: Telemetry) -> None:
    made: Any = Redis.from_url(url.replace("kv:", "redis:"))
    with made as r:
        r.set("k", "v")
        r.pipeline().get("k").execute()
    assert told.operations() == ["SET", "MULTI GET"]


def test_nobody_watches_by_default(url: str) -> None:
    with Client(url) as client:
        assert type(client._core).__module__ == "kvclient.blocking.core"


def test_without_opentelemetry_the_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['opentelemetry.metrics'] = None; import kvclient.otel"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    line = done.stderr.splitlines()[-1]
    assert line == "ImportError: kvclient.otel needs opentelemetry-api: pip install 'kvnode[otel]'"
