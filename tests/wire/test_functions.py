"""FUNCTION and FCALL answer as redis-server does."""

from __future__ import annotations

import time

import pytest
from librt.strings import BytesWriter

from kvnode.rdb.encoding import write_string
from kvnode.rdb.payload import seal

from .client import Reply
from .harness import Pair

SEVERAL = """#!lua name=lib
redis.register_function('args', function(keys, args) return {keys, args} end)
redis.register_function{
  function_name='reader', description='reads', flags={'no-writes', 'allow-stale'},
  callback=function(keys) return redis.call('GET', keys[1]) end
}
redis.register_function('writer', function(keys, args)
  return redis.call('SET', keys[1], args[1])
end)
"""


def one(name: str, body: str = "return 1", library: str = "one") -> str:
    """A library of one function."""
    return (
        f"#!lua name={library}\nredis.register_function('{name}', function(KEYS, ARGV) {body} end)"
    )


@pytest.fixture(autouse=True)
def without_libraries(pair: Pair) -> None:
    """Drop what earlier tests loaded: FLUSHALL leaves libraries alone."""
    pair.same("FUNCTION", "FLUSH")


def in_order(reply: Reply) -> list[object]:
    """The libraries of FUNCTION LIST as dictionaries, sorted: Redis's order is that of a hash."""
    libraries = []
    for library in reply.items():
        fields = {key.text(): value for key, value in library.pairs()}
        functions = [
            sorted(
                (key.text(), sorted(map(repr, value.items())) if key.text() == b"flags" else value)
                for key, value in function.pairs()
            )
            for function in fields.pop(b"functions").items()
        ]
        libraries.append((sorted(fields.items()), sorted(map(repr, functions))))
    return sorted(libraries, key=repr)


def same_list(pair: Pair, *argv: str) -> None:
    """FUNCTION LIST lists the same on both servers."""
    ours, theirs = pair.both("FUNCTION", "LIST", *argv)
    assert ours.kind == theirs.kind
    assert in_order(ours) == in_order(theirs)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "return 1",
        "#!lua name=a",
        " #!lua name=a\nreturn 1",
        "#!lua\nreturn 1",
        "#!\nreturn 1",
        "#! lua name=a\nreturn 1",
        "#!lua name=a\n",
        "#!lua name=a\nreturn 1",
        "#!lua name=a b\nreturn 1",
        "#!lua name=a name=b\nreturn 1",
        "#!lua name=a x=y\nreturn 1",
        "#!lua name\nreturn 1",
        "#!lua name=\nreturn 1",
        "#!lua name=a-b\nreturn 1",
        "#!js name=a\nreturn 1",
        "#!js name=a-b\nreturn 1",
        '#!lua name="a\nreturn 1',
        '#!lua name="a b"\nreturn 1',
        "#!lua\x00 name=a\nreturn 1",
        "#!lua name=a\nxx(",
        "#!lua name=a\nx = 1",
        "#!lua name=a\nlocal x = KEYS[1]",
        "#!lua name=a\nerror('boo')",
        "#!lua name=a\nredis.call('ping')",
        "#!lua name=a\nlocal x = redis.sha1hex('a')",
        "#!lua name=a\nredis.log(1)",
        "#!lua name=a\nredis.x = 1",
        "#!lua name=a\nlocal x = nil + 1",
        "#!lua name=a\nwhile true do end",
    ],
)
def test_a_library_that_cannot_be_loaded_is_refused(pair: Pair, code: str) -> None:
    pair.same("FUNCTION", "LOAD", code)
    pair.same("FUNCTION", "LOAD", "REPLACE", code)
    same_list(pair)


@pytest.mark.parametrize(
    "arguments",
    [
        "()",
        "('a')",
        "(1)",
        "('a', 1)",
        "('a', nil)",
        "(nil, function() end)",
        "({}, function() end)",
        "(true, function() end)",
        "('a-b', function() end)",
        "('', function() end)",
        "('a\\0b', function() end)",
        "('a', function() end, 3)",
        "{}",
        "{[1]=2}",
        "{function_name='a'}",
        "{callback=function() end}",
        "{function_name='a', callback=1}",
        "{function_name={}, callback=function() end}",
        "{function_name='a', callback=function() end, zz=1}",
        "{function_name='a', callback=function() end, description=function() end}",
        "{function_name='a', callback=function() end, flags=1}",
        "{function_name='a', callback=function() end, flags={'x'}}",
        "{function_name='a', callback=function() end, flags={1}}",
        "{function_name='a', callback=function() end, flags={'no-writes', {}}}",
    ],
)
def test_wrong_arguments_of_register_function_are_refused(pair: Pair, arguments: str) -> None:
    pair.same("FUNCTION", "LOAD", f"#!lua name=a\nredis.register_function{arguments}")
    same_list(pair)


