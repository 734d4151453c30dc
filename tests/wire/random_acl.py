"""Seeded random ACL rules on kvnode and redis-server: equal users, equal decisions.

    python -m tests.wire.random_acl --rounds 20000 --seed 7

A round changes a user by a list of rules, valid and invalid ones, with and without selectors. The
reply, GETUSER and LIST must be equal; then ACL DRYRUN is asked for requests of any command with
random words behind it, and some of them are sent for real by a client of that user, alone, in
MULTI and behind a change of the rules.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from typing import Final

from . import counting
from .client import Reply, Wire
from .harness import Difference, Pair
from .long_run import long_run, long_run_parser, say_progress

USERS: Final = ("alice", "bob")
KEYS: Final = b"a b cache:1 cache:x cache: other:1 ab* {cache:} x".split()
CHANNELS: Final = b"news news.1 news.* * chat ch? x".split()
PATTERNS: Final = b"a cache:* * c*:? [ab] \\a ab\\* cach[^f]:* other:1 ?".split()
WORDS: Final = (
    b"1 2 3 0 -1 01 2x STORE BY GET LIMIT KEYS STREAMS AND OVERFLOW INCRBY u8 COUNT ASC WEIGHTS "
    b"STOREDIST AUTH AUTH2 COPY REPLACE WITHSCORES MATCH EX NX a* news.*"
).split()
PASSWORDS: Final = ("one", "two", "")
BROKEN: Final = [
    *("+nope", "-nope", "+@nope", "+config|nope", "+config|get|x", "+get|", "foo", "%~a", "%Z~a"),
    *("#abc", "!12", "<unknown", "(on)", "(+nope)", "(", "+get(", "~a b", "&a b", "(~a", "%", "+"),
    *("-get|a", "+get|a|b", "%RR~x", "reset)", "\0", "on\0x", "+get\0x", "~a\0b", "&\0"),
]
# What would stop the server, block the client, change its protocol or answer by no reply at all.
NOT_SENT: Final = frozenset(
    b"shutdown debug monitor quit subscribe psubscribe ssubscribe unsubscribe punsubscribe "
    b"sunsubscribe reset auth hello client|reply client|pause client|kill client|no-touch "
    b"client|setinfo sync psync replicaof slaveof failover blpop brpop blmove brpoplpush bzpopmin "
    b"bzpopmax bzmpop blmpop xread xreadgroup wait multi exec discard save bgsave bgrewriteaof "
    b"config|set config|rewrite config|resetstat acl|setuser acl|deluser acl|load acl|save "
    b"acl|log cluster|reset module|load module|loadex module|unload replconf migrate script|debug "
    b"client|tracking pfselftest flushall flushdb swapdb client|unblock slowlog|reset".split()
)
RULES_MAX: Final = 7
REQUESTS: Final = 12


class Rules:
    """Rule lists and requests of one seed."""

    def __init__(self, seed: int, arities: dict[bytes, int], both: list[bytes]) -> None:
        self.random = random.Random(seed)
        self.names = sorted(name.decode() for name in arities)
        self.arities = arities
        self.both = both
        self.categories: list[str] = []

    def rules(self) -> list[str]:
        """The words behind a user's name."""
        words: list[str] = []
        for _ in range(self.random.randint(0, RULES_MAX)):
            words += self._user_rule()
        return words

    def _user_rule(self) -> list[str]:
        draw = self.random.random()
        choice = self.random.choice
        if draw < 0.12:
            plain = ["on", "off", "nopass", "resetpass", "reset", "clearselectors"]
            return [choice([*plain, "sanitize-payload", "skip-sanitize-payload"])]
        if draw < 0.18:
            return [choice("><") + choice(PASSWORDS)]
        if draw < 0.21:
            return [choice(BROKEN)]
        if draw < 0.33:
            inner = " ".join(self._rule() for _ in range(self.random.randint(0, 4)))
            return [f"({inner})"] if self.random.random() < 0.5 else f"({inner})".split(" ")
        return [self._rule()]

    def _rule(self) -> str:
        draw = self.random.random()
        choice = self.random.choice
        if draw < 0.08:
            every = ["allkeys", "resetkeys", "allchannels", "resetchannels", "~*", "&*", "%RW~*"]
            return choice([*every, "%R~*", "%W~*", "+@all", "-@all", "allcommands", "nocommands"])
        if draw < 0.3:
            prefix = choice(["~", "~", "%R~", "%W~", "%RW~", "%wr~", "%R"])
            return prefix + (choice(PATTERNS).decode() if prefix != "%R" else "")
        if draw < 0.4:
            return "&" + choice(CHANNELS).decode()
        if draw < 0.6:
            return choice("+-") + "@" + choice(self.categories)
        if draw < 0.65:
            return f"+{self._cased(choice(self.names))}|{choice(['get', 'GET', 'x', '1'])}"
        return choice("+-") + self._cased(choice(self.names))

    def _cased(self, name: str) -> str:
        return name.upper() if self.random.random() < 0.1 else name

    def request(self) -> list[bytes]:
        """A request of a command that both servers have, mostly with as many words as it takes."""
        name = self.random.choice(self.both)
        words = name.split(b"|")
        count = abs(self.arities[name]) - len(words)
        if self.arities[name] < 0 or self.random.random() < 0.1:
            count = max(count, 0) + self.random.choice([0, 0, 1, 2, 3, 4])
        return [*words, *(self._word() for _ in range(count))]

    def _word(self) -> bytes:
        draw = self.random.random()
        if draw < 0.5:
            return self.random.choice(KEYS)
        return self.random.choice(CHANNELS if draw < 0.65 else WORDS)


