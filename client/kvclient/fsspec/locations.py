"""Where files are: URLs taken apart into a server and a path, and the keys of a file.

A path is absolute, with single slashes, and none at its end but for the root's. All keys of a file
have its path as their hash tag, so that in a cluster one script may have them together.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Final

from kvclient.options import Options

SCHEMES: Final = ("kv", "kvs")
ROOT: Final = "/"
_SLASHES: Final = re.compile("//+")

# A question mark may stand in a glob pattern, too: only what looks like parameters is a query.
_QUERY: Final = re.compile(r"\?((?:[a-z_]+=[^/?&]*)(?:&[a-z_]+=[^/?&]*)*)$")


def path_of(url: str) -> str:
    """Return the path that a URL, or a path with or without its first slash, names.

    Several slashes are one, as everywhere: paths are put together of parts that end in one.
    """
    return ROOT + _SLASHES.sub(ROOT, _taken_apart(url)[2]).strip(ROOT)


def server_of(url: str) -> dict[str, Any]:
    """Return what a URL says of the server, as arguments of the filesystem; often nothing."""
    scheme, hosts, _, query = _taken_apart(url)
    if hosts:
        return {"url": f"{scheme}://{hosts}" + (f"/?{query}" if query else "")}
    if not query:
        return {}
    # Nobody is named: the parameters go with the server that the environment names.
    told, default = Options.from_url(f"{scheme}://?{query}"), Options()
    names = [option.name for option in fields(Options) if option.name != "addresses"]
    return {name: getattr(told, name) for name in names if differs(name, told, default)}


def url_of(path: str, options: Options) -> str:
    """Return the URL of a path, with which server and database, and without credentials."""
    scheme = "kvs" if options.tls else "kv"
    hosts = ",".join(str(address) for address in options.addresses if not address.path)
    default = Options()
    query = "&".join(
        f"{name}={getattr(options, name)}"
        for name in ("mode", "db")
        if differs(name, options, default)
    )
    return f"{scheme}://{hosts}{path}" + (f"?{query}" if query else "")


def differs(name: str, options: Options, default: Options) -> bool:
    """Say whether an option was set to something."""
    return bool(getattr(options, name) != getattr(default, name))


def _taken_apart(url: str) -> tuple[str, str, str, str]:
    """Return scheme, hosts (with user and password), path and query, empty where there is none."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in SCHEMES:
        return SCHEMES[0], "", url, ""
    query = ""
    if match := _QUERY.search(rest):
        query = match[1]
        rest = rest[: match.start()]
    hosts, _, path = rest.partition("/")
    return scheme, hosts, path, query


class FileKeys:
    """The keys of the files of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.names = f"{namespace}:names".encode()

    def file(self, path: str) -> bytes:
        """Return the key of a file: a hash with its parts."""
        return f"{self._namespace}:{{{path}}}".encode()

    def staged(self, path: str, generation: str) -> bytes:
        """Return the key under which a generation of a file is written until it is complete."""
        return f"{self._namespace}:{{{path}}}:new:{generation}".encode()

    def replaced(self, path: str, by: str) -> bytes:
        """Return the key under which the generation that was replaced `by` another lingers."""
        return f"{self._namespace}:{{{path}}}:old:{by}".encode()
