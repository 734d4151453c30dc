"""COMMAND and its subcommands: what the command table says, for clients and for people."""

from typing import Final

from kvnode.categories import categories
from kvnode.command import FLAG_NAMES, LOADING, STALE, Command, KeySpec, command
from kvnode.context import Context
from kvnode.globs import matches
from kvnode.key_positions import (
    INVALID_ARGUMENT_COUNT,
    INVALID_COMMAND,
    NO_KEY_ARGUMENTS,
    Position,
    has_keys,
    key_positions,
    legacy_range,
)
from kvnode.syntax import Argument, parse
from kvprotocol import errors
from kvprotocol.errors import ReplyError
from kvprotocol.replies import Members, Pairs, Reply, Simple

# Words of a key specification that are notes to the server and stay out of GETKEYSANDFLAGS.
_NOT_ACCESS: Final = ("variable_flags", "incomplete")


def find_command(table: dict[bytes, Command], name: bytes) -> Command | None:
    """Return the command of a name in any case; a subcommand is `container|subcommand`."""
    found = table.get(name.lower())
    if found is not None:
        return found
    container, bar, child = name.lower().partition(b"|")
    if not bar:
        return None
    found = table.get(container)
    if found is None or found.subcommands is None:
        return None
    return found.subcommands.get(child)


def _words(names: list[str]) -> Reply:
    """Return a set of simple strings."""
    items: list[Reply] = []
    for name in names:
        items.append(Simple(name.encode()))
    return Members(items)


def _specification(spec: KeySpec) -> Reply:
    """Return one key specification as COMMAND INFO shows it."""
    begin: list[Reply]
    find: list[Reply]
    if spec.unknown:
        begin = [b"type", b"unknown", b"spec", Pairs([])]
        find = [b"type", b"unknown", b"spec", Pairs([])]
    else:
        if spec.keyword:
            where = Pairs([b"keyword", spec.keyword.encode(), b"startfrom", spec.index])
            begin = [b"type", b"keyword", b"spec", where]
        else:
            begin = [b"type", b"index", b"spec", Pairs([b"index", spec.index])]
        if spec.keynum >= 0:
            what = [b"keynumidx", spec.keynum, b"firstkey", spec.first, b"keystep", spec.step]
            find = [b"type", b"keynum", b"spec", Pairs(what)]
        else:
            what = [b"lastkey", spec.last, b"keystep", spec.step, b"limit", spec.limit]
            find = [b"type", b"range", b"spec", Pairs(what)]
    flags = _words(spec.flags.split())
    return Pairs([b"flags", flags, b"begin_search", Pairs(begin), b"find_keys", Pairs(find)])


def _details(entry: Command) -> Reply:
    """Return a command as COMMAND INFO shows it."""
    card = entry.card
    flags = [text for flag, text in FLAG_NAMES if card.flags & flag]
    first, last, step = legacy_range(card)
    tips: list[Reply] = []
    for tip in card.tips:
        tips.append(tip.encode())
    specifications: list[Reply] = []
    for spec in card.keys:
        specifications.append(_specification(spec))
    children: list[Reply] = []
    if entry.subcommands is not None:
        for child in entry.subcommands.values():
            children.append(_details(child))
    return [
        entry.full_name,
        card.arity,
        _words(flags),
        first,
        last,
        step,
        _words(["@" + name for name in categories(card)]),
        Members(tips),
        Members(specifications),
        children or Members([]),  # as Redis: an array, but an empty set
    ]


def _argument(argument: Argument) -> Reply:
    """Return one argument as COMMAND DOCS shows it."""
    items: list[Reply] = [b"name", argument.name.encode(), b"type", argument.kind.encode()]
    if argument.key_spec >= 0:
        items += [b"key_spec_index", argument.key_spec]
    if argument.token is not None:
        items += [b"token", argument.token.encode()]
    if argument.since:
        items += [b"since", argument.since.encode()]
    if argument.deprecated_since:
        items += [b"deprecated_since", argument.deprecated_since.encode()]
    flags = argument.flags()
    if flags:
        items += [b"flags", _words(flags)]
    if argument.arguments:
        items += [b"arguments", _arguments(argument.arguments)]
    return Pairs(items)


def _arguments(arguments: list[Argument]) -> Reply:
    found: list[Reply] = []
    for argument in arguments:
        found.append(_argument(argument))
    return found


def _documentation(entry: Command) -> Reply:
    """Return a command as COMMAND DOCS shows it."""
    card = entry.card
    items: list[Reply] = [b"summary", card.summary.encode(), b"since", card.since.encode()]
    items += [b"group", card.group.encode()]
    if card.complexity:
        items += [b"complexity", card.complexity.encode()]
    marks: list[str] = []
    if card.deprecated_since:
        marks.append("deprecated")
    if card.internal:
        marks.append("syscmd")
    if marks:
        items += [b"doc_flags", _words(marks)]
    if card.deprecated_since:
        items += [b"deprecated_since", card.deprecated_since.encode()]
        items += [b"replaced_by", card.replaced_by.encode()]
    arguments = parse(card.syntax)
    if arguments:
        items += [b"arguments", _arguments(arguments)]
    if entry.subcommands is not None:
        children: list[Reply] = []
        for child in entry.subcommands.values():
            children += [child.full_name, _documentation(child)]
        items += [b"subcommands", Pairs(children)]
    return Pairs(items)


@command(
    "COMMAND",
    arity=-1,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="2.8.13",
    complexity="O(N) with N commands",
    summary="Return the details of all commands.",
    tips=("nondeterministic_output_order",),
    idempotent=True,
)
def command_(ctx: Context, argv: list[bytes]) -> Reply:
    found: list[Reply] = []
    for entry in ctx.node.commands.values():
        found.append(_details(entry))
    return found


