"""What training needs of the model: gradients, activation checkpointing, fresh weights as transformers makes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertForSequenceClassification, LlamaForCausalLM, MarianMTModel

from llm_core.model.config import ModelConfig, preset
from llm_core.model.convert.configs import to_hub_config
from llm_core.model.convert.names import to_hub
from llm_core.model.heads import CausalLM, Model, Seq2SeqLM, SequenceClassifier
from tests.model.twins import TWINS, batch, their_logits

Pair = Callable[[str], tuple[Any, Any]]


def backward(logits: Tensor, inputs: dict[str, Tensor]) -> None:
    """Cross-entropy against fixed labels; padding does not count."""
    labels = torch.arange(logits[..., 0].numel()).view(logits.shape[:-1]) % logits.shape[-1]
    if labels.shape == inputs["attention_mask"].shape:
        labels = labels.masked_fill(inputs["attention_mask"] == 0, -100)
    torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten()).backward()


@pytest.mark.parametrize("name", TWINS)
class TestGradients:
    @pytest.mark.parametrize("fused", [True, False])
    def test_as_the_twin(self, pair: Pair, name: str, fused: bool) -> None:
        theirs, ours = pair(name)
        inputs = batch(name)
        ours.train().use_fused_attention(fused)
        theirs.zero_grad()
        backward(their_logits(theirs, **inputs), inputs)
        backward(ours(**inputs), inputs)
        expected = dict(theirs.named_parameters())
        for key, parameter in ours.named_parameters():
            grad = expected[str(to_hub(ours.config.family, key))].grad
            assert parameter.grad.abs().max() > 0, f"{key} learns nothing"
            torch.testing.assert_close(parameter.grad, grad, rtol=1e-4, atol=1e-5)

    def test_recomputed_activations_give_the_same(self, pair: Pair, name: str) -> None:
        _, ours = pair(name)
        inputs = batch(name)
        backward(ours.train()(**inputs), inputs)
        kept = {key: parameter.grad.clone() for key, parameter in ours.named_parameters()}
        ours.zero_grad()
        calls = count_attention_calls(ours)
        for stack in (ours.transformer.encoder, ours.transformer.decoder):
            if stack is not None:
                stack.gradient_checkpointing = True
        backward(ours(**inputs), inputs)
        assert calls and all(count == 2 for count in calls.values()), "each layer runs again in the backward pass"
        for key, parameter in ours.named_parameters():
            torch.testing.assert_close(parameter.grad, kept[key], rtol=1e-6, atol=1e-7)


def count_attention_calls(model: Model) -> dict[str, int]:
    calls: dict[str, int] = {}

    def count(key: str, *_: object) -> None:
        calls[key] = calls.get(key, 0) + 1

    for key, module in model.named_modules():
        if key.endswith("attention.query"):
            module.register_forward_hook(partial(count, key))
    return calls


SIZES: dict[str, Any] = {"vocab_size": 500, "hidden_size": 128, "intermediate_size": 256, "num_heads": 4}
MARIAN: dict[str, Any] = {"pad_token_id": 499, "eos_token_id": 0, "decoder_start_token_id": 499}
FRESH: dict[str, tuple[ModelConfig, Callable[[ModelConfig], Model], Any]] = {
    "bert": (
        preset("bert", **SIZES, encoder_layers=2, initializer_range=0.05),
        partial(SequenceClassifier, num_labels=64),
        BertForSequenceClassification,
    ),
    "llama": (preset("llama", **SIZES, decoder_layers=2, tie_embeddings=False), CausalLM, LlamaForCausalLM),
    "marian": (preset("marian", **SIZES, **MARIAN, encoder_layers=2, decoder_layers=2), Seq2SeqLM, MarianMTModel),
}


@pytest.mark.parametrize("family", FRESH)
class TestFreshWeights:
    def test_spread_as_the_twins(self, family: str) -> None:
        config, build, kind = FRESH[family]
        settings = to_hub_config(config, kind.__name__, [f"label {i}" for i in range(64)])
        twin = kind(kind.config_class.from_dict(settings))
        expected, ours = dict(twin.named_parameters()), build(config)
        for key, parameter in ours.named_parameters():
            theirs = expected[str(to_hub(family, key))]
            if parameter.dim() == 1:
                assert torch.equal(parameter, theirs), f"{key}: norms start at one, biases at zero"
                continue
            assert parameter.std().item() == pytest.approx(theirs.std().item(), rel=0.1), key
            assert parameter.std().item() == pytest.approx(config.initializer_range, rel=0.1), key
            assert abs(parameter.mean().item()) < 5 * config.initializer_range / parameter.numel() ** 0.5, key

    def test_seeded(self, family: str) -> None:
        config, build, _ = FRESH[family]
        states = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            states.append(build(config).state_dict())
        first, same, other = states
        assert all(torch.equal(first[key], same[key]) for key in first)
        assert not torch.equal(
            first["transformer.embeddings.tokens.weight"], other["transformer.embeddings.tokens.weight"]
        )

    def test_dropout_in_training_only(self, family: str) -> None:
        _, build, _ = FRESH[family]
        config = preset(family, **SIZES, **MARIAN, **layers(family), dropout=0.3, attention_dropout=0.3)
        model, inputs = build(config), batch(family)
        assert not torch.equal(model(**inputs), model(**inputs))
        model.eval()
        assert torch.equal(model(**inputs), model(**inputs))


@pytest.mark.parametrize("name", ["bert-sequence", "bert-token"])
def test_dropout_before_the_classifier(pair: Pair, name: str) -> None:
    _, ours = pair(name)
    ours.dropout.train().p = 0.5
    assert not torch.equal(ours(**batch(name)), ours(**batch(name)))


def layers(family: str) -> dict[str, int]:
    sides = {"bert": ("encoder",), "llama": ("decoder",), "marian": ("encoder", "decoder")}[family]
    return {f"{side}_layers": 2 for side in sides}
