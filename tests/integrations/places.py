"""URLs of files on the servers under test."""

from __future__ import annotations


def url_in(place: str, path: str) -> str:
    """The URL of a path on the server of a URL."""
    server, _, query = place.partition("/?")
    return f"{server}/{path}" + (f"?{query}" if query else "")
