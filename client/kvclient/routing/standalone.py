"""The router of a single node: everything goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from kvclient.errors import ReplyError
from kvclient.routing.address import Address, Redirect
from kvclient.routing.plan import Plan, whole
from kvclient.traits import Argv


@final
class Standalone:
    """Sends every request to one address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.map_is_due = False

    def address_of(self, argv: Argv, leader_only: bool = False) -> Address:
        """Return the one address."""
        return self.address

    def split(self, argv: Argv, leader_only: bool = False) -> Plan:
        """Return the request as its own only part."""
        return whole(argv, self.address)

    def address_of_all(self, requests: Sequence[Argv]) -> Address:
        """Return the one address."""
        return self.address

    def channel_address(self, channel: bytes, sharded: bool = False) -> Address:
        """Return the one address."""
        return self.address

    def home(self, channels: Sequence[Sequence[bytes]]) -> Address:
        """Return the one address."""
        return self.address

    def leaders(self) -> list[Address]:
        """Return the one address."""
        return [self.address]

    def sources(self) -> list[Address]:
        """Return the one address."""
        return [self.address]

    def learn(self, reply: object, answered_by: Address) -> None:
        """Do nothing: there is no map."""

    def redirected(self, error: ReplyError, answered_by: Address) -> Redirect | None:
        """Return None: a node of a cluster is not followed elsewhere without its mode."""
        return None

    def check(self) -> None:
        """Assert that there is somewhere to go."""
        assert self.address.path or self.address.host, "an address without a host"
