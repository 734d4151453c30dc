"""Metrics: what a scrape shows, and the small HTTP server that answers it."""

from __future__ import annotations

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kvnode.metrics import exposition
from kvnode.metrics_http import respond

from .engine import Engine
from .processes import Start, ask, free_port, start, wait_for_line
from .requesters import Requester

__all__ = ["start"]  # the fixture

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    """Every sample of an exposition by name and labels, as Prometheus's own parser reads it."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            place = (sample.name, tuple(sorted(sample.labels.items())))
            assert place not in found
            found[place] = sample.value
    return found


def test_a_scrape_shows_what_dashboards_chart() -> None:
    engine = Engine()
    engine.send(b"SET k v".split())
    engine.send(b"SET gone v PX 90000".split())
    engine.send(b"GET k".split())
    engine.send(b"GET nothing".split())
    engine.send(b"LPUSH k v".split())
    found = samples(exposition(engine.node))
    assert found["redis_up", ()] == 1
    assert found["redis_commands_total", (("cmd", "set"),)] == 2
    assert found["redis_commands_duration_seconds_total", (("cmd", "get"),)] >= 0
    assert found["redis_commands_failed_calls_total", (("cmd", "lpush"),)] == 1
    assert found["redis_errors_total", (("err", "WRONGTYPE"),)] == 1
    assert found["redis_keyspace_hits_total", ()] == 1
    assert found["redis_keyspace_misses_total", ()] == 1
    assert found["redis_db_keys", (("db", "db0"),)] == 2
    assert found["redis_db_keys_expiring", (("db", "db0"),)] == 1
    assert 80 <= found["redis_db_avg_ttl_seconds", (("db", "db0"),)] <= 90
    assert found["redis_db_keys", (("db", "db15"),)] == 0
    assert found["redis_memory_used_bytes", ()] == engine.node.used_memory()
    assert found["redis_commands_processed_total", ()] == 5
    assert found["redis_commands_latencies_usec_count", (("cmd", "set"),)] == 2
    assert found["redis_config_maxclients", ()] == 10000
    for name in ("connected_clients", "uptime_in_seconds", "memory_max_bytes", "slowlog_length"):
        assert (f"redis_{name}", ()) in found
    info = [labels for name, labels in found if name == "redis_instance_info"]
    assert dict(info[0])["redis_version"] == "7.0.15"


def test_a_scrape_shows_what_is_remembered_of_requests() -> None:
    engine = Engine()
    client = Requester(engine)
    client.send(1, b"INCR", b"n")
    client.send(1, b"INCR", b"n")
    client.send(2, b"INCR", b"n")
    found = samples(exposition(engine.node))
    assert found["kvnode_request_clients", ()] == 1
    assert found["kvnode_request_replies", ()] == 2
    assert found["kvnode_request_memory_bytes", ()] == engine.node.requests.bytes
    assert found["kvnode_request_repeats_total", ()] == 1
    assert found["kvnode_request_refused_total", ()] == 0


def test_a_scrape_shows_lag_batches_and_held_replies() -> None:
    engine = Engine()
    engine.send(b"PING".split())
    engine.node.stats.count_tick(0.25)
    engine.node.stats.count_tick(-0.5)  # earlier than due is no lag
    session = engine.session()
    session.hold(1)
    session.writer.write(b"waits")
    session.hold(2)
    found = samples(exposition(engine.node))
    assert found["kvnode_loop_lag_seconds_count", ()] == 2
    assert found["kvnode_loop_lag_seconds_sum", ()] == 0.25
    assert found["kvnode_loop_lag_max_seconds", ()] == 0.25
    assert found["kvnode_batch_commands_sum", ()] == 1
    assert found["kvnode_held_replies_sessions", ()] == 1
    assert found["kvnode_held_replies_bytes", ()] >= len("$5\r\nwaits\r\n")


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 200, b"ok"),
        (b"GET /metrics?name[]=x HTTP/1.0\r\n\r\n", 200, b"redis_up 1.0"),
        (b"GET /other HTTP/1.1\r\n\r\n", 404, b"/metrics and /healthz"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405, b"GET, HEAD"),
        (b"PING\r\n\r\n", 400, b"not an HTTP request"),
        (b"\r\n\r\n", 400, b"not an HTTP request"),
    ],
)
def test_a_request_is_answered(request_: bytes, status: int, text: bytes) -> None:
    found = respond(Engine().node, request_)
    assert found[0] == status
    assert text in found[2]
    assert found[3]


def test_a_head_request_gets_no_body() -> None:
    status, _, body, has_body = respond(Engine().node, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert (status, body, has_body) == (200, b"ok\n", False)


def test_a_node_serves_its_metrics_on_a_port_of_their_own(start: Start) -> None:
    port, metrics = free_port(), free_port()
    node = start("--port", str(port), "--metrics-port", str(metrics))
    wait_for_line(node, b"event=ready")
    place = ("127.0.0.1", metrics)
    reply = ask(socket.AF_INET, place, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 100_000)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.endswith(b"\r\n\r\nok\n")
    reply = ask(socket.AF_INET, place, b"GET /metrics HTTP/1.1\r\n\r\n", 1_000_000)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert samples(body)["redis_connected_clients", ()] == 0
    assert b"400 Bad Request" in ask(socket.AF_INET, place, b"x" * 9000, 100_000)
    request = b"CONFIG SET metrics-port 0\r\n"
    assert ask(socket.AF_INET, ("127.0.0.1", port), request, 5) == b"+OK\r\n"
    with pytest.raises(ConnectionRefusedError):
        ask(socket.AF_INET, place, b"GET /healthz HTTP/1.1\r\n\r\n", 1)


def test_one_port_cannot_serve_two_things(start: Start) -> None:
    port = free_port()
    node = start("--port", str(port), "--metrics-port", str(port))
    _, log = node.communicate(timeout=30)
    assert node.returncode == 1
    assert log.startswith(b"kvnode: cannot listen on 127.0.0.1:%d: address already in use" % port)
