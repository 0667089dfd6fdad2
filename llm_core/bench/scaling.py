"""Two processes train a decoder through `llm_core.training`, whole in each (DDP) and sharded (FSDP2): bytes held and
sent, and seconds a step, against the arithmetic of ``docs/scaling.md``.

The processes speak over gloo in a network of their own, so that what its counters say was sent is theirs alone; where
the system allows none, bytes sent are left out. Everything is in float32, so that the arithmetic has one size.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from llm_core.bench.figures import Figure
from llm_core.errors import BackendError
from llm_core.settings import REPOSITORY_ROOT, Settings
from llm_core.training.fitting import Fit
from llm_core.training.recipe import Recipe

PROCESSES = 2
STEPS, FREE = 8, 3
"""Steps of a run, and how many of them, at its beginning, are not measured."""
_WORDS = "the red cat saw a big dog and it ran home over green hills with one blue bird today".split()
_ISOLATED = ("unshare", "--map-root-user", "--net")


def measure(settings: Settings) -> list[Figure]:
    """Of both ways, each beside what is expected; `settings` are not needed, each process has one thread.

    Raises:
        BackendError: The processes fail.
    """
    with TemporaryDirectory() as folder:
        found = {way: _measured(Path(folder), way) for way in ("DDP", "FSDP2")}
    return [figure for way, seen in found.items() for figure in _figures(way, seen)]


def _figures(way: str, seen: dict[str, float]) -> list[Figure]:
    parameters, several = seen["parameters"], PROCESSES
    held = 16 * parameters / (1 if way == "DDP" else several)
    sent = {"DDP": 2, "FSDP2": 3}[way] * (several - 1) / several * 4 * parameters
    figures = [
        Figure(f"{way}: parameters", parameters / 1e6, "M", ""),
        Figure(f"{way}: held by a process", seen["held"] / 1e6, "MB", f"{held / 1e6:.1f} MB"),
    ]
    if seen["sent"] >= 0:
        figures.append(Figure(f"{way}: sent by a process in a step", seen["sent"] / 1e6, "MB", f"{sent / 1e6:.1f} MB"))
    return [*figures, Figure(f"{way}: a step", seen["seconds"], "s", "")]


def _measured(folder: Path, way: str) -> dict[str, float]:
    data, result = folder / "data", folder / f"{way}.json"
    _write_texts(data / "notes")
    isolated = _ISOLATED if _can_isolate() else ()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={PROCESSES}"]
    command = [*isolated, sys.executable, "-c", _START, *launcher, "-m", "llm_core.bench.scaling"]
    own = {"PYTHONPATH": str(REPOSITORY_ROOT), "OMP_NUM_THREADS": "1", "SCALING_ISOLATED": str(int(bool(isolated)))}
    done = subprocess.run([*command, way, str(data), str(folder / way), str(result)], env={**os.environ, **own},
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode or not result.is_file():
        raise BackendError(f"{way}: the processes failed: {done.stderr[-500:]}")
    seen: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return seen


def _can_isolate() -> bool:
    return bool(shutil.which(_ISOLATED[0])) and not subprocess.run([*_ISOLATED, "true"], capture_output=True).returncode


def _is_isolated() -> bool:
    return os.environ["SCALING_ISOLATED"] == "1"


_START = "from llm_core.bench.scaling import start; start()"


def start() -> None:
    """Turns on the loopback of a new network, then becomes Python with the rest of the command line."""
    if _is_isolated():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            up = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
            fcntl.ioctl(control, 0x8914, up)  # SIOCSIFFLAGS
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


def _write_texts(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    for split in ("train", "validation"):
        rows = ({"text": " ".join(draw.choices(_WORDS, k=40))} for _ in range(2000))
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def recipe(fsdp: bool) -> Recipe:
    """A decoder of 5 million parameters and a few steps."""
    sizes = {"decoder_layers": 6, "hidden_size": 256, "intermediate_size": 768, "num_heads": 4, "max_positions": 128}
    optim = {"max_steps": STEPS, "learning_rate": 1e-3, "warmup_steps": 1, "batch_size": 8, "micro_batch": 4}
    return Recipe.model_validate(
        {
            "name": "scaling",
            "title": "Scaling",
            "objective": "causal_lm",
            "model": {"family": "llama", **sizes},
            "tokenizer": {"vocab_size": 385},
            "max_length": 128,
            "data": [{"name": "notes", "licence": "CC0-1.0"}],
            "optim": {**optim, "bf16": False, "fsdp": fsdp, "save_steps": 10_000},
        }
    )


class Gauge(TrainerCallback):
    """Takes the figures of this process: what it holds after a step, what was sent since, and the clock."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.sent: list[int] = []
        self.held = self.parameters = self.gradients = 0

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Gradients are there."""
        self.gradients = _bytes(p.grad for p in others["model"].parameters() if p.grad is not None)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Called by the Trainer."""
        self.moments.append(time.perf_counter())
        self.sent.append(_sent_bytes())
        parameters, states = list(others["model"].parameters()), others["optimizer"].state.values()
        self.parameters = sum(parameter.numel() for parameter in parameters)
        moments = (value for state in states for value in state.values() if isinstance(value, Tensor) and value.dim())
        self.held = _bytes(parameters) + _bytes(moments) + self.gradients

    def figures(self) -> dict[str, float]:
        """After the free steps."""
        steps = [after - before for before, after in zip(self.moments[FREE:], self.moments[FREE + 1 :], strict=False)]
        measured = len(self.sent) - 1 - FREE
        sent = (self.sent[-1] - self.sent[FREE]) / measured / PROCESSES
        return {
            "parameters": self.parameters,
            "held": self.held,
            "sent": sent if _is_isolated() else -1.0,
            "seconds": median(steps),
        }


def _bytes(tensors: Iterable[Any]) -> int:
    local = (tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors)
    return sum(tensor.numel() * tensor.element_size() for tensor in local)


def _sent_bytes() -> int:
    """What the loopback has sent, for all processes of this network; 0 where the network is not theirs alone."""
    if not _is_isolated():
        return 0
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()
    [loopback] = (line.partition(":")[2].split() for line in lines if line.strip().startswith("lo:"))
    return int(loopback[8])


def _train(way: str, data: str, folder: str, result: str) -> None:
    torch.set_num_threads(1)
    gauge = Gauge()
    Fit(recipe(way == "FSDP2"), None, Path(data), Path(folder), in_memory=True, watchers=(gauge,)).run()
    if torch.distributed.get_rank() == 0:
        Path(result).write_text(json.dumps(gauge.figures()), encoding="utf-8")


if __name__ == "__main__":
    _train(*sys.argv[1:])
