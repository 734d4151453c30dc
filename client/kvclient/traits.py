"""What the client knows of a command before it is sent: repeatable, writing, waiting, its keys.

The knowledge comes from the server's command cards (`kvprotocol.facts`). A command that has none
there (a module's, a newer server's) gets cautious traits: it writes, is not repeated, and its first
argument is taken for its key, which is so for nearly all of them; where it is wrong, a cluster's
node says so by a redirect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, final

from kvclient.wire.encoding import as_wire
from kvprotocol.facts import CommandFacts, KeyFacts, facts_of, known_names
from kvprotocol.numbers import leading_integer

Argv: TypeAlias = tuple[object, ...]

_CACHED_MAX: Final = 4096
"""Spellings that are remembered; a program that makes up names does not fill the memory."""

_FIRST_ARGUMENT: Final = KeyFacts(1, "", 0, 1, 0, -1, 0, False, "RW")
_UNKNOWN: Final = CommandFacts(-1, frozenset(), (_FIRST_ARGUMENT,), False, (), "", "")

_CARRIED_FROM: Final = 4  # REQUEST client-id seq ack-seq command ...

# Run arbitrary code, so their cards are neither of reads nor of writes.
_SCRIPTS: Final = {"EVAL", "EVALSHA", "FCALL"}
# They make their caller wait, though their cards do not have the flag.
_WAITING: Final = {"WAIT", "WAITAOF"}

# How many words follow an option that is not BLOCK, in what stands before STREAMS.
_READ_OPTIONS: Final = {b"GROUP": 2, b"COUNT": 1}
_SORT_OPTIONS: Final = {b"LIMIT": 2, b"GET": 1, b"BY": 1}

_QUEUE: Final = "would take in other callers' commands; use pipeline() or transaction()"
_PUBSUB: Final = "turns the connection into a subscriber's; use subscribe()"
_REPLICA: Final = "turns the connection into a follower's; a client has no use for it"
_ROUTED: Final = "is sent by the client itself where it is needed; see the option read_from"
_TRACKED: Final = "changes what the server tells the connection; use the option cache_bytes_max"
_ALL_CALLERS: Final = "would hold for every caller of the connection, until it is made anew"

_REFUSALS: Final[dict[str, str]] = {
    "MULTI": _QUEUE,
    "EXEC": _QUEUE,
    "DISCARD": _QUEUE,
    "WATCH": "would watch for other callers' transactions; use transaction()",
    "UNWATCH": "would unwatch other callers' keys; use transaction()",
    "SELECT": "would change the database of every caller; use the option db",
    "MONITOR": "turns the connection into an endless feed; run it in redis-cli",
    "SUBSCRIBE": _PUBSUB,
    "UNSUBSCRIBE": _PUBSUB,
    "PSUBSCRIBE": _PUBSUB,
    "PUNSUBSCRIBE": _PUBSUB,
    "SSUBSCRIBE": _PUBSUB,
    "SUNSUBSCRIBE": _PUBSUB,
    "HELLO": "changes the protocol in mid-stream; use the option protocol",
    "AUTH": "would change the user of every caller; use the options username and password",
    "RESET": "would undo the connection's handshake; close() the client instead",
    "QUIT": "would close the connection of every caller; use close()",
    "PSYNC": _REPLICA,
    "SYNC": _REPLICA,
    "REPLCONF": _REPLICA,
    "ASKING": _ROUTED,
    "READONLY": _ROUTED,
    "READWRITE": _ROUTED,
    "CLIENT TRACKING": _TRACKED,
    "CLIENT CACHING": _TRACKED,
    "CLIENT REPLY": "would mute replies that other callers wait for",
    "CLIENT SETNAME": "is forgotten when the connection is made anew; use the option client_name",
    "CLIENT SETINFO": _ALL_CALLERS,
    "CLIENT NO-EVICT": _ALL_CALLERS,
    "CLIENT NO-TOUCH": _ALL_CALLERS,
    "SCRIPT DEBUG": _ALL_CALLERS,
}


@final
class Traits:
    """What is known of one command or subcommand ("CLIENT INFO").

    `is_write`: it may change data. `is_read`: it surely does not, so a follower may answer it.
    `state_refusal`: why `execute` must not send it on a connection that others share, else None.
    `only_place`: the index of the one word that decides where a request goes, 0 where none does or
    more than one may; nearly every command has it, and it spares looking at the argv.
    """

    __slots__ = (
        "_always_waits",
        "_reads_streams",
        "_unsafe_words",
        "facts",
        "is_known",
        "is_read",
        "is_write",
        "keys",
        "name",
        "only_place",
        "places",
        "state_refusal",
        "subcommands",
    )

    def __init__(self, name: str, facts: CommandFacts | None) -> None:
        self.name = name
        self.is_known = facts is not None
        self.facts = facts = facts or _UNKNOWN
        flags = facts.flags
        # A subcommand that has no card yet goes by the card of its container.
        is_strange = not self.is_known or (name in _CONTAINERS and not facts.idempotent)
        self.is_write = "write" in flags or name in _SCRIPTS or is_strange
        self.is_read = "readonly" in flags
        refusal = _REFUSALS.get(name)
        self.state_refusal = f"{name} {refusal}" if refusal else None
        self.places = facts.keys
        self.keys = tuple(spec for spec in facts.keys if "not_key" not in spec.access)
        self.only_place = _only_place(facts.keys)
        self._unsafe_words = frozenset(word.encode() for word in facts.not_idempotent_with)
        self._reads_streams = name in ("XREAD", "XREADGROUP")
        # Of a command whose name is two words, by the second; filled as they are met.
        self.subcommands: dict[bytes, Traits] | None = None
        self._always_waits = name in _WAITING or ("blocking" in flags and not self._reads_streams)

    def is_idempotent(self, argv: Argv) -> bool:
        """Say whether the request may be repeated when its reply was lost.

        A value that reads like an option ("NX") makes it count as not repeatable, which is the
        harmless mistake.
        """
        if not self.facts.idempotent:
            return False
        if self._unsafe_words:
            for i in range(2, len(argv)):
                if _upper(argv[i]) in self._unsafe_words:
                    return False
        return True

    def blocks(self, argv: Argv) -> bool:
        """Say whether the server may keep the connection waiting, so that it needs its own."""
        if not self._reads_streams:
            return self._always_waits
        i = 1
        while i < len(argv):
            word = _upper(argv[i])
            if word == b"BLOCK" or word == b"STREAMS":
                return word == b"BLOCK"
            i += 1 + _READ_OPTIONS.get(word, 0)
        return False

    def key_positions(self, argv: Argv) -> list[int]:
        """Return the indexes of the keys; none where the request is malformed.

        As COMMAND GETKEYS tells them, but each once and in rising order.
        """
        return _positions(self.name, self.keys, argv)

    def placed_positions(self, argv: Argv) -> list[int]:
        """Return the indexes of what decides where the request goes: keys and shard channels."""
        if self.only_place:
            return [self.only_place] if self.only_place < len(argv) else []
        return _positions(self.name, self.places, argv)

    def check(self) -> None:
        """Assert every invariant: what excludes each other, and the shortcut to the one key."""
        assert not (self.is_read and self.is_write), f"{self.name} reads and writes"
        assert self.is_known or not self.facts.idempotent, f"{self.name}: unknown, yet repeatable"
        if self.only_place:
            sample = ("x",) * (self.only_place + 3)
            assert _positions(self.name, self.places, sample) == [self.only_place], self.name


_BY_TEXT: Final[dict[str, Traits]] = {}
_BY_BYTES: Final[dict[bytes, Traits]] = {}
_CONTAINERS: Final = {name.partition(" ")[0] for name in known_names() if " " in name}


def traits_of(argv: Argv) -> Traits:
    """Return the traits of a request's command; its words may be str or bytes, in any case."""
    word = argv[0]
    if type(word) is str:
        found = _BY_TEXT.get(word)
    elif type(word) is bytes:
        found = _BY_BYTES.get(word)
    else:
        return traits_of((as_wire(word), *argv[1:]))
    if found is None:
        found = _learn(word)
    if found.subcommands is not None and len(argv) > 1:
        return _subcommand(found, argv[1])
    return found


