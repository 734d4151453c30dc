"""pytest hooks that print at the end of a run how many replies were compared.

They stand in tests/conftest.py, because the controller of a parallel run loads only that one.
"""

from __future__ import annotations

from typing import Any

import pytest

from . import counting


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its counts to the controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["wire_counts"] = counting.as_plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The controller adds up its workers' counts."""
    counts = getattr(node, "workeroutput", {}).get("wire_counts")
    if counts is not None:
        counting.add(counts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the counts; per command with -v."""
    if not counting.COMPARED:
        return
    terminalreporter.section("replies compared with redis-server")
    terminalreporter.write_line(counting.summary())
    if config.get_verbosity() > 0:
        for line in counting.table():
            terminalreporter.write_line(line)
