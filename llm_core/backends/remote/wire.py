"""What is said to OpenAI-compatible servers and what they say, as pure functions over JSON values.

``/chat/completions`` for conversations, ``/completions`` for prompts that were written here, ``/embeddings`` for
vectors of texts. Servers differ in the names of what the protocol lacks (top-k, repetition penalty, going on from a
begun answer, grammars).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.remote.failures import Unreachable
from llm_core.endpoints import RemoteModel, Server
from llm_core.prompt import Conversation
from llm_core.types import Sampling, Token

CHAT, COMPLETIONS, EMBEDDINGS = "/chat/completions", "/completions", "/embeddings"
_NAMES: Mapping[Server, Mapping[str, str]] = {
    "openai": {},
    "transformers": {},
    "vllm": {"top_k": "top_k", "repeat_penalty": "repetition_penalty"},
    "sglang": {"top_k": "top_k", "repeat_penalty": "repetition_penalty"},
    "llama.cpp": {"top_k": "top_k", "repeat_penalty": "repeat_penalty", "grammar": "grammar"},
}
"""What servers call fields of `Sampling` that are not in the protocol; what is not here is not sent."""
_NO_LIMIT = {"vllm": -1, "sglang": -1, "llama.cpp": 0}
"""For top-k."""


def request_of(model: RemoteModel, prompt: str, sampling: Sampling) -> tuple[str, dict[str, Any]]:
    """Path and body that ask for the continuation of a prompt, streamed."""
    body = {"model": model.model, "stream": True, **_sampled(model, sampling)}
    if model.server != "transformers":
        body["stream_options"] = {"include_usage": True}
    probabilities = sampling.top_alternatives if model.logprobs else 0
    if not isinstance(prompt, Conversation):
        return COMPLETIONS, {**body, "prompt": str(prompt), **({"logprobs": probabilities} if probabilities else {})}
    if probabilities:
        body |= {"logprobs": True, "top_logprobs": probabilities}
    return CHAT, {**body, **_messages(model.server, prompt)}


def _sampled(model: RemoteModel, sampling: Sampling) -> dict[str, Any]:
    body: dict[str, Any] = {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.json_schema is not None:
        schema = {"name": "answer", "schema": json.loads(sampling.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    for ours, theirs in _NAMES[model.server].items():
        if (value := getattr(sampling, ours)) is not None:
            body[theirs] = value
    if sampling.top_k == 0 and "top_k" in body:
        body["top_k"] = _NO_LIMIT[model.server]
    return body


def _messages(server: Server, prompt: Conversation) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in prompt.messages]
    if not prompt.beginning:
        return {"messages": messages}
    messages.append({"role": "assistant", "content": prompt.beginning})
    if server == "llama.cpp":  # goes on from an assistant's message by itself
        return {"messages": messages}
    return {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}


def embedding_request(model: RemoteModel, texts: Sequence[str]) -> dict[str, Any]:
    """The body that asks for vectors of texts, an empty one as a blank, which servers refuse less."""
    return {"model": model.model, "input": [text or " " for text in texts], "encoding_format": "float"}


def vectors_of(answer: Mapping[str, Any], count: int) -> NDArray[np.float32]:
    """Unit vectors of so many texts, shape (texts, dimensions), in the order in which they were sent.

    Raises:
        Unreachable: The server reports an error, or these are no such vectors.
    """
    if answer.get("error"):
        raise Unreachable("answered with an error")
    try:
        by_place = {int(entry["index"]): entry["embedding"] for entry in answer["data"]}
        vectors = np.array([by_place[place] for place in range(count)], dtype=np.float64)
        if len(by_place) != count or vectors.ndim != 2 or not vectors.size:
            raise ValueError("no vectors")
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise ValueError("no direction")
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Unreachable("answered with something that is no answer") from error
    return np.asarray(vectors / lengths, dtype=np.float32)


@dataclass
class Reading:
    """Makes tokens of chunks."""

    finish: str = ""
    """``"stop"`` or ``"length"`` once the server has said why it ended."""
    counted: int = field(default=0, init=False)
    """Tokens so far, as chunks tell."""

    def tokens(self, chunk: Mapping[str, Any]) -> Iterator[Token]:
        """The tokens of a chunk: one each where probabilities tell them apart, else what came at once.

        Raises:
            Unreachable: The server reports an error, or this is no chunk of an answer.
        """
        if chunk.get("error"):
            raise Unreachable("broke the answer off with an error")
        try:
            yield from self._choice(chunk["choices"][0] if chunk.get("choices") else {})
            yield from self._uncounted(chunk.get("usage") or {})
        except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
            raise Unreachable("answered with something that is no answer") from error

    def _choice(self, choice: Mapping[str, Any]) -> Iterator[Token]:
        text = choice.get("text", (choice.get("delta") or {}).get("content")) or ""
        if not isinstance(text, str):
            raise TypeError("no text")
        for token in _tokens(text, choice.get("logprobs") or {}):
            self.counted += token.count
            yield token
        if reason := choice.get("finish_reason"):
            self.finish = "length" if reason == "length" else "stop"

    def _uncounted(self, usage: Mapping[str, Any]) -> Iterator[Token]:
        """Tokens that came several to a chunk, as the server's own count tells in the end."""
        missing = int(usage.get("completion_tokens") or 0) - self.counted
        if self.finish and self.counted and 0 < missing < 1 << 20:
            self.counted += missing
            yield Token("", count=missing)


def _tokens(text: str, logprobs: Mapping[str, Any]) -> list[Token]:
    if not text:
        return []
    told = [_told(entry) for entry in logprobs.get("content") or ()] or _told_in_columns(logprobs)
    if "".join(token.text for token in told) == text:
        return told
    if len(told) == 1:  # part of a character, or blanks that a server cut off
        return [Token(text, told[0].probability, told[0].alternatives)]
    return [Token(text, count=max(1, len(told)))]


def _told(entry: Mapping[str, Any]) -> Token:
    """Of ``/chat/completions``, and of llama.cpp's ``/completions``."""
    others = tuple((_piece(other), _probability(other["logprob"])) for other in entry.get("top_logprobs") or ())
    return Token(_piece(entry), _probability(entry["logprob"]), others)


def _told_in_columns(logprobs: Mapping[str, Any]) -> list[Token]:
    """Of ``/completions`` as OpenAI had it: lists of tokens, of their values, and of likely tokens with theirs."""
    pieces: Sequence[str] = logprobs.get("tokens") or ()
    values: Sequence[float | None] = logprobs.get("token_logprobs") or [None] * len(pieces)
    likely: Sequence[Mapping[str, float] | None] = logprobs.get("top_logprobs") or [None] * len(pieces)
    return [
        Token(
            piece,
            None if value is None else _probability(value),
            tuple((other, _probability(theirs)) for other, theirs in _best_first(others)),
        )
        for piece, value, others in zip(pieces, values, likely, strict=True)
    ]


def _best_first(others: Mapping[str, float] | None) -> list[tuple[str, float]]:
    return sorted((others or {}).items(), key=lambda other: -other[1])


def _piece(token: Mapping[str, Any]) -> str:
    """A token's text; part of a character shows as the replacement character."""
    if token.get("bytes"):
        return bytes(token["bytes"]).decode("utf-8", "replace")
    return str(token["token"])


def _probability(logarithm: float) -> float:
    return min(1.0, math.exp(logarithm))
