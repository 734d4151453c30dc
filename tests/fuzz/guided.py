"""Coverage-guided inputs for the parser and the dispatcher, by libFuzzer through atheris.

    pip install atheris
    PYTHONPATH=.:protocol:cluster:client python -m tests.fuzz.guided -runs=1000000 FOLDER

Runs the source interpreted, since branches of compiled code are not seen; FOLDER keeps the inputs
that reached something new, and every option of libFuzzer is taken. atheris is no dependency of the
tests: it has no wheels for every Python.
"""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["kvnode", "kvprotocol"]):
    from kvprotocol.requests import RequestParser

    from .blind import parse
    from .inputs import ARGUMENTS, Feeding

SEED = 1
INPUTS_PER_NODE = 500


class Target:
    """A node that is made anew now and then, so that what an input meets stays comparable."""

    def __init__(self) -> None:
        self.count = 0
        self.feeding = Feeding(SEED)

    def take(self, data: bytes) -> None:
        """Feed one input to the bare parser and to the node."""
        if self.count % INPUTS_PER_NODE == 0:
            self.feeding.node.check()
            self.feeding = Feeding(SEED)
        self.count += 1
        parse(data)
        self.feeding.feed(data)


def mutate(data: bytes, size_max: int, seed: int) -> bytes:
    """Change one word of a well framed input, or let libFuzzer change its bytes."""
    draw = random.Random(seed)
    if draw.random() < 0.5:
        return bytes(atheris.Mutate(data, size_max))
    parser = RequestParser()
    try:
        parser.feed(data)
        argv = parser.next()
    except Exception:
        argv = None
    if not argv:
        return bytes(atheris.Mutate(data, size_max))
    place = draw.randrange(len(argv) + 1)
    argv[place : place + draw.randint(0, 1)] = [draw.choice(ARGUMENTS)]
    framed = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)
    return (b"*%d\r\n" % len(argv) + framed)[:size_max]


def main() -> None:
    """Hand over to libFuzzer, which does not return."""
    atheris.Setup(sys.argv, Target().take, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
