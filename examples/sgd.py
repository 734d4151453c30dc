"""Data-parallel SGD: worker processes that exchange parameters and gradients through the store.

    python examples/sgd.py --workers 3

Each worker has its share of the rows. In every step it takes a batch of them, puts its gradient
into the store, waits for the others at a barrier, and goes on with the average of all gradients.
So all workers have the same parameters, bit by bit, and the same as one process that does the work
of all of them, which is what is checked at the end. Needs numpy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import sys
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray
from own_node import node_url

from kvclient import Client

Floats: TypeAlias = NDArray[numpy.float64]

FEATURES = 50
ROWS_EACH = 5000
BATCH = 500
RATE = 0.5
WAIT_S = 30.0
LEFT_OVER_S = 120
"""When the keys of a run that broke off are gone."""


@dataclass(frozen=True)
class Run:
    """One training: its keys begin with `name`, whose braces keep them on one node of a cluster."""

    url: str
    name: str
    workers: int
    steps: int

    def key(self, *parts: object) -> str:
        """Return a key of this run."""
        return ":".join(["{" + self.name + "}", *map(str, parts)])


class Barrier:
    """A place that nobody leaves before all have come to it."""

    def __init__(self, client: Client[bytes], run: Run) -> None:
        self._client = client
        self._run = run

    def wait(self, step: int) -> None:
        """Wait for the others; TimeoutError if one of them does not come."""
        count, gate = self._run.key("came", step), self._run.key("gate", step)
        others = self._run.workers - 1
        with self._client.transaction() as transaction:
            came = transaction.incr(count)
            transaction.expire(count, LEFT_OVER_S)
        if came.value <= others:
            if self._client.blpop(gate, timeout=WAIT_S) is None:
                raise TimeoutError(f"step {step}: somebody did not come to the barrier")
        elif others:
            with self._client.transaction() as transaction:
                transaction.rpush(gate, *["go"] * others)
                transaction.expire(gate, LEFT_OVER_S)


def rows_of(rank: int) -> tuple[Floats, Floats]:
    """Return a worker's share: points, and on which side of a hidden plane each of them lies."""
    hidden = numpy.random.default_rng(0).normal(size=FEATURES)
    points = numpy.random.default_rng(1000 + rank).normal(size=(ROWS_EACH, FEATURES))
    return points, (points @ hidden > 0).astype(numpy.float64)


def gradient_of(parameters: Floats, points: Floats, sides: Floats, step: int, rank: int) -> Floats:
    """Return the gradient of the logistic loss over a batch, which step and rank decide."""
    batch = numpy.random.default_rng((step, rank)).integers(0, ROWS_EACH, BATCH)
    guesses = 1 / (1 + numpy.exp(-points[batch] @ parameters))
    gradient: Floats = points[batch].T @ (guesses - sides[batch]) / BATCH
    return gradient


def work(run: Run, rank: int) -> None:
    """Be one worker: exchange gradients step by step, and leave the parameters in the store."""
    points, sides = rows_of(rank)
    with Client(run.url) as client:
        barrier = Barrier(client, run)
        start = client.get(run.key("parameters"))
        assert start is not None, "the parameters of the beginning are missing"
        parameters = numpy.frombuffer(start)
        for step in range(run.steps):
            gradient = gradient_of(parameters, points, sides, step, rank)
            client.set(run.key("gradient", step, rank), gradient.tobytes(), ex=LEFT_OVER_S)
            barrier.wait(step)
            found = client.mget([run.key("gradient", step, other) for other in range(run.workers)])
            gradients = [numpy.frombuffer(one) for one in found if one is not None]
            assert len(gradients) == run.workers, f"step {step}: gradients are missing"
            parameters = parameters - RATE * numpy.mean(gradients, axis=0)
            if step > 0:
                # Everybody has read it who came to this step's barrier.
                client.unlink(run.key("gradient", step - 1, rank))
        client.set(run.key("result", rank), parameters.tobytes(), ex=LEFT_OVER_S)


def by_one_process(workers: int, steps: int) -> Floats:
    """Return the parameters that one process gets with everybody's batches."""
    shares = [rows_of(rank) for rank in range(workers)]
    parameters = numpy.zeros(FEATURES)
    for step in range(steps):
        gradients = [gradient_of(parameters, *shares[i], step, i) for i in range(workers)]
        parameters = parameters - RATE * numpy.mean(gradients, axis=0)
    return parameters


def accuracy(parameters: Floats, workers: int) -> float:
    """Return the share of all rows that the parameters put on the right side."""
    right = 0
    for rank in range(workers):
        points, sides = rows_of(rank)
        right += int(((points @ parameters > 0) == (sides > 0)).sum())
    return right / (workers * ROWS_EACH)


def train(run: Run) -> list[Floats]:
    """Run the workers; return the parameters that each of them ended with."""
    context = multiprocessing.get_context("spawn")
    with Client(run.url) as client:
        client.set(run.key("parameters"), numpy.zeros(FEATURES).tobytes(), ex=LEFT_OVER_S)
        processes = [context.Process(target=work, args=(run, rank)) for rank in range(run.workers)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        results = client.mget([run.key("result", rank) for rank in range(run.workers)])
    return [numpy.frombuffer(result) for result in results if result is not None]


def main() -> int:
    """Train, and compare with one process; the exit status says whether they agree."""
    parser = argparse.ArgumentParser(description="data-parallel SGD through the store")
    parser.add_argument("--url", help="the server; without it a node is started")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    told = parser.parse_args()
    with node_url(told.url) as url:
        results = train(Run(url, f"sgd-{secrets.token_hex(4)}", told.workers, told.steps))
    expected = by_one_process(told.workers, told.steps)
    is_equal = len(results) == told.workers and all(
        numpy.array_equal(result, expected) for result in results
    )
    print(
        f"{told.workers} workers, {told.steps} steps:"
        f" accuracy {accuracy(numpy.zeros(FEATURES), told.workers):.3f}"
        f" -> {accuracy(expected, told.workers):.3f};"
        f" parameters equal to those of one process: {'yes' if is_equal else 'NO'}"
    )
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
