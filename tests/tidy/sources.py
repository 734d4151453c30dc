"""The project's Python files, read and parsed once."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
PACKAGE_FOLDERS: Final = (
    "kvnode",
    "protocol/kvprotocol",
    "cluster/kvcluster",
    "client/kvclient",
)
FOLDERS: Final = (*PACKAGE_FOLDERS, "tests", "bench", "tools", "examples")
GENERATED: Final = {"protocol/kvprotocol/facts.py"}


@dataclass(frozen=True)
class Source:
    """One file: its path from the project's root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported, empty outside our packages."""
        for folder in PACKAGE_FOLDERS:
            if self.path.startswith(f"{folder}/"):
                start = len(folder) - len(folder.rpartition("/")[2])
                name = self.path[start:].removesuffix(".py").replace("/", ".")
                return name.removesuffix(".__init__")
        return ""

    @property
    def is_package(self) -> bool:
        return self.path.endswith("/__init__.py")


def source_of(path: str, text: str) -> Source:
    """Parse `text` as the content of the file `path`."""
    return Source(path, text, ast.parse(text, path))


@cache
def all_sources() -> tuple[Source, ...]:
    """Return every file that is written by hand."""
    paths = [PROJECT / "setup.py"]
    for folder in FOLDERS:
        paths.extend(sorted((PROJECT / folder).rglob("*.py")))
    names = [path.relative_to(PROJECT).as_posix() for path in paths]
    return tuple(
        source_of(name, (PROJECT / name).read_text(encoding="utf-8"))
        for name in names
        if name not in GENERATED
    )
