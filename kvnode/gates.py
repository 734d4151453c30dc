"""The bits of a node's gate: why requests take the careful way of admission."""

from typing import Final

MONITORED: Final = 1 << 0
PAUSED_WRITES: Final = 1 << 1
PAUSED_ALL: Final = 1 << 2
MEMORY_LIMITED: Final = 1 << 3  # more memory is in use than maxmemory
IS_LOADING: Final = 1 << 4
IS_BUSY: Final = 1 << 5  # a script runs for longer than busy-reply-threshold
TRACKS_TOO_MANY: Final = 1 << 6  # the table of tracked keys is over its limit
DISK_FAILS: Final = 1 << 7  # what is written cannot be made to last
FOLLOWS: Final = 1 << 8  # another node leads
IS_STALE: Final = 1 << 9  # the leader cannot be reached, and old data is not to be served
LACKS_FOLLOWERS: Final = 1 << 10  # fewer keep up than min-replicas-to-write
