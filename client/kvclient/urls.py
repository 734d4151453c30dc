"""URLs of servers, taken apart; what their parameters mean is for `options.py` to say.

By hand, since `urllib` knows neither several hosts nor an error for a wrong escape, and takes 2 ms
to import.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from kvclient.errors import ConfigurationError
from kvclient.routing.address import Address

SCHEMES: Final = {"kv": False, "kvs": True, "redis": False, "rediss": True, "unix": False}
"""The schemes, and whether they mean TLS."""

_HOST: Final = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|([A-Za-z0-9._-]*)")
_PORT_MAX: Final = 65535
_DEFAULT: Final = Address()


class ParsedUrl(NamedTuple):
    """A URL: where, whether by TLS, and its settings as (parameter, text), user and db included."""

    addresses: tuple[Address, ...]
    tls: bool
    texts: tuple[tuple[str, str], ...]


def parse_url(url: str) -> ParsedUrl:
    """Take a URL apart; ConfigurationError says what is wrong, and shows no password."""
    if not isinstance(url, str):
        raise ConfigurationError(f"the URL is of type {type(url).__name__}, must be str")
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in SCHEMES:
        # What stands before may be anything, so it is not shown in full.
        begins = f"{scheme[:20]!r}" if mark else "no scheme"
        raise ConfigurationError(
            f"the URL begins with {begins}, must begin with {'://, '.join(SCHEMES)}://"
        )
    rest, _, query = rest.partition("?")
    place, slash, path = rest.partition("/")
    if "@" in path or "@" in query:
        # What looks like a path or a parameter is then likely a part of the password.
        raise ConfigurationError(
            "the URL has an @ behind its hosts: in user, password and values"
            " @ must be written %40, / %2F and ? %3F"
        )
    user_info, at, hosts = place.rpartition("@")
    texts = _credentials(user_info) if at else []
    if scheme == "unix":
        if hosts or not path:
            raise ConfigurationError("a unix URL must be as unix:///path/of/the/socket")
        addresses = [Address("", 0, _decoded(slash + path, "path"))]
    else:
        if hosts.startswith(",") or hosts.endswith(",") or ",," in hosts:
            raise ConfigurationError("a host in the URL is empty, must be a name or an address")
        addresses = [_address(host) for host in hosts.split(",")]
        if path:
            texts.append(("db", _decoded(path, "db")))
    texts.extend(_parameters(query))
    return ParsedUrl(tuple(addresses), SCHEMES[scheme], tuple(texts))


def node_address(url: str) -> Address:
    """Return the address of one node, given as `host:port` or as a URL."""
    addresses = parse_url(url if "://" in url else f"kv://{url}").addresses
    if len(addresses) != 1:
        raise ConfigurationError(f"{len(addresses)} hosts are named, must be one")
    return addresses[0]


def _credentials(text: str) -> list[tuple[str, str]]:
    """Return user and password, where they are not empty."""
    if "@" in text:
        raise ConfigurationError(
            "the URL has more than one @: user and password stand once, before the first host,"
            " and an @ in them must be written %40"
        )
    username, _, password = text.partition(":")
    found = (
        ("username", _decoded(username, "username")),
        ("password", _decoded(password, "password")),
    )
    return [(name, value) for name, value in found if value]


def _address(text: str) -> Address:
    """Return the address of `host`, `host:port`, `:port` or `[IPv6]:port`."""
    match = _HOST.match(text)
    host = (match[1] or match[2]) if match else ""
    rest = text[match.end() :] if match else text
    port = _DEFAULT.port
    if rest:
        digits = rest[1:]
        if rest[0] != ":" or not re.fullmatch(r"[0-9]{1,5}", digits):
            # The rest is not shown: where the host was forgotten, it is the password.
            raise ConfigurationError(
                f"host {host!r} in the URL must be a name or an address, and end or go on with"
                " :port; IPv6 stands in brackets"
            )
        port = int(digits)
        if not 0 < port <= _PORT_MAX:
            raise ConfigurationError(
                f"port in the URL is {port}, must be a whole number from 1 to {_PORT_MAX}"
            )
    return Address(host or _DEFAULT.host, port)


def _parameters(query: str) -> list[tuple[str, str]]:
    """Return the parameters, decoded, in their order."""
    found = []
    for parameter in query.split("&") if query else []:
        name, mark, value = parameter.partition("=")
        if not mark:
            raise ConfigurationError(f"parameter {name!r} in the URL has no value, must have one")
        found.append((name, _decoded(value, name)))
    return found


def _decoded(text: str, name: str) -> str:
    """Return a text without its percent-encoding; a + stays one."""
    if "%" not in text:
        return text
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ConfigurationError(f"{name} in the URL has a % that is none of %00 to %FF: write %25")
    octets = re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), text.encode())
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name} in the URL must be UTF-8 when decoded") from None
