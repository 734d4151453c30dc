"""Rules make users, users describe themselves in rules, and the same rules make the same user."""

from __future__ import annotations

import random

import pytest

from kvnode.acl.command_sets import (
    EVERY_COMMAND,
    FUTURE,
    KEYS_VARY,
    NO_KEYS,
    CommandSets,
    contains,
    to_bytes,
)
from kvnode.acl.description import describe_commands, describe_user
from kvnode.acl.log import DenialLog, Entry
from kvnode.acl.passwords import hashed, is_hash, is_one_of
from kvnode.acl.patterns import KeyPattern
from kvnode.acl.rules import OpenParenthesis, RuleError, apply_rule, joined_selectors
from kvnode.acl.selectors import ALLOWED
from kvnode.acl.users import User, everything
from kvnode.categories import CATEGORIES
from kvnode.globs import matches
from kvnode.key_positions import has_keys, key_positions

from .engine import Engine

NODE = Engine().node
SETS = NODE.acl.sets


def make(*rules: bytes) -> User:
    """A new user of these rules."""
    user = User(b"u", SETS, False)
    for rule in joined_selectors(list(rules)):
        apply_rule(user, rule, False)
    user.seal()
    return user


def test_every_command_has_a_bit_of_its_own_and_is_in_its_categories() -> None:
    commands = NODE.all_commands()
    assert len({command.acl_bit for command in commands}) == len(commands)
    for command in commands:
        assert SETS.find(command.full_name.upper()) == command.acl_bit
        assert SETS.members[command.acl_bit] >> command.acl_bit & 1
    container = SETS.find(b"config")
    assert SETS.members[container] >> SETS.find(b"config|get") & 1
    assert not SETS.members[container] >> SETS.find(b"get") & 1
    assert SETS.categories.keys() == {name.encode() for name in CATEGORIES}


def test_a_set_as_bytes_holds_the_bits_of_the_integer() -> None:
    draw = random.Random(1)
    for _ in range(50):
        mask = draw.getrandbits(1024) & EVERY_COMMAND
        packed = to_bytes(mask)
        for bit in (0, 1, 7, 8, 500, 1022, 1023, draw.randrange(1024)):
            assert contains(packed, bit) == bool(mask >> bit & 1)
    assert contains(to_bytes(FUTURE), 1023)


def test_the_place_of_an_only_key_is_that_of_the_key_specification() -> None:
    plain = 0
    for command in NODE.all_commands():
        place = SETS.only_keys[command.acl_bit]
        if place == NO_KEYS:
            assert not has_keys(command.card), command.full_name
        elif place != KEYS_VARY:
            plain += 1
            size = max(int(command.argc_min), place + 1)
            argv = [command.full_name, *[b"1"] * (size - 1)]
            assert [index for index, _ in key_positions(command.card, argv)] == [place]
    assert plain > 60


@pytest.mark.parametrize("text", [b"a", b"a*", b"*", b"", b"a?c", b"[ab]", b"\\a", b"a\\*", b"**"])
def test_a_key_pattern_matches_as_the_glob_does(text: bytes) -> None:
    pattern = KeyPattern(text, 3)
    for key in (b"", b"a", b"ab", b"abc", b"b", b"a*", b"*", b"\\a", b"cache:1", b"a\\", b"\0"):
        assert pattern.matches(key) == matches(text, key), key


def test_only_hashes_of_passwords_are_kept() -> None:
    user = make(b">secret", b">other")
    assert user.passwords == [hashed(b"secret"), hashed(b"other")]
    assert b"secret" not in describe_user(user)
    assert is_one_of(b"other", user.passwords)
    assert not is_one_of(b"nothing", user.passwords)
    assert not is_one_of(b"", [])
    assert is_hash(b"0123456789abcdef" * 4)
    assert not is_hash(b"0123456789abcdeF" * 4)
    assert not is_hash(b"0" * 63)


def test_a_wrong_rule_says_why_and_a_selector_that_is_open_where() -> None:
    with pytest.raises(RuleError, match="Unknown command"):
        make(b"+nope")
    with pytest.raises(OpenParenthesis) as caught:
        make(b"on", b"(+get", b"~a")
    assert caught.value.word == b"(+get"
    assert joined_selectors([b"(a", b"b)", b"(c)", b"d"]) == [b"(a b)", b"(c)", b"d"]


