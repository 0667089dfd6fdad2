"""The page as on a Space with ZeroGPU, in a process of its own: ``python -m tests.support.zero_gpu_page PORT``.

All of the package `spaces` is real: its queue, its workers, which it forks, its errors. There is no CUDA, so a worker
brings no tensors to a GPU; its models are echo models, which say in which process they answer.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import torch

from demos._page import build_page, launch_options
from demos._zero_gpu import on_zero_gpu
from llm_core.backends.base import ModelFiles
from llm_core.backends.echo import EchoBackend, EchoModel
from llm_core.catalog import Catalog, ModelSpec
from llm_core.engine import Engine
from llm_core.settings import Settings
from llm_core.types import CancelToken, Sampling, Token
from llm_core.weights import WeightStore
from llm_core.zero_gpu import ZeroGpu
from tests.support.echo import echo_spec


class _Echo(EchoModel):
    """Repeats the prompt, the number of its process, and the number of what it has written there so far."""

    device = "cuda"
    _written = 0

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        """See `Generates.generate`; "fail" fails, "slowly" takes a minute."""
        if "fail" in prompt:
            raise RuntimeError("CUDA error")
        self._written += 1
        for token in super().generate(f"process {os.getpid()} call {self._written} {prompt}", sampling, cancel):
            time.sleep(0.3 if "slowly" in prompt else 0)
            yield token


class _Gpu(EchoBackend):
    def open(self, spec: ModelSpec, files: ModelFiles) -> EchoModel:
        """See `Backend.open`."""
        return _Echo(spec, self)


def pose_as_a_cuda_build() -> None:
    """Give torch what `spaces` looks at, and builds for CPUs lack."""
    torch.version.cuda, torch._C._cuda_init, torch.cuda._is_in_bad_fork = "12.8", lambda: None, bool


def main(port: int) -> None:
    """Serve until terminated."""
    pose_as_a_cuda_build()
    on_gpu = on_zero_gpu()
    assert on_gpu is not None
    from spaces.zero import torch as emulation

    emulation.init = emulation.move = lambda *_, **__: None  # type: ignore[assignment]
    specs = [echo_spec("large", tier="hub"), echo_spec("small", prompt_template="plain")]
    catalog = Catalog({spec.id: spec for spec in specs})
    settings = Settings(offline=True, memory_budget_bytes=1 << 30, request_seconds=60)
    gpu = ZeroGpu(on_gpu, _Gpu(seconds_per_token=0.02))
    weights = WeightStore(settings, catalog)
    engine = Engine(catalog, weights, settings, {"echo": EchoBackend(seconds_per_token=0.02)}, gpu)
    gpu.move(specs[:1], weights.files)
    page = build_page(engine)
    page.launch(server_name="127.0.0.1", server_port=port, quiet=True, **launch_options())


if __name__ == "__main__":
    main(int(sys.argv[1]))
