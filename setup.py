"""Compiles the hot modules with mypyc while the package is built; metadata is in pyproject.toml.

What is compiled: kvprotocol, the data structures, the data types, the serialised forms, the command
handlers, scripting, access control and the engine; of the client what every call passes. What
stays interpreted: the asyncio side (`server.py`, `listeners.py`, `busy.py`, `dialing.py`), metrics,
cold start-up code (`cli.py`, `config/`), generated tables and every `__init__.py`.

Environment:

    KVNODE_COMPILE=0   build without compiling; the same source runs interpreted
    KVNODE_OPT=0..3    the C compiler's optimisation level, default 3

Without a C compiler or Python's headers the build says so in one line and goes on interpreted.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

ROOTS = (".", "protocol", "cluster", "client")
"""The folders that hold one importable package each: mypy has to know them as package bases, or
`protocol/kvprotocol/slots.py` would be compiled as `protocol.kvprotocol.slots`."""

DATA_FOLDERS = ("kvnode/structures", "kvnode/datatypes", "kvnode/rdb")
ENGINE_FOLDERS = (
    "kvnode",
    "kvnode/acl",
    "kvnode/durability",
    "kvnode/replication",
    "kvnode/scripting",
    "kvnode/shuffle",
)
CLIENT_MODULES = (
    "client/kvclient/batches.py",
    "client/kvclient/blocking/attempts.py",
    "client/kvclient/blocking/groups.py",
    "client/kvclient/forks.py",
    "client/kvclient/routing",
    "client/kvclient/traits.py",
    "client/kvclient/wire",
)
GROUPS = {
    "kvnode_protocol": ("protocol/kvprotocol",),
    "kvnode_client": CLIENT_MODULES,
    "kvnode_data": DATA_FOLDERS,
    "kvnode_engine": ENGINE_FOLDERS,
    "kvnode_commands": ("kvnode/commands",),
}
"""The libraries, compiled side by side for 0.3 ns per call from one to another. Protocol imports
none of the others, client and data protocol alone (tests/tidy checks it): a program that uses the
client loads no code of the server."""
INTERPRETED = {
    "kvnode/server.py",
    "kvnode/listeners.py",
    "kvnode/busy.py",
    "kvnode/cli.py",
    "kvnode/dialing.py",
    "kvnode/metrics.py",
    "kvnode/metrics_http.py",
    "kvnode/shuffle_cli.py",
    "kvnode/durability/check.py",
    "kvnode/durability/lock.py",
    "protocol/kvprotocol/facts.py",
}


def hot_modules(folder: str) -> list[str]:
    """Return the modules of `folder` that are compiled, as sorted relative paths.

    A module stands for itself.
    """
    tree = Path(folder)
    if tree.suffix == ".py":
        return [folder]
    # The engine's own folder is taken flat: config/ is cold and the others have their own entry.
    found = tree.glob("*.py") if folder == "kvnode" else tree.rglob("*.py")
    names = {path.as_posix() for path in found if not path.name.startswith("__")}
    return sorted(names - INTERPRETED)


def only_metadata() -> bool:
    """Say whether this run asks for names and versions alone, as pip does before it builds."""
    return sys.argv[1:2] in (["egg_info"], ["dist_info"], ["sdist"])


def why_interpreted() -> str | None:
    """Return the reason not to compile, or None when everything needed is there."""
    if os.environ.get("KVNODE_COMPILE", "1") == "0":
        return "KVNODE_COMPILE=0"
    if platform.python_implementation() != "CPython":
        return "mypyc needs CPython"
    if os.name == "nt":
        return None  # setuptools finds the Visual C++ compiler by itself
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(shlex.split(compiler)[0]) is None:
        return f"no C compiler ({compiler.split()[0]} not found)"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python.h not found (package python3-dev)"
    return None


def extensions() -> list[Extension]:
    """Translate the hot modules to C and return the extension modules to build."""
    if only_metadata():
        return []
    reason = why_interpreted()
    if reason is not None:
        print(f"kvnode: building without compiled modules: {reason}", file=sys.stderr)
        return []
    groups: list[tuple[list[str], str | None]] = [
        ([name for folder in folders for name in hot_modules(folder)], group)
        for group, folders in GROUPS.items()
    ]
    level = os.environ.get("KVNODE_OPT", "3")
    # One folder per level, because setuptools does not recompile when only a flag changed. mypy's
    # cache stands beside the C files: mypyc takes a cached module's C file to be there.
    target = f"build/mypyc-O{level}"
    os.environ["MYPYPATH"] = os.pathsep.join(str(Path(root).resolve()) for root in ROOTS)
    # Imported here: a build without compiling must not need mypy.
    from mypyc.build import mypycify

    # Options are spelled out instead of read from pyproject.toml: the isolated build environment
    # lacks the runtime dependencies, and a strict check would stop at their missing types.
    options = [
        "--config-file=",
        "--explicit-package-bases",
        "--ignore-missing-imports",
        f"--cache-dir={target}/mypy-cache",
    ]
    extensions: list[Extension] = mypycify(
        [*options, *(name for names, _ in groups for name in names)],
        opt_level=level,
        target_dir=target,
        separate=groups,
    )
    if os.name != "nt":
        for extension in extensions:
            # Python's own flags hold -Wall, for which GCC 12 looks up lines of a 138 MB file again
            # and again: 168 of 257 s.
            extension.extra_compile_args = [*extension.extra_compile_args, "-Wno-all"]
    return extensions


setup(
    ext_modules=extensions(),
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
