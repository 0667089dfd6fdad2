"""Models on servers of the owner: any OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp, ``transformers serve``,
Hugging Face Inference Endpoints and Providers …), several of one model if there are.

`channel` carries requests, `replicas` chooses among endpoints, `asking` goes on to the next, `wire` knows what is said;
`decoder` and `embedder` put them together, and what both have is in `served`.
Addresses and keys come from the owner's file only (`llm_core.endpoints`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from llm_core.backends.base import ModelFiles
from llm_core.backends.remote.channel import Channel
from llm_core.backends.remote.decoder import RemoteDecoder
from llm_core.backends.remote.embedder import RemoteEmbedder
from llm_core.backends.remote.replicas import Replicas
from llm_core.catalog import ModelSpec
from llm_core.endpoints import RemoteModel
from llm_core.weights import Availability

_REMEDY = "The owner of this page can look after it; meanwhile choose another model"


class RemoteBackend:
    """Opens entries whose `backend` is ``"remote"``.

    Args:
        models: What the owner said of each, by id.
        threads: Ignored; every runtime takes it.
    """

    def __init__(self, models: Mapping[str, RemoteModel], threads: int = 1) -> None:
        self._models = models
        self._channel = Channel()
        self._lock = threading.Lock()
        self._replicas: dict[str, Replicas] = {}

    def open(self, spec: ModelSpec, files: ModelFiles) -> RemoteDecoder | RemoteEmbedder:
        """The model; nothing is loaded."""
        kind = RemoteEmbedder if spec.head == "embedding" else RemoteDecoder
        return kind(spec, self._models[spec.id], self._of(spec), self._channel)

    def availability(self, spec: ModelSpec) -> Availability:
        """Whether any of its endpoints is there, for this visitor; takes two seconds at most."""
        if all(endpoint.lacks_visitor for endpoint in self._models[spec.id].endpoints):
            return Availability(False, "it runs on your own Inference Providers credit", "Log in to Hugging Face first")
        if self._of(spec).usable():
            return Availability(True, present=True)
        return Availability(False, "its server does not answer", _REMEDY)

    def slots(self, spec: ModelSpec) -> int:
        """Requests that its endpoints are given at once."""
        return self._of(spec).slots

    def state(self, spec: ModelSpec) -> dict[str, str]:
        """What is known of its endpoints, by name: ``closed`` (good), ``open``, ``half_open``, ``full`` or ``down``."""
        return self._of(spec).state()

    def close(self) -> None:
        """End requests and health checks."""
        self._channel.close()

    def _of(self, spec: ModelSpec) -> Replicas:
        with self._lock:
            if spec.id not in self._replicas:
                self._replicas[spec.id] = Replicas(self._models[spec.id], self._channel)
            found = self._replicas[spec.id]
        found.watch()
        return found
