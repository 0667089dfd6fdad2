"""Hub decoders (Llama, Qwen and their like) in memory: streamed, seeded, stopped between two tokens.

The loop over tokens is ours, so that each token comes with the model's own probability, nothing runs on after the
caller has left, and no thread is needed; what is computed in it (attention, caches, sampling filters) is transformers'.
Prompts are read in pieces for the same reason. Special tokens count in markup only (`llm_core.prompt`): in literal text
each is split after its first character.

Shape legend: T = tokens, V = vocabulary.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging as transformers_logging

from llm_core.backends.base import LoadedModel, check_prompt_length
from llm_core.backends.transformers.chat_template import Message, chat_prompt
from llm_core.backends.transformers.checkpoint import LOCAL_ONLY, check_checkpoint, computing, loading
from llm_core.backends.transformers.compiled_steps import CompiledSteps, Forward
from llm_core.backends.transformers.loading_plan import LoadingPlan, device_facts, plan_loading
from llm_core.backends.transformers.text_stream import TextStream
from llm_core.backends.transformers.token_choice import Choice, Row, choose
from llm_core.catalog import ModelSpec
from llm_core.errors import BackendError
from llm_core.prompt import Prompt, Segment, segments_of
from llm_core.types import CancelToken, ModelFiles, Sampling, Token

logger = logging.getLogger(__name__)
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

_PREFILL_TOKENS = 256
"""Tokens of prompt between two chances to stop: 0.15 s for 135M parameters in bfloat16 on two cores."""
_MARKUP = re.compile(r"<.+>|\[.+\]")
"""Some tokenizers do not flag their markup as special; it looks like this."""


def open_decoder(spec: ModelSpec, files: ModelFiles, device: str, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load an entry whose head is ``"causal_lm"``; it writes one answer at a time. Arguments and errors are those of
    `load_decoder`."""
    model, tokenizer, plan = load_decoder(spec, files, device, dtype, alone=True)
    return DecoderModel(spec, model, tokenizer, device, _compiled(spec, model) if plan.compiled else None)


def _compiled(spec: ModelSpec, model: Any) -> CompiledSteps | None:
    try:
        return CompiledSteps(model, spec.context_length)
    except Exception as error:  # whatever a compiler throws: the model computes without it, too
        logger.warning("%s is not compiled: %s: %s", spec.id, type(error).__name__, str(error)[:200])
        return None


def load_decoder(
    spec: ModelSpec, files: ModelFiles, device: str, dtype: torch.dtype | None = None, *, alone: bool = False
) -> tuple[Any, Any, LoadingPlan]:
    """transformers' model, on its device, tokenizer, and how it was loaded.

    Args:
        spec: The entry; `context_length` bounds the checkpoint's own.
        files: Its verified files.
        device: torch device.
        dtype: Format to compute in; default: the fastest the device has.
        alone: See `plan_loading`.

    Raises:
        WeightsError: The files are not a decoder's, or hold what is never read.
        OutOfMemoryError: They do not fit.
    """
    check_checkpoint(files.directory)
    with loading(spec.id):
        config = AutoConfig.from_pretrained(files.directory, **LOCAL_ONLY)
        tokenizer = AutoTokenizer.from_pretrained(files.directory, **LOCAL_ONLY)
        plan = plan_loading(spec.parameters, device_facts(device, config, dtype), alone=alone)
        model: Any = AutoModelForCausalLM.from_pretrained(
            files.directory, config=config, use_safetensors=True, **plan.options(device), **LOCAL_ONLY
        )
        return model if plan.bits <= 8 else model.to(device), tokenizer, plan


