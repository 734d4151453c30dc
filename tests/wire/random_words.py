"""Every command of kvnode's table with random words behind it, on kvnode and redis-server.

    python -m tests.wire.random_words --commands 1000000 --seed 7

`random_commands` knows what a good request looks like; this module knows nothing: it takes a
command's name, the option words that COMMAND DOCS lists for it, and a pool of keys, numbers and
junk, and draws an argv of any length. So it meets the checks of arguments in every order. Requests
run in rounds on the same data; after each round the digests of both servers, the counts of changes,
of hits and misses, and of each error must be equal. Where they are not, the round is run again with
the counts compared after each request.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from . import counting, normalise
from .client import Reply, Wire, encode_request, wait_until
from .harness import Difference, Pair, quoted
from .long_run import long_run, long_run_parser

ROUND: Final = 48
SAVE_ENDS_S: Final = 30
# What ends or blocks the connection, changes the server for all, or is ours alone.
LEFT_OUT: Final = frozenset(
    b"AUTH DEBUG DISCARD EXEC FAILOVER HELLO INFO LOLWUT MIGRATE MONITOR MULTI PFSELFTEST "
    b"PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT REPLCONF REPLICAOF REQUEST RESET SHUFFLE.ABORT "
    b"SHUFFLE.ACK SHUFFLE.COMMIT SHUFFLE.END SHUFFLE.FETCH SHUFFLE.LIST SHUFFLE.LOCATE "
    b"SHUFFLE.MISSING SHUFFLE.MPUSH SHUFFLE.OPEN SHUFFLE.PING SHUFFLE.PUSH SHUFFLE.SEAL "
    b"SHUFFLE.STATUS SHUFFLE.WAIT SHUTDOWN SLAVEOF "
    b"SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE WATCH".split()
)
LEFT_OUT_SUBCOMMANDS: Final = frozenset(
    b"OBJECT|IDLETIME OBJECT|FREQ OBJECT|REFCOUNT CLIENT|KILL CLIENT|PAUSE CLIENT|REPLY "
    b"CLIENT|TRACKING CLIENT|SETINFO CLIENT|NO-TOUCH CONFIG|SET CONFIG|REWRITE CONFIG|RESETSTAT "
    b"COMMAND|DOCS COMMAND|COUNT COMMAND|LIST COMMAND|INFO MODULE|LOAD MODULE|LOADEX CONFIG|GET "
    b"MODULE|UNLOAD SLOWLOG|LEN SLOWLOG|GET".split()
)
EXPIRING: Final = frozenset(b"SET GETEX SETEX PSETEX EXPIRE PEXPIRE".split())
# The year 2100 in ms: far as a number of seconds or ms from now, and as a point of time.
FAR_MS: Final = b"4102444800000"
KEYS: Final = (
    b"s1 s2 s3 s4 s5 s6 l1 l2 l3 l4 e1 e2 e3 e4 h1 h2 h3 h4 z1 z2 z3 z4 t1 t2 t3 none"
).split()
LEX_KEYS: Final = b"x1 x2 x3".split()
# Without 1e400: after one Redis's next SORT may fail, because it does not reset errno.
NUMBERS: Final = (
    b"0 1 2 3 -1 -2 5 10 -10 100 1.5 -0 +1 007 0x10 1e2 nan inf -inf +inf 127 128 -128 -129 2047 "
    b"-2049 4095 4096 -4096 -4097 32767 32768 -32769 65535 8388607 8388608 -8388609 16777216 "
    b"2147483647 2147483648 -2147483649 4294967295 4294967296 9223372036854775807 "
    b"9223372036854775808 -9223372036854775808 -9223372036854775809 99999999999999999999"
).split()
JUNK: Final = [
    *b"a b c m1 f1 foo bar * ? *1* (1 (5 [a [c (b - + ( [ AA h1->f1 s* nosort # BOGUS".split(),
    *(b"", b" ", b" 1", b"1 ", b"\xf8\x00\xff", b"\xfc", b"\xf9abc", b"a\x00b"),
    *(b"y" * size for size in (44, 45, 63, 64, 65, 255, 2047, 4096)),
]
DATA: Final = """
    SET s1 10|SET s2 hello|SET s3 \\xf8\\xf9tagged|SET s4 3.5|SET s5 9223372036854775807
    RPUSH l1 a b c 1 2 3|RPUSH l2 3 1 2|RPUSH l3 a a b a
    SADD e1 1 2 3 5 10|SADD e2 a b c foo|SADD e3 1 a \\xf8
    HSET h1 f1 1 f2 a|HSET h2 a 1.5 b x c 9223372036854775807|HSET h3 m1 v
    ZADD z1 1 a 2 b 3 c|ZADD z2 1.5 a inf foo -inf bar|ZADD z3 1 1 2 2 5 5
    SET s6 12345678901234567890123456789012345678901234567890|APPEND s6 \xfa
    XADD t1 1-1 a 1|XADD t1 2-1 a 2|XADD t1 5-0 a 3 b 4|XADD t1 100-1 a 4|XDEL t1 2-1
    XADD t2 1-1 a 1|XADD t2 3-1 b 1|XGROUP CREATE t2 a 1|XGROUP CREATE t2 m1 0
    XREADGROUP GROUP m1 b COUNT 1 STREAMS t2 >|XGROUP CREATE t3 a $ MKSTREAM
    ZADD x1 0 a 0 b 0 c 0 d|ZADD x2 0 a|ZADD x3 0 b 0 bb 0 foo
