"""joblib's cache of results in the store; needs the extra `kvnode[joblib]`.

from kvclient.joblib import register
register()
memory = joblib.Memory(location="kv://localhost:6379/cache", backend="kvnode")
"""

from __future__ import annotations

import joblib

from kvclient.joblib.backend import KvStoreBackend

__all__ = ["KvStoreBackend", "register"]


def register() -> None:
    """Let joblib know the backend "kvnode"."""
    joblib.register_store_backend("kvnode", KvStoreBackend)
