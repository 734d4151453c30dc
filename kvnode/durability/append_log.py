"""The append-only log of one node: its files, when it is on, and how it is rewritten.

The files stand in a folder of their own (`appenddirname`) in Redis 7's layout: a base, which is an
RDB file, increments of effects, and the manifest that names them. A rewrite turns to a new
increment, makes a new base of a snapshot of that moment, and then drops what was before. At any
moment the manifest names files that give the whole dataset together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from kvnode.durability.append_file import AppendFile, Syncer
from kvnode.durability.disk import Disk, File, reason_of
from kvnode.durability.effect_stream import EffectStream
from kvnode.durability.file_job import FileJob
from kvnode.durability.manifest import (
    BASE,
    HISTORY,
    INCREMENT,
    Manifest,
    ManifestError,
    Part,
    number_in,
)
from kvnode.durability.rdb_reader import FileError
from kvnode.durability.snapshot_job import SnapshotJob
from kvprotocol import errors
from kvprotocol.errors import ReplyError

if TYPE_CHECKING:
    from kvnode.node import Node

_NEVER: Final = -1
_FIRST_RETRY_SECONDS: Final = 1.0  # after the log failed; a rewrite mends it then
_RETRY_SECONDS: Final = 60.0  # after a rewrite that failed; doubled with each one more
_RETRY_SECONDS_MAX: Final = 3600.0


@final
class AppendLog:
    """Off until `start`; `job` is the rewrite in progress."""

    def __init__(self, node: Node) -> None:
        self.disk: Disk = node.disk
        self.stream: EffectStream = node.effects
        self.syncer = Syncer(node.disk)
        self.file = AppendFile(node.disk, self.stream, self.syncer)
        self.job: SnapshotJob | None = None
        self.is_on = False
        self.is_starting = False  # turned on, but the first base is not made yet
        self.is_scheduled = False
        self.rewrites = 0
        self.failures = 0  # of rewrites, one after the other
        self.last_is_ok = True
        self.last_seconds = _NEVER
        self.base_size: i64 = 0  # of all files, when the last rewrite was over
        # Called when effects turn out not to last: nobody may be told any more that they are done.
        self.on_failure: Callable[[], None] | None = None
        self._node = node
        self._manifest = Manifest()
        self._open_part: Part | None = None
        self._base_number = 0  # of the last one that was made
        self._increment_number = 0
        self._before: i64 = 0  # bytes of the files before the open increment
        self._new_base: Part | None = None
        self._next_try = 0.0
        self._shown_error = ""
        # Files of ours that no manifest names, or that may be in one which could not be written.
        self._unnamed: list[Part] = []
        # Why the open increment is not named in the manifest: the one before it lacks effects.
        self._gap = ""

    # --- names ------------------------------------------------------------------------------------

    @property
    def _folder(self) -> str:
        return self._node.config.text("appenddirname")

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    @property
    def _name(self) -> str:
        return self._node.config.text("appendfilename")

    @property
    def _manifest_path(self) -> str:
        return self._path(f"{self._name}.manifest")

    def size(self) -> int:
        """Return the bytes in all files."""
        return int(self._before + self.file.size)

    # --- start and end ----------------------------------------------------------------------------

    def find(self) -> list[str]:
        """Return the files to load, none where there is no log. FileError: it is not whole."""
        try:
            self._read_manifest()
            if self._manifest.is_empty():
                self._refuse_unnamed()
            self._adopt_old()
        except OSError as error:
            raise FileError(f"{self._manifest_path}: {reason_of(error)}") from None
        names = [self._path(part.name) for part in self._manifest.parts()]
        for name in names:
            if self.disk.size(name) < 0:
                raise FileError(f"{name}: named in the manifest, but not there")
        return names

    def _read_manifest(self) -> None:
        """Learn which files give the dataset. FileError: the manifest is none. OSError."""
        self._manifest = Manifest()
        if self.disk.size(self._manifest_path) < 0:
            return
        text = self.disk.read_file(self._manifest_path).decode("utf-8", "surrogateescape")
        try:
            self._manifest = Manifest.parse(text)
        except ManifestError as error:
            raise FileError(f"{self._manifest_path}: {error}") from None
        if self._manifest.base is not None:
            self._base_number = max(self._base_number, self._manifest.base.number)
        for part in self._manifest.increments:
            self._increment_number = max(self._increment_number, part.number)

    def _refuse_unnamed(self) -> None:
        """FileError: there are effects of a log whose manifest is gone."""
        for name in self.disk.names(self._folder):
            number, is_base = number_in(name, self._name)
            path = self._path(name)
            if number and not is_base and self.disk.size(path) > 0:
                raise FileError(
                    f"{path}: a log without its manifest {self._manifest_path} (put that back, or "
                    "move the folder away to start without its data)"
                )

    def _look_around(self) -> None:
        """See which numbers are taken in the folder, and say what no manifest names there.

        Such a file stays, and its name is not used again: a node that was killed while it turned
        its log on, or somebody else, may have left data in it. Empty ones are removed.
        """
        named = {part.name for part in [*self._manifest.parts(), *self._manifest.history]}
        unnamed: list[str] = []
        for name in self.disk.names(self._folder):
            number, is_base = number_in(name, self._name)
            if number == 0:
                continue
            if is_base:
                self._base_number = max(self._base_number, number)
            else:
                self._increment_number = max(self._increment_number, number)
            if name in named:
                continue
            if self.disk.size(self._path(name)) == 0:
                self.disk.remove(self._path(name))
            else:
                unnamed.append(name)
        if unnamed:
            fields: dict[str, object] = {"folder": self._folder, "files": " ".join(unnamed)}
            self._node.journal.note("warning", "log-files-not-in-manifest", fields)

    def current_files(self) -> list[str]:
        """Return the files that give the dataset as it is, all written. FileError: they do not."""
        if not self.is_logging():
            return self.find()
        self.write_out()
        reason = "its first base is not made yet" if self.is_starting else self.error()
        if reason:
            raise FileError(f"{self._path(self._name)}: {reason}")
        return [self._path(part.name) for part in self._manifest.parts()]

    def _adopt_old(self) -> None:
        """Move a log that Redis wrote before version 7, one file, to where it belongs now.

        The manifest comes first: a move that did not happen is then done at the next start.
        """
        disk = self.disk
        if disk.size(self._name) < 0:
            return
        base = self._manifest.base
        if self._manifest.is_empty():
            disk.make_folder(self._folder)
            manifest = Manifest()
            manifest.base = Part(self._name, 1, BASE)
            self._base_number = max(self._base_number, 1)
            self._keep(manifest)
        elif base is None or base.name != self._name or disk.size(self._path(base.name)) >= 0:
            return
        disk.replace(self._name, self._path(self._name))

    def start(self) -> None:
        """Log effects from now on, behind what was loaded. FileError: that cannot be written."""
        try:
            self.disk.make_folder(self._folder)
            if self._manifest.is_empty():
                self.turn_on()
                job = self.job
                assert job is not None
                job.run()
                reason = self._end_rewrite(job)
                if reason:
                    raise FileError(f"{self._path(self._name)}: {reason}")
                self.rewrites = 0  # it was the first one, asked for by nobody
                return
            self._look_around()
            if self._manifest.increments:
                part = self._manifest.increments[-1]
                self._turn_to(self.disk.append(self._path(part.name)), part, True)
            else:
                self._turn(True)
            self._drop_history()
        except OSError as error:
            raise FileError(f"{self._folder}: {reason_of(error)}") from None
        self.is_on = True
        self._log()
        # What it had grown to is known no more: else a log would grow with each restart.
        base = self._manifest.base
        self.base_size = self.disk.size(self._path(base.name)) if base is not None else 0

    def turn_on(self) -> None:
        """Log from now on, and make the base for it. FileError, OSError: that cannot be written.

        Until the base is there the files from before count, whatever they hold: the new increment
        is not named in the manifest.
        """
        job = self.job
        if job is not None:
            job.give_up()  # a base without the increment that belongs to it
            self.job = None
        self.is_starting = True
        self.disk.make_folder(self._folder)
        if self._node.saver.is_saving() or not self._node.ctx.may_block:
            self.is_scheduled = True  # one snapshot at a time, and none inside a transaction
        else:
            self._begin_rewrite()

    def _log(self) -> None:
        self.stream.is_filed = True
        self._node.update_log()
        self.note_policy()

    def is_durable(self) -> bool:
        """Return whether replies may go out; where nothing can last, writes are refused instead."""
        return not self.is_on or self.file.is_durable() or bool(self._shown_error)

    def is_logging(self) -> bool:
        """Return whether effects are written."""
        return self.is_on or self.is_starting

    def write_out(self) -> None:
        """Write the effects that have come, and see whether they last."""
        self.file.write_out(self._node.clock.now())
        self.note_error()

    def note_error(self) -> None:
        """Refuse writes from the moment at which effects no longer last, and say so."""
        error = self.error()
        if error == self._shown_error:
            return
        is_new = not self._shown_error
        self._shown_error = error
        self._node.note_disk_state()
        if error:
            self._next_try = self._node.clock.now() + _FIRST_RETRY_SECONDS
            self._note_trouble("cannot-write-log", error)
        if error and is_new and self.on_failure is not None:
            self.on_failure()

    def _note_trouble(self, event: str, reason: str) -> None:
        file = self.file
        fields: dict[str, object] = {"file": file.name, "offset": int(file.size), "reason": reason}
        self._node.journal.note("warning", event, fields)

    def note_policy(self) -> None:
        """Take over `appendfsync` and `aof-timestamp-enabled`."""
        self.file.policy = self._node.config.text("appendfsync")
        self.file.notes_time = self._node.config.flag("aof-timestamp-enabled")

    def turn_off(self) -> None:
        """Log no more; what was logged is durable."""
        job = self.job
        if job is not None:
            job.give_up()
            self.job = None
        if not self.is_logging():
            if job is not None:
                self._close()
            return
        lost = self.file.write_last(self._node.clock.now())
        self._close()
        reason = "" if self.is_starting else self._gap or lost or self.syncer.error
        self.is_on = False
        self.is_starting = False
        self.is_scheduled = False
        self._gap = ""
        self.note_error()
        if reason:
            self._note_trouble("cannot-close-log", reason)

    def _close(self) -> None:
        """Write to no increment any more; nothing stays of those that no manifest names."""
        self.stream.is_filed = False
        self._node.update_log()
        self.file.close()
        self._open_part = None
        unnamed = self._unnamed
        self._unnamed = []
        with suppress(OSError, FileError):
            self._read_manifest()  # one that could not be written may be there all the same
            named = {part.name for part in self._manifest.parts()}
            for part in unnamed:
                if part.name not in named:
                    self.disk.remove(self._path(part.name))

    def error(self) -> str:
        """Return why effects cannot be made to last, an empty text where they can."""
        if not self.is_on:
            return ""
        return self._gap or self.file.write_error or self.syncer.error

    # --- the files --------------------------------------------------------------------------------

    def _keep(self, manifest: Manifest) -> None:
        """Make a manifest the one that counts."""
        text = manifest.text().encode("utf-8", "surrogateescape")
        self.disk.write_file(self._manifest_path, text)
        self._manifest = manifest

    def _turn_to(self, file: File, part: Part, counts: bool) -> None:
        """Write to an increment from now on."""
        name = self._path(part.name)
        self.file.turn_to(file, name, max(self.disk.size(name), 0), counts)
        self._open_part = part
        self._before = 0
        for other in self._manifest.parts():
            if other is not part:
                self._before += max(self.disk.size(self._path(other.name)), 0)

    def _turn(self, is_kept: bool) -> None:
        """Turn to a new increment; `is_kept` means that the manifest names it at once."""
        # No number is used twice: a manifest that could not be written may be there all the same.
        self._increment_number += 1
        number = self._increment_number
        part = Part(f"{self._name}.{number}.incr.aof", number, INCREMENT)
        file = self.disk.create(self._path(part.name))
        self._unnamed.append(part)
        if is_kept:
            # Only the last file may end anywhere: the one before must be whole first.
            self.file.make_durable()
            twin = self._manifest.copy()
            twin.increments.append(part)
            try:
                self._keep(twin)
            except OSError as error:
                self.file.abandon(reason_of(error))
                raise
        self._turn_to(file, part, is_kept)

    # --- rewriting --------------------------------------------------------------------------------

    def rewrite(self) -> None:
        """Begin a rewrite in the background. ReplyError: one is in progress, or cannot begin."""
        if self.job is not None:
            raise ReplyError(errors.REWRITE_IN_PROGRESS)
        try:
            self.disk.make_folder(self._folder)
            self._begin_rewrite()
        except (OSError, FileError) as error:
            self._note_failure(reason_of(error) if isinstance(error, OSError) else str(error))
            raise ReplyError(errors.REWRITE_FAILED) from None

    def _begin_rewrite(self) -> None:
        self.is_scheduled = False
        if not self.is_on:
            self._read_manifest()
            self._look_around()
        if self.is_logging():
            self.file.write_out(self._node.clock.now())
            self._gap = self.error()
            self.syncer.error = ""  # from here on it speaks of the next increment
            self._turn(self.is_on and not self._gap)
            self._log()
        self._base_number += 1
        number = self._base_number
        self._new_base = Part(f"{self._name}.{number}.base.rdb", number, BASE)
        self._unnamed.append(self._new_base)
        file = FileJob(
            self.disk,
            self._path(self._new_base.name),
            self._path(f"temp-rewriteaof-bg-{os.getpid()}.aof"),
            self._node.config.flag("aof-rewrite-incremental-fsync"),
        )
        self.job = SnapshotJob(self._node, file, True)

    def tick(self, now: float) -> bool:
        """Sync, and go on rewriting; return whether a rewrite is in progress."""
        if self.is_logging():
            self.file.tick(now)
            self.note_error()
        job = self.job
        if job is not None:
            job.step()
            if job.is_over:
                self._end_rewrite(job)
        elif self._is_due(now) and not self._node.saver.is_saving():
            with suppress(ReplyError):  # it was logged
                self.rewrite()
        return self.job is not None

    def _is_due(self, now: float) -> bool:
        if self.is_scheduled:
            return True
        if now < self._next_try:
            return False
        if self.is_starting or self._gap or (self.is_on and self.file.needs_another()):
            return True
        percentage = self._node.config.number("auto-aof-rewrite-percentage")
        if not self.is_on or percentage <= 0:
            return False
        size = self.size()
        base = max(int(self.base_size), 1)
        is_large = size > self._node.config.number("auto-aof-rewrite-min-size")
        return is_large and (size - base) * 100 >= base * percentage

    def _end_rewrite(self, job: SnapshotJob) -> str:
        """Let the new base count; return why that failed, or nothing."""
        node = self._node
        self.job = None
        self.last_seconds = int(node.clock.now() - job.begin_seconds)
        reason = job.error or self._drop_old()
        if reason:
            self._note_failure(reason)
            return reason
        if self.is_starting:
            self.is_starting = False
            self.is_on = True
        self.last_is_ok = True
        self.failures = 0
        self.rewrites += 1
        self._gap = ""
        self.file.begin_to_count()
        self._before = job.size
        self.base_size = self.size()
        fields: dict[str, object] = {"keys": job.keys_total, "bytes": job.size}
        node.journal.note("notice", "log-rewritten", fields)
        return ""

    def _drop_old(self) -> str:
        """Let the new base take the place of what was before it; return why that failed."""
        old = self._manifest
        new = Manifest()
        new.base = self._new_base
        if self.is_logging() and self._open_part is not None:
            new.increments = [self._open_part]
        named = {part.name for part in new.parts()}
        for part in [*old.parts(), *old.history, *self._unnamed]:
            if part.name not in named:
                named.add(part.name)
                new.history.append(Part(part.name, part.number, HISTORY))
        try:
            self._keep(new)
        except OSError as error:
            return reason_of(error)
        self._unnamed = []
        self._drop_history()
        return ""

    def _drop_history(self) -> None:
        """Remove the files of the past; the manifest names them until they are gone."""
        if not self._manifest.history:
            return
        try:
            for part in self._manifest.history:
                self.disk.remove(self._path(part.name))
            twin = self._manifest.copy()
            twin.history = []
            self._keep(twin)
        except OSError as error:  # tried again at the next start, and after the next rewrite
            fields: dict[str, object] = {"folder": self._folder, "reason": reason_of(error)}
            self._node.journal.note("warning", "cannot-remove-old-log", fields)

    def _note_failure(self, reason: str) -> None:
        self.last_is_ok = False
        seconds = min(_RETRY_SECONDS * 2.0**self.failures, _RETRY_SECONDS_MAX)
        self.failures += 1
        self._next_try = self._node.clock.now() + seconds
        fields: dict[str, object] = {"file": self._path(self._name), "reason": reason}
        self._node.journal.note("warning", "cannot-rewrite-log", fields)
        if not self.is_on:
            self._close()  # there is no base that an increment could be behind
