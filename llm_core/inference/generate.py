"""Greedy and sampled decoding, token by token, for decoders and encoder–decoders; cancellable between tokens."""

# Shape suffix legend
#   B = batch, S = tokens of the prompt, V = vocabulary, A = alternatives

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llm_core.inference.rows import Rows, ending_tokens, keep_rules, padding_token
from llm_core.inference.sampling import choose
from llm_core.model.heads import CausalLM, Seq2SeqLM
from llm_core.types import CancelToken, Sampling


@dataclass(frozen=True)
class Step:
    """One token of each row."""

    tokens: Tensor
    """(B,) ids; padding in rows that ended before."""
    log_probabilities: Tensor | None = None
    """(B,) natural logarithms, before penalty and sampling filters; None when not asked for."""
    alternatives: tuple[Tensor, Tensor] | None = None
    """(B, A) ids and log-probabilities, best first."""


@torch.inference_mode()
def generate(
    model: CausalLM | Seq2SeqLM,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    sampling: Sampling,
    eos: Sequence[int] | None = None,
    cancel: CancelToken | None = None,
    static_cache: bool = True,
) -> Iterator[Step]:
    """Yields a step a token until every row has ended or `sampling.max_new_tokens` is reached.

    Args:
        model: In evaluation mode; `packed.packed` makes a faster one.
        input_ids: (B, S) prompts, padded on the left, or the encoder's input, padded on the right.
        attention_mask: (B, S), true at tokens; None: no padding.
        sampling: A seed gives the same tokens again; None draws a new one. `stop` is not read: it is of text.
        eos: Tokens that end a row and are its last; None: the model's own.
        cancel: Asked before each token.
        static_cache: Lay out memory for all tokens at once, instead of growing.

    Raises:
        InputError: See `Rows`.
        CancelledError: The caller withdrew the request.
        DeadlineExceededError: The allowed time ran out.
    """
    rows = Rows(model, input_ids, attention_mask, sampling.max_new_tokens, static_cache)
    ends = ending_tokens(model, eos)
    ends_tensor, pad = torch.tensor(ends, dtype=torch.long, device=input_ids.device), padding_token(model, ends)
    generator = torch.Generator(input_ids.device)
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    ended_B = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    for i in range(sampling.max_new_tokens):
        if cancel is not None:
            cancel.check()
        logits_BV = rows.read()
        allowed_BV = keep_rules(logits_BV, rows, sampling.repeat_penalty, i + 1 == sampling.max_new_tokens, ends)
        tokens_B = choose(allowed_BV, sampling, generator).masked_fill(ended_B, pad)
        yield _step(logits_BV, tokens_B, sampling.top_alternatives)
        ended_B = ended_B | torch.isin(tokens_B, ends_tensor)
        if ended_B.all():
            return
        rows.append(tokens_B)


def _step(logits_BV: Tensor, tokens_B: Tensor, alternatives: int) -> Step:
    if not alternatives:
        return Step(tokens_B)
    log_p_BV = logits_BV.log_softmax(-1)
    best = log_p_BV.topk(alternatives)
    return Step(tokens_B, log_p_BV.gather(1, tokens_B[:, None])[:, 0], (best.indices, best.values))
