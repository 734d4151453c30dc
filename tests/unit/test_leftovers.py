"""Temporary files of killed nodes are removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kvnode.durability.disk import SystemDisk
from kvnode.durability.leftovers import is_alive, remove_leftovers

from .disks import MemoryDisk

OF_THE_DEAD = [
    "temp-5.rdb",
    "temp-sync-5.rdb",
    "temp-sync-5.1700000000.rdb",
    "temp-rewriteaof-5.aof",
    "temp-rewriteaof-bg-5.aof",
    "log/temp-rewriteaof-bg-05.aof",
]
OF_OTHERS = [
    "temp-6.rdb",  # that process lives
    "log/temp-rewriteaof-bg-6.aof",
    "temp-sync-6.1700000000.rdb",
    "temp-sync-.5.rdb",
    "temp-.rdb",
    "temp--5.rdb",
    "temp-5.rdb.bak",
    "temp-5.123.rdb",  # of a follower of redis-server, which may read it still
    "temp-rewriteaof-x.aof",
    "temp-appendonly.aof.manifest",
    "dump.rdb",
    "other/temp-5.rdb",
]


def test_only_the_temporary_files_of_the_dead_go() -> None:
    disk = MemoryDisk()
    for name in OF_THE_DEAD + OF_OTHERS:
        disk.create(name)
    removed = remove_leftovers(disk, ["", "log", "missing"], lambda process: process == 6)
    assert sorted(removed) == sorted(OF_THE_DEAD)
    assert sorted(disk.content) == sorted(OF_OTHERS)


def test_a_folder_that_is_not_there_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()
    assert SystemDisk().names(str(tmp_path)) == ["a", "b"]
    assert SystemDisk().names(str(tmp_path / "missing")) == []


def test_who_is_alive() -> None:
    assert is_alive(os.getppid())
    assert not is_alive(os.getpid())  # what has our number is of one before us
    assert is_alive(1 << 70)  # nothing is known of it
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_alive(child.pid)
