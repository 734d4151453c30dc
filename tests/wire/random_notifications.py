"""Seeded random commands with keyspace notifications on: the streams of messages must be equal.

    python -m tests.wire.random_notifications --commands 200000 --seed 7

The client speaks RESP3, is subscribed to every event, and writes; so its one stream holds the
replies and the messages, each in the place where the server put it. `--source words` draws the
requests of `random_words` (any command, any words) in place of those of `random_commands`. With
`--second` the messages go to another client, so that only their own order counts. With `--tracking`
that client also tracks all keys, and which keys are told of as changed must be equal too, in their
order, but not where among the other messages they stand.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from . import counting, normalise
from .client import Reply, Wire, WireError
from .harness import Difference, Pair, quoted
from .long_run import long_run, long_run_parser, say_progress
from .random_commands import BATCH, RandomCommands
from .random_grammar import KEYS, LEX_KEYS
from .random_words import KEYS as WORD_KEYS
from .random_words import Words, equal_block, make_round, option_words

EVENTS: Final = "KEAmn"
PATTERN: Final = "__key*__:*"
SHOWN: Final = 8
# redis-server puts their messages into the middle of the reply.
MESSAGES_WITHIN: Final = frozenset(
    b"MGET ZPOPMIN ZPOPMAX ZMPOP BZPOPMIN BZPOPMAX BZMPOP "
    b"XREAD XREADGROUP XCLAIM XAUTOCLAIM".split()
)


class Source:
    """Where the requests come from: `random_commands`, or any words behind any command."""

    def __init__(self, pair: Pair, seed: int, words: bool) -> None:
        self.commands = RandomCommands(seed)
        self.words: Words | None = None
        if words:
            names = option_words(pair.control.ours)
            others = option_words(pair.control.theirs)
            self.words = Words(seed, {name: names[name] for name in names if name in others})

    def next(self) -> list[list[bytes]]:
        """Some requests; a transaction's stand together."""
        if self.words is not None:
            return make_round(self.words)
        return [self.commands.next() for _ in range(BATCH)]


class Run:
    """Random commands whose events are compared."""

    def __init__(
        self,
        pair: Pair,
        seed: int,
        words: bool = False,
        second: bool = False,
        tracking: bool = False,
    ) -> None:
        self.pair = pair
        self.tracked = sorted(KEYS | LEX_KEYS | set(WORD_KEYS)) if tracking else []
        self.seed = seed
        self.source = Source(pair, seed, words)
        self.done = 0
        self.messages = 0
        self.report: Callable[[str, str], None] = stop
        self.queued: list[list[bytes]] = []
        self.is_queuing = False
        self.history: list[bytes] = []
        pair.config("notify-keyspace-events", EVENTS)
        self.channel = pair.client()
        self.listener = pair.client("listener") if second or tracking else self.channel
        pair.both("HELLO", 3, client=self.listener.name)
        pair.same("PSUBSCRIBE", PATTERN, client=self.listener.name)
        if tracking:
            pair.same("CLIENT", "TRACKING", "ON", client=self.listener.name)

    def run(self, count: int, progress: Callable[[int], None] | None = None) -> None:
        """Run `count` commands or a few more."""
        while self.done < count:
            for argv in self.source.next():
                if not self._leaves_out(argv):
                    self._one(argv)
            if progress is not None:
                progress(self.done)
        self._one([b"DISCARD"])

    def _leaves_out(self, argv: list[bytes]) -> bool:
        """Do the messages of a request have no order that could be compared?"""
        name = argv[0].upper()
        if name.startswith(b"SORT"):
            # The elements of a set look up their weights in the set's own order.
            return any(word.upper() == b"BY" for word in argv)
        return self.listener is self.channel and name in MESSAGES_WITHIN

    def _one(self, argv: list[bytes]) -> None:
        """Send one request to both, and compare all that comes of it."""
        mark = b"mark-%d" % self.done
        self.done += 1
        self.history = [*self.history[-SHOWN:], b" ".join(quoted(word[:60]) for word in argv)]
        streams = []
        for wire, listener in (
            (self.channel.ours, self.listener.ours),
            (self.channel.theirs, self.listener.theirs),
        ):
            if self.tracked:
                listener.send("TOUCH", *self.tracked)
                heard_until(listener, mark)  # it misses some
            wire.send(*argv)
            stream = until_reply(wire)
            if stream[-1].value == b"OK" and argv[0] == b"MULTI":
                self.is_queuing = True
            elif argv[0] in (b"EXEC", b"DISCARD", b"RESET"):
                self.is_queuing = False
            # A request between MULTI and EXEC would be queued itself.
            silent = self.is_queuing and listener is wire
            streams.append(unfolded(stream + ([] if silent else heard_until(listener, mark))))
        self._judge(argv, streams[0], streams[1])

    def _judge(self, argv: list[bytes], ours: list[Reply], theirs: list[Reply]) -> None:
        replies = [[row for row in stream if not is_message(row)] for stream in (ours, theirs)]
        name = counting.name_of(normalise.command_name(argv), replies[0][0].kind)
        counting.COMPARED[name] += 1
        self.messages += len(ours) - len(replies[0])
        block = self.queued
        if argv[0] in (b"EXEC", b"DISCARD"):
            self.queued = []
        if replies[0][0].value == b"QUEUED":
            self.queued.append(argv)
        # A reply stands for itself in the order of the messages, its content is compared apart.
        shapes = [[row if is_message(row) else None for row in stream] for stream in (ours, theirs)]
        if self.tracked:
            shapes = [sorted(shape, key=is_invalidation) for shape in shapes]
        if shapes[0] == shapes[1] and equal_replies(argv, block, replies[0], replies[1]):
            return
        counting.DIFFERENT[name] += 1
        lines = [f"seed {self.seed}, command {self.done}; the last commands:"]
        lines += history(self)
        for server, stream in (("kvnode", ours), ("redis-server", theirs)):
            lines += [f"{server}:", *map(shown, stream)]
        self.report(kind_of(argv, ours, theirs), "\n".join(lines))


