"""Which keys go when maxmemory is reached, what follows from it, and what is refused."""

from __future__ import annotations

import pytest

from kvnode.client_memory import SESSION_BYTES
from kvnode.config import Config
from kvnode.eviction import Eviction
from kvnode.gates import MEMORY_LIMITED
from kvnode.node import Node
from kvnode.session import Outlet

from .engine import Engine, RecordingOutlet, StandingClock, output

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
VALUE = b"v" * 1000


def engine_with(policy: str, **settings: str) -> Engine:
    engine = Engine()
    configure(engine, maxmemory_policy=policy, **settings)
    return engine


def configure(engine: Engine, **settings: str) -> None:
    for name, value in settings.items():
        argv = [b"CONFIG", b"SET", name.replace("_", "-").encode(), value.encode()]
        assert engine.send(argv) == b"+OK\r\n"


def limit_now(engine: Engine, room: int = 0) -> None:
    """Allow what is in use now, and some bytes more."""
    engine.node.tick(engine.clock.seconds)
    configure(engine, maxmemory=str(int(engine.node.used_memory()) + room))


def present(engine: Engine) -> set[bytes]:
    return {key for _, key in engine.dump()}


def fill(engine: Engine, count: int, *options: bytes) -> None:
    for i in range(count):
        assert engine.send([b"SET", b"k%03d" % i, VALUE, *options]) == b"+OK\r\n"


def test_without_eviction_only_what_takes_memory_is_refused() -> None:
    engine = engine_with("noeviction")
    fill(engine, 20)
    limit_now(engine, -1000)
    assert engine.send([b"SET", b"new", VALUE]) == OOM
    assert engine.send([b"SET", b"k000", b"smaller"]) == OOM
    assert engine.send([b"GET", b"k000"]) == b"$1000\r\n" + VALUE + b"\r\n"
    assert engine.send([b"DEL", b"k000"]) == b":1\r\n"
    assert engine.send([b"DEL", b"k001"]) == b":1\r\n"
    assert engine.send([b"SET", b"new", b"v"]) == b"+OK\r\n"
    assert not engine.node.dispatcher.gate & MEMORY_LIMITED
    assert engine.node.stats.evicted_keys == 0


def test_a_queue_is_refused_over_the_limit_and_spoils_its_transaction() -> None:
    engine = engine_with("noeviction")
    fill(engine, 5)
    assert engine.send([b"MULTI"]) == b"+OK\r\n"
    assert engine.send([b"SET", b"a", b"1"]) == b"+QUEUED\r\n"
    engine.session("other")
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"], "other")
    assert engine.send([b"GET", b"a"]) == OOM
    assert engine.send([b"EXEC"]).startswith(b"-EXECABORT")
    engine.send([b"MULTI"])
    assert engine.send([b"DISCARD"]) == b"+OK\r\n"


def test_exec_is_refused_when_its_queue_takes_memory() -> None:
    engine = engine_with("noeviction")
    fill(engine, 5)
    for queued, refused in (([b"SET", b"a", b"1"], True), ([b"DEL", b"k000"], False)):
        configure(engine, maxmemory="0")
        engine.send([b"MULTI"])
        assert engine.send(queued) == b"+QUEUED\r\n"
        engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"], "other")
        reply = engine.send([b"EXEC"])
        assert reply.startswith(b"-EXECABORT") == refused


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random"])
def test_volatile_policies_leave_keys_without_a_deadline_alone(policy: str) -> None:
    engine = engine_with(policy)
    fill(engine, 20)
    for i in range(20):
        engine.send([b"SET", b"volatile%d" % i, VALUE, b"EX", b"1000"])
    limit_now(engine)
    for i in range(20):
        assert engine.send([b"SET", b"more%d" % i, VALUE]) == b"+OK\r\n"
    while engine.send([b"SET", b"last", VALUE]) == b"+OK\r\n":
        engine.send([b"RENAME", b"last", b"last%d" % len(present(engine))])
    assert engine.send([b"SET", b"last", VALUE]) == OOM
    left = present(engine)
    assert {b"k%03d" % i for i in range(20)} | {b"more%d" % i for i in range(20)} <= left
    assert not any(key.startswith(b"volatile") for key in left)
    assert engine.node.stats.evicted_keys == 20
    engine.node.check()


