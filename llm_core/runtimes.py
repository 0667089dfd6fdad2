"""The runtimes by the name that catalogue entries use, each imported when its first model is opened."""

from __future__ import annotations

import functools
import importlib
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from llm_core.backends.base import Backend, ModelFiles
from llm_core.catalog import Catalog, ModelSpec
from llm_core.endpoints import RemoteModels
from llm_core.errors import LlmCoreError
from llm_core.settings import Settings
from llm_core.weights import WeightStore

logger = logging.getLogger(__name__)


class LazyRuntimes(Mapping[str, Backend]):
    """Runtimes: none is imported to serve the page.

    Args:
        settings: Threads of each runtime.
        catalog: What models exist.
        weights: Where their files are.
        remote: The owner's models on other machines.
    """

    _CLASSES = {
        "echo": "llm_core.backends.echo:EchoBackend",
        "transformers": "llm_core.backends.transformers:TransformersBackend",
        "llama_cpp": "llm_core.backends.llama_cpp:LlamaCppBackend",
        "ctranslate2": "llm_core.backends.ctranslate2:CTranslate2Backend",
        "own": "llm_core.backends.own:OwnBackend",
        "remote": "llm_core.backends.remote:RemoteBackend",
    }

    def __init__(
        self, settings: Settings, catalog: Catalog, weights: WeightStore, remote: RemoteModels | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._opened: dict[str, Backend] = {}
        self._options: dict[str, dict[str, Any]] = {name: {"threads": settings.threads} for name in self._CLASSES}
        self._options["transformers"] |= {"streams": settings.streams}
        self._options["llama_cpp"] |= {"catalog": catalog, "local_files": functools.partial(_local_files, weights)}
        self._options["remote"] |= {"models": remote.models if remote else {}}

    def __getitem__(self, name: str) -> Backend:
        with self._lock:
            if name not in self._opened:
                module, _, cls = self._CLASSES[name].partition(":")
                self._opened[name] = getattr(importlib.import_module(module), cls)(**self._options[name])
            return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._CLASSES)

    def __len__(self) -> int:
        return len(self._CLASSES)


def runtime_for_zero_gpu(settings: Settings) -> Backend:
    """What opens models on ``cuda`` for ZeroGPU, whose calls are one answer each."""
    from llm_core.backends.transformers import TransformersBackend

    return TransformersBackend(settings.threads, "cuda", streams=1)


def _local_files(weights: WeightStore, spec: ModelSpec) -> ModelFiles | None:
    """Verified files of an entry that ships with the repository; ``None`` if they are not here or not right."""
    if spec.local is None or not weights.availability(spec).present:
        return None
    try:
        return weights.files(spec)
    except LlmCoreError as error:
        logger.warning("%s is left out: %s", spec.id, error)
        return None
