"""Real text for the examples: files, cut into pieces for the map tasks."""

from __future__ import annotations

import argparse
import sysconfig
from collections.abc import Sequence
from pathlib import Path

Piece = tuple[str, int, int]
"""A file, and from where to where."""


def arguments(about: str) -> argparse.ArgumentParser:
    """Return what the examples have in common on their command lines."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "paths", nargs="*", help="files or folders; default: the sources of Python's library"
    )
    parser.add_argument("--url", help="the node; default: one of the example's own")
    parser.add_argument("--workers", type=int, default=2)
    return parser


def files(paths: Sequence[str]) -> list[str]:
    """Return the files, of folders the texts in them, in order."""
    found: list[str] = []
    for path in map(Path, paths or [sysconfig.get_path("stdlib")]):
        if path.is_file():
            found.append(str(path))
        else:
            names = {".py", ".md", ".txt", ".rst"}
            inside = (file for file in path.rglob("*") if file.suffix in names and file.is_file())
            found += sorted(str(file) for file in inside if "site-packages" not in file.parts)
    return found


def pieces(paths: Sequence[str], piece_bytes: int = 8 << 20) -> list[list[Piece]]:
    """Return the files in groups of about one size; a large one is cut between two lines."""
    groups: list[list[Piece]] = []
    room = 0
    for path in paths:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            start = 0
            while start < size:
                file.seek(min(start + piece_bytes, size))
                file.readline()
                end = file.tell()
                if room <= 0:
                    groups.append([])
                    room = piece_bytes
                groups[-1].append((path, start, end))
                room -= end - start
                start = end
    return groups


def text_of(piece: Piece) -> str:
    """Return the text of a piece."""
    path, start, end = piece
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(end - start).decode("utf-8", "replace")
