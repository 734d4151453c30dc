"""The latency monitor: samples of what held the node up, and LATENCY GRAPH and DOCTOR on them."""

from collections import deque
from typing import Final, final

_SAMPLES_MAX: Final = 160
_LEVELS: Final = "_o#"  # within one row
_ROWS: Final = 4
_COLUMNS_MAX: Final = 80
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@final
class LatencyEvent:
    """The recent samples of one event: (second, milliseconds), one a second."""

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES_MAX)
        self.max_ms = 0

    def add(self, second: int, milliseconds: int) -> None:
        """Keep the worst sample of each second."""
        self.max_ms = max(self.max_ms, milliseconds)
        if self.samples and self.samples[-1][0] == second:
            milliseconds = max(milliseconds, self.samples.pop()[1])
        self.samples.append((second, milliseconds))


@final
class LatencyMonitor:
    """Events that took at least `threshold_ms`; 0 turns the monitor off."""

    def __init__(self) -> None:
        self.threshold_ms = 0
        self.events: dict[str, LatencyEvent] = {}

    def note(self, name: str, at: float, seconds: float) -> None:
        """Keep an event if it took long enough."""
        milliseconds = int(seconds * 1000.0)
        if 0 < self.threshold_ms <= milliseconds:
            self.events.setdefault(name, LatencyEvent()).add(int(at), milliseconds)


def _age(seconds: int) -> str:
    """Return a duration in its largest unit: `3s`, `12m`."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "0s"


def graph(name: str, event: LatencyEvent, now: int) -> str:
    """Return bar charts of an event's samples, oldest first, with each sample's age below it.

    All charts of 80 samples have one scale: twelve steps from the lowest sample to the highest.
    """
    samples = list(event.samples)
    low = min([milliseconds for _, milliseconds in samples])
    high = max([milliseconds for _, milliseconds in samples])
    head = (
        f"{name} - high {high} ms, low {low} ms (all time high {event.max_ms} ms)\n"
        f"{'-' * _COLUMNS_MAX}\n"
    )
    steps = _ROWS * len(_LEVELS)
    span = max(high - low, 1)
    charts: list[str] = []
    for first in range(0, len(samples), _COLUMNS_MAX):
        part = samples[first : first + _COLUMNS_MAX]
        heights = [min((ms - low) * steps // span, steps - 1) for _, ms in part]
        ages = [_age(max(now - second, 0)) for second, _ in part]
        charts.append("".join([line + "\n" for line in _bars(heights) + _below(ages)]))
    return head + "\n".join(charts)


def _bars(heights: list[int]) -> list[str]:
    """Return the rows of a chart, the highest first."""
    lines: list[str] = []
    for row in range(_ROWS - 1, -1, -1):
        cells = ""
        for height in heights:
            part = height - row * len(_LEVELS)
            cells += "|" if part >= len(_LEVELS) else _LEVELS[part] if part >= 0 else " "
        lines.append(cells)
    return lines


def _below(labels: list[str]) -> list[str]:
    """Return labels that are written downwards below a chart."""
    lines = [" " * len(labels)]
    for row in range(max([len(label) for label in labels])):
        lines.append("".join([label[row] if row < len(label) else " " for label in labels]))
    return lines


_ADVICE: Final = {
    "command": "slow commands hold everybody up: find them with SLOWLOG GET",
    "fast-command": "commands of constant cost were slow: look for a busy machine or for swapping",
    "expire-cycle": "many keys expired at once: spread their deadlines",
    "eviction-cycle": "eviction took long: look for large values, or raise maxmemory",
}


def report(monitor: LatencyMonitor, slowlog_us: int) -> str:
    """Return what the monitor saw, one event after the other, and what may help."""
    if monitor.threshold_ms == 0:
        return (
            "The latency monitor is off in this instance. Turn it on with CONFIG SET"
            ' latency-monitor-threshold <milliseconds>, e.g. "100".\n'
        )
    if not monitor.events:
        return f"Nothing took {monitor.threshold_ms} ms since the monitor was turned on.\n"
    lines: list[str] = ["Events that took long:", ""]
    number = 0
    for name, event in monitor.events.items():
        number += 1
        lines.append(f"{number}. {name}: {_figures(event)}")
    lines.extend(["", "What may help:", ""])
    for name in monitor.events:
        if name in _ADVICE:
            lines.append(f"- {_ADVICE[name]}")
    if slowlog_us < 0 or slowlog_us > monitor.threshold_ms * 1000:
        lines.append("- the slow log's limit is above the latency monitor's: lower it with CONFIG")
        lines.append(f"  SET slowlog-log-slower-than {monitor.threshold_ms * 1000}")
    return "\n".join(lines) + "\n"


def _figures(event: LatencyEvent) -> str:
    values = [milliseconds for _, milliseconds in event.samples]
    average = sum(values) / len(values)
    deviation = sum([abs(value - average) for value in values]) / len(values)
    text = (
        f"{len(values)} latency samples, average {average:.0f} ms, mean deviation"
        f" {deviation:.0f} ms, worst ever {event.max_ms} ms"
    )
    if len(values) > 1:
        period = (event.samples[-1][0] - event.samples[0][0]) / (len(values) - 1)
        text += f", one every {period:.1f} s"
    return text
