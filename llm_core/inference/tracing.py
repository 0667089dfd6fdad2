"""One text through a model, with everything that the layers do on the way: for looking at, not for speed.

The forward pass is the model's own, with a `Trace`; without one the model never takes this path. What the model would
say after each layer is read off with its own head: the logit lens (nostalgebraist 2020).
"""

# Shape suffix legend
#   L = layers, T = tokens of a stack, S = the encoder's tokens, N = heads, D = hidden size, V = vocabulary

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llm_core.model.attention import Trace
from llm_core.model.heads import CausalLM, MaskedLM, Seq2SeqLM
from llm_core.model.transformer import Stack

LanguageModel = CausalLM | MaskedLM | Seq2SeqLM


@dataclass(frozen=True)
class StackTrace:
    """What the layers of one stack made of its tokens."""

    hidden_LTD: Tensor
    """L + 1 layers: the embedding, then each layer's output; the last is normed where the family norms its output."""
    attention_LNTT: Tensor
    """Rows sum to one."""


@dataclass(frozen=True)
class Traced:
    """One text through a model."""

    encoder: StackTrace | None
    decoder: StackTrace | None
    cross_LNTS: Tensor | None
    """From the decoder's tokens to the encoder's."""
    logits_LTV: Tensor
    """L + 1 layers, of the stack that has the head: what it would say; the last is what it does say."""


@torch.inference_mode()
def traced(model: LanguageModel, ids_T: Tensor, target_ids_T: Tensor | None = None) -> Traced:
    """Runs one text.

    Args:
        model: In evaluation mode.
        ids_T: Token ids.
        target_ids_T: What a translator's decoder reads: its start token and what it has written.
    """
    inner, read = model.transformer, Trace()
    if isinstance(model, CausalLM):
        inner.decode(ids_T[None], trace=read)
        decoder = _stack(read)
        return Traced(None, decoder, None, logit_lens(model, inner.decoder, decoder.hidden_LTD))
    memory_BSD = inner.encode(ids_T[None], trace=read)
    encoder = _stack(read)
    if isinstance(model, MaskedLM):
        return Traced(encoder, None, None, logit_lens(model, inner.encoder, encoder.hidden_LTD))
    assert target_ids_T is not None, "a translator needs target_ids_T"
    written = Trace()
    inner.decode(target_ids_T[None], memory_BSD=memory_BSD, trace=written)
    decoder = _stack(written)
    cross_LNTS = torch.cat(written.cross_attentions)
    return Traced(encoder, decoder, cross_LNTS, logit_lens(model, inner.decoder, decoder.hidden_LTD))


def logit_lens(model: LanguageModel, stack: Stack | None, hidden_LTD: Tensor) -> Tensor:
    r"""(L + 1, T, V): :math:`\mathrm{head}(\mathrm{norm}(h_k))` of each layer's output :math:`h_k`.

    The last layer's states have been normed already, where the stack has a norm.
    """
    if stack is not None and stack.norm is not None:
        hidden_LTD = torch.cat((stack.norm(hidden_LTD[:-1]), hidden_LTD[-1:]))
    return model.logits(hidden_LTD)


def _stack(trace: Trace) -> StackTrace:
    return StackTrace(torch.cat(trace.hidden_states), torch.cat(trace.attentions))
