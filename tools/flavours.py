"""Turns the client's asynchronous modules into their blocking and their queued flavour.

Only the asynchronous flavour is written by hand. A flavour differs from it in few tokens: no
`async`, no `await`, another word for `Awaitable[...]`, other names. So the text is edited token by
token, and comments, docstrings and layout stay; ruff then takes out the imports that are no longer
used and formats the result. What has no twin (a name of asyncio that is not in the table) is an
error here rather than a surprise at run time.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import COMMENT, NAME, STRING, TokenInfo, generate_tokens
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
CLIENT: Final = "client/kvclient"

# Hand-written modules under client/kvclient/aio that have a blocking twin beside the commands.
TWINS: Final = (
    "client",
    "consumers",
    "large_values",
    "locks",
    "once",
    "nodes",
    "pipelines",
    "scripts",
    "shuffle_maps",
    "shuffle_reads",
    "shuffles",
    "subscriptions",
    "watching",
)

HEAD: Final = "# Generated from {source} by `make client`.\n"
PENDING: Final = "from kvclient.queued.pending import Pending\n"
FUTURE: Final = "from __future__ import annotations\n"

BLOCKING_NAMES: Final = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "AbstractAsyncContextManager": "AbstractContextManager",
    "StopAsyncIteration": "StopIteration",
    "aclose": "close",
    "aiter": "iter",
    "anext": "next",
    "asynccontextmanager": "contextmanager",
}
BLOCKING_DOTTED: Final = {
    "asyncio.Condition": "threading.Condition",
    "asyncio.Event": "threading.Event",
    "asyncio.Lock": "threading.Lock",
    "asyncio.sleep": "time.sleep",
    "kvclient.aio": "kvclient.blocking",
    "kvclient.commands": "kvclient.blocking.commands",
}
# What is left of another name for a method (`aclose = close`) whose twin has that name already.
SENSELESS: Final = re.compile(r"^ *(\w+) = \1\n", re.MULTILINE)
# Unused imports, their order, None in the middle of a union, loops that only yield.
MENDED: Final = "F401,I001,RUF036,UP028"
ASYNCIO_IMPORT: Final = "import asyncio\n"
BLOCKING_IMPORT: Final = "import threading\nimport time\n"


@dataclass(frozen=True)
class Flavour:
    """One flavour: its folder, what becomes of a result's type, and its words for others.

    `only_at_once`: what has to wait (iterators, blocking commands) is left out.
    """

    folder: str
    wrapper: str
    only_at_once: bool = False
    head: str = HEAD
    names: dict[str, str] = field(default_factory=dict)
    dotted: dict[str, str] = field(default_factory=dict)


BLOCKING: Final = Flavour(
    folder=f"{CLIENT}/blocking",
    wrapper="",
    head=HEAD + "# mypy: disable-error-code=no-any-return\n",
    names=BLOCKING_NAMES,
    dotted=BLOCKING_DOTTED,
)
QUEUED: Final = Flavour(
    folder=f"{CLIENT}/queued",
    wrapper="Pending",
    only_at_once=True,
    dotted={"kvclient.commands": "kvclient.queued.commands"},
)

Position = tuple[int, int]
Edit = tuple[Position, Position, str]


def client() -> dict[str, str]:
    """Return the text of every generated file of the client, by its path."""
    commands = sorted((PROJECT / CLIENT / "commands").glob("*.py"))
    texts = {}
    for flavour in (BLOCKING, QUEUED):
        for path in commands:
            source = path.relative_to(PROJECT).as_posix()
            target = f"{flavour.folder}/commands/{path.name}"
            texts[target] = flavoured(path.read_text(encoding="utf-8"), source, flavour)
    for name in TWINS:
        source = f"{CLIENT}/aio/{name}.py"
        text = (PROJECT / source).read_text(encoding="utf-8")
        texts[f"{BLOCKING.folder}/{name}.py"] = flavoured(text, source, BLOCKING)
    return tidied(texts)


def flavoured(text: str, source: str, flavour: Flavour) -> str:
    """Return the module `text` in another flavour; not formatted yet."""
    if flavour.only_at_once:
        text = without_waiting(text)
        text = text.replace(FUTURE, FUTURE + PENDING)
    else:
        text = text.replace(ASYNCIO_IMPORT, BLOCKING_IMPORT)
    tokens = list(generate_tokens(io.StringIO(text).readline))
    edited = applied(text, sorted(edits(tokens, source, flavour)))
    return flavour.head.format(source=source) + SENSELESS.sub("", edited)


def without_waiting(text: str) -> str:
    """Leave out the methods that can only wait: generators, and what sends nothing but blocking.

    All definitions of a name go together, its overloads too.
    """
    dropped: set[int] = set()
    for owner in ast.parse(text).body:
        if not isinstance(owner, ast.ClassDef):
            continue
        methods = [node for node in owner.body if isinstance(node, FUNCTIONS)]
        waiting = {method.name for method in methods if only_waits(method)}
        for method in methods:
            if method.name in waiting:
                first = min([method.lineno, *(node.lineno for node in method.decorator_list)])
                dropped.update(range(first, (method.end_lineno or first) + 1))
    lines = text.splitlines(keepends=True)
    return "".join(line for number, line in enumerate(lines, 1) if number not in dropped)


FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def only_waits(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a method has no way to end at once."""
    if isinstance(method, ast.AsyncFunctionDef):
        return True
    called = {node.attr for node in ast.walk(method) if isinstance(node, ast.Attribute)}
    return "_send_blocking" in called and "_send" not in called


