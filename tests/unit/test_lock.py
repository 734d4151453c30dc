"""The lock of a folder: one process, and a line that names it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from kvnode.config import ConfigError
from kvnode.durability.lock import LOCK_FILE, FolderLock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_second_one_is_told_who_the_first_one_is() -> None:
    first, second = FolderLock(), FolderLock()
    first.hold()
    first.hold()
    with pytest.raises(ConfigError, match=rf"process {os.getpid()} saves its data there"):
        second.hold()
    first.let_go()
    second.hold()
    second.let_go()


def test_a_full_disk_keeps_nobody_from_the_lock() -> None:
    first, second = FolderLock(), FolderLock()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        first.hold()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with pytest.raises(ConfigError, match=r"process \? saves its data there"):
        second.hold()
    first.let_go()


def test_a_lock_that_cannot_be_made_is_told_with_its_reason(folder: Path) -> None:
    (folder / LOCK_FILE).mkdir()
    with pytest.raises(ConfigError, match=rf"dir {folder}: kvnode\.lock: is a directory \(allowed"):
        FolderLock().hold()