@pytest.mark.parametrize(
    "arguments",
    [
        "(12, function() return 1 end)",
        "('A_1', function() return 1 end)",
        "{function_name=12, callback=function() end, description=13.5}",
        "{FUNCTION_NAME='a', Callback=function() end, FLAGS={'No-Writes'}}",
        "{function_name='a', callback=function() end, flags={}}",
        "{function_name='a', callback=function() end, flags={x='y'}}",
        "{function_name='a', callback=function() end, description='a\\0b'}",
        "{function_name='a', callback=function() end, flags={'allow-oom', 'no-writes', "
        "'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'}}",
    ],
)
def test_functions_are_registered_in_both_forms(pair: Pair, arguments: str) -> None:
    pair.same("FUNCTION", "LOAD", f"#!lua name=a\nredis.register_function{arguments}")
    same_list(pair, "WITHCODE")


def test_a_name_is_given_once(pair: Pair) -> None:
    twice = "#!lua name=a\nlocal f = function() end\n" + "redis.register_function('f', f)\n" * 2
    pair.same("FUNCTION", "LOAD", twice)
    pair.same("FUNCTION", "LOAD", one("f", library="a"))
    pair.same("FUNCTION", "LOAD", one("f", library="a"))
    pair.same("FUNCTION", "LOAD", one("g", library="a"))
    pair.same("FUNCTION", "LOAD", one("f", library="b"))
    pair.same("FUNCTION", "LOAD", one("F", library="b"))
    pair.same("FUNCTION", "LOAD", one("g", library="A"))
    same_list(pair)


def test_replacing_a_library_is_done_wholly_or_not_at_all(pair: Pair) -> None:
    pair.same("FUNCTION", "LOAD", one("f", "return 1"))
    pair.same("FUNCTION", "LOAD", one("g", "return 2", library="two"))
    for code in (one("g"), "#!lua name=one\nbad(", "#!lua name=one\nreturn 1"):
        pair.same("FUNCTION", "LOAD", "REPLACE", code)
        pair.same("FCALL", "f", 0)
    pair.same("FUNCTION", "LOAD", "replace", one("h", "return 3"))
    pair.same("FCALL", "f", 0)
    pair.same("FCALL", "h", 0)
    pair.same("FUNCTION", "LOAD", "REPLACE", "replace", one("h", "return 4"))
    pair.same("FCALL", "h", 0)
    pair.same("FUNCTION", "LOAD", "x", one("h"))
    pair.same("FUNCTION", "LOAD", "REPLACE")
    pair.same("FUNCTION", "LOAD")


def test_functions_are_called_with_keys_and_arguments(pair: Pair) -> None:
    pair.same("FUNCTION", "LOAD", SEVERAL)
    for name in ("FCALL", "FCALL_RO"):
        pair.same(name, "args", 0)
        pair.same(name, "ARGS", 1, "k", "a", "b")
        pair.same(name, "args", 2, "k")
        pair.same(name, "args", -1, "k")
        pair.same(name, "args", "x", "k")
        pair.same(name, "nope", "x")
        pair.same(name, "nope", 0)
        pair.same(name, "args")
        pair.same(name, "writer", 1, "k", "v")
        pair.same(name, "reader", 1, "k")
        pair.same(name, "reader", 1, "missing")
        pair.same(name, "reader", 0)
    pair.same_keyspace()


