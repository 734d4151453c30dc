"""The first byte of a packed value says which structure the rest of the bytes is.

A string kept as `bytes` never begins with one of these bytes, so a tag is never ambiguous.
"""

from typing import Final

TAG_HASH: Final = 0xF8
TAG_ZSET: Final = 0xF9
TAG_INTSET: Final = 0xFA
TAG_SET: Final = 0xFB
TAG_LIST: Final = 0xFC

TAG_MIN: Final = 0xF8
TAG_MAX: Final = 0xFC
