"""redis-py's surface over this client's transport: `from kvclient.compat import Redis`.

Commands, pipelines and transactions go the way of `kvclient.Client`: its connections, deadlines,
and rule about what may be sent twice. What belongs to one connection stays with redis-py's own
pool, which is made of the same arguments: pub/sub, MONITOR, WATCH, `single_connection_client`.
Errors are redis-py's. `kvclient.compat.asyncio` has the twin of `redis.asyncio`.
"""

from __future__ import annotations

from typing import Final

_NEEDED: Final = "kvclient.compat needs redis-py 8: pip install 'kvnode[compat]'"

try:
    import redis
except ImportError:
    raise ImportError(_NEEDED) from None
if redis.__version__.partition(".")[0] != "8":
    raise ImportError(f"{_NEEDED} (found {redis.__version__})")

# Behind the test of redis-py, which they import.
from kvclient.compat.blocking import Pipeline, Redis  # noqa: E402
from kvclient.compat.outcomes import OutcomeUnknown  # noqa: E402

StrictRedis = Redis
from_url = Redis.from_url

__all__ = ["OutcomeUnknown", "Pipeline", "Redis", "StrictRedis", "from_url"]
