"""One node without a server: its data, its folder, its lock, and the thread that moves its time.

The engine is sans-IO and has one thread at a time: whoever calls it holds `lock`. A daemon thread
does what is due by time (keys that expire, waits that end, files that are synced). It knows the
engine by a weak reference only, so that an engine that nobody uses any more can end.

With a folder every change goes into the append-only log before its call returns, synced once a
second: the end of the process loses nothing, the end of the machine a second at most. A log and not
an RDB file, because a file of all data is only as new as its last save, and takes long to write
where the data is large and little of it changed; the log needs nothing when the engine is closed.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Final

from kvclient.errors import ConfigurationError, OutcomeUnknown, UsageError
from kvnode.config import Config, ConfigError
from kvnode.config.directives import BY_NAME
from kvnode.context import Clock
from kvnode.durability.disk import Disk, File, SystemDisk, reason_of
from kvnode.durability.leftovers import is_alive, remove_leftovers
from kvnode.durability.lock import FolderLock, FolderTaken
from kvnode.durability.rdb_reader import FileError
from kvnode.node import Node
from kvnode.session import Outlet

__all__ = ["Engine", "Outlet"]

_LOAD_S: Final = 0.1
_SYNC_WAIT_S: Final = 0.001
_CLOSED: Final = "the client was closed"
_FORKED: Final = "this embedded client belongs to the process that forked this one"
_LOGGER: Final = logging.getLogger("kvclient.embedded")
_LEVELS: Final = {"warning": logging.WARNING, "notice": logging.INFO}
# What only a server does. SHUTDOWN is the client's close().
_NOT_HERE: Final = ("FAILOVER", "REPLICAOF", "SHUTDOWN", "SLAVEOF")
_FIXED: Final = ("appendonly", "dir", "port")


class _NoDisk(Disk):
    """The disk of an engine without a folder: nothing is there, and nothing can be written."""

    def create(self, name: str) -> File:
        raise _no_folder()

    def open(self, name: str) -> File:
        raise _no_folder()

    def append(self, name: str) -> File:
        raise _no_folder()

    def size(self, name: str) -> int:
        return -1

    def names(self, folder: str) -> list[str]:
        return []

    def make_folder(self, name: str) -> None:
        raise _no_folder()

    def remove(self, name: str) -> None:
        """Do nothing: no file is there."""


def _no_folder() -> OSError:
    return OSError(errno.EROFS, "an embedded client without a path saves nothing")


class Engine:
    """A node in this process; `path` is the folder of its data, None for none.

    ConfigurationError: the folder cannot be used, somebody else uses it, or its data is damaged.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.closed = _CLOSED  # why no call can be made, empty while it can
        self.path = os.path.abspath(path) if path is not None else None
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # some session has output
        self._folder = FolderLock()
        disk = self._disk()
        self.node = Node(_config(self.path), Clock(), secrets.randbits(62), disk)
        self.is_logging = False
        self.failures = 0  # how often it turned out that changes cannot be written
        self._wake = threading.Event()
        _ENGINES.add(self)  # before it loads: a child would keep the folder
        try:
            self._load()
        except (FileError, OSError) as error:
            self._folder.let_go()
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise ConfigurationError(f"path is {self.path!r}: {reason}") from None
        self.closed = ""
        self._thread = threading.Thread(
            target=_keep_time, args=(weakref.ref(self), self._wake), name="kvclient-embedded"
        )
        self._thread.daemon = True
        self._thread.start()

    # --- the folder -------------------------------------------------------------------------------

    def _disk(self) -> Disk:
        """Take the folder, made if it is missing."""
        if self.path is None:
            return _NoDisk()
        try:
            os.makedirs(self.path, exist_ok=True)
            self._folder.hold(self.path)
        except OSError as error:
            raise ConfigurationError(f"path is {self.path!r}: {reason_of(error)}") from None
        except FolderTaken as error:
            raise ConfigurationError(
                f"path is {self.path!r}, which process {error.holder} uses; one at a time can"
            ) from None
        except ConfigError as error:
            raise ConfigurationError(str(error)) from None
        return SystemDisk(self.path)

    def _load(self) -> None:
        """Read what the folder has, and begin to log."""
        node = self.node
        loader = None
        if self.path is not None:
            remove_leftovers(node.disk, ["", node.config.text("appenddirname")], is_alive)
            loader = node.find_data()
            while not (loader is None or loader.is_done):
                loader.step(_LOAD_S)
            node.append_log.start()
            node.append_log.on_failure = _Counter(self)
            self.is_logging = True
        node.begin(loader)
        _fix(node.config)

    def settle(self, failures: int) -> None:
        """Write what was changed before its caller is told; called with the lock held.

        OutcomeUnknown: it cannot be written, and will be lost with this process. That is so where
        writing failed since there were as many `failures`; while it goes on failing, the node
        refuses what would change anything, and the rest has nothing to lose.
        """
        log = self.node.append_log
        log.write_out()
        while not log.is_durable():  # only with `appendfsync always`, on a slow disk
            self.changed.wait(_SYNC_WAIT_S)
            log.file.sync_soonest()
        if self.failures != failures:
            reason = log.error() or "it failed for a moment"
            raise OutcomeUnknown(f"{self.path}: executed, but not written: {reason}")

    # --- time -------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look at once when the next thing is due: a wait has begun."""
        self._wake.set()

    def tick(self) -> float:
        """Do what is due; return after how many seconds that is wanted again."""
        node = self.node
        with self.lock:
            delay = node.tick(node.clock.now())
            events = node.journal.take()
        for level, name, fields in events:
            _LOGGER.log(_LEVELS.get(level, logging.DEBUG), "%s %s", name, fields)
        return delay

    # --- the end ----------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise UsageError when the engine was closed, or belongs to a process that forked."""
        if self.closed:
            raise UsageError(self.closed)

    def close(self) -> None:
        """End: what is written is synced, waits end, the folder is free."""
        with self.lock:
            if self.closed:
                return
            self.closed = _CLOSED
            for session in list(self.node.sessions.values()):
                self.node.disconnect(session)
                session.outlet.abort()
            self.node.append_log.turn_off()
            self._folder.let_go()
            self.changed.notify_all()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def leave_to_parent(self) -> None:
        """Be of no use in a child process: data and folder are the parent's."""
        self.closed = _FORKED
        self.lock = threading.RLock()  # another thread of the parent may have held it
        self.changed = threading.Condition(self.lock)
        self._folder.let_go()
        for session in list(self.node.sessions.values()):
            session.outlet.abort()

    def __del__(self) -> None:
        if not self.closed:
            text = f"an embedded client was not closed ({self.path or 'memory only'})"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            self.close()