def test_the_nearest_deadline_goes_first_under_volatile_ttl() -> None:
    engine = engine_with("volatile-ttl", maxmemory_samples="1000")
    for i in range(64):
        seconds = 1000 + i * 37 % 64
        engine.send([b"SET", b"%d" % seconds, VALUE, b"EX", b"%d" % seconds])
    limit_now(engine)
    gone: list[int] = []
    for i in range(40):
        before = present(engine)
        assert engine.send([b"SET", b"new%d" % i, VALUE]) == b"+OK\r\n"
        engine.send([b"PING"])
        gone += sorted(int(key) for key in before - present(engine))
    assert len(gone) > 20
    assert gone == list(range(1000, 1000 + len(gone)))


def test_the_key_that_was_not_used_for_longest_goes_first_under_lru() -> None:
    engine = engine_with("allkeys-lru", maxmemory_samples="1000")
    fill(engine, 40)
    for i in (5, 3, 8):
        engine.clock.seconds += 1.0
        engine.send([b"GET", b"k%03d" % i])
    engine.clock.seconds += 1.0
    for i in range(40):
        if i not in (5, 3, 8):
            engine.send([b"GET", b"k%03d" % i])
    limit_now(engine)
    for i in range(5):
        engine.clock.seconds += 1.0
        engine.send([b"SET", b"new%d" % i, VALUE])
        engine.send([b"PING"])
    lines = [line for unit in engine.log.lines() for _, line in unit]
    gone = [line.removeprefix(b"DEL ") for line in lines if line.startswith(b"DEL ")]
    assert gone[:3] == [b"k005", b"k003", b"k008"]


def test_the_key_that_was_used_least_goes_first_under_lfu() -> None:
    engine = engine_with("allkeys-lfu", maxmemory_samples="1000", lfu_log_factor="0")
    fill(engine, 40)
    for use in range(10):
        for i in range(40):
            if not (use and i in (7, 21)):
                engine.send([b"GET", b"k%03d" % i])
    limit_now(engine)
    engine.send([b"SET", b"k000", VALUE + b"x" * 1500])
    engine.send([b"PING"])
    assert {b"k007", b"k021"} == {b"k%03d" % i for i in range(40)} - present(engine)


@pytest.mark.parametrize(
    "policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-random"]
)
def test_a_node_at_its_limit_takes_any_number_of_writes_in_all_databases(policy: str) -> None:
    engine = engine_with(policy)
    fill(engine, 30, b"EX", b"1000")
    limit_now(engine)
    limit = int(engine.send([b"CONFIG", b"GET", b"maxmemory"]).split(b"\r\n")[4])
    for i in range(400):
        engine.send([b"SELECT", b"%d" % (i % 3)])
        assert engine.send([b"SET", b"new%d" % i, VALUE, b"EX", b"1000"]) == b"+OK\r\n"
        engine.send([b"PING"])
        assert engine.node.used_memory() <= limit
    engine.node.check()
    assert len(engine.dump()) >= 25


def test_evicted_keys_are_deleted_in_the_log_before_the_command_that_needed_room() -> None:
    engine = engine_with("allkeys-random")
    fill(engine, 10)
    limit_now(engine)
    engine.send([b"SET", b"one", VALUE])  # passes the limit
    engine.log.units.clear()
    before = present(engine)
    engine.send([b"SET", b"two", VALUE])
    gone = before - present(engine)
    assert gone
    lines = [unit[0] for unit in engine.log.lines()]
    assert lines[-1] == (0, b"SET two " + VALUE)
    assert {line for _, line in lines[:-1]} == {b"DEL " + key for key in gone}
    assert engine.node.stats.evicted_keys == len(gone)


def test_an_evicted_key_breaks_a_watch() -> None:
    engine = engine_with("allkeys-random")
    fill(engine, 3)
    engine.send([b"WATCH", b"k000", b"k001", b"k002"])
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"], "other")
    engine.send([b"PING"], "other")
    assert present(engine) == set()
    configure(engine, maxmemory="0")
    engine.send([b"MULTI"])
    engine.send([b"PING"])
    assert engine.send([b"EXEC"]) == b"*-1\r\n"


def test_an_eviction_before_exec_breaks_its_own_watch() -> None:
    engine = engine_with("allkeys-random")
    fill(engine, 3)
    for word in (b"WATCH k000 k001 k002", b"MULTI", b"DEL a"):
        engine.send(word.split())
    engine.send([b"CONFIG", b"SET", b"maxmemory", b"1"], "other")
    assert engine.send([b"EXEC"]) == b"*-1\r\n"