@pytest.mark.parametrize(
    "body",
    [
        "return redis.call('GET')",
        "return redis.call('NOPE')",
        "return redis.pcall('NOPE')",
        "return {err='my error'}",
        "return {ok='fine'}",
        "local x = KEYS[1].y.z",
        "error('boo')",
        "error({err='MY boo'})",
        "x = 1",
        "redis.register_function('a', function() end)",
        "return redis.foo == nil",
        "return tostring(cjson.encode({1, 2}))",
        "return redis.setresp(3)",
        "redis.setresp(3) return redis.call('HGETALL', 'h')",
        "return {1, 2.5, 'x', true, false, nil, 7}",
        "return redis.status_reply('x')",
        "return redis.replicate_commands == nil",
        "return math.random() == math.random()",
    ],
)
def test_functions_answer_and_fail_as_scripts_do(pair: Pair, body: str) -> None:
    pair.same("HSET", "h", "a", "1")
    pair.same("FUNCTION", "LOAD", one("f", body))
    pair.same("FCALL", "f", 0)
    pair.same("FCALL", "f", 1, "k", "a")


def test_flags_decide_what_functions_may_do(pair: Pair) -> None:
    lines = ["#!lua name=lib"]
    for flag in ("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"):
        lines.append(
            f"redis.register_function{{function_name='{flag.replace('-', '_')}', "
            f"callback=function(k) return redis.call(unpack(k)) end, flags={{'{flag}'}}}}"
        )
    pair.same("FUNCTION", "LOAD", "\n".join(lines))
    for name in ("no_writes", "allow_oom", "allow_stale", "no_cluster", "allow_cross_slot_keys"):
        for call in ("FCALL", "FCALL_RO"):
            pair.same(call, name, 3, "SET", "a", "b")
            pair.same(call, name, 2, "GET", "a")
    pair.config("maxmemory", 1)
    for name in ("no_writes", "allow_oom", "allow_stale"):
        pair.same("FCALL", name, 3, "SET", "a", "c")
        pair.same("FCALL", name, 2, "GET", "a")
        pair.same("FCALL_RO", name, 2, "GET", "a")
    pair.same("FUNCTION", "LOAD", one("x"))


def test_libraries_are_listed_by_pattern(pair: Pair) -> None:
    pair.same("FUNCTION", "LIST")
    for library in ("alpha", "beta", "Beta2"):
        pair.same("FUNCTION", "LOAD", one(f"f_{library}", library=library))
    for argv in (
        (),
        ("WITHCODE",),
        ("LIBRARYNAME", "b*"),
        ("libraryname", "BETA", "withcode"),
        ("WITHCODE", "LIBRARYNAME", "[ab]*"),
        ("LIBRARYNAME", "nope"),
    ):
        same_list(pair, *argv)
    pair.same_script("""
        FUNCTION LIST LIBRARYNAME
        FUNCTION LIST WITHCODE WITHCODE
        FUNCTION LIST LIBRARYNAME a LIBRARYNAME b
        FUNCTION LIST foo
    """)


def test_libraries_are_deleted_and_flushed(pair: Pair) -> None:
    for library in ("one", "two"):
        pair.same("FUNCTION", "LOAD", one(f"f_{library}", library=library))
    pair.same_script("""
        FUNCTION DELETE nope
        FUNCTION DELETE ONE
        FUNCTION DELETE one
        FCALL f_one 0
        FCALL f_two 0
        FUNCTION DELETE one
        FUNCTION DELETE
        FUNCTION DELETE a b
        FLUSHALL
        FCALL f_two 0
        FUNCTION FLUSH x
        FUNCTION FLUSH ASYNC SYNC
        FCALL f_two 0
        FUNCTION FLUSH async
        FCALL f_two 0
        FUNCTION FLUSH SYNC
        FUNCTION STATS
    """)


def test_a_library_can_be_loaded_after_a_flush(pair: Pair) -> None:
    for _ in range(3):
        pair.same("FUNCTION", "LOAD", one("f", "return {KEYS[1], cjson.encode(ARGV)}"))
        pair.same("FCALL", "f", 1, "k", "a")
        pair.same("FUNCTION", "FLUSH")


@pytest.mark.parametrize(
    "code",
    [
        one("f"),
        SEVERAL,
        one("f") + "\n" + "-- " + "comment " * 2000,
        one("f") + "\n-- " + "".join(chr(33 + i * i % 90) for i in range(3000)),
        one("f", library="x" * 80),
        one("f") + "--é€\x00\x01",
    ],
)
def test_a_dump_of_one_library_is_redis_s_byte_for_byte(pair: Pair, code: str) -> None:
    pair.same("FUNCTION", "DUMP")
    pair.same("FUNCTION", "LOAD", code)
    pair.same_exactly("FUNCTION", "DUMP")
    pair.config("rdbcompression", "no")
    pair.same_exactly("FUNCTION", "DUMP")


