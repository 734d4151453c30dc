"""A Socket.IO server, one process of several; its argument is the port."""

from __future__ import annotations

import os
import sys
from typing import Any

import socketio
from aiohttp import web

manager = socketio.AsyncRedisManager(os.environ["SERVER_URL"])
server = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)
app = web.Application()
server.attach(app)


@server.event
async def join(sid: str, room: str) -> str:
    await server.enter_room(sid, room)
    return f"in {room}"


@server.event
async def say(sid: str, message: dict[str, Any]) -> None:
    """Pass a message on to a room, whatever process its members are connected to."""
    await server.emit("said", message["text"], room=message["room"], skip_sid=sid)


async def announce(app: web.Application) -> None:
    print("serving", flush=True)


app.on_startup.append(announce)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda text: print(text))
