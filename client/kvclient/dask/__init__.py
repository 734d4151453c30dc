"""Dask data frames shuffled through a node: `pip install 'kvnode[dask]'`.

from kvclient.dask import install, shuffle
by_customer = shuffle(df, on="customer", npartitions=64, address="kv://10.0.0.5")
with install("kv://10.0.0.5"):
    orders.merge(customers, on="customer").compute()
"""

from __future__ import annotations

from kvclient.dask.shuffling import Installed, install, shuffle, uninstall

__all__ = ["Installed", "install", "shuffle", "uninstall"]
