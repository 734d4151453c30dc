"""kvnode, redis-server and a cluster for the libraries that are integrated, and a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import fsspec
import pytest

from kvclient.fsspec import KvFileSystem

from ..client.clusters import RedisCluster
from ..wire.client import Wire
from ..wire.servers import Server, kvnode_server, redis_server

# An installed package says so itself (entry point); the source tree cannot.
for scheme in ("kv", "kvs"):
    fsspec.register_implementation(scheme, KvFileSystem, clobber=True)

WORKERS: Final = 2
START_S: Final = 30
PLACES: Final = ("kvnode", "redis", "cluster")


@pytest.fixture(scope="session")
def node() -> Iterator[Server]:
    """A kvnode, shared by all tests of a process."""
    with kvnode_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_node() -> Iterator[Server]:
    """A redis-server."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster of three redis-servers."""
    with RedisCluster(leaders=3) as cluster:
        yield cluster


@pytest.fixture
def url(node: Server) -> str:
    """The URL of the kvnode, which is empty."""
    empty(node.port)
    return f"kv://127.0.0.1:{node.port}"


@pytest.fixture
def address(node: Server) -> str:
    """The URL of the kvnode, with whatever is in it."""
    return f"kv://127.0.0.1:{node.port}"


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[Any]:
    """The client of two worker processes of one thread each, which is Dask's default."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    with (
        # A task that has no worker to run on fails then, and does not wait for one.
        dask.config.set({"distributed.scheduler.no-workers-timeout": f"{START_S}s"}),
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def dask_client(dask_cluster: Any) -> Any:
    """The client of that cluster, whose workers are there."""
    dask_cluster.wait_for_workers(WORKERS, timeout=START_S)
    return dask_cluster


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """The URL of each kind of server in turn, empty."""
    if request.param == "cluster":
        cluster: RedisCluster = request.getfixturevalue("redis_cluster")
        for leader in cluster.leaders:
            empty(leader.address.port)
        return f"kv://{cluster.leaders[0].address}/?mode=cluster"
    server: Server = request.getfixturevalue("node" if request.param == "kvnode" else "redis_node")
    empty(server.port)
    return f"kv://127.0.0.1:{server.port}"


def empty(port: int) -> None:
    """Remove all data of a server."""
    wire = Wire(port)
    try:
        wire.call("FLUSHALL")
    finally:
        wire.close()


@pytest.fixture
def files(place: str) -> Iterator[KvFileSystem]:
    """The files of each kind of server in turn; parts are so small that files have many."""
    fs = KvFileSystem(place, chunk_bytes=1000)
    yield fs
    fs.close()