def test_each_server_restores_the_other_s_dump(pair: Pair) -> None:
    pair.same("FUNCTION", "LOAD", SEVERAL)
    pair.same("FUNCTION", "LOAD", one("f"))
    dumps = [reply.text() for reply in pair.both("FUNCTION", "DUMP")]
    for dump in dumps:
        for policy in ("FLUSH", "REPLACE", "flush"):
            pair.same("FUNCTION", "RESTORE", dump, policy)
        same_list(pair, "WITHCODE")
        pair.same("FCALL", "args", 1, "k", "a")
        pair.same("FUNCTION", "FLUSH")
        pair.same("FUNCTION", "RESTORE", dump)
        same_list(pair, "WITHCODE")


def test_restoring_never_takes_a_name_from_another_library(pair: Pair) -> None:
    pair.same("FUNCTION", "LOAD", one("f"))
    dump = pair.same("FUNCTION", "DUMP").text()
    pair.same("FUNCTION", "LOAD", "REPLACE", one("g"))
    pair.same("FUNCTION", "RESTORE", dump)
    pair.same("FUNCTION", "RESTORE", dump, "REPLACE")
    same_list(pair)
    pair.same("FUNCTION", "LOAD", "REPLACE", one("g"))
    pair.same("FUNCTION", "LOAD", one("f", library="two"))
    for policy in ("APPEND", "REPLACE"):
        pair.same("FUNCTION", "RESTORE", dump, policy)
        same_list(pair)
    pair.same("FUNCTION", "RESTORE", dump, "FLUSH")
    same_list(pair)


def library_data(code: str) -> bytes:
    """One library as it stands in a dump."""
    out = BytesWriter()
    out.append(0xF5)
    write_string(out, code.encode(), True)
    return out.getvalue()


OLD_CODE = b"\x34redis.register_function('f',function() return 1 end)"
# Of the release candidates of 7.0: name, engine, whether there is a description, the code.
OLD_FORMS = (
    b"\x7f\xff",
    b"\x01a\x7f\xff",
    b"\x01a\x03LUA\x01\x7f\xff",
    b"\x01a\x03LUA\x00\x7f\xff",
    b"\x01a\x03LUA\x00" + OLD_CODE,
    b"\x01a\x03LUA\x01\x04desc" + OLD_CODE,
    b"\x01a\x02js\x00" + OLD_CODE,
    b"\x03a b\x03lua\x00" + OLD_CODE,
)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x" * 9,
        b"x" * 30,
        seal(b"")[:-1] + b"z",
        seal(b""),
        *(seal(b"\xf6" + rest) for rest in OLD_FORMS),
        seal(b"\x00\x01a"),
        seal(b"\xf5"),
        seal(b"\xf5\x40\xffabc"),
        seal(b"\xf5\x41"),
        seal(b"\xf5\xc0\x05"),
        seal(b"\xf5\xc1\x05\x06"),
        seal(b"\xf5\xc2\x05\x06\x07\x08"),
        seal(b"\xf5\xc4"),
        seal(b"\xf5\xc3\x05\x40\x20abcde"),
        seal(b"\xf5\xc3\x02\x20\x00a"),
        seal(b"\xf5\x80\x00\x00\x00\x03abc"),
        seal(b"\xf5\x81\x00\x00\x00\x00\x00\x00\x00\x03abc"),
        seal(library_data("#!lua name=a\nbad(")),
        seal(library_data("#!lua name=a\nreturn 1")),
        seal(library_data(one("f")) * 2),
        seal(library_data(one("f")) + library_data(one("f", library="two"))),
        seal(library_data(one("f")) + library_data(one("g", library="two"))),
        seal(library_data(one("f")) + b"\x00"),
    ],
)
def test_broken_dumps_are_refused(pair: Pair, payload: bytes) -> None:
    pair.same("FUNCTION", "LOAD", one("here", library="here"))
    pair.same("FUNCTION", "RESTORE", payload)
    same_list(pair, "WITHCODE")


