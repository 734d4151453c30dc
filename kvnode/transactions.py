"""Watched keys: who must be told that a key changed before EXEC."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kvnode.session import IN_MULTI, Session

if TYPE_CHECKING:
    from kvnode.node import Node


@final
class Watching:
    """The sessions that watch a key, by database and key."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watchers: dict[tuple[int, bytes], dict[Session, None]] = {}

    def is_watched(self) -> bool:
        """Return whether any session watches a key."""
        return bool(self._watchers)

    def watch(self, session: Session, key: bytes) -> None:
        """Make a session watch a key of its database."""
        if session.watch_broken:
            return
        keyspace = session.keyspace
        place = (keyspace.index, key)
        if place in session.watched:
            return
        session.watched[place] = keyspace.contains(key)
        self._watchers.setdefault(place, {})[session] = None
        self._node.update_listening()

    def unwatch(self, session: Session) -> None:
        """Forget what a session watches."""
        session.watch_broken = False
        if not session.watched:
            return
        for place in session.watched:
            sessions = self._watchers.get(place)
            if sessions is not None:
                sessions.pop(session, None)
                if not sessions:
                    del self._watchers[place]
        session.watched = {}
        self._node.update_listening()

    def discard(self, session: Session) -> None:
        """End a session's transaction without running it."""
        session.transaction = None
        session.gate &= ~IN_MULTI
        self.unwatch(session)

    def is_broken(self, session: Session) -> bool:
        """Return whether a key that the session watches has changed or has expired since."""
        if session.watch_broken:
            return True
        databases = self._node.dataset.databases
        for (index, key), was_there in session.watched.items():
            if was_there and not databases[index].contains(key):
                return True
        return False

    def touch(self, heard: list[tuple[int, bytes, bytes]]) -> None:
        """Break the watches on changed keys."""
        watchers = self._watchers
        if not watchers:
            return
        for index, key, event in heard:
            if event == b"flushdb" or event == b"swapdb":
                self._touch_database(index)
                continue
            if not event:
                continue  # it only wakes who waits
            for session in watchers.get((index, key), ()):
                # A key that had expired before WATCH does not change by being dropped now.
                if event != b"expired" or session.watched[(index, key)]:
                    session.watch_broken = True

    def _touch_database(self, index: int) -> None:
        """Break the watches in a database whose keys went all at once: on what was or is there."""
        keyspace = self._node.dataset.databases[index]
        for (database, key), sessions in self._watchers.items():
            if database != index:
                continue
            for session in sessions:
                if session.watched.get((database, key)) or keyspace.contains(key):
                    session.watch_broken = True
