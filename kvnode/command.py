"""The command table: every command is declared once, above its handler.

    @command("GETDEL", arity=2, flags=WRITE | FAST, keys=(key(1, 1, 1, "RW access delete"),), ...)
    def getdel(ctx: Context, argv: list[bytes]) -> Reply: ...

The declaration (`Card`) is a constant. A node makes one `Command` of each card: the card's facts as
native fields for the dispatcher, and that node's statistics.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, final

from librt.vecs import vec
from mypy_extensions import i64

from kvnode.context import Context
from kvprotocol.replies import Reply

Handler: TypeAlias = Callable[[Context, list[bytes]], Reply]

WRITE: Final = 1 << 0
READONLY: Final = 1 << 1
DENYOOM: Final = 1 << 2
ADMIN: Final = 1 << 3
PUBSUB: Final = 1 << 4
NOSCRIPT: Final = 1 << 5
BLOCKING: Final = 1 << 6
LOADING: Final = 1 << 7
STALE: Final = 1 << 8
SKIP_MONITOR: Final = 1 << 9
SKIP_SLOWLOG: Final = 1 << 10
ASKING: Final = 1 << 11
FAST: Final = 1 << 12
NO_AUTH: Final = 1 << 13
MAY_REPLICATE: Final = 1 << 14
NO_ASYNC_LOADING: Final = 1 << 15
NO_MULTI: Final = 1 << 16
MOVABLEKEYS: Final = 1 << 17
NO_MANDATORY_KEYS: Final = 1 << 18
ALLOW_BUSY: Final = 1 << 19

# As COMMAND INFO prints them, in Redis's order; it keeps MAY_REPLICATE to itself.
FLAG_NAMES: Final = (
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (ASKING, "asking"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MULTI, "no_multi"),
    (MOVABLEKEYS, "movablekeys"),
    (ALLOW_BUSY, "allow_busy"),
)


@final
class KeySpec:
    """Where keys stand in an argv, as a key specification of COMMAND INFO.

    The search begins at `index`, or behind the word `keyword` looked for from `index` on (from the
    end where it is negative). Then either a range (`last`, `step`, `limit`, relative) or a count
    (`keynum` at an offset, `first`, `step`). `flags` are Redis's words, access first.
    """

    def __init__(
        self,
        index: int,
        flags: str,
        keyword: str = "",
        last: int = 0,
        step: int = 1,
        limit: int = 0,
        keynum: int = -1,
        first: int = 0,
        unknown: bool = False,
    ) -> None:
        self.index = index
        self.flags = flags
        self.keyword = keyword
        self.last = last
        self.step = step
        self.limit = limit
        self.keynum = keynum
        self.first = first
        self.unknown = unknown


def key(first: int, last: int, step: int, flags: str) -> KeySpec:
    """Return the specification of keys at argv[first], ..., argv[last] (negative: from the end)."""
    return KeySpec(first, flags, last=last - first if last >= 0 else last, step=step)


@final
class Card:
    """One command or subcommand ("CLIENT INFO") as declared; `name` is in capitals."""

    def __init__(self, name: str, arity: int, flags: int, handler: Handler) -> None:
        self.name = name
        self.arity = arity
        self.flags = flags
        self.handler = handler
        self.keys: tuple[KeySpec, ...] = ()
        self.acl = ""
        self.since = ""
        self.group = ""
        self.complexity = ""
        self.summary = ""
        self.syntax = ""
        self.tips: tuple[str, ...] = ()
        self.replaced_by = ""
        self.deprecated_since = ""
        self.internal = False
        self.idempotent = False
        self.not_idempotent_with: tuple[str, ...] = ()


CARDS: Final[dict[str, Card]] = {}


def command(
    name: str,
    *,
    arity: int,
    flags: int,
    group: str,
    summary: str,
    since: str,
    complexity: str,
    keys: tuple[KeySpec, ...] = (),
    acl: str = "",
    syntax: str = "",
    tips: tuple[str, ...] = (),
    replaced_by: str = "",
    deprecated_since: str = "",
    internal: bool = False,
    idempotent: bool = False,
    not_idempotent_with: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Declare a command; the decorated function is its handler.

    `arity` counts the name (and the subcommand's name); negative: at least that many. `acl` names
    the categories that do not follow from the flags. `syntax` is read by `kvnode.syntax`.

    `idempotent` says that a client may repeat a request whose reply was lost: run twice it leaves
    the data that it leaves when run once (a relative expiry counts from the last run), and the
    second reply does not deny that it took effect (DEL's may be 0, SETNX's may not). Requests with
    one of the words `not_idempotent_with` are excepted. READONLY commands are without saying so.
    `internal` marks what Redis calls a system command.
    """

    def declare(handler: Handler) -> Handler:
        card = Card(name, arity, flags, handler)
        card.keys = keys
        card.acl = acl
        card.since = since
        card.group = group
        card.complexity = complexity
        card.summary = summary
        card.syntax = syntax
        card.tips = tips
        card.replaced_by = replaced_by
        card.deprecated_since = deprecated_since
        card.internal = internal
        card.idempotent = idempotent or bool(flags & READONLY)
        card.not_idempotent_with = not_idempotent_with
        if name in CARDS:
            raise ValueError(f"command {name} is declared twice")
        CARDS[name] = card
        return handler

    return declare


@final
class Command:
    """A card's facts as the dispatcher reads them, and one node's statistics of the command.

    `full_name` is lower case, `client|info` for a subcommand. Times are seconds; the histogram's
    buckets are those of `kvnode.stats`.
    """

    def __init__(self, card: Card, name: bytes, full_name: bytes) -> None:
        self.card = card
        self.name = name
        self.full_name = full_name
        self.handler = card.handler
        self.flags: i64 = card.flags
        self.argc_min: i64 = abs(card.arity)
        self.argc_max: i64 = card.arity if card.arity > 0 else 1 << 30
        self.subcommands: dict[bytes, Command] | None = None
        self.acl_bit: i64 = 0  # its place in the sets of commands of kvnode.acl
        self.calls: i64 = 0
        self.seconds = 0.0
        self.rejected: i64 = 0
        self.failed: i64 = 0
        self.histogram = vec[i64]()

    def reset_statistics(self) -> None:
        """Forget what CONFIG RESETSTAT forgets."""
        self.calls = 0
        self.seconds = 0.0
        self.rejected = 0
        self.failed = 0
        self.histogram = vec[i64]()


def make_table(cards: dict[str, Card]) -> dict[bytes, Command]:
    """Return a node's commands by lower-case name; subcommands stand inside their container."""
    table: dict[bytes, Command] = {}
    for name, card in cards.items():
        if " " not in name:
            lower = name.lower().encode()
            table[lower] = Command(card, lower, lower)
    for name, card in cards.items():
        if " " in name:
            container, _, child = name.lower().encode().partition(b" ")
            parent = table[container]
            if parent.subcommands is None:
                parent.subcommands = {}
            parent.subcommands[child] = Command(card, child, container + b"|" + child)
    return table


def rename(table: dict[bytes, Command], old: str, new: str) -> str:
    """Move a command to another name, or take it out if `new` is empty; return why not, or ""."""
    name = old.lower().encode("utf-8", "surrogateescape")
    found = table.get(name)
    if found is None:
        return "there is no such command (allowed: a command's name)"
    target = new.lower().encode("utf-8", "surrogateescape")
    del table[name]
    if target in table:
        return 'the new name is taken (allowed: an unused name, or "")'
    if target:
        table[target] = found
    return ""
