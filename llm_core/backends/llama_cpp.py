"""The llama.cpp runtime: GGUF decoders on the CPU, one in-process server per model (package `xllamacpp`).

Prompts are tokenized here segment by segment, so that special tokens count in markup only (`llm_core.prompt`). Text
arrives in whole characters: the server holds back a character's bytes until its last token. Such a piece of several
tokens has no probability of its own.

GGUF files are parsed by C++ code, so only files that a catalogue digest covers may come here; that is the weight
store's duty. The module knows nothing of chat templates or tasks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import xllamacpp

from llm_core.backends.base import check_prompt_length
from llm_core.backends.llama_endpoint import LlamaEndpoint
from llm_core.backends.llama_stream import Chunk, ChunkStream
from llm_core.catalog import ModelSpec
from llm_core.errors import BackendError, WeightsError
from llm_core.prompt import segments_of
from llm_core.types import CancelToken, ModelFiles, Sampling, Token

MAX_CONTEXT = 4096
"""Tokens; SmolLM2-135M keeps 23 KB a token, so 94 MB."""
_PREFILL_BATCH = 64
"""Tokens of prompt between two chances to stop: 0.13 s at 475 tokens/s. 512 reads prompts about a tenth faster."""


class LlamaCppBackend:
    """Opens entries whose `backend` is ``"llama_cpp"``.

    Args:
        threads: CPU threads of each model.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def open(self, spec: ModelSpec, files: ModelFiles) -> LlamaCppModel:
        """Load a GGUF file.

        Raises:
            WeightsError: There is not exactly one GGUF file, or llama.cpp refuses it.
        """
        path = _only_gguf(spec, files.directory)
        endpoint = LlamaEndpoint()
        context_length = min(spec.context_length, MAX_CONTEXT)
        try:
            server = xllamacpp.Server(_parameters(path, context_length, self._threads, endpoint))
        except (RuntimeError, ValueError) as error:
            endpoint.close()
            raise WeightsError(f"{spec.id}: llama.cpp cannot load {path.name}: {error}") from error
        endpoint.opened(server.listening_address)
        return LlamaCppModel(spec, server, endpoint, context_length)


class LlamaCppModel:
    """A decoder in memory; see `backends.base.Generates`."""

    device = "cpu"

    def __init__(self, spec: ModelSpec, server: Any, endpoint: LlamaEndpoint, context_length: int) -> None:
        self.spec = spec
        self.memory_bytes = spec.memory_bytes
        self.context_length = context_length
        self._server: Any = server
        self._endpoint = endpoint

    def close(self) -> None:
        """Stop the server and free the memory."""
        self._server = None
        self._endpoint.close()

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text or prompt, without those the model puts in front of every prompt."""
        return len(self._encode(text, add_special=False))

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Generator[Token, None, str]:
        """Tokens one by one; the generator returns why it ended, ``"stop"`` or ``"length"``.

        A seed makes the text reproducible: such a request starts from an empty cache, because reusing the keys and
        values of an earlier prompt changes sums in their last bits.

        Raises:
            InputError: The prompt is empty, or it and `max_new_tokens` exceed the context length.
            BackendError: llama.cpp failed.
            CancelledError, DeadlineExceededError: As the token says.
        """
        cancel.check()
        tokens = self._encode(prompt, add_special=True)
        check_prompt_length(len(tokens), sampling.max_new_tokens, self.context_length)
        finish = "stop"
        seen = 0
        with ChunkStream(self._require_server(), _body(tokens, sampling), cancel) as chunks:
            for chunk in chunks:
                choice = _choice(self.spec, chunk)
                finish = choice["finish_reason"] or finish
                if choice["text"]:
                    counted = chunk.get("timings", {}).get("predicted_n", seen + 1)
                    yield _token(choice, merged=counted > seen + 1)
                    seen = counted
        return finish

    def _encode(self, text: str, *, add_special: bool) -> list[int]:
        self._require_server()
        tokens: list[int] = []
        for index, segment in enumerate(segments_of(text)):
            body = {
                "content": segment.text,
                "parse_special": not segment.literal,
                "add_special": add_special and index == 0,
            }
            tokens.extend(self._endpoint.post("/tokenize", body)["tokens"])
        return tokens

    def _require_server(self) -> Any:
        if self._server is None:
            raise BackendError(f"{self.spec.id} was closed")
        return self._server


def _only_gguf(spec: ModelSpec, directory: Path) -> Path:
    found = sorted(directory.glob("*.gguf"))
    if len(found) != 1:
        raise WeightsError(f"{spec.id}: expected one GGUF file, found {len(found)}")
    return found[0]


def _parameters(path: Path, context_length: int, threads: int, endpoint: LlamaEndpoint) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = context_length
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = _PREFILL_BATCH
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = 0
    parameters.hostnames = [endpoint.hostname]
    parameters.port = 0
    parameters.api_keys = [endpoint.key]
    parameters.ui = parameters.endpoint_slots = parameters.endpoint_props = False
    # No prompt outlives its successor: by default the server keeps up to 8 GB of earlier ones.
    parameters.cache_ram_mib = parameters.n_ctx_checkpoints = 0
    return parameters


def _body(tokens: list[int], sampling: Sampling) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "prompt": tokens,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repeat_penalty": sampling.repeat_penalty,
        "stop": list(sampling.stop),
        "cache_prompt": sampling.seed is None,
        "stream": True,
        "return_progress": True,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.json_schema is not None:
        body["json_schema"] = json.loads(sampling.json_schema)
    if sampling.top_alternatives:
        body |= {"logprobs": sampling.top_alternatives, "timings_per_token": True}
    return body


def _choice(spec: ModelSpec, chunk: Chunk) -> dict[str, Any]:
    if "error" in chunk:
        raise BackendError(f"{spec.id}: llama.cpp: {chunk['error'].get('message', 'unknown error')}")
    choice: dict[str, Any] = chunk["choices"][0]
    return choice


def _token(choice: Mapping[str, Any], *, merged: bool) -> Token:
    details = (choice.get("logprobs") or {}).get("content") or []
    if merged or not details:
        return Token(choice["text"])
    last = details[-1]
    alternatives = tuple((_piece(other), math.exp(other["logprob"])) for other in last["top_logprobs"])
    return Token(choice["text"], math.exp(last["logprob"]), alternatives)


def _piece(token: Mapping[str, Any]) -> str:
    """A token's text; part of a character shows as the replacement character."""
    return bytes(token["bytes"]).decode("utf-8", "replace")