class _Counter:
    """Counts the failures of an engine, which it must not keep alive."""

    def __init__(self, engine: Engine) -> None:
        self._engine = weakref.ref(engine)

    def __call__(self) -> None:
        engine = self._engine()
        if engine is not None:
            engine.failures += 1


def _config(path: str | None) -> Config:
    """Return the configuration of an engine."""
    config = Config()
    settings = {"port": "0", "save": "", "appendonly": "no" if path is None else "yes"}
    if path is not None:
        settings["dir"] = path
    for name, value in settings.items():
        config.set_words(BY_NAME[name], [value])
    config.renamed_commands = [(name, "") for name in _NOT_HERE]
    return config


def _fix(config: Config) -> None:
    """Refuse from now on to change what an engine is made with."""

    def keep(name: str, value: str) -> Callable[[], None]:
        def check() -> None:
            if config.show(name) != value:
                raise ConfigError(f"an embedded client keeps its {name} as it is")

        return check

    for name in _FIXED:
        config.subscribe(name, keep(name, config.show(name)))


_ENGINES: Final[weakref.WeakSet[Engine]] = weakref.WeakSet()


def _keep_time(reference: weakref.ref[Engine], wake: threading.Event) -> None:
    delay = 0.0
    while True:
        wake.wait(delay)
        wake.clear()
        engine = reference()
        if engine is None or engine.closed:
            return
        delay = engine.tick()
        del engine


def _in_child() -> None:
    for engine in list(_ENGINES):
        engine.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
