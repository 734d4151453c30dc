"""How the bytes of a block are compressed; the library of a codec is loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kvclient.errors import UsageError

Buffer = bytes | memoryview


@dataclass(frozen=True)
class Codec:
    """Both directions; `unpack` gets what lies in a receive buffer, and copies it."""

    pack: Callable[[Buffer], Buffer]
    unpack: Callable[[Buffer], bytes]


def codec_of(name: str) -> Codec:
    """Return a codec; UsageError if its library is not installed."""
    return CODECS[name]()


def _none() -> Codec:
    return Codec(pack=_same, unpack=bytes)


def _same(data: Buffer) -> Buffer:
    return data


def _lz4() -> Codec:
    frame = _library("lz4.frame", "lz4")
    return Codec(pack=frame.compress, unpack=frame.decompress)


def _zstd() -> Codec:
    zstandard = _library("zstandard", "zstandard")
    # An object of either kind is not to be shared by threads, and cheap to make.
    return Codec(
        pack=lambda data: bytes(zstandard.ZstdCompressor(level=1).compress(data)),
        unpack=lambda data: bytes(zstandard.ZstdDecompressor().decompress(data)),
    )


def _library(module: str, distribution: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"this shuffle's codec needs the library {distribution}: pip install 'kvnode[shuffle]'"
        ) from error


CODECS: Final[dict[str, Callable[[], Codec]]] = {"none": _none, "lz4": _lz4, "zstd": _zstd}
