"""Low-rank adapters: what they compute, what they freeze, merging and its undoing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from llm_core.errors import WeightsError
from llm_core.model.convert import hub
from llm_core.model.convert.peft import adapter_state, merge, unmerge
from llm_core.model.lora import (
    EMBEDDINGS,
    TARGETS,
    LoraLayer,
    add_lora,
    lora_layers,
)
from tests.model.twins import batch

Pair = Callable[[str], tuple[Any, Any]]


def perturb(model: nn.Module) -> None:
    """As if the adapter had been trained."""
    with torch.no_grad():
        for layer in lora_layers(model).values():
            layer.lora_a.normal_(std=0.2)
            layer.lora_b.normal_(std=0.1)


def adapted(pair: Pair, name: str, **options: Any) -> tuple[Any, dict[str, Tensor]]:
    _, model = pair(name)
    add_lora(model, **{"rank": 4, "alpha": 8} | options)
    perturb(model)
    return model, batch(name)


class TestLayer:
    def test_formula(self) -> None:
        plain = nn.Linear(6, 5)
        layer, x = LoraLayer(plain, rank=2, alpha=3.0), torch.randn(4, 6)
        torch.testing.assert_close(layer(x), plain(x))
        nn.init.normal_(layer.lora_b)
        torch.testing.assert_close(layer(x), plain(x) + 1.5 * (x @ layer.lora_a.T @ layer.lora_b.T))

    def test_dropout_in_training_only(self) -> None:
        layer, x = LoraLayer(nn.Linear(64, 5), rank=2, alpha=2.0, dropout=0.5), torch.randn(4, 64)
        nn.init.normal_(layer.lora_b)
        assert not torch.equal(layer(x), layer(x))
        layer.eval()
        assert torch.equal(layer(x), layer(x))

    def test_takes_over_mode_and_type(self) -> None:
        layer = LoraLayer(nn.Linear(6, 5, bias=False).eval().to(torch.bfloat16), rank=2, alpha=2.0)
        assert not layer.training and layer.bias is None
        assert layer.lora_a.dtype == layer.lora_b.dtype == torch.bfloat16


class TestTable:
    def test_formula(self) -> None:
        plain, ids = nn.Embedding(7, 5), torch.tensor([[3, 1], [0, 6]])
        table = LoraLayer(plain, rank=2, alpha=3.0)
        torch.testing.assert_close(table(ids), plain(ids))
        nn.init.normal_(table.lora_a)
        torch.testing.assert_close(table(ids), plain(ids) + 1.5 * (table.lora_b @ table.lora_a).T[ids])

    def test_learns_what_single_tokens_need(self) -> None:
        table, ids = LoraLayer(nn.Embedding(7, 5), rank=2, alpha=2.0), torch.tensor([2, 4])
        table(ids).square().sum().backward()
        assert table.lora_a.grad is not None and table.lora_a.grad[:, [2, 4]].abs().min() > 0
        assert not table.lora_a.grad[:, [0, 1, 3, 5, 6]].any()


class TestModel:
    @pytest.mark.parametrize("name", ["bert-sequence", "llama", "marian"])
    def test_changes_nothing_at_first(self, pair: Pair, name: str) -> None:
        _, model = pair(name)
        before = model(**batch(name))
        add_lora(model, rank=4, alpha=8)
        assert torch.equal(model(**batch(name)), before)

    @pytest.mark.parametrize(
        ("name", "layers"), [("bert-sequence", 3 * 6 + 1), ("bert-masked-lm", 18), ("llama", 21), ("marian", 38)]
    )
    def test_wraps_every_linear_layer_of_the_blocks(self, pair: Pair, name: str, layers: int) -> None:
        model, _ = adapted(pair, name)
        assert len(lora_layers(model)) == layers

    @pytest.mark.parametrize("name", ["bert-sequence", "bert-span", "bert-masked-lm", "llama-untied", "marian"])
    def test_trains_the_adapter_and_random_heads_only(self, pair: Pair, name: str) -> None:
        model, inputs = adapted(pair, name)
        free = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert free == set(adapter_state(model))
        heads = {name for name in free if "lora" not in name}
        expected = {"bert-sequence": "classifier", "bert-span": "span"}.get(name)
        assert heads == ({f"{expected}.weight", f"{expected}.bias"} if expected else set())
        model(**inputs).square().mean().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters() if parameter.requires_grad)

    def test_other_names_stay(self, pair: Pair) -> None:
        _, model = pair("llama")
        before = set(model.state_dict())
        add_lora(model, rank=4, alpha=8)
        assert {name for name in model.state_dict() if "lora" not in name} == before

    def test_chosen_targets(self, pair: Pair) -> None:
        model, _ = adapted(pair, "llama", targets=r".*\.(query|value)")
        assert {name.rpartition(".")[2] for name in lora_layers(model)} == {"query", "value"}

    def test_embeddings_too(self, pair: Pair) -> None:
        model, inputs = adapted(pair, "bert-sequence", targets=f"{TARGETS}|{EMBEDDINGS}")
        assert lora_layers(model)["transformer.embeddings.tokens"].is_table
        model(**inputs).square().mean().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters() if parameter.requires_grad)

    @pytest.mark.parametrize("name", ["bert-masked-lm", "llama", "llama-untied"])
    def test_embeddings_that_are_the_output_stay(self, pair: Pair, name: str) -> None:
        _, model = pair(name)
        with pytest.raises(ValueError, match="output is made of its embeddings"):
            add_lora(model, rank=4, alpha=8, targets=EMBEDDINGS)

    @pytest.mark.parametrize("targets", ["nowhere", r".*norm"])
    def test_targets_that_match_no_layer_of_weights(self, pair: Pair, targets: str) -> None:
        _, model = pair("llama")
        with pytest.raises(ValueError, match=rf"targets \({targets.replace('*', '[*]')}\) must match linear layers"):
            add_lora(model, rank=4, alpha=8, targets=targets)

    def test_twice(self, pair: Pair) -> None:
        model, _ = adapted(pair, "llama")
        with pytest.raises(ValueError, match="none of them adapted already"):
            add_lora(model, rank=4, alpha=8)


class TestMerging:
    @pytest.mark.parametrize(
        ("name", "targets"),
        [
            ("bert-sequence", TARGETS),
            ("bert-token", f"{TARGETS}|{EMBEDDINGS}"),
            ("llama", TARGETS),
            ("marian", TARGETS),
        ],
    )
    def test_merged_as_apart_and_back_bit_by_bit(self, pair: Pair, name: str, targets: str) -> None:
        model, inputs = adapted(pair, name, targets=targets)
        weights = {key: value.clone() for key, value in model.state_dict().items()}
        with torch.no_grad():
            apart = model(**inputs)
            merge(model)
            merge(model)  # a second time changes nothing
            torch.testing.assert_close(model(**inputs), apart, rtol=1e-5, atol=1e-5)
            assert all(
                not torch.equal(layer.weight, weights[f"{key}.weight"]) for key, layer in lora_layers(model).items()
            )
            unmerge(model)
            unmerge(model)
        assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
        assert torch.equal(model(**inputs), apart)

    def test_merged_model_is_saved_as_any_other(self, pair: Pair, tmp_path: Path) -> None:
        model, inputs = adapted(pair, "llama")
        merge(model)
        hub.save(model, tmp_path)
        assert torch.equal(hub.load(tmp_path, type(model))(**inputs), model(**inputs))

    def test_a_model_that_is_not_merged_is_not_saved(self, pair: Pair, tmp_path: Path) -> None:
        model, _ = adapted(pair, "llama")
        with pytest.raises(WeightsError, match="merge it first"):
            hub.save(model, tmp_path / "new")
