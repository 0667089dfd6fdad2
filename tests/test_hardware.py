"""What the container really has."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
import torch

from llm_core import hardware
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.settings import Settings
from llm_core.training.recipe_parts import Optim
from llm_core.training.trainer import number_format


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


def test_another_c_library_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware.return_freed_memory()
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    hardware.return_freed_memory()


def test_a_public_space_keeps_waits_short(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("request_seconds", "max_waiting", "max_waiting_per_client", "fetch_at_start")
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert [getattr(Settings(), name) for name in names] == [120, 64, 8, False]
    monkeypatch.setenv("SPACE_ID", "ann/demo")
    assert [getattr(Settings(), name) for name in names] == [60, 32, 3, True]
    monkeypatch.setenv("LLM_CORE_MAX_WAITING_PER_CLIENT", "5")
    assert Settings().max_waiting_per_client == 5, "what the owner sets counts"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU decides then")
@pytest.mark.parametrize(
    ("instructions", "name"),
    [(["avx512_f"], "float32"), (["avx512_f", "avx512_bf16"], "bfloat16"), (["bf16"], "bfloat16"), ([], "float32")],
)
def test_models_are_served_and_trained_in_bfloat16_where_the_cpu_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, instructions: list[str], name: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True) | {"amx_bf16": False})
    assert inference_dtype("cpu") == getattr(torch, name)
    assert number_format(Optim(learning_rate=1e-3, epochs=1)) == name
    assert number_format(Optim(learning_rate=1e-3, epochs=1, bf16=False)) == "float32"
