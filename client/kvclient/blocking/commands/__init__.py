# Generated from client/kvclient/commands/__init__.py by `make client`.
# mypy: disable-error-code=no-any-return
"""The typed methods for commands, by group; `Commands` has them all."""

from kvclient.blocking.commands.bitmaps import BitmapCommands
from kvclient.blocking.commands.geo import GeoCommands
from kvclient.blocking.commands.hashes import HashCommands
from kvclient.blocking.commands.hyperloglogs import HyperLogLogCommands
from kvclient.blocking.commands.keys import KeyCommands
from kvclient.blocking.commands.lists import ListCommands
from kvclient.blocking.commands.pubsub import PubSubCommands
from kvclient.blocking.commands.scripting import ScriptingCommands
from kvclient.blocking.commands.server import ServerCommands
from kvclient.blocking.commands.sets import SetCommands
from kvclient.blocking.commands.sorted_set_algebra import SortedSetAlgebraCommands
from kvclient.blocking.commands.sorted_set_ranges import SortedSetRangeCommands
from kvclient.blocking.commands.sorted_sets import SortedSetCommands
from kvclient.blocking.commands.stream_groups import StreamGroupCommands
from kvclient.blocking.commands.streams import StreamCommands
from kvclient.blocking.commands.strings import StringCommands
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
