"""The examples of a document: executed in order, and put together for type checkers."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import re
import textwrap
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

from ..wire.servers import REPOSITORY

DOCUMENT: Final = REPOSITORY / "docs" / "client.md"
_FENCED: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(document: Path = DOCUMENT) -> list[doctest.Example]:
    """Return the examples in the document's code blocks, with their line numbers."""
    text = document.read_text(encoding="utf-8")
    parser = doctest.DocTestParser()
    found = []
    for block in _FENCED.finditer(text):
        line = text.count("\n", 0, block.start(1)) + 1
        for example in parser.get_examples(block[1]):
            example.lineno += line
            found.append(example)
    return found


def as_module(document: Path = DOCUMENT) -> str:
    """Return the examples as the body of a coroutine function."""
    source = "".join(example.source for example in examples(document))
    body = textwrap.indent(source, "    ", lambda line: bool(line.strip()))
    return f'"""Made of {document.name}."""\n\n\nasync def session() -> None:\n{body}'


class Session:
    """Executes examples as `python -m asyncio` does: `await` may stand anywhere.

    `rename` is applied to the sources, and to what is expected of them.
    """

    def __init__(self, rename: Callable[[str], str]) -> None:
        self._rename = rename
        self._loop = asyncio.new_event_loop()
        self._names: dict[str, Any] = {"__name__": "examples"}

    def run(self, example: doctest.Example) -> str | None:
        """Execute one example; return what is wrong with its outcome, None if nothing is."""
        raised = ""
        with redirect_stdout(StringIO()) as output:
            try:
                self._execute(self._rename(example.source))
            except Exception as error:
                raised = traceback.format_exception_only(error)[-1]
        shown = output.getvalue()
        expected = self._rename(example.exc_msg or example.want)
        got = (raised or "no error") if example.exc_msg else shown + raised
        if doctest.OutputChecker().check_output(expected, got, 0):
            return None
        return f"line {example.lineno}: {example.source}  expected {expected}  got {got}"

    def _execute(self, source: str) -> None:
        code = compile(source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        outcome = eval(code, self._names)
        if inspect.iscoroutine(outcome):
            self._loop.run_until_complete(outcome)

    def close(self) -> None:
        """Close the event loop."""
        self._loop.close()
