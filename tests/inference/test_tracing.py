"""What is traced is what the model computes, and the lens ends in what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from llm_core.inference.tracing import traced
from llm_core.model.attention import Trace

Pair = Callable[[str], tuple[Any, Any]]
IDS = torch.tensor([3, 17, 5, 42, 8])


def named(pair: Pair, name: str) -> Any:
    return pair(name)[1]


@pytest.mark.parametrize("name", ["llama", "bert-masked-lm"])
def test_the_lens_ends_in_the_models_own_logits(pair: Pair, name: str) -> None:
    model = named(pair, name)
    found = traced(model, IDS)
    with torch.no_grad():
        torch.testing.assert_close(found.logits_LTV[-1], model(IDS[None])[0], rtol=1e-5, atol=1e-5)
    stack = found.encoder or found.decoder
    assert stack is not None and len(found.logits_LTV) == len(stack.hidden_LTD) == len(stack.attention_LNTT) + 1


def test_a_layer_in_the_middle_is_normed_before_the_head_reads_it(pair: Pair) -> None:
    model = named(pair, "llama")
    found = traced(model, IDS)
    with torch.no_grad():
        expected = model.logits(model.transformer.decoder.norm(model.transformer.embeddings.tokens(IDS)))
    torch.testing.assert_close(found.logits_LTV[0], expected, rtol=1e-5, atol=1e-5)


def test_attention_is_shared_out_and_never_ahead(pair: Pair) -> None:
    decoder = traced(named(pair, "llama"), IDS).decoder
    assert decoder is not None
    torch.testing.assert_close(decoder.attention_LNTT.sum(-1), torch.ones(decoder.attention_LNTT.shape[:-1]))
    assert decoder.attention_LNTT.triu(1).abs().max() == 0


def test_a_translator_shows_both_sides_and_what_lies_between(pair: Pair) -> None:
    model, target = named(pair, "marian"), torch.tensor([60, 7, 9])
    found = traced(model, IDS, target)
    assert found.encoder is not None and found.decoder is not None and found.cross_LNTS is not None
    assert found.cross_LNTS.shape[-2:] == (3, 5)
    with torch.no_grad():
        own = Trace()
        said = model(IDS[None], decoder_input_ids=target[None], trace=own)
    torch.testing.assert_close(found.logits_LTV[-1], said[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.cross_LNTS[0], own.cross_attentions[0][0])


def test_looking_does_not_leave_a_trace_in_the_fast_path(pair: Pair) -> None:
    model = named(pair, "bert-masked-lm")
    with torch.no_grad():
        before = model(IDS[None])
        traced(model, IDS)
        assert torch.equal(model(IDS[None]), before)
