"""Counters and latency figures of one node: plain numbers, rendered when asked for."""

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from kvnode.command import Command

# Histogram: 8 linear steps within each power of two of nanoseconds, as HDR histograms do; the error
# of a percentile is at most 1/8. The first table step answers all durations below 32 us.
_STEP_BITS: Final = 3
BUCKETS: Final = 42 * 8
_FAST_SHIFT: Final = 7  # 128 ns
_FAST_SIZE: Final = 256


def bucket_of(nanoseconds: i64) -> i64:
    """Return the histogram bucket of a duration."""
    value = max(nanoseconds, 8)
    exponent: i64 = 0
    while (value >> exponent) >= 16:
        exponent += 1
    return min(exponent * 8 + (value >> exponent) - 8, BUCKETS - 1)


def bucket_upper_ns(bucket: i64) -> i64:
    """Return the largest duration in nanoseconds that falls into a bucket."""
    exponent = bucket >> _STEP_BITS
    return (((bucket & 7) + 9) << exponent) - 1


_FAST_BUCKETS: Final = vec[i64]([bucket_of(i64(n << _FAST_SHIFT)) for n in range(_FAST_SIZE)])


def record_duration(command: Command, seconds: float) -> None:
    """Count one call's duration in its command's histogram."""
    nanoseconds = i64(int(seconds * 1e9))
    if len(command.histogram) == 0:
        command.histogram = vec[i64]([i64(0)] * BUCKETS)
    step = nanoseconds >> _FAST_SHIFT
    bucket = _FAST_BUCKETS[step] if 0 <= step < _FAST_SIZE else bucket_of(nanoseconds)
    command.histogram[bucket] += 1


def percentile_us(command: Command, percent: float) -> float:
    """Return the duration in microseconds below which `percent` of the calls stayed."""
    total: i64 = 0
    for count in command.histogram:
        total += count
    wanted = float(total) * percent / 100.0
    seen: i64 = 0
    bucket: i64 = 0
    while bucket < len(command.histogram):
        seen += command.histogram[bucket]
        if seen > 0 and float(seen) >= wanted:
            return float(bucket_upper_ns(bucket)) / 1000.0
        bucket += 1
    return 0.0


_NANOSECONDS_MAX: Final = 1 << 30  # Redis's histograms end at one second; longer calls count there


def cumulative_us(command: Command) -> tuple[int, list[tuple[int, int]]]:
    """Return a command's calls, and (upper bound in us, calls up to it) by powers of two.

    The bounds are those that LATENCY HISTOGRAM prints: a power of two of nanoseconds and the 1/128
    of it that Redis's own histogram cannot tell apart, in whole microseconds from 1.024 us on. Only
    bounds at which the number of calls grows are listed.
    """
    rows: list[tuple[int, int]] = []
    total: i64 = 0
    for count in command.histogram:
        total += count
    seen: i64 = 0
    shown: i64 = 0
    bucket: i64 = 0
    bound: i64 = 1024
    while shown < total:
        while bucket < BUCKETS and bucket_upper_ns(bucket) < bound:
            seen += command.histogram[bucket]
            bucket += 1
        if bound >= _NANOSECONDS_MAX:
            seen = total
        if seen > shown:
            rows.append((int((bound + (bound >> 7) - 1) // 1000), int(seen)))
            shown = seen
        bound <<= 1
    return int(total), rows


_SAMPLES: Final = 16
_SAMPLE_SECONDS_MIN: Final = 0.05  # the timer comes more often while deadlines are near


@final
class Rate:
    """A counter's change per second, averaged over the last 16 samples."""

    def __init__(self) -> None:
        self._last: i64 = 0
        self._last_at = 0.0
        self._samples = vec[i64]()
        self._next: i64 = 0

    def sample(self, value: i64, now: float) -> None:
        """Take the counter's value at a time; more than twenty samples a second are left out."""
        elapsed = now - self._last_at
        if self._last_at > 0.0 and elapsed < _SAMPLE_SECONDS_MIN:
            return
        if self._last_at > 0.0:
            rate = i64(int(float(value - self._last) / elapsed))
            if len(self._samples) < _SAMPLES:
                self._samples = append(self._samples, rate)
            else:
                self._samples[self._next] = rate
                self._next = (self._next + 1) % _SAMPLES
        self._last = value
        self._last_at = now

    def per_second(self) -> int:
        total: i64 = 0
        for rate in self._samples:
            total += rate
        return total // len(self._samples) if len(self._samples) else 0


@final
class Stats:
    """A node's counters; CONFIG RESETSTAT makes a new one."""

    def __init__(self) -> None:
        self.commands: i64 = 0
        self.connections: i64 = 0
        self.rejected_connections: i64 = 0
        self.input_bytes: i64 = 0
        self.output_bytes: i64 = 0
        self.reads: i64 = 0
        self.writes: i64 = 0
        self.rounds: i64 = 0  # of the loop, in which there was something to write
        self.ticks: i64 = 0
        self.lag_seconds = 0.0  # how much later than due the timer came, in all
        self.lag_seconds_max = 0.0
        self.error_replies: i64 = 0
        self.errors: dict[str, int] = {}
        self.unexpected_errors: i64 = 0
        self.dropped_for_output: i64 = 0
        self.dropped_for_query: i64 = 0
        self.evicted_keys: i64 = 0
        self.evicted_clients: i64 = 0
        self.expire_cycles_cut: i64 = 0
        self.expire_seconds = 0.0
        self.dump_errors: i64 = 0
        self.operations = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.replication_input_rate = Rate()
        self.replication_output_rate = Rate()
        self.replication_input_bytes: i64 = 0  # of a leader's stream

    def count_tick(self, lag_seconds: float) -> None:
        """Count a call of the timer, and how much later than due it came."""
        lag = max(lag_seconds, 0.0)
        self.ticks += 1
        self.lag_seconds += lag
        self.lag_seconds_max = max(self.lag_seconds_max, lag)

    def count_error(self, message: str) -> None:
        """Count an error reply under its code, as INFO errorstats shows it."""
        self.error_replies += 1
        code = message.split(" ", 1)[0]
        if code not in self.errors and len(self.errors) >= 128:
            return
        self.errors[code] = self.errors.get(code, 0) + 1
