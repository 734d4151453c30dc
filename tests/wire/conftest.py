"""Both servers once per test worker; an empty pair of connections per test and protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .following import Node, Start
from .harness import Pair
from .servers import Server, both_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Server, Server]]:
    """kvnode and redis-server, running."""
    with both_servers() as both:
        yield both


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request: pytest.FixtureRequest, servers: tuple[Server, Server]) -> Iterator[Pair]:
    """Both servers, empty, in RESP2 and then in RESP3."""
    log_sizes = []
    for server in servers:
        server.revive()
        log_sizes.append(server.log_size())
    request.node.wire_logs = list(zip(servers, log_sizes, strict=True))
    pair = Pair(*servers, protocol=request.param)
    try:
        pair.reset()
        yield pair
    finally:
        pair.close()


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts nodes of this test alone, by their kind and directives."""
    nodes: list[Node] = []
    request.node.wire_logs = []

    def start_one(kind: str, *directives: str) -> Node:
        node = Node(kind, *directives)
        nodes.append(node)
        request.node.wire_logs.append((node.server, 0))
        return node

    yield start_one
    for node in nodes:
        node.remove()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show with a failure what the servers logged during the test."""
    report = yield
    if report.failed:
        for server, offset in getattr(item, "wire_logs", []):
            state = "" if server.alive() else " (ended)"
            report.sections.append((f"log of {server.name}{state}", server.log_tail(offset)))
    return report
