"""How much memory shuffles may take on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvnode.shuffle.budget import Budget, machine_memory

GIGABYTE = 1 << 30


def machine(root: Path, groups: str, limits: dict[str, str]) -> str:
    """A file system with 8 GB of memory, the process's groups and their files."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:        8388608 kB\nMemFree: 1 kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("groups", "limits", "gigabytes"),
    [
        ("", {}, 8),
        ("0::/\n", {"memory.max": "max\n"}, 8),
        ("0::/\n", {"memory.max": f"{3 * GIGABYTE}\n"}, 3),
        ("0::/a/b\n", {"a/b/memory.max": f"{4 * GIGABYTE}\n", "a/memory.max": "max\n"}, 4),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{2 * GIGABYTE}\n"}, 2),
        ("0::/of/the/host\n", {"memory.max": f"{GIGABYTE}\n"}, 1),
        (
            "5:cpu:/x\n4:memory:/y\n",
            {"memory/y/memory.limit_in_bytes": f"{5 * GIGABYTE}\n", "x/memory.max": "1\n"},
            5,
        ),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8),
    ],
)
def test_a_control_group_limits_the_memory_of_the_machine(
    tmp_path: Path, groups: str, limits: dict[str, str], gigabytes: int
) -> None:
    assert machine_memory(machine(tmp_path, groups, limits)) == gigabytes * GIGABYTE


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    root = machine(tmp_path, "", {})
    (tmp_path / "proc/self/cgroup").unlink()
    assert machine_memory(root) == 8 * GIGABYTE


def test_a_budget_is_bytes_or_a_percentage() -> None:
    budget = Budget()
    budget.set_max(1000)
    assert budget.max == 1000
    budget.set_max(-25)
    assert budget.max == machine_memory() * 25 // 100


def test_the_levels_of_a_budget() -> None:
    budget = Budget()
    budget.set_max(1 << 20)
    part = (1 << 20) // 100
    budget.used = part * 75
    assert 0 < budget.above_spill_level(0) <= part * 5 + 100
    assert budget.above_spill_level(part * 5) < 100
    assert budget.has_room(part * 20 - 100)
    assert not budget.has_room(part * 20 + 100)
    assert budget.can_ever_hold(part * 95)
    assert not budget.can_ever_hold(part * 96)