def edits(tokens: list[TokenInfo], source: str, flavour: Flavour) -> Iterator[Edit]:
    """Yield the changes that make the flavour of a module."""
    for index, token in enumerate(tokens):
        if token.type in (STRING, COMMENT):
            yield token.start, token.end, in_prose(token.string, flavour)
        if token.type != NAME:
            continue
        following = tokens[index + 1]
        if token.string in ("async", "await"):
            yield token.start, following.start, ""
        elif token.string == "Awaitable" and following.string == "[":
            closing = closing_bracket(tokens, index + 1)
            if flavour.wrapper:
                yield token.start, token.end, flavour.wrapper
            else:
                yield token.start, following.end, ""
                yield closing.start, closing.end, ""
        elif following.string == "." and token.string in ("asyncio", "kvclient"):
            dotted = f"{token.string}.{tokens[index + 2].string}"
            if dotted in flavour.dotted:
                yield token.start, tokens[index + 2].end, flavour.dotted[dotted]
            elif token.string == "asyncio":
                raise SystemExit(f"{source}:{token.start[0]}: {dotted} has no blocking twin")
        else:
            name = renamed(token.string, flavour)
            if name != token.string:
                yield token.start, token.end, name


def renamed(name: str, flavour: Flavour) -> str:
    """Return a name's twin; `AsyncClient` and its kin lose their first word."""
    if flavour.names and re.match("Async[A-Z]", name):
        return name.removeprefix("Async")
    return flavour.names.get(name, name)


def in_prose(text: str, flavour: Flavour) -> str:
    """Return a comment or a string with the examples in it turned as well."""
    if not flavour.names:
        return text
    text = re.sub(r"\bawait (?=[\w.]+\()|\basync (?=for|with|def)", "", text)
    return re.sub(r"\w+", lambda word: renamed(word[0], flavour), text)


def closing_bracket(tokens: list[TokenInfo], opening: int) -> TokenInfo:
    """Return the bracket that closes the one at `opening`."""
    depth = 0
    for token in tokens[opening:]:
        depth += (token.string == "[") - (token.string == "]")
        if depth == 0:
            return token
    raise AssertionError("the tokenizer refuses unbalanced brackets")


def applied(text: str, changes: list[Edit]) -> str:
    """Return `text` with the changes made, which are sorted and do not overlap."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parts = []
    end = 0
    for (row, column), (last_row, last_column), replacement in changes:
        parts += [text[end : starts[row - 1] + column], replacement]
        end = starts[last_row - 1] + last_column
    return "".join([*parts, text[end:]])


def tidied(texts: dict[str, str]) -> dict[str, str]:
    """Return the files without unused imports, sorted and formatted as the house has it."""
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--quiet", "--no-cache", "--config", str(PROJECT / "pyproject.toml")]
    with tempfile.TemporaryDirectory() as folder:
        for path, text in texts.items():
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        rules = ("--fix", "--unsafe-fixes", "--select", MENDED)
        subprocess.run([*ruff, "check", *options, *rules, folder], check=True)
        subprocess.run([*ruff, "format", *options, folder], check=True)
        return {path: (Path(folder) / path).read_text(encoding="utf-8") for path in texts}