def test_a_transaction_that_passes_the_limit_makes_the_next_command_evict() -> None:
    engine = engine_with("allkeys-lru")
    fill(engine, 10)
    limit_now(engine, 500)
    for argv in ([b"MULTI"], [b"SET", b"a", VALUE], [b"SET", b"b", VALUE], [b"EXEC"]):
        engine.send(argv)
    dataset = engine.node.dataset
    assert dataset.memory > dataset.memory_limit
    engine.send([b"PING"])
    assert dataset.memory <= dataset.memory_limit
    assert engine.node.stats.evicted_keys >= 2


def test_a_lower_limit_is_kept_without_any_command() -> None:
    engine = engine_with("allkeys-lru")
    fill(engine, 100)
    half = int(engine.node.used_memory()) // 2
    configure(engine, maxmemory=str(half))
    engine.wait(0.1)
    assert engine.node.used_memory() <= half
    assert 30 <= len(present(engine)) <= 55


def test_a_pause_keeps_the_data_as_it_is() -> None:
    engine = engine_with("allkeys-lru")
    fill(engine, 10)
    engine.send([b"CLIENT", b"PAUSE", b"1000", b"WRITE"], "other")
    configure(engine, maxmemory="1")
    engine.wait(0.1)
    assert len(present(engine)) == 10
    engine.wait(2.0)
    engine.wait(0.1)
    assert present(engine) == set()


class TickingClock(StandingClock):
    """Every look at the clock takes 20 us."""

    def now(self) -> float:
        self.seconds += 20e-6
        return self.seconds


def test_one_call_evicts_for_as_long_as_the_tenacity_allows() -> None:
    evicted: list[int] = []
    for tenacity in ("0", "10", "20", "100"):
        node = Node(Config(), TickingClock(1.7e9), 1)
        node.config.set_many(
            [("maxmemory-policy", "allkeys-lru"), ("maxmemory-eviction-tenacity", tenacity)]
        )
        node.apply_settings()
        session = node.connect(Outlet())
        for i in range(5000):
            session.feed(b"*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$1\r\nv\r\n" % i)
        node.config.set_many([("maxmemory", "1")])
        node.apply_settings()
        session.feed(b"PING\r\n")
        evicted.append(int(node.stats.evicted_keys))
    assert evicted[0] == 16
    assert evicted[0] < evicted[1] < evicted[2] < evicted[3] == 5000
    # 500 us at 20 us for 16 keys; then 15 % more with each step.
    assert evicted[1] == pytest.approx(25 * 16, rel=0.1)
    assert evicted[2] == pytest.approx(25 * 16 * 1.15**10, rel=0.1)