@command(
    "COMMAND COUNT",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="2.8.13",
    complexity="O(1)",
    summary="Return the number of commands.",
    idempotent=True,
)
def command_count(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.node.commands)


@command(
    "COMMAND DOCS",
    arity=-2,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="7.0.0",
    complexity="O(N) with N commands asked for",
    summary="Return the documentation of some or all commands.",
    syntax="[command-name ...]",
    tips=("nondeterministic_output_order",),
    idempotent=True,
)
def command_docs(ctx: Context, argv: list[bytes]) -> Reply:
    table = ctx.node.commands
    items: list[Reply] = []
    if len(argv) == 2:
        for entry in table.values():
            items += [entry.full_name, _documentation(entry)]
        return Pairs(items)
    for name in argv[2:]:
        found = find_command(table, name)
        if found is not None:
            items += [found.full_name, _documentation(found)]
    return Pairs(items)


@command(
    "COMMAND INFO",
    arity=-2,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="2.8.13",
    complexity="O(N) with N commands asked for",
    summary="Return the details of some or all commands.",
    syntax="[command-name ...]",
    tips=("nondeterministic_output_order",),
    idempotent=True,
)
def command_info(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        return command_(ctx, argv)
    details: list[Reply] = []
    for name in argv[2:]:
        found = find_command(ctx.node.commands, name)
        details.append(None if found is None else _details(found))
    return details


@command(
    "COMMAND LIST",
    arity=-2,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="7.0.0",
    complexity="O(N) with N commands",
    summary="Return the names of all commands, or of those that pass a filter.",
    syntax="[FILTERBY filterby=<MODULE module-name|ACLCAT category|PATTERN pattern:p>]",
    tips=("nondeterministic_output_order",),
    idempotent=True,
)
def command_list(ctx: Context, argv: list[bytes]) -> Reply:
    kind = b""
    wanted = b""
    if len(argv) == 5 and argv[2].upper() == b"FILTERBY":
        kind = argv[3].upper()
        wanted = argv[4]
    if len(argv) != 2 and kind not in (b"MODULE", b"ACLCAT", b"PATTERN"):
        raise ReplyError(errors.SYNTAX)
    names: list[Reply] = []
    for entry in ctx.node.commands.values():
        _list(entry, kind, wanted, names)
    return names


def _list(entry: Command, kind: bytes, wanted: bytes, names: list[Reply]) -> None:
    """Append the names of a command and of its subcommands as far as they pass the filter.

    No command comes from a module.
    """
    if kind == b"ACLCAT":
        passes = wanted.decode("utf-8", "replace").lower() in categories(entry.card)
    elif kind == b"PATTERN":
        passes = matches(wanted, entry.full_name, True)
    else:
        passes = kind != b"MODULE"
    if passes:
        names.append(entry.full_name)
    if entry.subcommands is not None:
        for child in entry.subcommands.values():
            _list(child, kind, wanted, names)


def _positions(ctx: Context, argv: list[bytes]) -> list[Position]:
    """Return where the keys of the request in argv stand."""
    found = ctx.node.commands.get(argv[0].lower())
    if found is not None and found.subcommands is not None and len(argv) > 1:
        found = found.subcommands.get(argv[1].lower())
    if found is None:
        raise ReplyError(INVALID_COMMAND)
    if not has_keys(found.card):
        raise ReplyError(NO_KEY_ARGUMENTS)
    if len(argv) < found.argc_min or len(argv) > found.argc_max:
        raise ReplyError(INVALID_ARGUMENT_COUNT)
    return key_positions(found.card, argv)


@command(
    "COMMAND GETKEYS",
    arity=-4,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="2.8.13",
    complexity="O(N) with N arguments of the request",
    summary="Return the keys of a request.",
    idempotent=True,
)
def command_getkeys(ctx: Context, argv: list[bytes]) -> Reply:
    request = argv[2:]
    keys: list[Reply] = []
    for place, _ in _positions(ctx, request):
        keys.append(request[place])
    return keys


@command(
    "COMMAND GETKEYSANDFLAGS",
    arity=-4,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="7.0.0",
    complexity="O(N) with N arguments of the request",
    summary="Return the keys of a request and how it accesses them.",
    idempotent=True,
)
def command_getkeysandflags(ctx: Context, argv: list[bytes]) -> Reply:
    request = argv[2:]
    rows: list[Reply] = []
    for place, flags in _positions(ctx, request):
        access = [word for word in flags.split() if word not in _NOT_ACCESS]
        row: list[Reply] = [request[place], _words(access)]
        rows.append(row)
    return rows


_HELP: Final = (
    b"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"(no subcommand)",
    b"    The details of every command.",
    b"COUNT",
    b"    How many commands there are.",
    b"LIST",
    b"    The names of the commands; FILTERBY MODULE, ACLCAT or PATTERN picks some.",
    b"INFO [<command-name> ...]",
    b"    The details of the named commands, of every command without a name.",
    b"DOCS [<command-name> ...]",
    b"    The documentation of the named commands, of every command without a name.",
    b"GETKEYS <full-command>",
    b"    The keys in a request.",
    b"GETKEYSANDFLAGS <full-command>",
    b"    The keys in a request, each with its access flags.",
    b"HELP",
    b"    Print this text.",
)


@command(
    "COMMAND HELP",
    arity=2,
    flags=LOADING | STALE,
    group="server",
    acl="connection",
    since="5.0.0",
    complexity="O(1)",
    summary="Show the forms of COMMAND.",
    idempotent=True,
)
def command_help(ctx: Context, argv: list[bytes]) -> Reply:
    lines: list[Reply] = []
    for line in _HELP:
        lines.append(Simple(line))
    return lines
