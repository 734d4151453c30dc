"""INFO, MEMORY and LATENCY reports, computed on a node inside the test."""

from __future__ import annotations

import pytest

from kvnode.commands.lolwut import draw_ring
from kvnode.commands.memory import diagnosis
from kvnode.config.directives import BY_NAME
from kvnode.info import SECTIONS, MemoryFigures, human, ratio, render
from kvnode.latency import LatencyEvent, LatencyMonitor, graph, report
from kvnode.memory import DEADLINE_BYTES, ENTRY_BYTES

from .engine import Engine


def fields(engine: Engine, *sections: str) -> dict[str, str]:
    text = render(engine.node, list(sections), engine.clock.seconds).decode()
    lines = [line.partition(":") for line in text.split("\r\n") if ":" in line]
    return {name: value for name, _, value in lines}


def test_sizes_are_printed_as_redis_prints_them() -> None:
    assert [human(size) for size in (0, 1023, 1024, 1536, 1 << 20, 5 << 30, 1 << 40)] == [
        "0B",
        "1023B",
        "1.00K",
        "1.50K",
        "1.00M",
        "5.00G",
        "1.00T",
    ]
    assert human(1 << 70) == f"{1 << 70}B"
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(3.0, 0.0) == 0.0


def test_sections_are_separated_by_an_empty_line_and_end_with_one_line_end() -> None:
    engine = Engine()
    assert render(engine.node, ["modules", "cluster"], 0.0) == (
        b"# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"
    )
    assert render(engine.node, ["nonsense"], 0.0) == b""


def test_a_plain_info_leaves_out_the_statistics_of_commands() -> None:
    engine = Engine()
    for asked in ([], ["default"]):
        usual = render(engine.node, asked, 0.0)
        for _, title, is_usual, _ in SECTIONS:
            assert (f"# {title}\r\n".encode() in usual) == is_usual


def test_uptime_counts_from_the_start() -> None:
    engine = Engine()
    engine.clock.seconds += 200_000.5
    found = fields(engine, "server")
    assert found["uptime_in_seconds"] == "200000"
    assert found["uptime_in_days"] == "2"
    assert found["redis_version"] == "7.0.15"
    assert found["kvnode_version"]
    assert len(found["run_id"]) == 40


def test_keyspace_lists_databases_with_keys_and_their_average_ttl() -> None:
    engine = Engine()
    assert fields(engine, "keyspace") == {}
    engine.send([b"SET", b"a", b"1"])
    engine.send([b"SET", b"b", b"1", b"PX", b"5000"])
    engine.send([b"SELECT", b"3"])
    engine.send([b"SET", b"c", b"1"])
    found = fields(engine, "keyspace")
    assert found["db0"].startswith("keys=2,expires=1,avg_ttl=")
    assert 4000 <= int(found["db0"].rpartition("=")[2]) <= 5000
    assert found["db3"] == "keys=1,expires=0,avg_ttl=0"


def test_memory_overhead_is_the_tables_and_the_rest_is_data() -> None:
    engine = Engine()
    engine.node.base_memory = 1_000_000
    engine.send([b"SET", b"a", b"x" * 1000])
    engine.send([b"SET", b"b", b"x" * 1000, b"EX", b"100"])
    found = fields(engine, "memory")
    overhead = 1_000_000 + 2 * ENTRY_BYTES + DEADLINE_BYTES
    assert int(found["used_memory_overhead"]) == overhead
    assert int(found["used_memory_dataset"]) == int(found["used_memory"]) - overhead
    assert found["used_memory_human"] == human(int(found["used_memory"]))
    assert int(found["used_memory_rss"]) > 1_000_000
    assert int(found["used_memory_peak"]) == int(found["used_memory"])
    engine.node.tick(engine.clock.seconds)
    engine.send([b"FLUSHALL"])
    assert int(fields(engine, "memory")["used_memory_peak"]) > int(
        fields(engine, "memory")["used_memory"]
    )


def test_blocked_sessions_with_a_deadline_are_in_the_timeout_table() -> None:
    engine = Engine()
    engine.send([b"BLPOP", b"l", b"0"], "forever")
    engine.send([b"BLPOP", b"l", b"5"], "briefly")
    found = fields(engine, "clients")
    assert found["blocked_clients"] == "2"
    assert found["clients_in_timeout_table"] == "1"
    assert found["connected_clients"] == "2"


def test_flushes_and_swaps_reach_the_log_even_if_nothing_was_there() -> None:
    engine = Engine()
    for request in ([b"FLUSHALL"], [b"FLUSHDB", b"ASYNC"], [b"SWAPDB", b"0", b"1"]):
        engine.log.units.clear()
        assert engine.send(request) == b"+OK\r\n"
        assert engine.log.units == [[(0, request)]]


def test_changes_are_counted_per_element_and_expiry_is_none() -> None:
    engine = Engine()
    counted = []
    for line in (b"HSET h a 1 b 2", b"RPUSH l x y z", b"LPOP l 2", b"SET s 1 PX 5", b"DEL h l"):
        before = engine.node.dataset.dirty
        engine.send(line.split())
        counted.append(engine.node.dataset.dirty - before)
    assert counted == [2, 3, 2, 1, 2]
    before = engine.node.dataset.dirty
    engine.wait(1.0)
    assert engine.node.dataset.expired == 1
    assert engine.node.dataset.dirty == before


def allow(engine: Engine, directive: str, value: str) -> None:
    """Set a directive that CONFIG SET may not change."""
    engine.node.config.set_words(BY_NAME[directive], [value])


