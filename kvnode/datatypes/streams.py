"""The stored form of a stream is a `Stream`, small or large."""

from kvnode.structures.stream_container import Stream
from kvprotocol.errors import WrongType


def open_stream(stored: object) -> Stream | None:
    """Return the stream in a stored form, None for an absent one; raises WrongType."""
    if stored is None:
        return None
    if isinstance(stored, Stream):
        return stored
    raise WrongType()


def opened(stored: object) -> Stream:
    """Return the stream in a stored form, a new one for an absent one; raises WrongType."""
    if stored is None:
        return Stream()
    if isinstance(stored, Stream):
        return stored
    raise WrongType()
