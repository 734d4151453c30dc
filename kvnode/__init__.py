"""A Redis-compatible in-memory store: the server."""

__version__ = "0.1.0"
