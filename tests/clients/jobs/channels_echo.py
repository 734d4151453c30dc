"""A process that is a member of the group `echo` and answers what it gets."""

from __future__ import annotations

import asyncio
import os
import sys

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer


async def main(kind: str) -> None:
    layers = {"lists": RedisChannelLayer, "pubsub": RedisPubSubChannelLayer}
    layer = layers[kind](hosts=[os.environ["SERVER_URL"]])
    channel = await layer.new_channel()
    await layer.group_add("echo", channel)
    print("listening", flush=True)
    while True:
        message = await layer.receive(channel)
        await layer.send(message["reply_to"], {"type": "answer", "number": message["number"]})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