"""
# One element below the point where the packed form ends.
LARGE: Final = [
    [b"HSET", b"h4", *(b"%d" % number for number in range(2 * 511))],
    [b"ZADD", b"z4", *(word for n in range(127) for word in (b"%d" % n, b"m%d" % n))],
    [b"SADD", b"e4", *(b"%d" % number for number in range(511))],
    [b"RPUSH", b"l4", *(b"element-%d" % number for number in range(500))],
]
# Most rounds run with the first value of each.
SETTINGS: Final = {
    b"hash-max-listpack-entries": [b"512", b"3", b"0"],
    b"hash-max-listpack-value": [b"64", b"1"],
    b"zset-max-listpack-entries": [b"128", b"3", b"0"],
    b"zset-max-listpack-value": [b"64", b"1"],
    b"set-max-intset-entries": [b"512", b"4", b"0"],
    b"list-max-listpack-size": [b"-2", b"1", b"5"],
    b"stream-node-max-entries": [b"100", b"1", b"2"],
    b"stream-node-max-bytes": [b"4096", b"1", b"0"],
    b"lazyfree-lazy-user-del": [b"no", b"yes"],
    b"lazyfree-lazy-server-del": [b"no", b"yes"],
    b"hll-sparse-max-bytes": [b"3000", b"30", b"0"],
    b"maxmemory": [b"0", b"1"],
}
COUNTED: Final = [
    *("rdb_changes_since_last_save", "keyspace_hits", "keyspace_misses"),
    *("expired_keys", "total_error_replies"),
]


class Words:
    """Requests of one seed about the commands of one table."""

    def __init__(self, seed: int, options: dict[bytes, list[bytes]]) -> None:
        self.random = random.Random(seed)
        self.options = options
        self.names = sorted(options)
        self.all_options = sorted({word for words in options.values() for word in words})

    def word(self, name: bytes) -> bytes:
        """One argument for this command."""
        draw = self.random.random()
        if draw < 0.3:
            return self.random.choice(KEYS)
        if draw < 0.55 and self.options[name]:
            word = self.random.choice(self.options[name])
            return word.lower() if self.random.random() < 0.1 else word
        if draw < 0.58:
            return self.random.choice(self.all_options)
        return self.random.choice(NUMBERS if draw < 0.85 else JUNK)

    def next(self, name: bytes | None = None) -> list[bytes]:
        """The next request, of the named command or of any."""
        name = name or self.random.choice(self.names)
        count = self.random.randint(0, 8) if self.random.random() < 0.2 else self._likely_count()
        argv = [*name.split(), *(self.word(name) for _ in range(count))]
        if count and self.random.random() < 0.9:
            argv[len(name.split())] = self.random.choice(KEYS)
        return tamed(argv)

    def _likely_count(self) -> int:
        return self.random.choice([1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7])


def tamed(argv: list[bytes]) -> list[bytes]:
    """The request without what is random, unordered for good, or a race with the clock."""
    name = argv[0].upper()
    upper = [word.upper() for word in argv]
    if name in EXPIRING:
        argv = [FAR_MS if soon(word) else word for word in argv]
    if name in (b"SETBIT", b"BITFIELD"):
        argv = [b"123456" if re.fullmatch(rb"\d{7,10}", word) else word for word in argv]
    if name == b"SPOP":
        argv = (
            [b"SMEMBERS", *argv[1:]]
            if len(argv) == 2
            else [b"1000000" if soon(word) else word for word in argv]
        )
    if name == b"XADD":
        argv = [b"200-*" if word == b"*" else word for word in argv]
    if name in (b"XCLAIM", b"XAUTOCLAIM", b"XPENDING"):
        # A short idle time would end during the run.
        argv = [b"0" if re.fullmatch(rb"[1-9]\d{1,7}", word) else word for word in argv]
        argv[4:5] = [b"0" if re.fullmatch(rb"\d", word) else word for word in argv[4:5]]
    if name in (b"BGSAVE", b"BGREWRITEAOF"):
        # Refused: when one that runs ends is a matter of chance, and SAVE and the counts show it.
        argv = [*argv, b"x"]
    if name in (b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"):
        # A negative count is answered by as many members.
        argv = [b"-3" if re.fullmatch(rb"-\d{3,}", word) else word for word in argv]
    if name.startswith(b"SORT") and b"BY" in upper:
        # Elements of a set that weigh the same or nothing come as the set has them.
        argv = [word for word in argv if word.upper() not in (b"BY", b"STORE", b"LIMIT")]
    if b"LEX" in name or b"BYLEX" in upper:
        argv = [LEX_KEYS[KEYS.index(word) % 3] if word in KEYS else word for word in argv]
    return argv


def soon(word: bytes) -> bool:
    """Is this word a positive number so small that a wait of it would end during the run?"""
    return word.isdigit() and 0 < int(word) < int(FAR_MS)


def option_words(wire: Wire) -> dict[bytes, list[bytes]]:
    """The commands and subcommands of a table, each with the option words of its arguments."""
    found: dict[bytes, list[bytes]] = {}
    for container, facts in wire.call("COMMAND", "DOCS").pairs():
        upper = container.text().upper()
        fields = {key.text(): value for key, value in facts.pairs()}
        if upper in LEFT_OUT:
            continue
        if b"subcommands" in fields:
            for child, child_facts in fields[b"subcommands"].pairs():
                name = child.text().upper()
                if name not in LEFT_OUT_SUBCOMMANDS and not name.endswith(b"|HELP"):
                    found[name.replace(b"|", b" ")] = tokens(child_facts)
        else:
            found[upper] = tokens(facts)
    return found


def tokens(facts: Reply) -> list[bytes]:
    """The option words in one command's documentation."""
    found = []
    for key, value in facts.pairs():
        if key.value == b"token":
            found.append(value.text())
        elif key.value == b"arguments":
            found += [word for row in value.items() for word in tokens(row)]
    return [word for word in found if word]


