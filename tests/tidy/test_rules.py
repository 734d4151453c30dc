"""Every file keeps the rules of the house, and every rule is able to fail."""

from collections.abc import Callable, Iterator

import pytest

from .exceptions import EXCEPTIONS
from .rules import RULES, Finding
from .sources import PACKAGE_FOLDERS, PROJECT, Source, all_sources, source_of

Rule = Callable[[Source], Iterator[Finding]]
BY_NAME = {rule.__name__: rule for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=list(BY_NAME))
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    broken = [
        f"{finding.place}: {finding.text}"
        for source in all_sources()
        for finding in rule(source)
        if (rule.__name__, finding.place) not in EXCEPTIONS
    ]
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    found = {
        (rule.__name__, finding.place)
        for rule in RULES
        for source in all_sources()
        for finding in rule(source)
    }
    assert set(EXCEPTIONS) - found == set()
    assert all(len(reason.split()) >= 3 for reason in EXCEPTIONS.values())


def test_every_folder_of_a_package_is_a_package_and_ships_its_types() -> None:
    for folder in PACKAGE_FOLDERS:
        assert (PROJECT / folder / "py.typed").exists()
    folders = {source.path.rpartition("/")[0] for source in all_sources() if source.module}
    # The build installs only folders with an __init__.py.
    missing = [name for name in sorted(folders) if not (PROJECT / name / "__init__.py").exists()]
    assert missing == []


MARK = "TO" + "DO"
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 70
BREAKING = [
    ("file_length", "kvnode/a.py", "x = 1\n" * 601),
    ("function_length", "kvnode/a.py", LONG_FUNCTION),
    (
        "function_length",
        "kvnode/a.py",
        "class A:\n    async " + "    ".join(LONG_FUNCTION.splitlines(keepends=True)),
    ),
    ("line_length", "kvnode/a.py", "x" * 101),
    ("file_name", "tests/unit/helpers.py", ""),
    ("finished", "kvnode/a.py", f"# {MARK}: later"),
    ("import_at_top", "kvnode/a.py", "def f():\n    if x:\n        import os"),
    ("import_at_top", "kvnode/a.py", "def f():\n    # Why.\n    import os\n    x()\n    import re"),
    ("import_direction", "protocol/kvprotocol/a.py", "import kvnode.keyspace"),
    ("import_direction", "protocol/kvprotocol/a.py", "from kvcluster import ring"),
    ("import_direction", "cluster/kvcluster/a.py", "from kvnode.node import Node"),
    ("import_direction", "client/kvclient/a.py", "from kvcluster.raft import Voter"),
    ("import_direction", "client/kvclient/a.py", "import kvnode"),
    ("import_direction", "kvnode/structures/a.py", "from kvnode.datatypes import hashes"),
    ("import_direction", "kvnode/structures/a.py", "from ..datatypes import hashes"),
    ("import_direction", "kvnode/structures/__init__.py", "from .. import keyspace"),
    ("import_direction", "kvnode/datatypes/a.py", "def f():\n    import kvnode.keyspace"),
    ("import_direction", "kvnode/a.py", "from kvclient import Client"),
    ("import_direction", "kvnode/dispatch.py", "from kvnode.commands.strings import get"),
    ("import_direction", "kvnode/commands/a.py", "import kvnode.server"),
    ("no_sockets", "kvnode/session.py", "import asyncio"),
    ("no_sockets", "kvnode/session.py", "from socket import socket"),
    ("docstrings", "kvnode/a.py", "x = 1"),
    ("docstrings", "kvnode/a.py", '"""A."""\nclass A:\n    x = 1'),
    ("no_swallowed_errors", "kvnode/a.py", "try:\n    f()\nexcept Exception:\n    pass"),
    ("no_swallowed_errors", "bench/a.py", "try:\n    f()\nexcept:\n    ..."),
    ("no_swallowed_errors", "bench/a.py", "try:\n    f()\nexcept (OSError, Exception):\n    pass"),
]


@pytest.mark.parametrize(("name", "path", "text"), BREAKING)
def test_a_rule_finds_what_breaks_it(name: str, path: str, text: str) -> None:
    assert len(list(BY_NAME[name](source_of(path, text)))) == 1


KEEPING = [
    ("function_length", "kvnode/a.py", LONG_FUNCTION.replace("    x = 1\n", "", 1)),
    ("import_at_top", "kvnode/cli.py", "def f():\n    # Only here, to start fast.\n    import os"),
    ("import_at_top", "kvnode/cli.py", "def f():\n    import os  # starts fast"),
    ("import_at_top", "kvnode/cli.py", "def f():\n    # Why.\n    import os\n\n    import re"),
    ("import_direction", "client/kvclient/a.py", "from kvcluster.ring import Ring"),
    ("import_direction", "client/kvclient/a.py", "from kvcluster import ring"),
    ("import_direction", "client/kvclient/embedded.py", "import kvnode.node"),
    ("import_direction", "kvnode/structures/a.py", "from .b import c\nimport os"),
    ("import_direction", "kvnode/a.py", "from kvprotocol.slots import key_slot"),
    ("import_direction", "kvnode/commands/a.py", "from kvnode.commands.strings import get"),
    ("import_direction", "tests/unit/test_a.py", "import kvnode, kvclient"),
    ("no_sockets", "kvnode/server.py", "import asyncio, socket, uvloop"),
    ("no_sockets", "client/kvclient/a.py", "import asyncio"),
    ("docstrings", "kvnode/a.py", '"""A."""\nclass _A:\n    x = 1'),
    ("no_swallowed_errors", "bench/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
    ("no_swallowed_errors", "bench/a.py", "try:\n    f()\nexcept Exception:\n    g()"),
]


@pytest.mark.parametrize(("name", "path", "text"), KEEPING)
def test_a_rule_lets_pass_what_keeps_it(name: str, path: str, text: str) -> None:
    assert list(BY_NAME[name](source_of(path, text))) == []
