"""fsspec's own tests of what a filesystem has to do, on kvnode."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fsspec.tests import abstract

from kvclient.fsspec import KvFileSystem


class Fixtures(abstract.AbstractFixtures):
    """What fsspec's tests are given."""

    @pytest.fixture
    def fs(self, url: str) -> KvFileSystem:
        return KvFileSystem(url)

    @pytest.fixture
    def fs_path(self) -> str:
        return "/tests"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(map(str, parts))

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return True


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass
