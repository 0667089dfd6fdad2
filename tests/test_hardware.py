"""What the container really has."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from llm_core import hardware


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hardware, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "cores"), [("200000 100000", 2), ("50000 100000", 1), ("max 100000", 16), ("9900000 100000", 16)]
)
def test_cores_follow_the_quota(cgroup: Path, quota: str, cores: int) -> None:
    (cgroup / "cpu.max").write_text(quota)
    assert hardware.available_cores() == cores


def test_without_a_quota_cores_follow_the_affinity(cgroup: Path) -> None:
    assert hardware.available_cores() == 16


def test_memory_follows_the_limit(cgroup: Path) -> None:
    total = psutil.virtual_memory().total
    assert hardware.available_memory_bytes() == total
    (cgroup / "memory.max").write_text("1000000")
    assert hardware.available_memory_bytes() == 1_000_000
    (cgroup / "memory.max").write_text("max")
    assert hardware.available_memory_bytes() == total