def _learn(word: str | bytes) -> Traits:
    """Make the traits of a command, and remember them by this spelling of its name."""
    name = _upper(word).decode(errors="replace")
    facts = facts_of(name) if " " not in name else None
    # All spellings share one object, so a container has one table of subcommands.
    found = _BY_TEXT.get(name) or Traits(name, facts)
    if name in _CONTAINERS and found.subcommands is None:
        found.subcommands = {}
    if len(_BY_TEXT) + len(_BY_BYTES) < _CACHED_MAX:
        _BY_TEXT.setdefault(name, found)
        if isinstance(word, str):
            _BY_TEXT[word] = found
        else:
            _BY_BYTES[word] = found
    return found


def _subcommand(container: Traits, argument: object) -> Traits:
    """Return the traits of a subcommand; the container's own where there is no such."""
    word = _upper(argument)
    subcommands = container.subcommands
    assert subcommands is not None
    found = subcommands.get(word)
    if found is None:
        name = f"{container.name} {word.decode(errors='replace')}"
        facts = facts_of(name)
        if facts is None:
            return container
        found = subcommands[word] = Traits(name, facts)
    return found


def _upper(argument: object) -> bytes:
    return as_wire(argument).upper()


def _only_place(specs: tuple[KeyFacts, ...]) -> int:
    """Return the index of the one key that every request has, 0 where it is not so simple."""
    if len(specs) != 1:
        return 0
    spec = specs[0]
    simple = not (spec.unknown or spec.keyword or spec.last or spec.keynum >= 0)
    return spec.begin if simple else 0


