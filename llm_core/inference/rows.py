"""Rows of text that grow token by token: a model, its cache, and the rules that its next token must keep."""

# Shape suffix legend
#   B = batch, T = new tokens, S = tokens of the prompt, V = vocabulary

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from llm_core.errors import InputError
from llm_core.inference.precision import full_float32
from llm_core.inference.sampling import penalise_repetition
from llm_core.model.cache import KeyValueCache
from llm_core.model.heads import CausalLM, Seq2SeqLM


class Rows:
    """What a decoder has read of each row.

    Args:
        model: In evaluation mode.
        input_ids: (B, S) prompts, padded on the left, or the encoder's input, padded on the right.
        attention_mask: (B, S), true at tokens; None: no padding.
        max_new_tokens: Room to lay out in the cache.
        static: A cache of fixed size; otherwise one that grows.

    Raises:
        InputError: There is no prompt, no token is asked for, or together they exceed the model's positions.
    """

    def __init__(
        self, model: CausalLM | Seq2SeqLM, input_ids: Tensor, attention_mask: Tensor | None, max_new_tokens: int,
        static: bool = True,
    ) -> None:  # fmt: skip
        if input_ids.dim() != 2 or not input_ids.numel():
            raise InputError("input_ids", "must be (B, S) with at least one token", tuple(input_ids.shape))
        config, self.model = model.config, model
        self._source, self._mask, self._memory = input_ids, attention_mask, None
        self.ids = input_ids
        """(B, S) tokens so far on the decoder's side, padding included."""
        if isinstance(model, Seq2SeqLM):
            assert config.decoder_start_token_id is not None, "an encoder-decoder has a first token"
            self._memory = model.transformer.encode(input_ids, attention_mask)
            self.ids = input_ids.new_full((len(input_ids), 1), config.decoder_start_token_id)
        capacity = self.ids.shape[1] + max_new_tokens
        if max_new_tokens < 1 or capacity > config.max_positions:
            rule = f"must be at least 1, and at most {config.max_positions} with the prompt"
            raise InputError("max_new_tokens", rule, max_new_tokens)
        self._cache = KeyValueCache(config.decoder_layers, capacity if static else None)

    def read(self) -> Tensor:
        """(B, V) float32 logits of the next token, after reading what is new since the last call."""
        new_BT = self.ids[:, self._cache.length :]
        one_row = new_BT.numel() == 1 and self._cache.length > 0  # earlier, an encoder's output is multiplied as well
        with full_float32 if one_row else nullcontext():
            return self._last_logits(new_BT)

    def _last_logits(self, new_BT: Tensor) -> Tensor:
        if isinstance(self.model, Seq2SeqLM):
            arguments = {"decoder_input_ids": new_BT, "memory_BSD": self._memory}
            logits = self.model(self._source, self._mask, cache=self._cache, last_only=True, **arguments)
        else:
            logits = self.model(new_BT, self._mask, cache=self._cache, last_only=True)
        last_BV: Tensor = logits[:, -1].float()
        return last_BV

    def append(self, tokens_B: Tensor) -> None:
        """Adds a token to each row."""
        self.ids = torch.cat((self.ids, tokens_B[:, None]), dim=1)
        if self._mask is not None and not isinstance(self.model, Seq2SeqLM):
            self._mask = torch.cat((self._mask, self._mask.new_ones(len(self._mask), 1)), dim=1)

    def select(self, rows: Tensor, same_source: bool = False) -> None:
        """Row i becomes what row ``rows[i]`` was; with `same_source`, both have the same source, which stays."""
        self.ids = self.ids[rows]
        self._cache.reorder(rows, memory=not same_source)
        if not same_source:
            self._source = self._source[rows]
            self._mask = None if self._mask is None else self._mask[rows]
            self._memory = None if self._memory is None else self._memory[rows]


def keep_rules(scores_BV: Tensor, rows: Rows, repeat_penalty: float, last: bool, eos: Sequence[int]) -> Tensor:
    """(B, V) scores after the repetition penalty and an encoder–decoder's rules: no padding, and an end at the last."""
    if repeat_penalty != 1.0:
        scores_BV = penalise_repetition(scores_BV, rows.ids, repeat_penalty)
    if isinstance(rows.model, Seq2SeqLM):
        pad = rows.model.config.pad_token_id
        if pad is not None and pad not in eos:
            scores_BV = scores_BV.index_fill(1, torch.tensor([pad], device=scores_BV.device), -math.inf)
        if last and eos:
            scores_BV = torch.full_like(scores_BV, -math.inf)
            scores_BV[:, eos[0]] = 0.0
    return scores_BV


def ending_tokens(model: CausalLM | Seq2SeqLM, eos: Sequence[int] | None) -> tuple[int, ...]:
    """`eos`, or the model's own end token where None."""
    own = model.config.eos_token_id
    return tuple(eos) if eos is not None else () if own is None else (own,)


def padding_token(model: CausalLM | Seq2SeqLM, eos: Sequence[int]) -> int:
    """What fills rows that have ended: the model's padding, its first end token, or 0."""
    pad = model.config.pad_token_id
    return pad if pad is not None else (*eos, 0)[0]