def test_an_eviction_that_takes_long_makes_good_what_was_added() -> None:
    clock = TickingClock(1.7e9)
    node = Node(Config(), clock, 1)
    node.config.set_many([("maxmemory-policy", "allkeys-lru")])
    node.apply_settings()
    session = node.connect(Outlet())
    for i in range(5000):
        session.feed(b"*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$1\r\nv\r\n" % i)
    node.config.set_many([("maxmemory", str(int(node.used_memory())))])
    node.apply_settings()
    clock.seconds += 1.0
    # 160 KB take the place of 959 keys; the tenacity is 400 keys long here.
    session.feed(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$160000\r\n" + b"x" * 160_000 + b"\r\n")
    session.feed(b"PING\r\n")
    assert node.dataset.memory <= node.dataset.memory_limit
    assert node.stats.evicted_keys > 900


def test_the_time_over_the_limit_is_counted() -> None:
    engine = engine_with("noeviction")
    fill(engine, 5)
    configure(engine, maxmemory="1")
    engine.send([b"PING"])
    engine.clock.seconds += 2.5
    assert exceeded(engine) == (2500, 2500)
    configure(engine, maxmemory="0")
    engine.clock.seconds += 1.0
    assert exceeded(engine) == (2500, 0)
    engine.send([b"CONFIG", b"RESETSTAT"])
    assert exceeded(engine) == (0, 0)


def exceeded(engine: Engine) -> tuple[int, int]:
    text = engine.send([b"INFO", b"stats"]).decode()
    rows = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
    return int(rows["total_eviction_exceeded_time"]), int(rows["current_eviction_exceeded_time"])


def test_a_slow_eviction_is_a_latency_event() -> None:
    engine = Engine()
    node = Node(Config(), TickingClock(1.7e9), 1)
    node.config.set_many(
        [
            ("maxmemory-policy", "allkeys-lru"),
            ("latency-monitor-threshold", "1"),
            ("maxmemory-eviction-tenacity", "100"),
        ]
    )
    node.apply_settings()
    session = node.connect(Outlet())
    for i in range(500):
        session.feed(b"*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$1\r\nv\r\n" % i)
    node.config.set_many([("maxmemory", "1")])
    node.apply_settings()
    session.feed(b"PING\r\n")
    assert "eviction-cycle" in node.latency.events
    assert engine.node.latency.events == {}


def test_a_policy_that_is_changed_while_the_node_serves_finds_all_keys() -> None:
    engine = Engine()
    fill(engine, 50)
    for policy in ("allkeys-lru", "allkeys-lfu", "noeviction", "volatile-lfu", "allkeys-random"):
        configure(engine, maxmemory_policy=policy)
        engine.wait(0.1)
        engine.node.check()
    limit_now(engine, -40_000)
    engine.send([b"PING"])
    assert 8 <= len(present(engine)) <= 20


def test_eviction_begins_before_the_clocks_of_older_keys_exist() -> None:
    engine = Engine()
    fill(engine, 50)
    configure(engine, maxmemory_policy="allkeys-lru", maxmemory="1")
    engine.send([b"PING"])
    assert present(engine) == set()


def test_what_clients_hold_counts_as_used() -> None:
    engine = engine_with("allkeys-lru", maxmemory="1gb")
    fill(engine, 50)
    for _ in range(20):  # until all tables were measured
        engine.wait(0.1)
    before = engine.node.used_memory()
    reader, _ = engine.client()
    for _ in range(20):
        reader.feed(b"GET k000\r\n")
    engine.wait(0.1)
    assert engine.node.used_memory() == before + SESSION_BYTES + 20 * 1009
    engine.node.disconnect(reader)
    assert engine.node.used_memory() == before


def test_the_largest_clients_are_ended_over_maxmemory_clients() -> None:
    engine = engine_with("noeviction")
    fill(engine, 1)
    clients = [engine.client() for _ in range(4)]
    spared = clients[3]
    spared[0].feed(b"CLIENT NO-EVICT on\r\n")
    for number, (session, _) in enumerate(clients):
        for _ in range(20 * number):
            session.feed(b"GET k000\r\n")
    assert engine.node.sessions[clients[2][0].number].pending_bytes() > 40_000
    configure(engine, maxmemory_clients=str(5 * SESSION_BYTES + 20 * 1009 + 60 * 1009 + 1000))
    engine.wait(0.02)
    assert [outlet.aborted for _, outlet in clients] == [False, False, True, False]
    assert engine.node.stats.evicted_clients == 1
    configure(engine, maxmemory="1gb", maxmemory_clients="1%")
    assert engine.node.client_memory.limit() == (1 << 30) // 100
    assert engine.node.tick_seconds() <= 0.02


def test_a_client_that_ends_itself_is_not_counted_twice() -> None:
    engine = Engine()
    session, outlet = engine.client()
    assert isinstance(outlet, RecordingOutlet)
    engine.node.tick(engine.clock.seconds)
    assert engine.node.client_memory.total == SESSION_BYTES
    engine.node.disconnect(session)
    engine.node.disconnect(session)
    assert engine.node.client_memory.total == 0
    assert output(session) == b""


def test_tenacity_allows_what_redis_documents() -> None:
    engine = Engine()
    eviction: Eviction = engine.node.eviction
    allowed: list[float] = []
    for tenacity in (0, 5, 10, 11, 50, 99, 100):
        configure(engine, maxmemory_eviction_tenacity=str(tenacity))
        allowed.append(eviction.seconds_allowed())
    assert allowed[:3] == [0.0, pytest.approx(250e-6), pytest.approx(500e-6)]
    assert allowed[3] == pytest.approx(575e-6)
    assert allowed[4] == pytest.approx(0.134, rel=0.01)
    assert 120 < allowed[5] < 130  # two minutes
    assert allowed[6] > 1e6
