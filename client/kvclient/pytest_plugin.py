"""Fixtures for pytest: `kv` and `async_kv`, each an embedded client that is new for every test.

pytest finds this module by the entry point of the package. It is loaded by every run of pytest
where the package is installed, so whatever costs anything is imported by the fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kvclient import AsyncClient, Client


@pytest.fixture
def kv() -> Iterator[Client[bytes]]:
    """A blocking client of an empty node in this process."""
    # The node's engine takes some 0.2 s to import: only tests that use it pay for that.
    from kvclient import Client

    with Client.embedded() as client:
        yield client


@pytest.fixture
def async_kv() -> Iterator[AsyncClient[bytes]]:
    """An asyncio client of an empty node in this process.

    No coroutine itself: it works with pytest-asyncio, anyio, or `asyncio.run` in the test.
    """
    # As above.
    from kvclient import AsyncClient

    client = AsyncClient.embedded()
    try:
        yield client
    finally:
        client._core.close()