class Round:
    """One list of requests on fresh data; replies and everything that is counted are compared."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.wires = (pair.client().ours, pair.client().theirs)
        self.controls = (pair.control.ours, pair.control.theirs)
        self.report: Callable[[str], None] = self.fail
        self.queued: list[list[bytes]] = []
        self.before = (Counter[str](), Counter[str]())

    @staticmethod
    def fail(story: str) -> None:
        """Stop at the first difference."""
        raise Difference(story)

    def run(self, settings: dict[bytes, bytes], requests: list[list[bytes]]) -> None:
        """Run the requests; where only the counts differ, once more and step by step."""
        self._start(settings)
        data = b"".join(map(encode_request, requests))
        for wire in self.wires:
            wire.send_raw(data)
        equal = [self._read(argv) for argv in requests]
        if all(equal) and (difference := self._state_differs()):
            self._step_by_step(settings, requests, difference)

    def restore(self) -> None:
        """Set every setting back to its first value."""
        words = [word for name, values in SETTINGS.items() for word in (name, values[0])]
        for wire in self.controls:
            reply = wire.call("CONFIG", "SET", *words)
            assert reply == Reply("simple", b"OK"), reply

    def _step_by_step(
        self, settings: dict[bytes, bytes], requests: list[list[bytes]], in_one_go: str
    ) -> None:
        self._start(settings)
        for argv in requests:
            for wire in self.wires:
                wire.send(*argv)
            if not self._read(argv):
                return
            if difference := self._state_differs():
                self.report(f"{shown(argv)}\n  {difference}\n  {settings}")
                return
        self.report(f"only in one go: {in_one_go}\n  {[shown(argv) for argv in requests]}")

    def _start(self, settings: dict[bytes, bytes]) -> None:
        self.queued = []
        # The end of a save, which an earlier test began, takes its changes off those counted.
        assert wait_until(self._nobody_saves, SAVE_ENDS_S), "a save does not end"
        # The limit on memory comes last, it would refuse the data.
        limits = [(name, value) for name, value in settings.items() if name != b"maxmemory"]
        lines = [[b"DISCARD"], [b"SELECT", b"0"], [b"FLUSHALL"], [b"CONFIG", b"RESETSTAT"]]
        lines.insert(0, [b"CONFIG", b"SET", b"maxmemory", b"0"])
        lines.append([b"CONFIG", b"SET", *(word for row in limits for word in row)])
        for line in re.split(r"[|\n]", DATA):
            text = line.encode().decode("unicode_escape").encode("latin-1")
            if text.strip():
                lines.append(text.strip().split(b" "))
        lines += [*LARGE, [b"CONFIG", b"SET", b"maxmemory", settings[b"maxmemory"]]]
        request = b"".join(map(encode_request, lines))
        for wire in self.wires:
            wire.send_raw(request)
        for wire in self.wires:
            for _ in lines:
                wire.read()
        ours, theirs = map(counts, self.controls)
        self.before = (ours, theirs)

    def _nobody_saves(self) -> bool:
        return self.pair.figures("rdb_bgsave_in_progress") == (0, 0)

    def _state_differs(self) -> str:
        """What is counted differently since the round's start, or the data; "" if nothing."""
        ours, theirs = map(counts, self.controls)
        ours.subtract(self.before[0])
        theirs.subtract(self.before[1])
        rows = [
            f"{name}: kvnode {ours[name]}, redis-server {theirs[name]}"
            for name in sorted(ours | theirs)
            if ours[name] != theirs[name]
        ]
        digests = [wire.call("DEBUG", "DIGEST") for wire in self.controls]
        if digests[0] != digests[1]:
            rows.append("the data differ")
        encodings = [encodings_of_all(wire) for wire in self.controls]
        for key, mine, others in zip([*KEYS, *LEX_KEYS], *encodings, strict=True):
            if mine != others:
                rows.append(f"{key.decode()}: kvnode {mine}, redis-server {others}")
        return ", ".join(rows)

    def _read(self, argv: list[bytes]) -> bool:
        ours, theirs = (wire.read() for wire in self.wires)
        name = counting.name_of(normalise.command_name(argv), ours.kind)
        counting.COMPARED[name] += 1
        if argv[0] == b"EXEC":
            equal = equal_block(self.queued, ours, theirs)
            block, self.queued = self.queued, []
        else:
            equal, block = normalise.equal(argv, ours, theirs), []
            if ours.value == b"QUEUED":
                self.queued.append(argv)
        if not equal:
            counting.DIFFERENT[name] += 1
            lines = [shown(row) for row in [*block, argv]]
            lines += ["kvnode:", ours.shown(2), "redis-server:", theirs.shown(2)]
            self.report("\n".join(lines))
        return equal


