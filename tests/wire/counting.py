"""How many replies were compared per command, over all workers of a test run."""

from __future__ import annotations

from collections import Counter
from typing import Final

COMPARED: Final[Counter[str]] = Counter()
DIFFERENT: Final[Counter[str]] = Counter()


def name_of(command: bytes, reply_kind: str) -> str:
    """The name under which a reply is counted; what no server knows is counted together."""
    text = command.decode(errors="replace")
    name, _, subcommand = text.partition(" ")
    if reply_kind != "error":
        return text
    if subcommand and text not in COMPARED:
        return f"{name} (invalid)"
    return text if len(text) < 30 and text.replace(" ", "_").isidentifier() else "(invalid)"


def as_plain() -> dict[str, dict[str, int]]:
    """The counts in the form a test worker hands to its controller."""
    return {"compared": dict(COMPARED), "different": dict(DIFFERENT)}


def add(counts: dict[str, dict[str, int]]) -> None:
    """Add a worker's counts to ours."""
    COMPARED.update(counts["compared"])
    DIFFERENT.update(counts["different"])


def summary() -> str:
    """The counts in one line."""
    return (
        f"wire: {COMPARED.total():,} replies compared, {len(COMPARED)} commands, "
        f"{DIFFERENT.total():,} differences"
    )


def table(columns: int = 3) -> list[str]:
    """The counts per command, most first, several in a row."""
    cells = []
    for name, count in COMPARED.most_common():
        wrong = f" ({DIFFERENT[name]} differ)" if DIFFERENT[name] else ""
        cells.append(f"{name} {count:,}{wrong}")
    return [
        "  " + "".join(f"{cell:<34}" for cell in cells[start : start + columns]).rstrip()
        for start in range(0, len(cells), columns)
    ]
