"""Says which build is under test and refuses the wrong one.

KVNODE_BUILD=compiled demands the installed, compiled packages; KVNODE_BUILD=interpreted demands
the source tree. Without it, whatever is found is tested. Processes that tests start get an
environment in which they import the same build.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

import pytest

# pytest finds hooks by name; these print the counts of the wire tests.
from .wire.summary import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

PROJECT = Path(__file__).resolve().parent.parent
ROOTS = (PROJECT, PROJECT / "protocol", PROJECT / "cluster", PROJECT / "client")
PACKAGES = ("kvnode", "kvprotocol", "kvcluster", "kvclient")
PROBE = "kvprotocol.requests"


def _origin(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise pytest.UsageError(f"{module} cannot be imported: run `make compile`")
    return Path(spec.origin)


def _build_under_test() -> tuple[str, str]:
    """Return the build and where it is, or what is mixed."""
    in_tree = {_origin(package).parent.parent in ROOTS for package in PACKAGES}
    probe = _origin(PROBE)
    compiled = probe.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
    if compiled and in_tree == {True}:
        return "compiled files in the source tree (`make clean` removes them)", str(probe)
    if len(in_tree) == 2:
        return "packages of the source tree beside installed ones", str(probe)
    return "compiled" if compiled else "interpreted", str(probe.parent)


class FailuresAtOnce:
    """Prints a failure when it happens, so that a run that is ended early has told it."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self.reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print where it failed, and the end of what it said."""
        if report.failed:
            self.reporter.write_line(f"\nFAILED {report.nodeid}\n{report.longreprtext[-1500:]}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Stop unless the build is the wanted one, and hand it on to child processes."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and os.environ.get("CI"):
        config.pluginmanager.register(FailuresAtOnce(reporter))
    build, place = _build_under_test()
    wanted = os.environ.get("KVNODE_BUILD", build)
    if build != wanted or build not in {"compiled", "interpreted"}:
        raise pytest.UsageError(f"wanted to test: {wanted}; found: {build}: {place}")
    if build == "compiled":
        # Keeps the current folder, which holds kvnode's source, off the path of child processes.
        os.environ["PYTHONSAFEPATH"] = "1"
        os.environ.pop("PYTHONPATH", None)
        # Workers that get our path find the tests by it; the installed packages come before.
        sys.path.append(str(PROJECT))
    else:
        os.environ["PYTHONPATH"] = os.pathsep.join(map(str, ROOTS))


def pytest_report_header() -> str:
    """Say in the first lines which build is tested."""
    build, place = _build_under_test()
    return f"kvnode build: {build} ({place})"
