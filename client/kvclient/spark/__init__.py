"""Data handed from one Spark job to another, or to Python, by a shuffle; needs `kvnode[spark]`.

from kvclient.spark import register
register(spark)
frame.write.format("kvshuffle").mode("append").option("url", url).save("visits-17")
spark.read.format("kvshuffle").option("url", url).load("visits-17")
"""

from __future__ import annotations

from typing import Any

from kvclient.spark.source import KvShuffleDataSource

__all__ = ["KvShuffleDataSource", "register"]


def register(spark: Any) -> None:
    """Let a session know the format "kvshuffle"."""
    spark.dataSource.register(KvShuffleDataSource)