def history(run: Run) -> list[str]:
    """The last commands of a run."""
    return [f"  {line.decode(errors='replace')[:300]}" for line in run.history]


def stop(kind: str, story: str) -> None:
    """End the run with the first difference."""
    raise Difference(story)


def is_message(reply: Reply) -> bool:
    """Is this a message of the subscription or of tracking?"""
    return reply.kind == "push" and reply.items()[0].value in (b"pmessage", b"invalidate")


def is_invalidation(reply: Reply | None) -> bool:
    """Is this a message of tracking?"""
    return reply is not None and len(reply.items()) == 2


def unfolded(stream: list[Reply]) -> list[Reply]:
    """The stream with EXEC's replies in a row, if messages stand between them.

    Inside EXEC messages take the places of replies in the array, whose rest then comes behind it.
    The array itself is put at the end, without its elements.
    """
    found: list[Reply] = []
    for reply in stream:
        if reply.kind == "array" and any(map(is_message, reply.items())):
            found += [*reply.items(), *stream[stream.index(reply) + 1 :], Reply("array", None)]
            return found
        found.append(reply)
    return found


def equal_replies(
    argv: list[bytes], block: list[list[bytes]], ours: list[Reply], theirs: list[Reply]
) -> bool:
    """Are the replies of a request equal, each by its own command's rule?"""
    if argv[0] == b"EXEC" and len(ours) == 1:
        return equal_block(block, ours[0], theirs[0])
    requests = [argv] if len(ours) == 1 else [*block, argv]
    return len(requests) == len(ours) == len(theirs) and all(
        normalise.equal(*row) for row in zip(requests, ours, theirs, strict=True)
    )


def kind_of(argv: list[bytes], ours: list[Reply], theirs: list[Reply]) -> str:
    """What is alike in differences of one cause: the command and the names of the events."""
    parts = [argv[0].upper().decode(errors="replace")]
    for stream in (ours, theirs):
        parts.append("|")
        for reply in stream:
            channel = b"__keyevent ="
            if is_message(reply):
                row = reply.items()
                channel = row[2].text() if len(row) > 2 else b"__keyevent (invalidate)"
            if channel.startswith(b"__keyevent"):
                parts.append(channel[11:].decode(errors="replace"))
    return " ".join(parts)


def heard_until(listener: Wire, mark: bytes) -> list[Reply]:
    """What the listener got until now: up to the reply to a PING of ours."""
    listener.send("PING", mark)
    found = []
    while (reply := listener.read()).value != mark:
        found.append(reply)
    return found


def until_reply(wire: Wire) -> list[Reply]:
    """The messages before a reply, and the reply."""
    found = [wire.read()]
    while is_message(found[-1]):
        found.append(wire.read())
    return found


def shown(reply: Reply) -> str:
    """A message or a reply on one line."""
    if is_message(reply) and len(reply.items()) > 2:
        return "  " + b" ".join(row.text() for row in reply.items()[2:]).decode(errors="replace")
    return "  = " + " ".join(reply.shown().split())[:300]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print the first difference or the counts."""
    parser = long_run_parser(__doc__, "commands", 20_000)
    parser.add_argument("--source", choices=("commands", "words"), default="commands")
    parser.add_argument("--go-on", action="store_true", help="one example of each difference")
    parser.add_argument("--second", action="store_true", help="another client listens")
    parser.add_argument("--tracking", action="store_true", help="and it tracks all keys")
    parser.set_defaults(protocol=3)
    options = parser.parse_args(arguments)
    kinds: Counter[str] = Counter()

    def report(kind: str, story: str) -> None:
        kinds[kind] += 1
        if kinds[kind] == 1:
            print(story, "\n", flush=True)

    def compare(pair: Pair) -> None:
        words = options.source == "words"
        run = Run(pair, options.seed, words, options.second, options.tracking)
        if options.go_on:
            run.report = report
        try:
            run.run(options.commands, say_progress("commands", 20_000))
        except WireError as error:
            lines = [f"seed {options.seed}: {error}; the last commands:", *history(run)]
            raise Difference("\n".join(lines)) from error
        print(f"{run.done:,} commands, {run.messages:,} messages")

    return long_run(options, compare) or (1 if kinds else 0)


if __name__ == "__main__":
    sys.exit(main())
