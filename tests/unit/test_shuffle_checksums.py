"""Checksums of blocks are XXH3's of 64 bits, seed 0: other clients compute them by themselves."""

from __future__ import annotations

import pytest

from kvclient.shuffle import blocks
from kvnode.shuffle import spill_file


@pytest.mark.parametrize(
    ("block", "checksum"),
    [
        (b"", 3244421341483603138),  # as the specification of XXH3 has it
        (b"hello", 10760762337991515389),
    ],
)
def test_node_and_client_compute_the_same(block: bytes, checksum: int) -> None:
    assert spill_file.checksum_of(block) == blocks.checksum_of(block) == checksum
    assert blocks.checksum_of((block[:2], block[2:])) == checksum
