"""The typed methods for commands, by group; `Commands` has them all."""

from kvclient.commands.bitmaps import BitmapCommands
from kvclient.commands.geo import GeoCommands
from kvclient.commands.hashes import HashCommands
from kvclient.commands.hyperloglogs import HyperLogLogCommands
from kvclient.commands.keys import KeyCommands
from kvclient.commands.lists import ListCommands
from kvclient.commands.pubsub import PubSubCommands
from kvclient.commands.scripting import ScriptingCommands
from kvclient.commands.server import ServerCommands
from kvclient.commands.sets import SetCommands
from kvclient.commands.sorted_set_algebra import SortedSetAlgebraCommands
from kvclient.commands.sorted_set_ranges import SortedSetRangeCommands
from kvclient.commands.sorted_sets import SortedSetCommands
from kvclient.commands.stream_groups import StreamGroupCommands
from kvclient.commands.streams import StreamCommands
from kvclient.commands.strings import StringCommands
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