def encodings_of_all(wire: Wire) -> list[Reply]:
    """The encoding of each key that the rounds use, in the first database."""
    names = [*KEYS, *LEX_KEYS]
    wire.send_raw(b"".join(encode_request([b"OBJECT", b"ENCODING", key]) for key in names))
    return [wire.read() for _ in names]


def counts(wire: Wire) -> Counter[str]:
    """The numbers of INFO that two servers count alike."""
    text = wire.call("INFO", "all").text().decode("latin-1")
    found: Counter[str] = Counter()
    for name, value in re.findall(r"^(\w[^:\r]*):([^\r]*)", text, re.MULTILINE):
        if name in COUNTED:
            found[name] = int(value)
        elif name.startswith("errorstat_"):
            found[name] = int(value.removeprefix("count="))
        elif name.startswith("cmdstat_") and name not in ("cmdstat_info", "cmdstat_debug"):
            for field in ("calls", "rejected_calls", "failed_calls"):
                number = re.search(rf"\b{field}=(\d+)", value)
                assert number is not None
                found[f"{name} {field}"] = int(number[1])
    return found


def equal_block(block: list[list[bytes]], ours: Reply, theirs: Reply) -> bool:
    """Are the replies of one EXEC equal, each by its own command's rule?"""
    if ours.kind != "array" or theirs.kind != "array":
        return ours == theirs
    if not len(block) == len(ours.items()) == len(theirs.items()):
        return False
    rows = zip(block, ours.items(), theirs.items(), strict=True)
    return all(normalise.equal(argv, mine, others) for argv, mine, others in rows)


