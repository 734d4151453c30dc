"""LOLWUT: a drawing, and the version line that clients look for."""

import math
from typing import Final

from kvnode.command import FAST, READONLY, command
from kvnode.commands.arguments import integer
from kvnode.context import Context
from kvnode.info import REDIS_VERSION
from kvprotocol.replies import Reply, Verbatim

_WIDTH: Final = 47
_HEIGHT: Final = 17
_POINTS: Final = 96
_NODES: Final = "abc"
# How many numbers behind LOLWUT VERSION n are read as the drawing's parameters.
_PARAMETERS: Final = {5: 3, 6: 2}


def draw_ring(owners: list[int]) -> str:
    """Return a hash ring as text: each point is the letter of the node that owns its arc."""
    canvas = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for i in range(_POINTS):
        angle = 2.0 * math.pi * i / _POINTS
        x = round((_WIDTH - 1) / 2.0 * (1.0 + math.sin(angle)))
        y = round((_HEIGHT - 1) / 2.0 * (1.0 - math.cos(angle)))
        canvas[y][x] = _NODES[owners[i * len(owners) // _POINTS]]
    return "\n".join(["".join(row).rstrip() for row in canvas])


@command(
    "LOLWUT",
    arity=-1,
    flags=READONLY | FAST,
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="Draw something, and tell the version.",
    syntax="[VERSION version:i]",
)
def lolwut(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2 and argv[1].upper() == b"VERSION":
        for word in argv[3 : 3 + _PARAMETERS.get(integer(argv[2]), 0)]:
            integer(word)
    owners = [ctx.random.randrange(len(_NODES)) for _ in range(24)]
    text = f"{draw_ring(owners)}\n\nA ring of three nodes, drawn anew each time.\n"
    return Verbatim(f"{text}Redis ver. {REDIS_VERSION}\n".encode())
