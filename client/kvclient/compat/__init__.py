"""redis-py's surface over this client's transport: `from kvclient.compat import Redis`.

Commands, pipelines and transactions go the way of `kvclient.Client`: its connections, its deadlines,
its rule about what may be sent twice. What belongs to one connection stays with redis-py's own
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

from kvclient.compat.blocking import Pipeline, Redis
from kvclient.compat.outcomes import OutcomeUnknown

StrictRedis = Redis
from_url = Redis.from_url

__all__ = ["OutcomeUnknown", "Pipeline", "Redis", "StrictRedis", "from_url"]
