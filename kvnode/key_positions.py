"""Where the keys of a request stand, by the key specifications of its command's card.

Almost always the specifications say it all. What they cannot say is read here as Redis reads it:
SORT's STORE may stand anywhere, MIGRATE's KEYS replace the key before them, SET and BITFIELD access
the old value only with some options, and a count of keys that is no plain integer ("01") is still
taken for one, with no access told.
"""

from typing import Final

from kvnode.command import NO_MANDATORY_KEYS, Card, KeySpec
from kvprotocol.errors import ReplyError
from kvprotocol.numbers import leading_integer, parse_int

INVALID_COMMAND: Final = "ERR Invalid command specified"
NO_KEY_ARGUMENTS: Final = "ERR The command has no key arguments"
INVALID_ARGUMENT_COUNT: Final = "ERR Invalid number of arguments specified for command"
INVALID_ARGUMENTS: Final = "ERR Invalid arguments specified for command"

Position = tuple[int, str]

# How many words follow an option of SORT.
_SORT_OPTIONS: Final = {b"LIMIT": 2, b"GET": 1, b"BY": 1}


def has_keys(card: Card) -> bool:
    """Return whether requests of the command can name keys; channels are none."""
    for spec in card.keys:
        if "not_key" not in spec.flags:
            return True
    return False


def key_positions(card: Card, argv: list[bytes]) -> list[Position]:
    """Return the index and the access flags of every key in a request whose arity is right.

    Raises INVALID_ARGUMENTS where the request names no keys and must, or names them wrongly.
    """
    found: list[Position] = []
    complete = True
    for spec in card.keys:
        if "not_key" not in spec.flags and not _collect(spec, argv, found):
            complete = False
    if card.name == "SORT":
        store = _position_of_store(argv)
        if store:
            found.append((store, card.keys[2].flags))
    elif not complete:
        found = _counted_leniently(card, argv)
    elif card.name == "MIGRATE" and len(found) > 1:
        found = [] if argv[found[0][0]] else found[1:]
    elif card.keys and "variable_flags" in card.keys[0].flags:
        found = [(found[0][0], _varied_access(card.name, argv))]
    if not found and not card.flags & NO_MANDATORY_KEYS:
        raise ReplyError(INVALID_ARGUMENTS)
    return found


def legacy_range(card: Card) -> tuple[int, int, int]:
    """Return first key, last key (negative: from the end) and step, as COMMAND INFO tells them.

    Only neighbouring plain ranges count; zeros where there are none.
    """
    if len(card.keys) == 1 and _is_range(card.keys[0]):
        spec = card.keys[0]
        return (spec.index, _last_key(spec), spec.step)
    first = 0
    last = 0
    for spec in card.keys:
        if not _is_range(spec) or spec.step != 1 or "incomplete" in spec.flags:
            continue
        if last < 0 or (last > 0 and last != spec.index - 1):
            continue
        first = first or spec.index
        last = _last_key(spec)
    return (first, last, 1 if first else 0)


def _is_range(spec: KeySpec) -> bool:
    return not spec.unknown and not spec.keyword and spec.keynum < 0


def _last_key(spec: KeySpec) -> int:
    return spec.index + spec.last if spec.last >= 0 else spec.last


def _collect(spec: KeySpec, argv: list[bytes], found: list[Position]) -> bool:
    """Append the keys of one specification; False where a count of keys cannot be right.

    A keyword that is not there brings no keys.
    """
    argc = len(argv)
    if spec.unknown:
        return True
    first = spec.index
    if spec.keyword:
        first = _behind_keyword(argv, spec)
        if first == 0 or first >= argc:
            return True
    if spec.keynum >= 0:
        if first + spec.keynum >= argc:
            return False
        count = parse_int(argv[first + spec.keynum])
        if count is None or count <= 0:
            return False
        first += spec.first
        last = first + count - 1
    elif spec.last >= 0:
        last = first + spec.last
    elif spec.limit:
        last = first + (argc - first) // spec.limit - 1
    else:
        last = argc + spec.last
    if last >= argc or last < first:
        return False
    for i in range(first, last + 1, spec.step):
        found.append((i, spec.flags))
    return True


def _behind_keyword(argv: list[bytes], spec: KeySpec) -> int:
    """Return the index behind the keyword, 0 where it is not there; the last word is none."""
    keyword = spec.keyword.encode()
    if spec.index > 0:
        for i in range(spec.index, len(argv) - 1):
            if argv[i].upper() == keyword:
                return i + 1
        return 0
    for i in range(len(argv) + spec.index, 0, -1):
        if argv[i].upper() == keyword:
            return i + 1
    return 0


def _position_of_store(argv: list[bytes]) -> int:
    """Return where SORT's destination stands, 0 without one; the last STORE holds."""
    found = 0
    i = 2
    while i < len(argv):
        word = argv[i].upper()
        if word == b"STORE" and i + 1 < len(argv):
            found = i + 1
            i += 1
        else:
            i += _SORT_OPTIONS.get(word, 0)
        i += 1
    return found


def _varied_access(name: str, argv: list[bytes]) -> str:
    """Return the access to the one key of SET or BITFIELD, which depends on the options."""
    if name == "BITFIELD":
        return "RW access update" if _bitfield_writes(argv) else "RO access"
    for i in range(3, len(argv)):
        if argv[i].upper() == b"GET":
            return "RW access update"
    return "OW update"


def _bitfield_writes(argv: list[bytes]) -> bool:
    """Return whether any operation of BITFIELD but GET and OVERFLOW is there."""
    i = 2
    while i < len(argv):
        word = argv[i].upper()
        left = len(argv) - i - 1
        if word == b"GET" and left >= 2:
            i += 3
        elif word == b"OVERFLOW" and left >= 1:
            i += 2
        else:
            return True
    return False


def _counted_leniently(card: Card, argv: list[bytes]) -> list[Position]:
    """Return the keys behind a count that is read up to its first strange character.

    A destination (a specification before the counted one) comes last.
    """
    counted: KeySpec | None = None
    destinations: list[Position] = []
    for spec in card.keys:
        if spec.keynum >= 0:
            counted = spec
        elif not spec.keyword:
            destinations.append((spec.index, ""))
    if counted is None or counted.index + counted.keynum >= len(argv):
        return []
    count = leading_integer(argv[counted.index + counted.keynum])
    first = counted.index + counted.first
    if count < 1 or count > (len(argv) - first) // counted.step:
        return []
    found: list[Position] = []
    for i in range(count):
        found.append((first + i * counted.step, ""))
    return found + destinations