def shown(argv: Sequence[bytes]) -> str:
    """A request on one line."""
    return b" ".join(quoted(word[:200]) for word in argv).decode()


def draw_settings(words: Words) -> dict[bytes, bytes]:
    """The settings of one round."""
    draw = words.random
    return {
        name: draw.choice(values[1:]) if draw.random() < 0.06 else values[0]
        for name, values in SETTINGS.items()
    }


def make_round(words: Words, size: int = ROUND) -> list[list[bytes]]:
    """Requests of one round; what could block runs inside MULTI, where nothing does."""
    requests: list[list[bytes]] = []
    while len(requests) < size:
        argv = words.next()
        blocks = argv[0].startswith((b"B", b"XREAD")) or argv[0] == b"WAIT"
        if not blocks and words.random.random() < 0.95:
            requests.append(argv)
            continue
        block = [argv, *(words.next() for _ in range(words.random.randint(0, 3)))]
        requests += [[b"MULTI"], *block, [b"EXEC"]]
    return requests


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run rounds, print each kind of difference once, then the counts."""
    parser = long_run_parser(__doc__, "commands", 100_000)
    parser.add_argument("--names", default="", help="of these commands only, separated by commas")
    options = parser.parse_args(arguments)
    stories: Counter[str] = Counter()

    def report(story: str) -> None:
        kind = re.sub(r'"[^"]*"|\d+', "0", story).split("\n", 1)
        name = story.split(" ", 1)[0]
        stories[f"{name} {kind[-1]}"] += 1
        if stories[f"{name} {kind[-1]}"] == 1:
            print(story, "\n", flush=True)

    def compare(pair: Pair) -> None:
        known = option_words(pair.control.ours)
        chosen = {name.encode().upper() for name in options.names.split(",") if name}
        words = Words(options.seed, {k: v for k, v in known.items() if not chosen or k in chosen})
        rounds = Round(pair)
        rounds.report = report
        for _ in range(options.commands // ROUND):
            rounds.run(draw_settings(words), make_round(words))

    return long_run(options, compare) or (1 if stories else 0)


if __name__ == "__main__":
    sys.exit(main())
