"""The examples of jobs on a shuffle run as their first lines say, and print what is true."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..integrations.commands import run_example
from ..wire.servers import Server, kvnode_server

TEXTS = {
    "one.py": "import two\nfrom os import path\n\nyield_ = 'the the end'\n",
    "two.py": "import two, one\nimport os\nthe = 1\n",
    "three.md": "the import of two\n",
}


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    with kvnode_server() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def printed(name: str, *arguments: str) -> list[str]:
    """Return the lines that an example prints."""
    return run_example(f"{name}.py", *arguments).splitlines()


@pytest.mark.parametrize("options", [(), ("--every",)])
def test_words_are_counted(node: Server, folder: Path, options: tuple[str, ...]) -> None:
    lines = printed("word_count", str(folder), "--url", f"kv://127.0.0.1:{node.port}", *options)
    expected = Counter(word for text in TEXTS.values() for word in text.split())
    assert lines[0].split() == ["5", "import"] and lines[1].split() == ["3", "the"]
    assert lines[-1].startswith(f"{expected.total()} words, {len(expected)} different, ")


def test_an_index_is_made(node: Server, folder: Path) -> None:
    url = f"kv://127.0.0.1:{node.port}"
    lines = printed("inverted_index", str(folder), "--url", url, "--find", "the,nowhere")
    names = sorted(str(folder / name) for name in TEXTS)
    assert lines[1] == f"the: 3 files, {', '.join(names)}"
    assert lines[2] == "nowhere: 0 files, "


def test_lines_are_sorted(node: Server, folder: Path) -> None:
    into = folder / "sorted"
    url = f"kv://127.0.0.1:{node.port}"
    lines = printed("sort_lines", str(folder), "--url", url, "--into", str(into))
    assert lines[-1] == "they are in order"
    expected = sorted(line for text in TEXTS.values() for line in text.splitlines() if line)
    found = [(into / f"part-{part}").read_text().splitlines() for part in range(4)]
    assert [line for part in found for line in part] == expected


def test_tables_are_joined(node: Server, folder: Path) -> None:
    pytest.importorskip("pyarrow")
    lines = printed("join", str(folder), "--url", f"kv://127.0.0.1:{node.port}")
    assert lines == ["      2 imports of two, 3 lines", "1 modules, 2 imports"]


def test_an_example_brings_its_own_node(folder: Path) -> None:
    assert printed("word_count", str(folder / "three.md"))[-1].startswith("4 words, 4 different, ")
    assert os.listdir(folder)
