"""Run ids and replication ids."""

from librt.random import Random


def random_id(random: Random) -> bytes:
    """Return 40 random hexadecimal digits."""
    return b"".join([b"%08x" % random.randrange(1 << 32) for _ in range(5)])
