"""Replies of RESP2 and RESP3 become equal results; what does not fit is an error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import pytest

from kvclient import shapes, stream_shapes
from kvclient.results import (
    Claimed,
    ClaimedIds,
    CommonRun,
    CommonSubsequence,
    ConsumerInfo,
    GroupInfo,
    PendingEntry,
    PendingSummary,
    Place,
    SlowCommand,
    StreamInfo,
)

from ..client.exactness import same

Shape = Callable[[Any], Any]

# A shape, its forms of one reply (RESP2 first), the result.
FITS: Final[list[tuple[Shape, list[Any], Any]]] = [
    (shapes.done, [b"OK", "OK"], True),
    (shapes.accepted, [b"OK", "OK"], True),
    (shapes.accepted, [None], False),
    (shapes.pong, [b"PONG", "PONG"], True),
    (shapes.flag, [1, True], True),
    (shapes.flag, [0, False], False),
    (shapes.flags, [[1, 0], [True, False]], [True, False]),
    (shapes.number, [b"1.5", "1.5", 1.5], 1.5),
    (shapes.number, [b"3", 3, 3.0], 3.0),
    (shapes.number, [b"-inf", "-inf", -math.inf], -math.inf),
    (shapes.optional_number, [None], None),
    (shapes.optional_number, [b"2", "2", 2.0], 2.0),
    (shapes.optional_numbers, [[b"2", None], ["2", None], [2.0, None]], [2.0, None]),
    (shapes.integer_text, [b"17", "17", 17], 17),
    (shapes.time_parts, [[b"5", b"6"], ["5", "6"]], (5, 6)),
    (shapes.text, [b"string", "string"], "string"),
    (shapes.optional_text, [None], None),
    (shapes.optional_text, [b"raw"], "raw"),
    (shapes.texts, [[b"a", b"b"], ["a", "b"]], ["a", "b"]),
    (shapes.optional_texts, [[b"a", None], ["a", None]], ["a", None]),
    (shapes.text_mapping, [[b"a", b"1"], {b"a": b"1"}, {"a": "1"}], {"a": "1"}),
    (shapes.items, [None, []], []),
    (shapes.items, [[b"a"]], [b"a"]),
    (shapes.members, [None, []], set()),
    (shapes.members, [[b"a", b"b"]], {b"a", b"b"}),
    (
        shapes.mapping,
        [[b"a", b"1", b"b", b"2"], {b"a": b"1", b"b": b"2"}],
        {b"a": b"1", b"b": b"2"},
    ),
    (shapes.mapping, [[], {}], {}),
    (shapes.pairs, [None, []], []),
    (shapes.pairs, [[b"a", b"1", b"a", b"1"], [[b"a", b"1"]] * 2], [(b"a", b"1")] * 2),
    (shapes.scored, [[b"a", b"1.5"], [b"a", 1.5], [[b"a", 1.5]], [[b"a", b"1.5"]]], [(b"a", 1.5)]),
    (shapes.scored, [None, []], []),
    (shapes.optional_pair, [None], None),
    (shapes.optional_pair, [[b"k", b"v"]], (b"k", b"v")),
    (shapes.taken_scored, [None], None),
    (shapes.taken_scored, [[b"k", b"m", b"2"], [b"k", b"m", 2.0]], (b"k", b"m", 2.0)),
    (shapes.taken_several_scored, [None], None),
    (
        shapes.taken_several_scored,
        [[b"k", [[b"m", b"2"]]], [b"k", [[b"m", 2.0]]]],
        (b"k", [(b"m", 2.0)]),
    ),
    (shapes.page, [[b"5", [b"a"]], ["5", [b"a"]]], (5, [b"a"])),
    (shapes.mapping_page, [[b"0", [b"f", b"v"]]], (0, {b"f": b"v"})),
    (shapes.scored_page, [[b"0", [b"a", b"1"]]], (0, [(b"a", 1.0)])),
    (shapes.positions, [[[b"1.5", b"2"], None], [[1.5, 2.0], None]], [(1.5, 2.0), None]),
    (
        shapes.places(True, True, True),
        [[[b"m", b"5.5", 17, [b"1", b"2"]]], [[b"m", 5.5, 17, [1.0, 2.0]]]],
        [Place(b"m", 5.5, 17, (1.0, 2.0))],
    ),
    (shapes.places(False, True, False), [[[b"m", 17]]], [Place(b"m", None, 17, None)]),
    (shapes.places(False, False, False), [[b"m"]], [Place(b"m", None, None, None)]),
    (
        shapes.common_subsequence,
        [
            [b"matches", [[[4, 7], [5, 8]]], b"len", 4],
            {b"matches": [[[4, 7], [5, 8]]], b"len": 4},
        ],
        CommonSubsequence([CommonRun((4, 7), (5, 8), None)], 4),
    ),
    (
        shapes.libraries,
        [
            [[b"library_name", b"l", b"functions", [[b"name", b"f", b"flags", []]]]],
            [{"library_name": b"l", "functions": [{"name": b"f", "flags": []}]}],
        ],
        [{"library_name": b"l", "functions": [{"name": b"f", "flags": []}]}],
    ),
    (
        shapes.client_line,
        [b"id=3 addr=1.2.3.4:5 name=\n"],
        {"id": "3", "addr": "1.2.3.4:5", "name": ""},
    ),
    (
        shapes.client_lines,
        [b"id=3 db=0\nid=4 db=1\n"],
        [{"id": "3", "db": "0"}, {"id": "4", "db": "1"}],
    ),
    (
        shapes.slow_commands,
        [[[7, 1700000000, 15, [b"GET", b"k"], b"1.2.3.4:5", b"me"]]],
        [SlowCommand(7, 1700000000, 15, [b"GET", b"k"], "1.2.3.4:5", "me")],
    ),
    (stream_shapes.entries, [None, []], []),
    (stream_shapes.entries, [[[b"1-0", [b"f", b"v"]]]], [(b"1-0", {b"f": b"v"})]),
    (stream_shapes.entries, [[[b"1-0", None], None]], [(b"1-0", {})]),
    (stream_shapes.entries_by_stream, [None, [], {}], {}),
    (
        stream_shapes.entries_by_stream,
        [[[b"s", [[b"1-0", [b"f", b"v"]]]]], {b"s": [[b"1-0", [b"f", b"v"]]]}],
        {b"s": [(b"1-0", {b"f": b"v"})]},
    ),
    (
        stream_shapes.claimed,
        [[b"0-0", [[b"1-0", [b"f", b"v"]], None], [b"2-0"]]],
        Claimed(b"0-0", [(b"1-0", {b"f": b"v"})], [b"2-0"]),
    ),
    (stream_shapes.claimed, [[b"0-0", []]], Claimed(b"0-0", [], [])),
    (stream_shapes.claimed_ids, [[b"0-0", [b"1-0"], []]], ClaimedIds(b"0-0", [b"1-0"], [])),
    (stream_shapes.pending_summary, [[0, None, None, None]], PendingSummary(0, None, None, {})),
    (
        stream_shapes.pending_summary,
        [[2, b"1-0", b"2-0", [[b"bob", b"2"]]]],
        PendingSummary(2, b"1-0", b"2-0", {b"bob": 2}),
    ),
    (
        stream_shapes.pending_entries,
        [[[b"1-0", b"bob", 5, 1]]],
        [PendingEntry(b"1-0", b"bob", 5, 1)],
    ),
    (
        stream_shapes.group_infos,
        [
            [[b"name", b"g", b"consumers", 1, b"pending", 2, b"last-delivered-id", b"1-0"]],
            [{b"name": b"g", b"consumers": 1, b"pending": 2, b"last-delivered-id": b"1-0"}],
        ],
        [GroupInfo(b"g", 1, 2, b"1-0", None, None)],
    ),
    (
        stream_shapes.consumer_infos,
        [
            [[b"name", b"bob", b"pending", 1, b"idle", 5]],
            [{"name": b"bob", "pending": 1, "idle": 5}],
        ],
        [ConsumerInfo(b"bob", 1, 5, None)],
    ),
    (
        stream_shapes.stream_info,
        [
            {
                "length": 1,
                "radix-tree-keys": 1,
                "radix-tree-nodes": 2,
                "groups": 0,
                "last-generated-id": b"1-0",
                "first-entry": [b"1-0", [b"f", b"v"]],
                "last-entry": None,
            }
        ],
        StreamInfo(1, 1, 2, 0, b"1-0", None, None, None, (b"1-0", {b"f": b"v"}), None),
    ),
    (
        stream_shapes.stream_info_full,
        [
            [
                *(b"length", 1, b"entries", [[b"1-0", [b"f", b"v"]]]),
                *(b"groups", [[b"name", b"g", b"consumers", [[b"name", b"bob"]]]]),
            ],
        ],
        {
            "length": 1,
            "entries": [(b"1-0", {b"f": b"v"})],
            "groups": [{"name": b"g", "consumers": [{"name": b"bob"}]}],
        },
    ),
]

MISFITS: Final[list[tuple[Shape, Any]]] = [
    (shapes.done, b"QUEUED"),
    (shapes.done, None),
    (shapes.accepted, 1),
    (shapes.pong, b"OK"),
    (shapes.flag, 2),
    (shapes.flag, None),
    (shapes.flags, [None]),
    (shapes.flags, None),
    (shapes.number, None),
    (shapes.number, b"many"),
    (shapes.optional_number, []),
    (shapes.optional_numbers, None),
    (shapes.integer_text, b"1.5"),
    (shapes.time_parts, [b"5"]),
    (shapes.text, None),
    (shapes.text, b"\xff"),
    (shapes.texts, b"a"),
    (shapes.text_mapping, {b"a": 1}),
    (shapes.items, b"a"),
    (shapes.members, b"abc"),
    (shapes.mapping, [b"a"]),
    (shapes.mapping, None),
    (shapes.mapping, b"ab"),
    (shapes.pairs, [b"a", b"b", b"c"]),
    (shapes.pairs, [[b"a"]]),
    (shapes.scored, [b"a", None]),
    (shapes.scored, [b"a", b"b"]),
    (shapes.optional_pair, [b"a"]),
    (shapes.taken_scored, [b"a", b"b"]),
    (shapes.taken_several_scored, b"ab"),
    (shapes.page, [b"5"]),
    (shapes.page, [b"x", []]),
    (shapes.mapping_page, [b"0", [b"f"]]),
    (shapes.positions, [[b"1"]]),
    (shapes.places(True, False, False), [[b"m"]]),
    (shapes.common_subsequence, {b"len": 4}),
    (shapes.libraries, [{}]),
    (shapes.info, None),
    (shapes.client_line, 5),
    (shapes.slow_commands, [[1, 2]]),
    (stream_shapes.entries, [[None, None]]),
    (stream_shapes.entries, [5]),
    (stream_shapes.entries, [[b"1-0", [b"f"]]]),
    (stream_shapes.entries_by_stream, [[b"s"]]),
    (stream_shapes.claimed, []),
    (stream_shapes.pending_summary, None),
    (stream_shapes.pending_entries, [[b"1-0"]]),
    (stream_shapes.stream_info, []),
    (stream_shapes.group_infos, [[b"name", b"g"]]),
]


@pytest.mark.parametrize(
    ("shape", "reply", "result"),
    [(shape, reply, result) for shape, replies, result in FITS for reply in replies],
)
def test_all_forms_of_a_reply_give_the_same_result(shape: Shape, reply: Any, result: Any) -> None:
    assert same(shape(reply), result)


@pytest.mark.parametrize(("shape", "reply"), MISFITS)
def test_what_does_not_fit_is_an_error(shape: Shape, reply: Any) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        shape(reply)


def test_every_shape_has_an_example() -> None:
    public = {
        function
        for module in (shapes, stream_shapes)
        for name, function in vars(module).items()
        if not name.startswith("_") and getattr(function, "__module__", "") == module.__name__
    }
    tried = {shape for shape, _, _ in FITS}
    parts = {shapes.described, stream_shapes.entry, stream_shapes.optional_entry}
    assert public - tried - parts == {shapes.info, shapes.misfit, shapes.places, shapes.R}


def test_what_is_a_dict_already_is_not_copied() -> None:
    reply = {b"f": b"v"}
    assert shapes.mapping(reply) is reply


def test_info_has_numbers_texts_and_parts() -> None:
    lines = (
        "# Server\r\nredis_version:7.0.15\r\nport:6379\r\n\r\n# Memory\r\nratio:1.50\r\n"
        "human:1.00M\r\nid:007\r\nempty:\r\npath:/a=b\r\n# Keyspace\r\n"
        "db0:keys=1,expires=0,avg_ttl=0\r\nslave0:ip=1.2.3.4,state=online,lag=0.5\r\nodd:a=1,b\r\n"
    )
    expected = {
        "redis_version": "7.0.15",
        "port": 6379,
        "ratio": 1.5,
        "human": "1.00M",
        "id": "007",
        "empty": "",
        "path": "/a=b",
        "db0": {"keys": 1, "expires": 0, "avg_ttl": 0},
        "slave0": {"ip": "1.2.3.4", "state": "online", "lag": 0.5},
        "odd": "a=1,b",
    }
    assert same(shapes.info(lines), expected)
    assert same(shapes.info(lines.encode()), expected)
