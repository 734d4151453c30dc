"""Libraries of functions: what is logged, what survives, what INFO tells."""

from __future__ import annotations

from .engine import Engine

CODE = b"""#!lua name=lib
redis.register_function('set', function(keys, args)
  redis.call('SET', keys[1], args[1])
  return redis.call('INCR', 'n')
end)
redis.register_function{function_name='get', flags={'no-writes'},
  callback=function(keys) return redis.call('GET', keys[1]) end}
"""


def engine_with_library() -> Engine:
    engine = Engine()
    assert engine.send([b"FUNCTION", b"LOAD", CODE]) == b"$3\r\nlib\r\n"
    return engine


def test_what_a_function_changes_is_one_unit_of_effects() -> None:
    engine = engine_with_library()
    engine.log.units.clear()
    assert engine.send([b"FCALL", b"set", b"1", b"k", b"v"]) == b":1\r\n"
    assert engine.log.units == [[(0, [b"SET", b"k", b"v"]), (0, [b"INCR", b"n"])]]
    engine.log.units.clear()
    assert engine.send([b"FCALL", b"get", b"1", b"k"]) == b"$1\r\nv\r\n"
    assert engine.log.units == []


def test_changes_of_libraries_are_logged_as_they_were_asked_for() -> None:
    engine = engine_with_library()
    payload = engine.send([b"FUNCTION", b"DUMP"]).partition(b"\r\n")[2][:-2]
    engine.send([b"FUNCTION", b"RESTORE", payload, b"REPLACE"])
    engine.send([b"FUNCTION", b"DELETE", b"lib"])
    engine.send([b"FUNCTION", b"FLUSH"])
    assert [unit[0][1][1] for unit in engine.log.units] == [
        b"LOAD", b"RESTORE", b"DELETE", b"FLUSH"
    ]  # fmt: skip
    assert engine.log.units[0] == [(0, [b"FUNCTION", b"LOAD", CODE])]


def test_a_refused_change_of_libraries_is_not_logged() -> None:
    engine = engine_with_library()
    engine.log.units.clear()
    for argv in (
        [b"FUNCTION", b"LOAD", CODE],
        [b"FUNCTION", b"LOAD", b"REPLACE", b"#!lua name=lib\nbad("],
        [b"FUNCTION", b"DELETE", b"nope"],
        [b"FUNCTION", b"RESTORE", b"x"],
    ):
        assert engine.send(argv).startswith(b"-ERR")
    assert engine.log.units == []
    assert engine.send([b"FCALL", b"get", b"1", b"k"]) == b"$-1\r\n"


def test_libraries_survive_flushall() -> None:
    engine = engine_with_library()
    engine.send([b"FCALL", b"set", b"1", b"k", b"v"])
    engine.send([b"FLUSHALL"])
    assert engine.send([b"FCALL", b"set", b"1", b"k", b"v"]) == b":1\r\n"


def test_info_counts_libraries_and_their_memory() -> None:
    engine = engine_with_library()
    lines = engine.send([b"INFO", b"memory"]).split(b"\r\n")
    fields = dict(line.split(b":", 1) for line in lines if b":" in line)
    assert fields[b"number_of_libraries"] == b"1"
    assert fields[b"number_of_functions"] == b"2"
    assert int(fields[b"used_memory_functions"]) > len(CODE)
    assert int(fields[b"used_memory_vm_functions"]) > 10000
    engine.send([b"FUNCTION", b"FLUSH"])
    lines = engine.send([b"INFO", b"memory"]).split(b"\r\n")
    fields = dict(line.split(b":", 1) for line in lines if b":" in line)
    assert fields[b"used_memory_functions"] == b"0"
    assert fields[b"used_memory_vm_functions"] == b"0"