def command_names(wire: Wire) -> list[bytes]:
    """All names of a server, `container|subcommand` for subcommands."""
    return sorted(arities_of(wire.call("COMMAND").items()))


def arities_of(rows: Sequence[Reply]) -> dict[bytes, int]:
    """The arities of commands and subcommands in the rows of COMMAND."""
    found: dict[bytes, int] = {}
    for row in rows:
        facts = row.items()
        found[facts[0].text()] = facts[1].number()
        found.update(arities_of(facts[9].items()))
    return found


class Run:
    """Rounds of random rules against a pair of servers."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.seed = seed
        theirs = arities_of(pair.control.theirs.call("COMMAND").items())
        both = sorted(theirs.keys() & set(command_names(pair.control.ours)))
        self.rules = Rules(seed, theirs, both)
        categories = pair.control.theirs.call("ACL", "CAT").items()
        self.rules.categories = sorted(name.text().decode() for name in categories)
        self.history: dict[str, list[list[str]]] = {user: [] for user in USERS}

    def run(self, rounds: int, progress: Callable[[int], None] | None = None) -> None:
        """Run so many rounds; a difference is told with the rules that led to it."""
        for done in range(rounds):
            user = self.rules.random.choice(USERS)
            try:
                self._round(user)
            except Difference as difference:
                lines = "\n".join(" ".join(map(repr, words)) for words in self.history[user])
                story = f"seed {self.seed}, round {done}, rules of {user}:\n{lines}\n{difference}"
                raise Difference(story) from None
            if progress is not None:
                progress(done + 1)

    def _round(self, user: str) -> None:
        draw = self.rules.random.random()
        if draw < 0.15:
            self.pair.same("ACL", "DELUSER", user)
            self.history[user].clear()
        words = self.rules.rules()
        self.history[user].append(words)
        self.pair.same("ACL", "SETUSER", user, *words)
        self.pair.same("ACL", "GETUSER", user)
        self.pair.same("ACL", "LIST")
        if self.rules.random.random() < 0.3:
            # Deny of much: most decisions should not be the same.
            self._also(user, ["+@all"] if draw < 0.6 else ["+@read", "+@pubsub", "~cache:*"])
        self.pair.same_batch(
            [["ACL", "DRYRUN", user, *self.rules.request()] for _ in range(REQUESTS)]
        )
        draw = self.rules.random.random()
        if draw < 0.2:
            self._send(user)
        elif draw < 0.3:
            self._execute(user)
        else:
            return
        self.pair.same("ACL", "LOG")
        self.pair.same("ACL", "LOG", "RESET")

    def _also(self, user: str, words: list[str]) -> None:
        self.history[user].append(words)
        self.pair.same("ACL", "SETUSER", user, *words)

    def _send(self, user: str) -> None:
        """Send requests as the user; only whether and why they are denied is compared."""
        self._also(user, ["on", "nopass"])
        pair = self.pair
        pair.same("AUTH", user, "x", client="U")
        channel = pair.client("U")
        for request in self._harmless():
            self._judge(request, channel.ours.call(*request), channel.theirs.call(*request))
        pair.channels.pop("U").close()

    def _harmless(self) -> list[list[bytes]]:
        requests = [self.rules.request() for _ in range(REQUESTS)]
        return [
            request
            for request in requests
            if not {request[0].lower(), b"|".join(request[:2]).lower()} & NOT_SENT
        ]

    def _judge(self, request: list[bytes], ours: Reply, theirs: Reply) -> None:
        counting.COMPARED["(as a user)"] += 1
        if denied(ours) != denied(theirs):
            raise Difference(f"{request}: kvnode {denied(ours)!r}, redis-server {denied(theirs)!r}")

    def _execute(self, user: str) -> None:
        """Queue requests as a user who may do everything, and change the rules before EXEC."""
        self._also(user, ["reset", "on", "nopass", "+@all", "~*", "&*"])
        pair = self.pair
        pair.same_batch([["AUTH", user, "x"], ["MULTI"]], client="U")
        channel = pair.client("U")
        queued: list[list[bytes]] = []
        for request in self._harmless():
            replies = [wire.call(*request) for wire in (channel.ours, channel.theirs)]
            if replies[0].value == replies[1].value == b"QUEUED":
                queued.append(request)
            elif b"QUEUED" in (replies[0].value, replies[1].value):
                raise Difference(f"{request} in MULTI: {replies}")
        self._also(user, ["nocommands", "resetkeys", "resetchannels"])
        self._also(user, self.rules.rules())
        ours, theirs = (wire.call("EXEC") for wire in (channel.ours, channel.theirs))
        self._judge([b"EXEC"], ours, theirs)
        if ours.kind == theirs.kind == "array":
            for request, mine, other in zip(queued, ours.items(), theirs.items(), strict=True):
                self._judge(request, mine, other)
        pair.channels.pop("U").close()


def denied(reply: Reply) -> bytes:
    """Why a request was denied, nothing where it was not."""
    if reply.kind != "error":
        return b""
    text = reply.text()
    return text if text.startswith(b"NOPERM") or b"ACL" in text else b""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run, print the first difference or the counts."""
    options = long_run_parser(__doc__, "rounds", 5_000).parse_args(arguments)
    progress = say_progress("rounds", 1000)
    return long_run(options, lambda pair: Run(pair, options.seed).run(options.rounds, progress))


if __name__ == "__main__":
    sys.exit(main())