def random_rules(draw: random.Random) -> list[bytes]:
    """Valid rules."""
    names = [name for name in SETS.names if b"|" not in name or draw.random() < 0.5]
    groups = list(SETS.categories)
    rules: list[bytes] = []
    for _ in range(draw.randint(1, 12)):
        sign = draw.choice([b"+", b"-"])
        rule = draw.choice(
            [
                sign + draw.choice(names),
                sign + b"@" + draw.choice(groups),
                sign + b"@all",
                b"+get|" + draw.choice([b"x", b"y"]),
                draw.choice([b"~a*", b"%R~b", b"%W~b", b"resetkeys", b"&c", b"resetchannels"]),
                draw.choice([b"on", b">pw", b"nopass", b"skip-sanitize-payload"]),
                b"(%b%b ~x %%W~y &z)" % (sign, draw.choice(names)),
            ]
        )
        rules.append(rule)
    return rules


def test_a_description_makes_the_same_user_again() -> None:
    draw = random.Random(7)
    for _ in range(400):
        user = make(*random_rules(draw))
        line = describe_user(user)
        again = make(*line.split(b" "))
        assert describe_user(again) == line
        for mine, other in zip(user.selectors, again.selectors, strict=True):
            assert mine.commands == other.commands
            assert describe_commands(mine) == describe_commands(other)


def test_a_category_describes_itself() -> None:
    for category in SETS.categories:
        assert describe_commands(make(b"+@" + category).selectors[0]).startswith(b"-@all +@")
    assert describe_commands(make(b"+@all", b"-@admin").selectors[0]) == b"+@all -@admin"
    assert describe_commands(make(b"+@all").selectors[0]) == b"+@all"


def test_a_copy_can_be_changed_apart() -> None:
    user = make(b"on", b">pw", b"+get|x", b"~a", b"&b", b"(+set ~c)")
    other = user.copy()
    for rule in (b"off", b">more", b"+get|y", b"~z", b"&z", b"clearselectors", b"+@all"):
        apply_rule(other, rule, False)
    assert describe_user(user) == describe_user(make(*describe_user(user).split(b" ")))
    assert user.enabled
    assert len(user.selectors) == 2
    assert user.selectors[0].first_arguments == {SETS.find(b"get"): [b"x"]}


def test_the_user_who_may_do_everything_is_unrestricted_until_a_rule_takes_something() -> None:
    user = everything(b"u", SETS)
    assert user.unrestricted
    for rule in (b"-get", b"resetkeys", b"resetchannels"):
        other = user.copy()
        apply_rule(other, rule, False)
        other.seal()
        assert not other.unrestricted
    both = make(b"(+@all ~* &*)")
    assert both.unrestricted
    assert both.decide(SETS.commands[b"flushall"], [b"FLUSHALL"]) == ALLOWED


def test_sets_made_of_one_table_twice_are_equal() -> None:
    bits = {name: NODE.acl.sets.bits[name] for name in NODE.acl.sets.names}
    assert CommandSets(NODE.commands).bits == bits


def entry(what: bytes, at: float, user: bytes = b"u") -> Entry:
    """A denial of a key."""
    return Entry(b"key", b"toplevel", what, user, b"line at %d" % int(at), at)


def test_equal_denials_within_a_minute_are_counted_together() -> None:
    log = DenialLog(3)
    for what, at in ((b"a", 0.0), (b"b", 1.0), (b"a", 60.0)):
        log.note(entry(what, at))
    rows = [(row.what, row.count, row.at) for row in log.entries]
    assert rows == [(b"a", 2, 60.0), (b"b", 1, 1.0)]
    assert log.entries[0].client == b"line at 60"
    log.note(entry(b"a", 120.1))
    assert [(row.what, row.count) for row in log.entries] == [(b"a", 1), (b"a", 2), (b"b", 1)]
    log.note(entry(b"a", 120.2, b"v"))
    rows_of_users = [(row.what, row.user) for row in log.entries]
    assert rows_of_users == [(b"a", b"v"), (b"a", b"u"), (b"a", b"u")]


def test_only_the_latest_ten_entries_are_searched_for_an_equal_one() -> None:
    log = DenialLog(100)
    for number in range(11):
        log.note(entry(b"%d" % number, 1.0))
    log.note(entry(b"1", 1.0))
    log.note(entry(b"0", 1.0))
    assert [row.count for row in log.entries].count(2) == 1
    assert len(log.entries) == 12
