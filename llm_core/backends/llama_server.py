"""A llama.cpp server in this process: one base in memory with its LoRA adapters (package `xllamacpp`).

Adapters are loaded with the base and applied to no request that does not name them. A request that names another
adapter than the one before it reads its whole prompt, because keys and values depend on the adapter; nothing else is
done anew.

The module knows nothing of prompts and sampling.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import xllamacpp

from llm_core.backends.llama_endpoint import LlamaEndpoint
from llm_core.catalog import ModelSpec
from llm_core.errors import WeightsError

MAX_CONTEXT = 4096
"""Tokens; SmolLM2-135M keeps 23 KB a token, so 94 MB."""
_PREFILL_BATCH = 64
"""Tokens of prompt between two chances to stop: 0.13 s at 475 tokens/s. 512 reads prompts about a tenth faster."""


class LlamaServer:
    """Runs until nothing refers to it.

    Args:
        base: The entry of the base.
        file: Its GGUF file.
        adapters: GGUF files of adapters of it.
        threads: CPU threads.

    Raises:
        WeightsError: llama.cpp refuses one of the files.
    """

    def __init__(self, base: ModelSpec, file: Path, adapters: tuple[Path, ...], threads: int) -> None:
        self.adapters = adapters
        self.context_length = min(base.context_length, MAX_CONTEXT)
        self.endpoint = LlamaEndpoint()
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        """The models it serves."""
        self._base_bytes = base.memory_bytes
        parameters = _parameters(file, adapters, self.context_length, threads, self.endpoint)
        try:
            self.runtime: Any = xllamacpp.Server(parameters)
        except (RuntimeError, ValueError) as error:
            self.endpoint.close()
            adapted = f" with adapters {', '.join(path.parent.name for path in adapters)}" if adapters else ""
            raise WeightsError(f"{base.id}: llama.cpp cannot load {file.name}{adapted}: {error}") from error
        # Its end waits for ever if it is told to stop before its loop runs; the loop answers this.
        self.runtime.handle_metrics()
        self.endpoint.opened(self.runtime.listening_address)

    @property
    def shared_bytes(self) -> int:
        """The base's memory in bytes, in even parts for each model that uses it."""
        return self._base_bytes // max(1, len(self.users))

    def lora(self, adapter: Path | None) -> list[dict[str, float]]:
        """The field of a request that applies this adapter only, or none."""
        return [{"id": index, "scale": float(path == adapter)} for index, path in enumerate(self.adapters)]


def _parameters(
    file: Path, adapters: tuple[Path, ...], context_length: int, threads: int, endpoint: LlamaEndpoint
) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in adapters]
    parameters.lora_init_without_apply = True
    parameters.n_ctx = context_length
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = _PREFILL_BATCH
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = 0
    parameters.hostnames = [endpoint.hostname]
    parameters.port = 0
    parameters.api_keys = [endpoint.key]
    parameters.ui = parameters.endpoint_slots = parameters.endpoint_props = False
    parameters.endpoint_metrics = True
    # No prompt outlives its successor: by default the server keeps up to 8 GB of earlier ones.
    parameters.cache_ram_mib = parameters.n_ctx_checkpoints = 0
    return parameters
