"""Every public method is called by a test of this folder."""

from __future__ import annotations

import re
from pathlib import Path

from kvclient.blocking.commands import Commands


def test_every_method_is_called_on_both_servers() -> None:
    called: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        called.update(re.findall(r"\bc\.(\w+)\(", path.read_text(encoding="utf-8")))
    methods = {name for name in dir(Commands) if not name.startswith("_")}
    assert methods - called == set()
