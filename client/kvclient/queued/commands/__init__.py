# Generated from client/kvclient/commands/__init__.py by `make client`.
"""The typed methods for commands, by group; `Commands` has them all."""

from kvclient.queued.commands.bitmaps import BitmapCommands
from kvclient.queued.commands.geo import GeoCommands
from kvclient.queued.commands.hashes import HashCommands
from kvclient.queued.commands.hyperloglogs import HyperLogLogCommands
from kvclient.queued.commands.keys import KeyCommands
from kvclient.queued.commands.lists import ListCommands
from kvclient.queued.commands.pubsub import PubSubCommands
from kvclient.queued.commands.scripting import ScriptingCommands
from kvclient.queued.commands.server import ServerCommands
from kvclient.queued.commands.sets import SetCommands
from kvclient.queued.commands.sorted_set_algebra import SortedSetAlgebraCommands
from kvclient.queued.commands.sorted_set_ranges import SortedSetRangeCommands
from kvclient.queued.commands.sorted_sets import SortedSetCommands
from kvclient.queued.commands.stream_groups import StreamGroupCommands
from kvclient.queued.commands.streams import StreamCommands
from kvclient.queued.commands.strings import StringCommands
from kvclient.results import T


class Commands(
    StringCommands[T],
    HashCommands[T],
    ListCommands[T],
    SetCommands[T],
    SortedSetCommands[T],
    SortedSetRangeCommands[T],
    SortedSetAlgebraCommands[T],
    StreamCommands[T],
    StreamGroupCommands[T],
    BitmapCommands[T],
    HyperLogLogCommands[T],
    GeoCommands[T],
    KeyCommands[T],
    ScriptingCommands[T],
    PubSubCommands[T],
    ServerCommands[T],
):
    """All commands."""
