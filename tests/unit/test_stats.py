"""Latency histograms, rates and counters."""

from __future__ import annotations

from kvnode.command import Command
from kvnode.config import Config
from kvnode.context import Clock
from kvnode.node import Node
from kvnode.session import Outlet
from kvnode.stats import (
    BUCKETS,
    Rate,
    Stats,
    bucket_of,
    bucket_upper_ns,
    cumulative_us,
    percentile_us,
    record_duration,
)

from .engine import Engine


def ping(engine: Engine) -> Command:
    command = engine.node.commands[b"ping"]
    command.reset_statistics()
    return command


def test_buckets_hold_durations_within_an_eighth() -> None:
    for nanoseconds in (1, 8, 9, 15, 16, 17, 100, 1000, 1023, 1024, 123456, 10**9, 10**12):
        bucket = bucket_of(nanoseconds)
        assert 0 <= bucket < BUCKETS
        upper = bucket_upper_ns(bucket)
        assert upper >= nanoseconds
        assert upper <= max(nanoseconds, 8) * 9 // 8
    assert bucket_of(1 << 60) == BUCKETS - 1


def test_percentiles_are_upper_bounds_of_the_durations() -> None:
    command = ping(Engine())
    assert percentile_us(command, 50.0) == 0.0
    for _ in range(99):
        record_duration(command, 10e-6)
    record_duration(command, 1e-3)
    assert 10.0 <= percentile_us(command, 50.0) <= 11.5
    assert 10.0 <= percentile_us(command, 99.0) <= 11.5
    assert 1000.0 <= percentile_us(command, 100.0) <= 1150.0


def test_cumulative_counts_have_the_bounds_of_redis_and_end_with_all_calls() -> None:
    command = ping(Engine())
    assert cumulative_us(command) == (0, [])
    for seconds in (0.5e-6, 0.9e-6, 3e-6, 30e-6, 30e-6, 1e-3, 0.5, 5.0, 3600.0):
        record_duration(command, seconds)
    calls, rows = cumulative_us(command)
    assert calls == 9
    assert rows == [(1, 2), (4, 3), (33, 5), (1056, 6), (541065, 7), (1082130, 9)]


def test_a_rate_is_the_mean_of_the_last_sixteen_samples() -> None:
    rate = Rate()
    assert rate.per_second() == 0
    rate.sample(1000, 10.0)
    assert rate.per_second() == 0
    rate.sample(1100, 10.1)
    assert rate.per_second() in (999, 1000)
    rate.sample(5000, 10.1)
    rate.sample(5000, 10.14)
    assert rate.per_second() in (999, 1000)
    for step in range(32):
        rate.sample(1100 + 200 * (step + 1), 11.0 + step)
    assert rate.per_second() == 200


def test_errors_are_counted_by_code_for_at_most_128_codes() -> None:
    stats = Stats()
    stats.count_error("ERR a")
    stats.count_error("ERR b")
    stats.count_error("WRONGTYPE x")
    assert stats.errors == {"ERR": 2, "WRONGTYPE": 1}
    for number in range(200):
        stats.count_error(f"CODE{number} x")
    assert len(stats.errors) == 128
    assert stats.error_replies == 203
    stats.count_error("ERR c")
    assert stats.errors["ERR"] == 3


def test_a_reset_forgets_statistics_of_commands_and_node() -> None:
    engine = Engine()
    engine.send([b"PING"])
    engine.send([b"GET"])
    engine.node.reset_stats()
    command = engine.node.commands[b"ping"]
    assert (command.calls, command.failed, len(command.histogram)) == (0, 0, 0)
    assert engine.node.commands[b"get"].rejected == 0
    assert engine.node.stats.commands == 0
    engine.send([b"PING"])
    assert engine.node.stats.commands == 1


class SteppingClock(Clock):
    """A clock that goes on by ten milliseconds whenever it is read."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> float:
        self.seconds += 0.01
        return self.seconds


def test_the_expiry_cycle_ends_in_time_and_is_measured() -> None:
    clock = SteppingClock()
    node = Node(Config(), clock, 1)
    node.latency.threshold_ms = 20
    session = node.connect(Outlet())
    for number in range(1500):
        session.feed(b"PSETEX k%d 1 v\r\n" % number)
    later = clock.seconds + 1.0
    node.tick(later)
    assert node.dataset.key_count() > 0
    assert node.stats.expire_cycles_cut == 1
    assert 0.02 < node.stats.expire_seconds < 0.1
    assert node.latency.events["expire-cycle"].max_ms >= 20
    for _ in range(10):
        later += 1.0
        node.tick(later)
    assert node.dataset.key_count() == 0
    assert node.dataset.expired == 1500
    node.dataset.expires_keys = False
    session.feed(b"PSETEX k 1 v\r\n")
    node.tick(later + 1.0)
    assert node.dataset.key_count() == 1


def test_the_expiry_cycle_gets_more_time_with_more_effort() -> None:
    ticks = []
    for effort in ("1", "10"):
        config = Config()
        config.set_many([("active-expire-effort", effort)])
        clock = SteppingClock()
        node = Node(config, clock, 1)
        session = node.connect(Outlet())
        for number in range(3000):
            session.feed(b"PSETEX k%d 1 v\r\n" % number)
        ticks.append(0)
        now = clock.seconds
        while node.dataset.key_count():
            now += 1.0
            node.tick(now)
            ticks[-1] += 1
    assert ticks[0] > ticks[1]
