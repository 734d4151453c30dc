"""Files in the store for fsspec: `kv://host:port/path?db=n`; needs the extra `kvnode[fsspec]`."""

from __future__ import annotations

from kvclient.fsspec.filesystem import KvFileSystem

__all__ = ["KvFileSystem"]
