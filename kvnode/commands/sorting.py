"""SORT and SORT_RO.

Elements are ordered by themselves or by the weight that a BY pattern finds for each, as numbers or
(ALPHA) as bytes, which is what Redis does in the C locale. Equal numbers are ordered by the bytes
of the elements; equal ALPHA weights keep the order in which the elements stand in the key.
"""

from typing import Final, final

from mypy_extensions import i64

from kvnode.command import DENYOOM, MOVABLEKEYS, READONLY, WRITE, KeySpec, command, key
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.datatypes import strings
from kvnode.datatypes.hashes import Hash
from kvnode.datatypes.kinds import type_name
from kvnode.datatypes.lists import List
from kvnode.datatypes.sets import Set
from kvnode.datatypes.sorted_sets import SortedSet
from kvprotocol import errors
from kvprotocol.errors import ReplyError, WrongType
from kvprotocol.replies import Reply

_NOT_A_SCORE: Final = "ERR One or more scores can't be converted into double"
_NORMAL_MIN: Final = 2.2250738585072014e-308


@final
class SortOptions:
    """What stands behind the key; `limit` is negative for all, `by` None without a weight."""

    def __init__(self) -> None:
        self.descends = False
        self.alpha = False
        self.sorts = True  # False with a BY pattern that has no `*`
        self.offset: i64 = 0
        self.limit: i64 = -1
        self.by: Pattern | None = None
        self.get: list[Pattern] = []
        self.target: bytes | None = None


@final
class Pattern:
    """A BY or GET pattern: a key with `*` for the element, or a field of such a hash."""

    def __init__(self, text: bytes) -> None:
        self.is_element = text == b"#"
        self.prefix, star, rest = text.partition(b"*")
        self.has_star = bool(star)
        self.suffix, self.field = rest, b""
        arrow = rest.find(b"->")
        if 0 <= arrow < len(rest) - 2:
            self.suffix = rest[:arrow]
            self.field = rest[arrow + 2 :]

    def look_up(self, ctx: Context, element: bytes) -> bytes | None:
        """Return the string that the pattern finds for an element."""
        if self.is_element:
            return element
        if not self.has_star:
            return None
        stored = ctx.keyspace.read(b"%b%b%b" % (self.prefix, element, self.suffix))
        if stored is None:
            return None
        if self.field:
            return Hash.open(stored, ctx.encodings).get(self.field) if _is_hash(stored) else None
        return strings.text(stored) if strings.is_string(stored) else None


def _is_hash(stored: object) -> bool:
    return type_name(stored) == b"hash"


def _require_every_key(ctx: Context, argv: list[bytes], may_store: bool, option: str) -> None:
    """Refuse an option that reads keys which nobody can know before to a user with key rules."""
    user = ctx.session.user
    if user.unrestricted:
        return
    if not ctx.node.acl.reads_every_key(user, b"sort" if may_store else b"sort_ro", argv):
        raise ReplyError(f"ERR {option} option of SORT denied due to insufficient ACL permissions.")


def _read_options(ctx: Context, argv: list[bytes], may_store: bool) -> SortOptions:
    options = SortOptions()
    i = 2
    while i < len(argv):
        word = argv[i].upper()
        left = len(argv) - i - 1
        if word == b"ASC":
            options.descends = False
        elif word == b"DESC":
            options.descends = True
        elif word == b"ALPHA":
            options.alpha = True
        elif word == b"LIMIT" and left >= 2:
            options.offset = i64(integer(argv[i + 1]))
            options.limit = i64(integer(argv[i + 2]))
            i += 2
        elif word == b"STORE" and left >= 1 and may_store:
            options.target = argv[i + 1]
            i += 1
        elif word == b"BY" and left >= 1:
            options.by = Pattern(argv[i + 1])
            if not options.by.has_star:
                options.sorts = False
            else:
                _require_every_key(ctx, argv, may_store, "BY")
            i += 1
        elif word == b"GET" and left >= 1:
            _require_every_key(ctx, argv, may_store, "GET")
            options.get.append(Pattern(argv[i + 1]))
            i += 1
        else:
            raise ReplyError(errors.SYNTAX)
        i += 1
    return options


def _elements(ctx: Context, name: bytes, options: SortOptions) -> list[bytes]:
    """Return the elements of a list, set or sorted set in the order in which to sort them."""
    stored = ctx.keyspace.read(name)
    if stored is None:
        return []
    kind = type_name(stored)
    if kind == b"list":
        elements = List.open(stored, ctx.encodings)
        return elements.range(0, elements.count())
    if kind == b"zset":
        scored = SortedSet.open(stored, ctx.encodings)
        if scored.unpack():
            # As in Redis, where the sorting needs the skip list: OBJECT ENCODING shows it.
            ctx.keyspace.store(name, scored.body)
        return scored.items()[0]
    if kind != b"set":
        raise WrongType()
    members = Set.open(stored, ctx.encodings).members()
    if options.target is not None or ctx.session is ctx.node.scripting.session:
        # What is stored, or seen by a script, must not depend on how the set lies in memory here.
        # Redis does this where it does not sort at all; equal ALPHA weights need it, too.
        if not options.sorts:
            options.sorts = True
            options.alpha = True
            options.by = None
        elif options.alpha and options.by is not None:
            members.sort()
    return members


