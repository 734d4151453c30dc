"""The syntax lines of cards become COMMAND DOCS' argument trees and a manual's lines."""

import pytest

import kvnode.commands  # noqa: F401  # fills CARDS
from kvnode.command import CARDS
from kvnode.syntax import Argument, minimal, parse, printed


def outline(argument: Argument) -> tuple[object, ...]:
    """An argument as a tuple: name, kind, then whatever is not as usual."""
    row: list[object] = [argument.name, argument.kind]
    if argument.token is not None:
        row.append(f"token {argument.token}")
    if argument.key_spec >= 0:
        row.append(argument.key_spec)
    row += argument.flags()
    if argument.since:
        row.append(f"since {argument.since}")
    if argument.deprecated_since:
        row.append(f"until {argument.deprecated_since}")
    if argument.arguments:
        row.append([outline(inner) for inner in argument.arguments])
    return tuple(row)


def outlines(line: str) -> list[tuple[object, ...]]:
    return [outline(argument) for argument in parse(line)]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("value", ("value", "string")),
        ("count:i", ("count", "integer")),
        ("increment:d", ("increment", "double")),
        ("key:k#0", ("key", "key", 0)),
        ("name:p", ("name", "pattern")),
        ("when:t", ("when", "unix-time")),
        ("ip:port", ("ip:port", "string")),
        ("WITHSCORES", ("withscores", "pure-token", "token WITHSCORES")),
        ("equal==", ("equal", "pure-token", "token =")),
        ("almost=~", ("almost", "pure-token", "token ~")),
        ("nothing=", ("nothing", "pure-token", "token ")),
        ("COUNT count:i", ("count", "integer", "token COUNT")),
        ('"" value', ("value", "string", "token ")),
        ("[CH]", ("ch", "pure-token", "token CH", "optional")),
        ("key:k#1 ...", ("key", "key", 1, "multiple")),
        (
            "[GET pattern:p ...+]",
            ("pattern", "pattern", "token GET", "optional", "multiple", "multiple_token"),
        ),
        ("[GET@6.2.0]", ("get", "pure-token", "token GET", "optional", "since 6.2.0")),
        ("id ...@1.0.0!2.0.0", ("id", "string", "multiple", "since 1.0.0", "until 2.0.0")),
        ("old!2.8.12", ("old", "string", "until 2.8.12")),
    ],
)
def test_one_argument_with_each_suffix(line: str, wanted: tuple[object, ...]) -> None:
    assert outlines(line) == [wanted]


def test_alternatives_and_blocks_nest() -> None:
    assert outlines("[trim=(strategy=<MAXLEN|MINID@6.2.0> [LIMIT count:i])] id") == [
        (
            "trim",
            "block",
            "optional",
            [
                (
                    "strategy",
                    "oneof",
                    [
                        ("maxlen", "pure-token", "token MAXLEN"),
                        ("minid", "pure-token", "token MINID", "since 6.2.0"),
                    ],
                ),
                ("count", "integer", "token LIMIT", "optional"),
            ],
        ),
        ("id", "string"),
    ]
    assert outlines("[AGGREGATE how=<SUM|MIN>]") == [
        (
            "how",
            "oneof",
            "token AGGREGATE",
            "optional",
            [("sum", "pure-token", "token SUM"), ("min", "pure-token", "token MIN")],
        )
    ]
    assert outlines("no-one=(NO ONE)") == [
        (
            "no-one",
            "block",
            [("no", "pure-token", "token NO"), ("one", "pure-token", "token ONE")],
        )
    ]


def test_an_empty_line_has_no_arguments() -> None:
    assert parse("") == []
    assert printed([]) == ""
    assert minimal([]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "[a",
        "a]",
        "x=<a|b",
        "x=(a b",
        "a  b",
        "a ",
        " a",
        "key:k#x",
        "x=<>",
        "x=()",
        "a|b",
        '""',
        "[]",
    ],
)
def test_a_malformed_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse(line)


@pytest.mark.parametrize(
    ("line", "wanted", "words"),
    [
        ("key:k#0 value", "key value", 2),
        ("key:k#0 [count:i@6.2.0]", "key [count]", 1),
        ("pair=(key:k#0 value) ...", "key value [key value ...]", 2),
        ("[condition=<NX|XX>] key:k#0", "[NX | XX] key", 1),
        ("where=<LEFT|RIGHT>", "<LEFT | RIGHT>", 1),
        ("[AGGREGATE how=<SUM|MIN>]", "[AGGREGATE <SUM | MIN>]", 0),
        ("[GET pattern:p ...+]", "[GET pattern [GET pattern ...]]", 0),
        ("[WEIGHTS weight:i ...]", "[WEIGHTS weight [weight ...]]", 0),
        ("LIMIT offset_count=(offset:i count:i)", "LIMIT offset count", 3),
        ("what=<a=(x y)|NONE>", "<x y | NONE>", 1),
        ("key_or_nothing=<key:k#0|nothing=>", '<key | "">', 1),
        ('"" value', '"" value', 2),
    ],
)
def test_the_printed_line_and_its_shortest_form(line: str, wanted: str, words: int) -> None:
    arguments = parse(line)
    assert printed(arguments) == wanted
    assert minimal(arguments) == words


@pytest.mark.parametrize("name", sorted(CARDS))
def test_the_line_of_every_card_parses(name: str) -> None:
    arguments = parse(CARDS[name].syntax)
    text = printed(arguments)
    assert text.count("[") == text.count("]")
    assert "@" not in text
    assert "#" not in text
