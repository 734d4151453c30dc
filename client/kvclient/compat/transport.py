"""From redis-py's connection arguments to this client's options, and which requests it carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from redis._parsers import Encoder
from redis.exceptions import RedisError

from kvclient.options import Options
from kvclient.routing.address import Address
from kvclient.traits import traits_of
from kvclient.wire.encoding import Argument, as_wire

Command: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""A queued command as redis-py keeps it: its words, and the options of its callback."""

Argv: TypeAlias = tuple[Argument, ...]

_UNMAPPED: Final = (
    *("cache", "cache_config", "credential_provider", "oss_cluster_maint_notifications_handler"),
    *("redis_connect_func", "ssl_ca_data", "ssl_ciphers", "ssl_exclude_verify_flags"),
    *("ssl_include_verify_flags", "ssl_min_version", "ssl_ocsp_context", "ssl_password"),
    *("ssl_validate_ocsp", "ssl_validate_ocsp_stapled"),
)
"""Arguments that would change what happens, and that this client has no option for."""

_ON_OWN_CONNECTION: Final = frozenset(
    ("CLIENT NO-EVICT", "CLIENT SETINFO", "CLIENT SETNAME", "HIMPORT", "QUIT")
)
"""Commands about one connection that do no harm on any: they get one of redis-py's, as ever."""

_WAIT_IS_LAST: Final = frozenset(
    (b"BLPOP", b"BRPOP", b"BRPOPLPUSH", b"BLMOVE", b"BZPOPMIN", b"BZPOPMAX")
)
_WAIT_IS_FIRST: Final = frozenset((b"BLMPOP", b"BZMPOP"))


def options_of(pool: Any) -> Options:
    """Return the options that say what the arguments of a redis-py pool say.

    RedisError names an argument that cannot be said.
    """
    kwargs: Mapping[str, Any] = pool.connection_kwargs
    for name in _UNMAPPED:
        if kwargs.get(name):
            raise RedisError(f"kvclient.compat has nothing for {name}; use redis.Redis with it")
    kind = pool.connection_class.__name__
    tls = "SSL" in kind
    if "Sentinel" in kind:
        raise RedisError("kvclient.compat knows no Sentinel; name the node or the cluster")
    if kwargs.get("path"):
        address = Address("", 0, str(kwargs["path"]))
    else:
        address = Address(kwargs.get("host") or "localhost", int(kwargs.get("port") or 6379))
    found: dict[str, Any] = {
        "addresses": (address,),
        "db": int(kwargs.get("db") or 0),
        "protocol": int(kwargs.get("protocol") or 3),
        "keepalive_s": 30.0 if kwargs.get("socket_keepalive", True) else None,
    }
    for name, setting in (
        ("username", "username"),
        ("password", "password"),
        ("client_name", "client_name"),
        ("socket_timeout", "deadline_s"),
        ("socket_connect_timeout", "connect_timeout_s"),
    ):
        if kwargs.get(name):
            found[setting] = kwargs[name]
    if tls:
        found.update(_tls(kwargs))
    return Options(**found)


def _tls(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    wanted = str(getattr(kwargs.get("ssl_cert_reqs"), "name", kwargs.get("ssl_cert_reqs", "")))
    is_verified = wanted.lower().removeprefix("cert_") in ("required", "")
    if not is_verified and wanted.lower().removeprefix("cert_") != "none":
        raise RedisError(f"kvclient.compat has nothing for ssl_cert_reqs={wanted!r}")
    if is_verified and not kwargs.get("ssl_check_hostname", True):
        raise RedisError("kvclient.compat checks the host's name where it checks a certificate")
    found: dict[str, Any] = {"tls": True, "tls_verify": is_verified}
    for name, setting in (
        ("ssl_ca_certs", "tls_ca_file"),
        ("ssl_ca_path", "tls_ca_path"),
        ("ssl_certfile", "tls_cert_file"),
        ("ssl_keyfile", "tls_key_file"),
    ):
        if kwargs.get(name):
            found[setting] = str(kwargs[name])
    return found


def words(encoder: Encoder, args: Sequence[Any]) -> Argv:
    """Return a request as it is sent; a name like "CONFIG GET" is two words."""
    name = args[0]
    if isinstance(name, str) and " " in name:
        args = (*name.split(), *args[1:])
    if encoder.encoding == "utf-8" and encoder.encoding_errors == "strict":
        # As this client writes text by itself, and numbers as redis-py does.
        return tuple(args)
    return tuple(bytes(encoder.encode(arg)) for arg in args)


def needs_own_connection(argv: Argv) -> bool:
    """Say whether a request belongs on a connection of redis-py's pool.

    RedisError for one that would silently mean nothing there: the next request goes elsewhere.
    """
    traits = traits_of(argv)
    if traits.name in _ON_OWN_CONNECTION:
        return True
    if traits.state_refusal is not None:
        raise RedisError(
            f"{traits.name} changes one connection, and commands share theirs: give what it sets as"
            " an argument of Redis(), or use client.client(), which has a connection of its own"
        )
    return False


def is_for_the_transport(parts: Sequence[Argv], is_transaction: bool) -> bool:
    """Say whether a pipeline can go the common way: nothing in it waits, or sets up a connection.

    Nothing waits in a transaction.
    """
    for argv in parts:
        traits = traits_of(argv)
        if traits.state_refusal is not None or traits.name in _ON_OWN_CONNECTION:
            return False
        if not is_transaction and traits.blocks(argv):
            return False
    return True


def wait_s(argv: Argv) -> float:
    """Return for how long the server may let a request wait; 0 for ever, or when that is unsaid."""
    name = as_wire(argv[0]).upper()
    if name in _WAIT_IS_LAST:
        return _number(argv[-1])
    if name in _WAIT_IS_FIRST:
        return _number(argv[1])
    if name == b"WAIT":
        return _number(argv[-1]) / 1000
    for place, word in enumerate(argv[:-1]):
        if as_wire(word).upper() == b"BLOCK":
            return _number(argv[place + 1]) / 1000
    return 0.0


def _number(word: Argument) -> float:
    try:
        return max(float(as_wire(word)), 0.0)
    except ValueError:
        # The server says what is wrong with it.
        return 0.0