class DecoderModel:
    """A decoder in memory; see `backends.base.Generates`, `HasChatTemplate` and `ScoresText`.

    Args:
        spec: Its entry.
        model: transformers' own, on its device.
        tokenizer: Its tokenizer.
        device: torch device.
        compiled: What computes answers where it can.
    """

    def __init__(
        self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, compiled: CompiledSteps | None = None
    ) -> None:
        self.spec = spec
        self.device = device
        self._weight_bytes: int = sum(p.numel() * p.element_size() for p in model.parameters())
        trained = getattr(model.config, "max_position_embeddings", None) or spec.context_length
        self.context_length = min(spec.context_length, trained)
        self._model = model
        self._compiled = compiled
        self._tokenizer = tokenizer
        self._control = _control_tokens(tokenizer)
        self._ends = frozenset(self._control.values()) | _end_ids(model, tokenizer)
        first = tokenizer.bos_token_id
        # without a start token, what ended documents: of several ends the one that was there first
        self.start_id: int = min(_end_ids(model, tokenizer), default=0) if first is None else first

    @property
    def memory_bytes(self) -> int:
        """See `LoadedModel.memory_bytes`."""
        return self._weight_bytes + (self._compiled.memory_bytes if self._compiled is not None else 0)

    def close(self) -> None:
        """Free the memory."""
        if self._compiled is not None:
            self._compiled.close()
        self._model = self._compiled = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text or prompt, without those the model puts in front of every prompt."""
        return sum(len(self._encode(segment)) for segment in segments_of(text))

    def chat_prompt(self, messages: Sequence[Message]) -> Prompt:
        """See `backends.base.HasChatTemplate`."""
        return chat_prompt(self._tokenizer, messages)

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Generator[Token, None, str]:
        """Tokens one by one; the generator returns why it ended, ``"stop"`` or ``"length"``.

        Raises:
            InputError: The prompt is empty, or it and `max_new_tokens` exceed the context length.
            BackendError: The model failed, or a JSON schema or grammar was given, which this runtime cannot follow.
            CancelledError, DeadlineExceededError: As the token says.
        """
        if (sampling.json_schema or sampling.grammar) is not None:
            raise BackendError(f"{self.spec.id}: only models that llama.cpp runs can be held to a schema or grammar")
        ids = self._prompt_ids(prompt)
        check_prompt_length(len(ids), sampling.max_new_tokens, self.context_length)
        stream = TextStream(self._decode, sampling.stop)
        finish = "length"
        with closing(self._choices(ids, sampling, cancel)) as choices:
            for choice in choices:
                if choice.token_id in self._ends:
                    finish = "stop"
                    break
                likely = tuple((self._decode([other]), p) for other, p in choice.alternatives)
                yield from stream.add(choice.token_id, choice.probability, likely)
                if stream.stopped:
                    return "stop"
        yield from stream.finish()
        return finish

    def text_ids(self, text: str) -> list[int]:
        """See `backends.base.ScoresText`."""
        return self._encode(Segment(text, literal=True))

    def log_likelihoods(self, ids: Sequence[int], cancel: CancelToken) -> list[float]:
        """See `backends.base.ScoresText`; computed in one piece, so at most `context_length` ids."""
        cancel.check()
        row_T = torch.tensor(ids, device=self.device)
        with torch.inference_mode(), computing(self.spec.id):
            logits_TV = self._model(input_ids=row_T[None], use_cache=False).logits[0, :-1].float()
            found: list[float] = torch.log_softmax(logits_TV, -1).gather(1, row_T[1:, None])[:, 0].tolist()
            return found

    def _choices(self, ids: list[int], sampling: Sampling, cancel: CancelToken) -> Generator[Choice, None, None]:
        """Up to `max_new_tokens` tokens."""
        row = Row(ids, sampling, self.device)
        with self._computing(len(ids) + sampling.max_new_tokens) as forward:
            for piece_T in torch.split(torch.tensor(ids, device=self.device), _PREFILL_TOKENS):
                cancel.check()
                logits_V = forward(piece_T)
            for _ in range(sampling.max_new_tokens):
                cancel.check()
                [choice] = choose(logits_V[None], [row])
                yield choice
                logits_V = forward(torch.tensor([choice.token_id], device=self.device))

    @contextmanager
    def _computing(self, tokens: int) -> Iterator[Forward]:
        """What computes an answer of so many tokens, prompt included."""
        with self._compiled.lent(tokens) if self._compiled is not None else nullcontext() as compiled:
            if compiled is None:
                yield functools.partial(self._forward, DynamicCache(config=self._model.config))
            else:
                yield functools.partial(self._guarded, compiled)

    def _forward(self, cache: DynamicCache, ids_T: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), computing(self.spec.id):
            output = self._model(input_ids=ids_T[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits: torch.Tensor = output.logits[0, -1].float()
            return logits

    def _guarded(self, forward: Forward, ids_T: torch.Tensor) -> torch.Tensor:
        with computing(self.spec.id):
            return forward(ids_T)

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _prompt_ids(self, prompt: str) -> list[int]:
        ids = [token_id for segment in segments_of(prompt) for token_id in self._encode(segment)]
        first = self._tokenizer.bos_token_id
        automatic = self._tokenizer("").input_ids
        return [first, *ids] if ids and first is not None and automatic[:1] == [first] != ids[:1] else ids

    def _encode(self, segment: Segment) -> list[int]:
        pieces = _without_control(segment.text, tuple(self._control)) if segment.literal else [segment.text]
        return [i for piece in pieces for i in self._tokenizer(piece, add_special_tokens=False).input_ids]


def _control_tokens(tokenizer: Any) -> dict[str, int]:
    """Ids of the tokens that are markup: none of them is ever text."""
    added = tokenizer.added_tokens_decoder.items()
    control = {token.content: i for i, token in added if token.special or _MARKUP.fullmatch(token.content)}
    return control | dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = [model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id]
    flat = [i for end in ends for i in (end if isinstance(end, list) else [end])]
    return frozenset(i for i in flat if i is not None)


def _without_control(text: str, control: tuple[str, ...]) -> list[str]:
    """The text in pieces, none of which holds a control token."""
    pattern = _any_of(control)
    if pattern is None:
        return [text]
    # A lookahead, because control strings may overlap.
    cuts = [0, *(match.start() + 1 for match in pattern.finditer(text)), len(text)]
    return [text[start:end] for start, end in zip(cuts, cuts[1:], strict=False) if start < end]


@functools.lru_cache(maxsize=8)
def _any_of(control: tuple[str, ...]) -> re.Pattern[str] | None:
    words = [re.escape(word) for word in control if len(word) > 1]
    return re.compile(f"(?={'|'.join(words)})") if words else None
