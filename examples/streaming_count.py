"""A count over a stream, by consumers of which one is killed: every event counts once.

    python examples/streaming_count.py --events 20000

A producer appends events to a stream. The consumers of a group share them; each event is counted
and acknowledged by one script, which counts only what was not acknowledged before. One consumer is
killed half-way: what it was handed and had not counted is claimed by the others. At the end the
counts are compared with what was produced.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

from own_node import node_url

from kvclient import Client, Entry
from kvclient.blocking.scripts import Script

PAGES = ("home", "search", "basket", "order", "help", "about", "login")
BATCH = 100
CLAIM_IDLE_S = 0.5
WAIT_S = 60.0

COUNT = """
local counted = 0
for i = 2, #ARGV, 2 do
    if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
        redis.call('HINCRBY', KEYS[2], ARGV[i + 1], 1)
        counted = counted + 1
    end
end
return counted
"""


def events(number: int) -> list[str]:
    """Return which pages were visited, the same at every call."""
    return random.Random(17).choices(PAGES, weights=range(1, len(PAGES) + 1), k=number)


def produce(client: Client[str], stream: str, pages: Sequence[str]) -> None:
    """Append the events."""
    for first in range(0, len(pages), BATCH):
        with client.pipeline() as pipeline:
            for page in pages[first : first + BATCH]:
                pipeline.xadd(stream, {"page": page})


def consume(url: str, name: str, consumer: str) -> None:
    """Count events until the process is ended."""
    stream, counts = keys(name)
    with Client(url, decode=True) as client:
        script = client.script(COUNT)
        entries = client.consumer(
            stream,
            group="counters",
            name=consumer,
            count=BATCH,
            block_s=CLAIM_IDLE_S,
            claim_idle_s=CLAIM_IDLE_S,
        )
        with entries:
            while True:
                batch: list[Entry[str]] = []
                while len(batch) < BATCH:
                    entry = entries.next(timeout_s=0.05)
                    if entry is None:
                        break
                    batch.append(entry)
                if batch:
                    count(script, [stream, counts], batch)
                    # They are acknowledged; this tells the consumer, which remembers them.
                    entries.ack(*batch)


def count(script: Script, places: Sequence[str], batch: Sequence[Entry[str]]) -> None:
    """Count and acknowledge some entries at once."""
    words = ["counters"]
    for entry in batch:
        words += [entry.id, entry.fields["page"]]
    script(places, words)


def keys(name: str) -> tuple[str, str]:
    """Return the keys of the stream and of the counts, which lie on one node of a cluster."""
    return f"{{{name}}}:events", f"{{{name}}}:counts"


def counted(client: Client[str], counts: str) -> dict[str, int]:
    """Return the counts."""
    return {page: int(number) for page, number in client.hgetall(counts).items()}


def run(url: str, pages: Sequence[str], consumers: int) -> dict[str, int]:
    """Produce and count; kill one consumer when a third is counted. Return the counts."""
    name = f"visits-{secrets.token_hex(4)}"
    stream, counts = keys(name)
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = [
        context.Process(target=consume, args=(url, name, f"consumer-{i}"), daemon=True)
        for i in range(consumers)
    ]
    with Client(url, decode=True) as client:
        for process in processes:
            process.start()
        produce(client, stream, pages)
        give_up_at = time.monotonic() + WAIT_S
        victim: BaseProcess | None = processes[0]
        while (total := sum(counted(client, counts).values())) < len(pages):
            if victim is not None and total > len(pages) / 3:
                victim.kill()
                victim = None
            if time.monotonic() > give_up_at:
                break
            time.sleep(0.005)
        for process in processes:
            process.kill()
            process.join()
        found = counted(client, counts)
        client.unlink(stream, counts)
    return found


def main() -> int:
    """Count, and compare; the exit status says whether every event counted once."""
    parser = argparse.ArgumentParser(description="a count over a stream by a consumer group")
    parser.add_argument("--url", help="the server; without it a node is started")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--consumers", type=int, default=3)
    told = parser.parse_args()
    pages = events(told.events)
    with node_url(told.url) as url:
        found = run(url, pages, told.consumers)
    is_equal = found == dict(Counter(pages))
    top = ", ".join(f"{page} {number}" for page, number in Counter(found).most_common(3))
    print(
        f"{told.events} events, {told.consumers} consumers of which one was killed: {top}, ...;"
        f" counts are exact: {'yes' if is_equal else 'NO'}"
    )
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