def test_populate_stays_out_of_the_log() -> None:
    engine = Engine()
    allow(engine, "enable-debug-command", "yes")
    assert engine.send([b"DEBUG", b"POPULATE", b"5"]) == b"+OK\r\n"
    assert engine.send([b"DBSIZE"]) == b":5\r\n"
    assert engine.log.units == []
    engine.node.check()


def test_an_embedded_caller_is_local_and_may_be_refused_all_the_same() -> None:
    engine = Engine()
    assert engine.send([b"DEBUG", b"SLEEP", b"0"]).startswith(b"-ERR DEBUG command not allowed.")
    allow(engine, "enable-debug-command", "local")
    assert engine.send([b"DEBUG", b"SLEEP", b"0"]) == b"+OK\r\n"
    engine.session().peer = b"10.0.0.1:1000"
    assert engine.send([b"DEBUG", b"SLEEP", b"0"]).startswith(b"-ERR DEBUG command not allowed.")
    engine.session().is_unix = True
    assert engine.send([b"DEBUG", b"SLEEP", b"0"]) == b"+OK\r\n"
    allow(engine, "enable-module-command", "yes")
    assert engine.send([b"MODULE", b"LOAD", b"x"]).startswith(b"-ERR Error loading the extension")
    assert engine.send([b"MODULE", b"UNLOAD", b"x"]) == (
        b"-ERR Error unloading module: no such module with that name\r\n"
    )


def test_shutdown_asks_the_owner_of_the_loop_to_stop() -> None:
    engine = Engine()
    assert engine.send([b"SHUTDOWN", b"ABORT"]) == b"-ERR No shutdown in progress.\r\n"
    assert not engine.node.stop_requested
    assert engine.send([b"SHUTDOWN"]) == b""
    assert engine.node.stop_requested
    assert engine.send([b"PING"]) == b""


# -- reports --------------------------------------------------------------------------------------


def figures(**sizes: int) -> MemoryFigures:
    found = MemoryFigures(Engine().node)
    found.startup = 0
    found.clients = 0
    for name, value in sizes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"used": 1 << 20, "peak": 1 << 20, "resident": 1 << 20}, "hardly any data"),
        ({"used": 9 << 20, "peak": 9 << 20, "resident": 9 << 20}, "Nothing is odd"),
        ({"used": 9 << 20, "peak": 90 << 20, "resident": 9 << 20}, "The peak was 90.00M"),
        ({"used": 9 << 20, "peak": 9 << 20, "resident": 90 << 20}, "81.00M more than the data"),
        (
            {"used": 9 << 20, "peak": 9 << 20, "resident": 9 << 20, "clients": 1 << 20},
            "Clients' buffers hold 1.00M",
        ),
    ],
)
def test_the_memory_doctor_names_what_is_odd(sizes: dict[str, int], words: str) -> None:
    assert words in diagnosis(figures(**sizes), 2)


def event(*samples: tuple[int, int]) -> LatencyEvent:
    made = LatencyEvent()
    for second, milliseconds in samples:
        made.add(second, milliseconds)
    return made


# As redis-server 7.0.15 drew these samples.
GRAPH = [
    "command - high 501 ms, low 201 ms (all time high 501 ms)",
    "-" * 80,
    " #   ",
    " |  #",
    " |o |",
    "_||#|",
    "     ",
    "65321",
    "sssss",
    "",
]


def test_the_latency_graph_is_redis_s() -> None:
    samples = ((1000, 201), (1001, 501), (1003, 301), (1004, 252), (1005, 401))
    assert graph("command", event(*samples), 1006).split("\n") == GRAPH


def test_labels_of_the_latency_graph_are_ages_in_their_largest_unit() -> None:
    lines = graph("x", event((0, 5), (86400 * 9, 5), (86400 * 10 - 61, 5)), 86400 * 10).split("\n")
    assert lines[2:6] == ["   ", "   ", "   ", "___"]
    assert lines[6:] == ["   ", "111", "0dm", "d  ", ""]


def test_the_latency_graph_has_a_chart_for_each_eighty_samples() -> None:
    lines = graph("x", event(*[(second, second) for second in range(1, 161)]), 161).split("\n")
    assert max(map(len, lines)) == 80
    assert "low 1 ms" in lines[0]
    assert [line[0] for line in lines[2:6]] == [" ", " ", " ", "_"]
    assert [line[-1] for line in lines[10:14]] == ["#", "|", "|", "|"]


def test_the_latency_doctor_tells_off_from_quiet_from_slow() -> None:
    monitor = LatencyMonitor()
    assert "is off" in report(monitor, 10000)
    monitor.threshold_ms = 100
    assert "Nothing took 100 ms" in report(monitor, 10000)
    monitor.events["command"] = event((1000, 100), (1010, 300))
    monitor.events["other"] = event((1000, 100))
    text = report(monitor, 10000)
    assert (
        "1. command: 2 latency samples, average 200 ms, mean deviation 100 ms, worst ever" in text
    )
    assert "one every 10.0 s" in text
    assert "SLOWLOG GET" in text
    assert "slowlog-log-slower-than" not in text
    assert "slowlog-log-slower-than 100000" in report(monitor, -1)
    assert "slowlog-log-slower-than 100000" in report(monitor, 200_000)


def test_a_drawn_ring_uses_every_owner_of_an_arc() -> None:
    text = draw_ring([0, 1, 2, 0])
    assert {letter for letter in text if not letter.isspace()} == {"a", "b", "c"}
    assert set(draw_ring([1])) == {"b", " ", "\n"}
