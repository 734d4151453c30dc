"""The bytes that say what comes next in serialised data."""

from typing import Final

# Values; a list is of nodes, each of them a ziplist or listpack.
STRING: Final = 0
LIST: Final = 1
SET: Final = 2
SORTED_SET_TEXT: Final = 3  # scores as text
HASH: Final = 4
SORTED_SET: Final = 5
MODULE_PRE_GA: Final = 6
MODULE: Final = 7
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
SORTED_SET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_OF_ZIPLISTS: Final = 14
STREAM: Final = 15
HASH_LISTPACK: Final = 16
SORTED_SET_LISTPACK: Final = 17
LIST_OF_LISTPACKS: Final = 18
STREAM_2: Final = 19  # with what entries-read and lag need
SET_LISTPACK: Final = 20  # of Redis 7.2, as is the next one
STREAM_3: Final = 21  # with when each consumer was last served

# What may stand before a key, or between keys.
FUNCTION: Final = 0xF5
FUNCTION_PRE_GA: Final = 0xF6
MODULE_AUX: Final = 0xF7
IDLE: Final = 0xF8
FREQUENCY: Final = 0xF9
AUX: Final = 0xFA
RESIZE: Final = 0xFB
DEADLINE_MS: Final = 0xFC
DEADLINE: Final = 0xFD
DATABASE: Final = 0xFE
END: Final = 0xFF

# How a node of a list stands.
PLAIN: Final = 1  # one element as it is
PACKED: Final = 2
