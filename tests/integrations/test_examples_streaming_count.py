"""examples/streaming_count.py: every event counts once, though a consumer is killed."""

from __future__ import annotations

from .commands import run_example


def test_counts_are_exact_when_a_consumer_is_killed(url: str) -> None:
    said = run_example("streaming_count.py", "--url", url, "--events", "5000")
    assert said.startswith("5000 events, 3 consumers of which one was killed: login ")
    assert said.endswith("counts are exact: yes\n")
