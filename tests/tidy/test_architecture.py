"""docs/architecture.md names every file of the packages, and none that does not exist."""

import re

from .sources import PACKAGE_FOLDERS, PROJECT

TABLE = PROJECT / "docs" / "architecture.md"


def named_files() -> list[str]:
    """The files of the table's first column, with the folder above them."""
    folder = ""
    found = []
    for line in TABLE.read_text().splitlines():
        if not line.startswith("| "):
            continue
        cell = line.split("|")[1].strip()
        if heading := re.fullmatch(r"\*\*(\S+/)\*\*", cell):
            folder = heading[1]
        elif folder:
            found += [folder + name for name in re.findall(r"`(\w+\.py)`", cell)]
    return found


def test_the_table_names_every_file_once() -> None:
    files = [
        str(path.relative_to(PROJECT))
        for folder in PACKAGE_FOLDERS
        for path in (PROJECT / folder).rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert sorted(named_files()) == sorted(files)
