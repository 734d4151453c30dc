"""Two taskiq brokers, one on a stream and one on a list, with their tasks."""

from __future__ import annotations

import os
import time

import redis.asyncio
from taskiq import SimpleRetryMiddleware
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["SERVER_URL"]

stream_broker = (
    RedisStreamBroker(URL, queue_name="stream-jobs", consumer_id="0", xread_block=200)
    .with_result_backend(RedisAsyncResultBackend(URL, result_ex_time=600))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=4))
)
list_broker = ListQueueBroker(URL, queue_name="list-jobs").with_result_backend(
    RedisAsyncResultBackend(URL, keep_results=False)
)


@stream_broker.task(task_name="add")
async def add(left: int, right: int) -> int:
    return left + right


@list_broker.task(task_name="add_from_list")
async def add_from_list(left: int, right: int) -> int:
    return left + right


@stream_broker.task(task_name="flaky", retry_on_error=True)
async def flaky(key: str, failures: int) -> int:
    """Fail `failures` times; the number of the try that went well."""
    async with redis.asyncio.Redis.from_url(URL) as server:
        tries = int(await server.incr(key))
    if tries <= failures:
        raise ValueError(f"try {tries}")
    return tries


@stream_broker.task(task_name="fail")
async def fail(text: str) -> None:
    raise ValueError(text)


@stream_broker.task(task_name="now")
async def now() -> float:
    return time.time()
