"""The llama.cpp runtime: GGUF decoders and their LoRA adapters on the CPU, one in-process server per base.

Prompts are tokenized here segment by segment, so that special tokens count in markup only (`llm_core.prompt`). Text
arrives in whole characters: the server holds back a character's bytes until its last token. Such a piece of several
tokens has no probability of its own.

GGUF files are parsed by C++ code, so only files that a catalogue digest covers may come here; that is the weight
store's duty. The module knows nothing of chat templates or tasks.
"""

from __future__ import annotations

import json
import math
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_core.backends.base import check_prompt_length
from llm_core.backends.llama_server import LlamaServer
from llm_core.backends.llama_stream import Chunk, ChunkStream
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import BackendError, WeightsError
from llm_core.prompt import segments_of
from llm_core.types import CancelToken, ModelFiles, Sampling, Token

ADAPTER_FILE = "adapter.gguf"


class LlamaCppBackend:
    """Opens entries whose `backend` is ``"llama_cpp"``; one with a `base` is a LoRA adapter of it.

    A base and its adapters share a server, which ends when the last of them is closed. It is started with every adapter
    that is here, so that opening another one loads nothing. Only for an adapter that came later is a second server
    started, with the base once more in memory until the models on the first are closed.

    Args:
        threads: CPU threads of each server.
        catalog: Where bases and their adapters are looked up.
        local_files: Verified files of an entry, or ``None`` if they are not on this machine.
    """

    def __init__(
        self,
        threads: int,
        catalog: Catalog | None = None,
        local_files: Callable[[ModelSpec], ModelFiles | None] = lambda spec: None,
    ) -> None:
        self._threads = threads
        self._catalog = catalog or Catalog({})
        self._local_files = local_files
        self._servers: weakref.WeakValueDictionary[Path, LlamaServer] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def open(self, spec: ModelSpec, files: ModelFiles) -> LlamaCppModel:
        """Load a GGUF file, or use it where it is loaded already.

        Raises:
            WeightsError: A base has not exactly one GGUF file, an adapter has no ``adapter.gguf``, or llama.cpp refuses
                one of these files.
            UnknownModelError: The catalogue lacks the base.
        """
        if spec.base is None:
            return LlamaCppModel(spec, self._server(spec, files.directory))
        adapter = files.directory / ADAPTER_FILE
        if files.base is None or not adapter.is_file():
            raise WeightsError(f"{spec.id}: needs {ADAPTER_FILE} and the files of {spec.base}")
        return LlamaCppModel(spec, self._server(self._catalog[spec.base], files.base.directory, adapter), adapter)

    def _server(self, base: ModelSpec, directory: Path, *wanted: Path) -> LlamaServer:
        """The running server of a base if it has the wanted adapters, else a new one."""
        file = _only_gguf(base, directory)
        with self._lock:
            server = self._servers.get(file)
            if server is None or not {*wanted} <= {*server.adapters}:
                adapters = dict.fromkeys((*self._local_adapters(base), *wanted))
                server = self._servers[file] = LlamaServer(base, file, tuple(adapters), self._threads)
            return server

    def _local_adapters(self, base: ModelSpec) -> Iterator[Path]:
        for spec in self._catalog.values():
            files = self._local_files(spec) if spec.base == base.id else None
            if files is not None and (adapter := files.directory / ADAPTER_FILE).is_file():
                yield adapter


class LlamaCppModel:
    """A decoder in memory; see `backends.base.Generates`.

    Args:
        spec: Its entry.
        server: Has its base.
        adapter: Its own GGUF file, for an adapter; one of the server's.
    """

    device = "cpu"

    def __init__(self, spec: ModelSpec, server: LlamaServer, adapter: Path | None = None) -> None:
        self.spec = spec
        self.context_length = min(spec.context_length, server.context_length)
        self._server: LlamaServer | None = server
        self._adapter = adapter
        server.users.add(self)

    @property
    def memory_bytes(self) -> int:
        """An adapter's own memory, and an even part of the base's for each model that is open on it, in bytes."""
        shared = 0 if self._server is None else self._server.shared_bytes
        return shared + (0 if self._adapter is None else self.spec.memory_bytes)

    def close(self) -> None:
        """Leave the server; the last model to leave ends it and so frees the memory."""
        if self._server is not None:
            self._server.users.discard(self)
        self._server = None

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
        server = self._require_server()
        body = {**_body(tokens, sampling), "lora": server.lora(self._adapter)}
        with ChunkStream(server.runtime, body, cancel) as chunks:
            for chunk in chunks:
                choice = _choice(self.spec, chunk)
                finish = choice["finish_reason"] or finish
                if choice["text"]:
                    counted = chunk.get("timings", {}).get("predicted_n", seen + 1)
                    yield _token(choice, merged=counted > seen + 1)
                    seen = counted
        return finish

    def _encode(self, text: str, *, add_special: bool) -> list[int]:
        endpoint = self._require_server().endpoint
        tokens: list[int] = []
        for index, segment in enumerate(segments_of(text)):
            body = {
                "content": segment.text,
                "parse_special": not segment.literal,
                "add_special": add_special and index == 0,
            }
            tokens.extend(endpoint.post("/tokenize", body)["tokens"])
        return tokens

    def _require_server(self) -> LlamaServer:
        if self._server is None:
            raise BackendError(f"{self.spec.id} was closed")
        return self._server


def _only_gguf(spec: ModelSpec, directory: Path) -> Path:
    found = sorted(directory.glob("*.gguf"))
    if len(found) != 1:
        raise WeightsError(f"{spec.id}: expected one GGUF file, found {len(found)}")
    return found[0]


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
    if sampling.grammar is not None:
        body["grammar"] = sampling.grammar
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
