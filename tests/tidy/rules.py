"""The rules of the house, each a function from a source file to what it finds there."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from .sources import Source

FILE_LINES_MAX: Final = 600
FUNCTION_LINES_MAX: Final = 70
COLUMNS_MAX: Final = 100
VAGUE_FILE_NAMES: Final = {"utils.py", "helpers.py", "common.py", "misc.py"}
# The brackets keep this line from finding itself.
UNFINISHED: Final = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")

OURS: Final = ("kvnode", "kvcluster", "kvprotocol", "kvclient")
# The longest entry that holds a module decides what of ours it may import.
MAY_IMPORT: Final = {
    "kvprotocol": ("kvprotocol",),
    "kvcluster": ("kvcluster", "kvprotocol"),
    "kvclient": ("kvclient", "kvcluster.ring", "kvprotocol"),
    # Compiled into one library, which must not need the interpreted rest but for its errors.
    "kvclient.wire": ("kvclient.wire", "kvclient.errors", "kvclient.forks", "kvprotocol"),
    "kvclient.traits": ("kvclient.wire", "kvprotocol"),
    "kvclient.embedded": ("kvclient", "kvcluster.ring", "kvprotocol", "kvnode"),
    "kvnode": ("kvnode", "kvcluster", "kvprotocol"),
    "kvnode.structures": ("kvnode.structures",),
    "kvnode.datatypes": ("kvnode.structures", "kvnode.datatypes", "kvprotocol"),
}
# Who else imports what stands high in the server: handlers are found in the table, not imported.
ONLY_IMPORTED_BY: Final = {
    "kvnode.cli": ("kvnode.__main__",),
    "kvnode.server": ("kvnode.cli",),
    "kvnode.connection": ("kvnode.server", "kvnode.busy"),
    "kvnode.commands": ("kvnode.commands", "kvnode.node"),
}
SOCKET_MODULES: Final = ("asyncio", "uvloop", "socket", "selectors", "ssl")
SANS_IO: Final = ("kvnode", "kvprotocol")
HAS_SOCKETS: Final = (
    "kvnode.server",
    "kvnode.listeners",
    "kvnode.connection",
    "kvnode.busy",
    "kvnode.dialing",
    "kvnode.tls",
    "kvnode.metrics_http",
    "kvnode.peers",
    "kvnode.shuffle_cli",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Finding:
    """A broken rule: `place` is `path` or `path::function`, and is what an exception names."""

    place: str
    text: str


def file_length(source: Source) -> Iterator[Finding]:
    """A file has at most 600 lines."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield Finding(source.path, f"{lines} lines, allowed are {FILE_LINES_MAX}")


def function_length(source: Source) -> Iterator[Finding]:
    """A function has at most 70 lines."""
    for name, function in _functions(source.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield Finding(
                f"{source.path}::{name}", f"{lines} lines, allowed are {FUNCTION_LINES_MAX}"
            )


def line_length(source: Source) -> Iterator[Finding]:
    """A line has at most 100 columns."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            yield Finding(source.path, f"line {number} has {len(line)} columns")


def file_name(source: Source) -> Iterator[Finding]:
    """A file is named after what it holds."""
    if source.path.rpartition("/")[2] in VAGUE_FILE_NAMES:
        yield Finding(source.path, "the name says nothing of the content")


def finished(source: Source) -> Iterator[Finding]:
    """No mark of unfinished work stands in the code."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if mark := UNFINISHED.search(line):
            yield Finding(source.path, f"line {number} says {mark[0]}")


def import_at_top(source: Source) -> Iterator[Finding]:
    """An import inside a function has a comment, on its line or above its group, that says why."""
    lines = source.text.splitlines()
    for name, function in _functions(source.tree):
        explained: set[int] = set()  # the lines of imports that have their comment
        nodes = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        for node in sorted(nodes, key=lambda node: node.lineno):
            above = node.lineno - 1
            while not lines[above - 1].strip():
                above -= 1
            comment = lines[above - 1].lstrip().startswith("#") or "#" in lines[node.lineno - 1]
            if comment or above in explained:
                explained.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            else:
                yield Finding(f"{source.path}::{name}", f"import in line {node.lineno}")


def import_direction(source: Source) -> Iterator[Finding]:
    """Imports run kvnode, kvcluster, kvprotocol, and inside kvnode down to structures."""
    if not source.module:
        return
    entry = max((e for e in MAY_IMPORT if _within(source.module, e)), key=len)
    for line, name in _imported(source):
        if name.partition(".")[0] in OURS and not _within_any(name, MAY_IMPORT[entry]):
            yield Finding(source.path, f"line {line}: {entry} may not import {name}")
        for high, importers in ONLY_IMPORTED_BY.items():
            if _within(name, high) and not _within_any(source.module, importers):
                if source.module.startswith("kvnode"):
                    yield Finding(source.path, f"line {line}: {high} is not imported here")


def no_sockets(source: Source) -> Iterator[Finding]:
    """Only the server, its listeners, its connections and peers know sockets or the event loop."""
    if not _within_any(source.module, SANS_IO) or _within_any(source.module, HAS_SOCKETS):
        return
    for line, name in _imported(source):
        if _within_any(name, SOCKET_MODULES):
            yield Finding(source.path, f"line {line} imports {name}")


def docstrings(source: Source) -> Iterator[Finding]:
    """Every public module and class of the packages has a docstring."""
    if not source.module:
        return
    if ast.get_docstring(source.tree) is None:
        yield Finding(source.path, "the module has no docstring")
    for node in source.tree.body:
        public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if isinstance(node, ast.ClassDef) and public and ast.get_docstring(node) is None:
            yield Finding(f"{source.path}::{node.name}", "the class has no docstring")


def no_swallowed_errors(source: Source) -> Iterator[Finding]:
    """Nothing catches every exception in order to ignore it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and _does_nothing(node):
            yield Finding(source.path, f"line {node.lineno} swallows every exception")


RULES: Final[tuple[Callable[[Source], Iterator[Finding]], ...]] = (
    file_length,
    function_length,
    line_length,
    file_name,
    finished,
    import_at_top,
    import_direction,
    no_sockets,
    docstrings,
    no_swallowed_errors,
)


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield the functions of a module and of its classes with their dotted names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif not isinstance(child, ast.expr):
            yield from _functions(child, prefix)


def _imported(source: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import; `from a import b` yields `a.b`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = source.module.split(".")
                base = parts[: len(parts) - node.level + source.is_package]
                origin = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _within_any(name: str, packages: tuple[str, ...]) -> bool:
    return any(_within(name, package) for package in packages)


def _catches_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})
        for kind in kinds
    )


def _does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )
