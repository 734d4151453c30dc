# Generated from client/kvclient/commands/hyperloglogs.py by `make client`.
# mypy: disable-error-code=no-any-return
"""Commands on HyperLogLogs."""

from __future__ import annotations

from kvclient import shapes
from kvclient.arguments import OneOrMore, flat
from kvclient.blocking.commands.base import Surface
from kvclient.results import T
from kvclient.wire.encoding import Argument


class HyperLogLogCommands(Surface[T]):
    """Counts of distinct elements, with a standard error of 0.81 %, in 12 kB each."""

    def pfadd(self, key: Argument, *values: Argument) -> bool:
        """Add elements; say whether the estimate may have changed."""
        return self._send((b"PFADD", key, *values), shapes.flag)

    def pfcount(self, keys: OneOrMore, *more: Argument) -> int:
        """Estimate how many distinct elements the counters have seen together."""
        return self._send((b"PFCOUNT", *flat(keys, more)))

    def pfmerge(self, dest: Argument, *sources: Argument) -> bool:
        """Add what the sources have seen to `dest`; return True."""
        return self._send((b"PFMERGE", dest, *sources), shapes.done)