def test_the_version_of_a_dump_must_be_known(pair: Pair) -> None:
    pair.same("FUNCTION", "RESTORE", seal(b""), "nope")
    pair.same("FUNCTION", "RESTORE", seal(b""), "FLUSH", "x")
    pair.same("FUNCTION", "RESTORE")
    later = bytearray(seal(b""))
    later[0] = 11
    pair.same("FUNCTION", "RESTORE", bytes(later))


def test_statistics_count_libraries_and_functions(pair: Pair) -> None:
    pair.same("FUNCTION", "STATS")
    pair.same("FUNCTION", "LOAD", SEVERAL)
    pair.same("FUNCTION", "LOAD", one("f"))
    pair.same("FUNCTION", "STATS")
    for field in ("number_of_functions", "number_of_libraries"):
        ours, theirs = (
            next(line for line in reply.text().splitlines() if line.startswith(field.encode()))
            for reply in pair.both("INFO", "memory")
        )
        assert ours == theirs
    pair.same("FUNCTION", "KILL")


def test_wrong_forms_of_function_are_refused(pair: Pair) -> None:
    pair.same_script("""
        FUNCTION
        FUNCTION NOPE
        FUNCTION DUMP x
        FUNCTION STATS x
        FUNCTION KILL x
        FUNCTION HELP x
        FUNCTION LIST LIBRARYNAME a b
        FCALL
        FCALL f
        FCALL_RO f
        EVAL "return redis.call('FUNCTION', 'LIST')" 0
        EVAL "return redis.call('FCALL', 'f', 0)" 0
    """)
    ours, theirs = pair.both("FUNCTION", "HELP")
    forms = [
        [line.text() for line in reply.items() if not line.text().startswith(b"    ")]
        for reply in (ours, theirs)
    ]
    assert forms[0] == forms[1]


def test_functions_run_inside_transactions(pair: Pair) -> None:
    pair.same("FUNCTION", "LOAD", SEVERAL)
    pair.same_script("""
        MULTI
        FCALL writer 1 k v
        FCALL reader 1 k
        FCALL nope 0
        FUNCTION DELETE lib
        FCALL reader 1 k
        EXEC
        WATCH k
        GET k
    """)


def until_busy(pair: Pair) -> None:
    """Wait until both servers answer that a script is busy."""
    channel = pair.client()
    for wire in (channel.ours, channel.theirs):
        while wire.call("PING").kind != "error":
            time.sleep(0.02)


def test_a_function_that_runs_for_long_is_shown_and_killed(pair: Pair) -> None:
    pair.config("busy-reply-threshold", 50)
    pair.same("FUNCTION", "LOAD", one("loop", "while true do end"))
    channel = pair.client("Loop")
    channel.ours.send("FCALL", "loop", "1", "k", "a")
    channel.theirs.send("FCALL", "loop", "1", "k", "a")
    until_busy(pair)
    pair.same("PING")
    pair.same("SCRIPT", "KILL")
    ours, theirs = pair.both("FUNCTION", "STATS")
    for reply in (ours, theirs):
        fields = {key.text(): value for key, value in reply.pairs()}
        running = {key.text(): value for key, value in fields[b"running_script"].pairs()}
        assert list(running) == [b"name", b"command", b"duration_ms"]
        assert running[b"name"].text() == b"loop"
        words = [word.text() for word in running[b"command"].items()]
        assert words == [b"FCALL", b"loop", b"1", b"k", b"a"]
        assert running[b"duration_ms"].number() >= 50
    pair.same("FUNCTION", "KILL")
    assert channel.ours.read() == channel.theirs.read()
    pair.same("PING")


def test_while_a_script_runs_functions_are_out_of_reach(pair: Pair) -> None:
    pair.config("busy-reply-threshold", 50)
    channel = pair.client("Loop")
    channel.ours.send("EVAL", "while true do end", "0")
    channel.theirs.send("EVAL", "while true do end", "0")
    until_busy(pair)
    pair.same("FUNCTION", "STATS")
    pair.same("FUNCTION", "KILL")
    pair.same("FUNCTION", "LIST")
    pair.same("SCRIPT", "KILL")
    assert channel.ours.read() == channel.theirs.read()
