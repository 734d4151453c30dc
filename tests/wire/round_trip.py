"""A large dataset travels from redis-server to kvnode and back; its content stays equal.

    python -m tests.wire.round_trip --keys 1000000
    python -m tests.wire.round_trip --keys 1000000 --by appendonlydir

By snapshot: redis-server SAVEs, kvnode starts on its dump.rdb and SAVEs, another redis-server
starts on that. By log: the same with `appendonly yes` and the whole appendonlydir, each time a base
made by a rewrite and an increment with changes since.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from .bulk_client import BulkClient
from .client import wait_until
from .contents import same_contents
from .datasets import changes, dataset
from .harness import Difference
from .servers import Server, kvnode_server, node_origin, redis_server

LIMIT_S: Final = 1800.0
LOGGED: Final = ("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
SNAPSHOT: Final = "dump.rdb"
LOG_FOLDER: Final = "appendonlydir"
Report = Callable[[str], None]


@contextmanager
def timed(report: Report, what: str) -> Iterator[None]:
    """Report how long the block took."""
    started = time.monotonic()
    yield
    report(f"{what}: {time.monotonic() - started:.1f} s")


def carried(source: Server, target: Server, name: str) -> None:
    """Copy a file or folder of the source's data to a target that does not run yet."""
    origin, place = source.made_folder() / name, target.made_folder() / name
    if origin.is_dir():
        shutil.copytree(origin, place)
    else:
        shutil.copyfile(origin, place)
    target.start_timeout_s = LIMIT_S


def saved(server: Server) -> None:
    """Make a dump.rdb."""
    client = BulkClient(server.port, LIMIT_S)
    client.call("SAVE")
    client.close()


def rewritten(server: Server) -> None:
    """Make a base of all that is there."""
    client = BulkClient(server.port, LIMIT_S)
    client.call("BGREWRITEAOF")

    def is_done() -> bool:
        info = client.call("INFO", "persistence")
        return b"aof_rewrite_in_progress:0" in info and b"aof_rewrite_scheduled:0" in info

    assert wait_until(is_done, LIMIT_S, 0.05), server.log_tail()
    client.close()


def filled(server: Server, keys: int, seed: int) -> None:
    """Make the dataset."""
    client = BulkClient(server.port, LIMIT_S)
    client.feed(dataset(keys, seed))
    client.close()


def changed(server: Server, keys: int, seed: int) -> None:
    """Change some of the dataset."""
    client = BulkClient(server.port, LIMIT_S)
    client.feed(changes(keys, keys // 10, seed))
    client.close()


def by_snapshot(keys: int, seed: int, interpreted: bool, report: Report) -> int:
    """Take the way of dump.rdb; return the number of keys compared at its end."""
    node = kvnode_server(interpreted=interpreted)
    last = redis_server()
    with redis_server() as first:
        with timed(report, "redis-server is filled"):
            filled(first, keys, seed)
        with timed(report, "redis-server saves"):
            saved(first)
        carried(first, node, SNAPSHOT)
        with timed(report, "kvnode starts on dump.rdb"):
            node.start()
        with node:
            with timed(report, "compared"):
                same_contents(node.port, first.port)
            with timed(report, "kvnode saves"):
                saved(node)
            carried(node, last, SNAPSHOT)
            with timed(report, "redis-server starts on kvnode's dump.rdb"):
                last.start()
        with last:
            return same_contents(last.port, first.port)


def by_log(keys: int, seed: int, interpreted: bool, report: Report) -> int:
    """Take the way of appendonlydir; return the number of keys compared at its end."""
    node = kvnode_server(*LOGGED, interpreted=interpreted)
    last = redis_server(*LOGGED)
    with redis_server(*LOGGED) as first:
        with timed(report, "redis-server is filled"):
            filled(first, keys, seed)
            rewritten(first)
            changed(first, keys, seed + 1)
        # What has been answered is written: a copy of the files is whole.
        carried(first, node, LOG_FOLDER)
        with timed(report, "kvnode starts on appendonlydir"):
            node.start()
        with node:
            with timed(report, "compared"):
                same_contents(node.port, first.port, logged=True)
            with timed(report, "kvnode rewrites the log"):
                rewritten(node)
            with timed(report, "kvnode is changed"):
                changed(node, keys, seed + 2)
            carried(node, last, LOG_FOLDER)
            with timed(report, "redis-server starts on kvnode's appendonlydir"):
                last.start()
            with last:
                return same_contents(last.port, node.port, logged=True)


WAYS: Final = {SNAPSHOT: by_snapshot, LOG_FOLDER: by_log}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: travel, print the times and what was compared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by", choices=(*WAYS, "both"), default="both")
    parser.add_argument("--interpreted", action="store_true", help="kvnode from the source tree")
    options = parser.parse_args(arguments)
    print(f"kvnode is {node_origin(interpreted=options.interpreted)}", flush=True)
    try:
        for name in WAYS if options.by == "both" else [options.by]:
            count = WAYS[name](options.keys, options.seed, options.interpreted, print)
            print(f"{name}: {count:,} keys, equal on both ways", flush=True)
    except Difference as difference:
        print(difference)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
