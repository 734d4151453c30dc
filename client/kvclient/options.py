"""What a client can be told, from a URL, the environment, or as arguments.

    kv://user:password@host:6379/0?deadline=0.5&decode=yes
    kvs://host                      with TLS; rediss:// too, and redis:// is kv://
    unix:///run/kv.sock?db=1
    kv://a:7001,b:7002?mode=cluster
    kv://a,b,c?mode=ring&weights=1,1,2

User, password and the values of parameters are percent-encoded where they hold `@ / ? & , : %`.
Without a URL the environment's KV_URL counts, with KV_USERNAME and KV_PASSWORD where it names none;
those are not sent to a server that a program names itself.

An option is declared twice below: its type and default in `Options`, its parameter and what is
allowed in `_PARAMETERS`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from kvclient.errors import ConfigurationError
from kvclient.option_values import (
    CLIENT_NAME,
    PATH,
    PROTOCOL,
    SIZE,
    SWITCH,
    TEXT,
    WEIGHTS,
    Kind,
    choice,
    or_off,
    seconds,
    whole_number,
)
from kvclient.routing.address import Address
from kvclient.urls import ParsedUrl, parse_url

if TYPE_CHECKING:
    import ssl

DEFAULT_URL: Final = "kv://127.0.0.1:6379/0"

MODES: Final = ("standalone", "cluster", "ring")
READ_FROM: Final = ("leader", "any", "prefer_follower")


@dataclass(frozen=True)
class Options:
    """Everything that a client can be told; checked when it is made.

    mode: "standalone" (one address), "cluster" (the addresses are where to ask for its map) or
        "ring" (independent nodes; `weights` in the order of the addresses, 1 each by default).
    decode: replies are str (UTF-8) instead of bytes; what is not UTF-8 is an error of its call, or
        with a cache becomes surrogates (`surrogateescape`).
    protocol: 3 falls back to 2 where a server knows no HELLO.
    deadline_s: how long a call may take in all, its repetitions and the connecting included.
    keepalive_s: idle time before TCP asks whether the server is still there; None asks never.
    exactly_once: requests carry ids, so that a write is not executed twice (kvnode only).
    read_from: who answers reads in a cluster: "leader", "any", or "prefer_follower".
    bytes_in_flight_max: requests of a connection that wait for replies; beyond, callers wait.
    backoff_min_s, backoff_max_s: the pause before a repetition, which doubles each time.
    cache_bytes_max: the size of the client-side cache, of a blocking client for each thread; None
        for none. A connection that is silently dead is found by `keepalive_s` only.
    """

    addresses: tuple[Address, ...] = (Address(),)
    mode: str = "standalone"
    weights: tuple[float, ...] = ()
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_name: str | None = None
    decode: bool = False
    protocol: int = 3
    deadline_s: float = 5.0
    connect_timeout_s: float = 2.0
    keepalive_s: float | None = 30.0
    exactly_once: bool = False
    read_from: str = "leader"
    bytes_in_flight_max: int = 64 << 20
    backoff_min_s: float = 0.01
    backoff_max_s: float = 0.5
    tls: bool = False
    tls_ca_file: str | None = None
    tls_ca_path: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_verify: bool = True
    tls_server_name: str | None = None
    cache_bytes_max: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigurationError for the first option that cannot be."""
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not (kind.fits(value) or (value is None and name in _MAY_BE_NONE)):
                # A password may be bytes by mistake; it is not shown even then.
                shown = "(hidden)" if name == "password" else repr(value)
                raise ConfigurationError(f"{name} is {shown}, must be {kind.allowed}")
        self._check_addresses()
        self._check_combinations()

    @classmethod
    def from_url(
        cls,
        urls: str | Sequence[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        **overrides: Any,
    ) -> Options:
        """Read one URL, or several that name the hosts of one cluster or ring.

        `overrides` are options by their names here, and win over the URL. `environment` stands in
        for that of the process.
        """
        for name in overrides:
            if name not in _NAMES:
                raise ConfigurationError(f"unknown option {name!r}{_nearest(name, _NAMES)}")
        settings: dict[str, Any] = {}
        if urls is None:
            variables = os.environ if environment is None else environment
            settings = _settings([variables.get("KV_URL") or DEFAULT_URL])
            for name in ("username", "password"):
                if value := variables.get(f"KV_{name.upper()}"):
                    settings.setdefault(name, value)
        else:
            settings = _settings([urls] if isinstance(urls, str) else urls)
        return cls(**{**settings, **overrides})

    @property
    def escapes_text(self) -> bool:
        """Whether what is not UTF-8 is decoded to surrogates instead of being an error.

        So with a cache: of an invalidation that is an error nobody would know whose reply it is.
        """
        return self.decode and self.cache_bytes_max is not None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Make the TLS context; None without TLS. ConfigurationError names a file that is wrong."""
        if not self.tls:
            return None
        # Costs more to import than all the rest of the client, and most programs need none.
        import ssl

        own_ca = self.tls_ca_file is not None or self.tls_ca_path is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif not own_ca:
            context.load_default_certs()
        name, value = "tls_ca_file", self.tls_ca_file
        try:
            if own_ca:
                context.load_verify_locations(cafile=self.tls_ca_file, capath=self.tls_ca_path)
            name, value = "tls_cert_file", self.tls_cert_file
            if self.tls_cert_file is not None:
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(f"{name} is {value!r}, cannot be used: {reason}") from error
        return context

    def server_name(self, address: Address) -> str:
        """Return the name that the certificate of the server at `address` must have."""
        return self.tls_server_name or address.host

    def _check_addresses(self) -> None:
        for address in self.addresses:
            if address.path and self.tls:
                raise ConfigurationError(f"tls is True, must be False with {address}")
            if address.path and self.mode == "cluster":
                raise ConfigurationError(f"mode is 'cluster', must be another with {address}")
            if not address.path and not (address.host and 0 < address.port < 65536):
                raise ConfigurationError(
                    f"address {address} must have a host and a port from 1 to 65535"
                )
            if self.addresses.count(address) > 1:
                raise ConfigurationError(f"addresses name {address} twice, must name it once")
        if self.mode == "standalone" and len(self.addresses) > 1:
            listed = ",".join(map(str, self.addresses))
            raise ConfigurationError(
                f"addresses are {listed}, must be one, or mode must be 'cluster' or 'ring'"
            )

    def _check_combinations(self) -> None:
        count = len(self.addresses)
        client_keys = self.tls_key_file is not None and self.tls_cert_file is None
        needs_tls = [name for name in _NEED_TLS if getattr(self, name) is not None]
        for is_wrong, name, must in (
            (self.mode == "cluster" and self.db != 0, "db", "0 in a cluster"),
            (self.weights and self.mode != "ring", "weights", "left out unless mode is 'ring'"),
            (
                self.weights and len(self.weights) != count,
                "weights",
                f"{count} numbers, one for each address",
            ),
            (
                self.read_from != "leader" and self.mode != "cluster",
                "read_from",
                "'leader' unless mode is 'cluster'",
            ),
            (self.username and self.password is None, "username", "given with a password"),
            (
                self.backoff_min_s > self.backoff_max_s,
                "backoff_min_s",
                f"at most backoff_max_s, {self.backoff_max_s}",
            ),
            (
                self.cache_bytes_max is not None and self.protocol == 2,
                "cache_bytes_max",
                "None with protocol 2, which has no invalidations",
            ),
            (
                self.cache_bytes_max is not None and self.mode != "standalone",
                "cache_bytes_max",
                # A key that moves to another node is not invalidated by the one that it leaves.
                "None unless mode is 'standalone'",
            ),
            (client_keys, "tls_key_file", "given with tls_cert_file"),
            (needs_tls and not self.tls, (needs_tls or [""])[0], "left out without TLS (kvs://)"),
            (
                not (self.tls or self.tls_verify),
                "tls_verify",
                "True without TLS, where there is nothing to verify",
            ),
        ):
            if is_wrong:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}, must be {must}")


# The parameter of a URL: the option and what it may be. A text is read by the option's kind.
_PARAMETERS: Final[dict[str, tuple[str, Kind]]] = {
    "mode": ("mode", choice(*MODES)),
    "weights": ("weights", WEIGHTS),
    "db": ("db", whole_number(0, 1 << 31)),
    "username": ("username", TEXT),
    "password": ("password", TEXT),
    "name": ("client_name", CLIENT_NAME),
    "decode": ("decode", SWITCH),
    "protocol": ("protocol", PROTOCOL),
    "deadline": ("deadline_s", seconds()),
    "connect_timeout": ("connect_timeout_s", seconds()),
    "keepalive": ("keepalive_s", or_off(seconds())),
    "exactly_once": ("exactly_once", SWITCH),
    "read_from": ("read_from", choice(*READ_FROM)),
    "bytes_in_flight": ("bytes_in_flight_max", SIZE),
    "backoff_min": ("backoff_min_s", seconds()),
    "backoff_max": ("backoff_max_s", seconds()),
    "tls_ca_file": ("tls_ca_file", PATH),
    "tls_ca_path": ("tls_ca_path", PATH),
    "tls_cert_file": ("tls_cert_file", PATH),
    "tls_key_file": ("tls_key_file", PATH),
    "tls_verify": ("tls_verify", SWITCH),
    "tls_server_name": ("tls_server_name", TEXT),
    "cache": ("cache_bytes_max", or_off(SIZE)),
}
_ADDRESSES: Final = Kind(
    "Addresses, at least one",
    lambda text: text,
    lambda value: (
        isinstance(value, tuple)
        and len(value) > 0
        and all(isinstance(address, Address) for address in value)
    ),
)
_KINDS: Final = {"addresses": _ADDRESSES, "tls": SWITCH, **dict(_PARAMETERS.values())}
_NAMES: Final = [option.name for option in fields(Options)]
_MAY_BE_NONE: Final = {option.name for option in fields(Options) if "None" in str(option.type)}
_NEED_TLS: Final = (
    "tls_ca_file",
    "tls_ca_path",
    "tls_cert_file",
    "tls_key_file",
    "tls_server_name",
)


def _settings(urls: Sequence[str]) -> dict[str, Any]:
    """Return what the URLs say, by the names of the options; they may not contradict each other."""
    if not urls:
        raise ConfigurationError("the list of URLs is empty, must have one at least")
    settings: dict[str, Any] = {}
    addresses: list[Address] = []
    taken_apart = [parse_url(url) for url in urls]
    for parsed in taken_apart:
        addresses.extend(parsed.addresses)
        for name, value in _values(parsed).items():
            if settings.setdefault(name, value) != value:
                raise ConfigurationError(f"{name} differs between the URLs, must be said alike")
    if len({parsed.tls for parsed in taken_apart}) > 1:
        raise ConfigurationError("some URLs have TLS, some have not: must be said alike")
    return {**settings, "addresses": tuple(addresses)}


def _values(parsed: ParsedUrl) -> dict[str, Any]:
    """Return the options that one URL sets, but for its addresses."""
    values: dict[str, Any] = {}
    if parsed.tls:
        values["tls"] = True
    for name, text in parsed.texts:
        if name not in _PARAMETERS:
            raise ConfigurationError(
                f"unknown parameter {name!r} in the URL{_nearest(name, list(_PARAMETERS))}"
            )
        option, kind = _PARAMETERS[name]
        if option in values:
            raise ConfigurationError(f"{name} stands in the URL twice, must stand there once")
        try:
            values[option] = kind.read(text)
        except ValueError:
            shown = "(hidden)" if name == "password" else repr(text)
            raise ConfigurationError(
                f"{name} in the URL is {shown}, must be {kind.allowed}"
            ) from None
    return values


def _nearest(name: str, names: Sequence[str]) -> str:
    """Return which of the names was meant, as the end of a message."""
    # For the way out only, and dearer than the rest of this module.
    import difflib

    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
