"""Where the node is that a Dask job uses, and what one of its shuffles is to be."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import dask
import pandas as pd

from kvclient import Client
from kvclient.dask.frames import Layout, layout_of
from kvclient.errors import ConfigurationError

LEASE_S: Final = 600
_SALT: Final = secrets.token_bytes(32)


@dataclass(frozen=True)
class Store:
    """A node, as workers reach it. It shows no password, and Dask's keys depend on none.

    It travels with its client's options, the password among them, to where it is used.
    """

    place: str
    fingerprint: str
    """Of all options, so that Dask tells two of them apart; nobody can guess a password from it."""
    client: Client[bytes] = field(repr=False, compare=False)

    def __dask_tokenize__(self) -> Any:
        return (type(self).__name__, self.place, self.fingerprint)


def store_of(address: str | None = None, **options: Any) -> Store:
    """Return the node at a URL or at `host:port`; without, the one of Dask's configuration.

    That is `kvnode.address`, or DASK_KVNODE__ADDRESS in the environment; `kvnode.username` and
    `kvnode.password` likewise. What runs the workers has to reach it under that address. Other
    options are a Client's.
    """
    for name in ("username", "password"):
        configured = dask.config.get(f"kvnode.{name}", None)
        if configured is not None:
            options.setdefault(name, str(configured))
    address = address or dask.config.get("kvnode.address", None)
    if address is None:
        raise ConfigurationError(
            "no address of a node: pass address='kv://host:port', or set DASK_KVNODE__ADDRESS"
        )
    client = Client(address if "://" in address else f"kv://{address}", **options)
    place = ", ".join(str(address) for address in client.options.addresses)
    secret = f"{client.options!r} {client.options.password}".encode()
    return Store(place, hashlib.blake2b(secret, key=_SALT, digest_size=16).hexdigest(), client)


@dataclass(frozen=True)
class Plan:
    """What a shuffle is to be, before it has a name of its own."""

    store: Store
    maps: int
    partitions: int
    numbers: str
    """The column with the rows' partitions, which does not travel."""
    meta: pd.DataFrame = field(repr=False)
    keeps_index: bool = True
    codec: str = "none"
    lease_s: int = LEASE_S

    @cached_property
    def layout(self) -> Layout:
        """The layout that frames have if they are as Dask expects."""
        return layout_of(self.meta, self.numbers, self.keeps_index)