def _positions(name: str, specs: tuple[KeyFacts, ...], argv: Argv) -> list[int]:
    if name == "REQUEST":
        inner = argv[_CARRIED_FROM:]
        if not inner:
            return []
        return [_CARRIED_FROM + i for i in traits_of(inner).placed_positions(inner)]
    found: list[int] = []
    for spec in specs:
        if not spec.unknown:
            found.extend(_range(spec, argv))
    if name == "SORT":
        store = _position_of_store(argv)
        if store:
            found.append(store)
    elif name == "MIGRATE" and len(found) > 1:
        # KEYS holds in place of the one key, which is then empty.
        found = [] if as_wire(argv[found[0]]) else found[1:]
    return sorted(set(found))


def _range(spec: KeyFacts, argv: Argv) -> Sequence[int]:
    """Return the indexes that one specification names; none where the argv does not fit it."""
    argc = len(argv)
    first = spec.begin
    if spec.keyword:
        first = _behind_keyword(argv, spec)
        if first == 0:
            return ()
    if spec.keynum >= 0:
        if first + spec.keynum >= argc:
            return ()
        count = leading_integer(as_wire(argv[first + spec.keynum]))
        first += spec.first
        last = first + count - 1
    elif spec.last >= 0:
        last = first + spec.last
    elif spec.limit:
        last = first + (argc - first) // spec.limit - 1
    else:
        last = argc + spec.last
    return range(first, last + 1, spec.step) if last < argc else ()


def _behind_keyword(argv: Argv, spec: KeyFacts) -> int:
    """Return the index behind the keyword, 0 where it is not there; the last word is none.

    From a negative beginning it is looked for backwards.
    """
    keyword = spec.keyword.encode()
    argc = len(argv)
    places = range(spec.begin, argc - 1) if spec.begin > 0 else range(argc + spec.begin, 0, -1)
    for i in places:
        if _upper(argv[i]) == keyword:
            return i + 1
    return 0


def _position_of_store(argv: Argv) -> int:
    """Return where SORT's destination stands, 0 without one; the last STORE holds."""
    found = 0
    i = 2
    while i < len(argv):
        word = _upper(argv[i])
        if word == b"STORE" and i + 1 < len(argv):
            found = i + 1
            i += 1
        else:
            i += _SORT_OPTIONS.get(word, 0)
        i += 1
    return found