def _number(text: bytes) -> float:
    """Return the number that C's strtod reads in the whole text; raises ReplyError.

    Unlike the floats of other commands: blanks may stand before it, nothing at all is 0, a zero
    byte ends it, and what a double cannot hold or only with fewer digits is refused.
    """
    text = text.partition(b"\x00")[0]
    if not text:
        return 0.0
    try:
        if text[-1] > 32 and b"_" not in text:
            value = float(text)
            if value - value == 0.0:
                if abs(value) >= _NORMAL_MIN:
                    return value
                if value == 0.0 and not text.lower().partition(b"e")[0].strip(b" \t\n\v\f\r+-0."):
                    return value
            elif value == value and b"n" in text.lower():
                return value
    except ValueError:
        return _hexadecimal(text.lstrip(b" \t\n\v\f\r"))
    raise ReplyError(_NOT_A_SCORE)


def _hexadecimal(text: bytes) -> float:
    """Return the number that a hexadecimal float (`0x1p3`) spells."""
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    if digits[:2].lower() == b"0x" and text[-1] > 32 and b"_" not in text:
        try:
            return float.fromhex(text.decode("ascii"))
        except (ValueError, OverflowError, UnicodeDecodeError):
            pass
    raise ReplyError(_NOT_A_SCORE)


def _sorted_by_number(ctx: Context, elements: list[bytes], options: SortOptions) -> list[bytes]:
    by = options.by
    rows: list[tuple[float, bytes]] = []
    failure: ReplyError | None = None
    for element in elements:
        weight = element if by is None else by.look_up(ctx, element)
        try:
            rows.append((0.0 if weight is None else _number(weight), element))
        except ReplyError as error:
            failure = error  # all weights are looked up all the same: misses are told of
    if failure is not None:
        raise failure
    rows.sort(reverse=options.descends)
    return [element for _score, element in rows]


def _sorted_by_bytes(ctx: Context, elements: list[bytes], options: SortOptions) -> list[bytes]:
    """Sort by weight; an element without one comes first.

    As in Redis a zero byte ends a weight, because strcoll does, but not where the result is stored.
    """
    by = options.by
    ends = options.target is None
    keys: dict[bytes, bytes] = {}
    for element in elements:
        weight = element if by is None else by.look_up(ctx, element)
        if weight is None:
            keys[element] = b""
        else:
            # The mark keeps an empty weight apart from none.
            keys[element] = b"=" + (weight.partition(b"\x00")[0] if ends else weight)
    return sorted(elements, key=keys.__getitem__, reverse=options.descends)


def _limited(elements: list[bytes], options: SortOptions) -> list[bytes]:
    """Apply LIMIT; a negative offset is 0."""
    size: i64 = len(elements)
    start = min(max(options.offset, 0), size)
    stop = size
    if options.limit >= 0 and options.limit < size - start:
        stop = start + options.limit
    return elements if start == 0 and stop == size else elements[start:stop]


def _sort(ctx: Context, argv: list[bytes], may_store: bool) -> Reply:
    options = _read_options(ctx, argv, may_store)
    elements = _elements(ctx, argv[1], options)
    if not options.sorts:
        if options.descends:
            elements.reverse()
    elif options.alpha:
        elements = _sorted_by_bytes(ctx, elements, options)
    else:
        elements = _sorted_by_number(ctx, elements, options)
    elements = _limited(elements, options)
    if options.get:
        found: list[Reply] = []
        for element in elements:
            for pattern in options.get:
                found.append(pattern.look_up(ctx, element))
    else:
        found = list(elements)
    if options.target is None:
        return found
    return _store(ctx, options.target, found)


def _store(ctx: Context, target: bytes, found: list[Reply]) -> Reply:
    """Make `target` a list of the result, absent values as empty ones; none deletes it."""
    keyspace = ctx.keyspace
    if found:
        result = List.open(None, ctx.encodings)
        for value in found:
            result.push_right(value if isinstance(value, bytes) else b"")
        keyspace.for_write(target)
        keyspace.put(target, result.body)
        keyspace.changed(target, b"sortstore", len(found))
    elif keyspace.remove(target, ctx.node.settings.lazyfree_lazy_server_del):
        keyspace.changed(target, b"del")
    return len(found)


@command(
    "SORT",
    arity=-2,
    flags=WRITE | DENYOOM | MOVABLEKEYS,
    keys=(
        key(1, 1, 1, "RO access"),
        KeySpec(0, "RO access", unknown=True),
        KeySpec(0, "OW update", unknown=True),
    ),
    group="generic",
    acl="set sortedset list dangerous",
    since="1.0.0",
    complexity="O(N + N log N) with N elements, O(N) with a BY pattern without `*`",
    summary="Sort a list, set or sorted set; return the result or store it as a list.",
    syntax="key:k#0 [BY pattern:p#1] [LIMIT offset_count=(offset:i count:i)] "
    "[GET pattern:p#1 ...+] [order=<ASC|DESC>] [sorting=ALPHA] [STORE destination:k#2]",
    idempotent=True,
    not_idempotent_with=("STORE",),
)
def sort(ctx: Context, argv: list[bytes]) -> Reply:
    return _sort(ctx, argv, True)


@command(
    "SORT_RO",
    arity=-2,
    flags=READONLY | MOVABLEKEYS,
    keys=(key(1, 1, 1, "RO access"), KeySpec(0, "RO access", unknown=True)),
    group="generic",
    acl="set sortedset list dangerous",
    since="7.0.0",
    complexity="O(N + N log N) with N elements, O(N) with a BY pattern without `*`",
    summary="Sort a list, set or sorted set and return the result.",
    syntax="key:k#0 [BY pattern:p#1] [LIMIT offset_count=(offset:i count:i)] "
    "[GET pattern:p#1 ...+] [order=<ASC|DESC>] [sorting=ALPHA]",
)
def sort_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _sort(ctx, argv, False)
