"""Map and reduce over the processes of this machine, or any executor, on a shuffle.

from kvclient import Client
from kvclient.mapreduce import MapReduce
job = MapReduce(map=words, combine=total, reduce=total)
for counts in job.run(Client(), texts, workers=4): ...
"""

from kvclient.mapreduce.jobs import JobProgress, MapReduce
from kvclient.mapreduce.phases import JobFailed
from kvclient.mapreduce.pools import ExecutorPool, Pool, ProcessPool, WorkerDied
from kvclient.mapreduce.tasks import stable_hash

__all__ = [
    "ExecutorPool",
    "JobFailed",
    "JobProgress",
    "MapReduce",
    "Pool",
    "ProcessPool",
    "WorkerDied",
    "stable_hash",
]
