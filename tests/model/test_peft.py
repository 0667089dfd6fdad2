"""Adapters in PEFT's format: ours in plain `peft` on transformers' base, and theirs on ours."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from llm_core.backends.base import ModelFiles
from llm_core.errors import WeightsError
from llm_core.model.convert import hub
from llm_core.model.convert import peft as adapters
from llm_core.model.convert.peft import merge
from llm_core.model.heads import SequenceClassifier, SpanExtractor, TokenClassifier
from llm_core.model.lora import EMBEDDINGS, TARGETS, add_lora, lora_layers
from tests.model.twins import batch, meaningful, their_logits

Pair = Callable[[str], tuple[Any, Any]]
TASKS = {
    "bert-sequence": "SEQ_CLS",
    "bert-token": "TOKEN_CLS",
    "bert-span": "QUESTION_ANS",
    "bert-masked-lm": None,
    "llama": "CAUSAL_LM",
    "marian": "SEQ_2_SEQ_LM",
}
CLASSES: dict[str, tuple[Any, Any]] = {
    "BertForQuestionAnswering": (BertForQuestionAnswering, SpanExtractor),
    "BertForSequenceClassification": (BertForSequenceClassification, SequenceClassifier),
    "BertForTokenClassification": (BertForTokenClassification, TokenClassifier),
}
SHIPPED = sorted(path.parent for path in (Path(__file__).parents[2] / "models").glob("*/adapter_config.json"))


def trained(model: Any, **options: Any) -> Any:
    """`model` with an adapter and a head that are not at their start."""
    add_lora(model, **{"rank": 4, "alpha": 6} | options)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def with_peft(base: Any, directory: Path) -> Any:
    """The base of transformers with an adapter that plain peft has loaded; every weight has found its place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        wrapped = peft.PeftModel.from_pretrained(deepcopy(base), str(directory)).eval()
    stored = load_file(directory / "adapter_model.safetensors")
    loaded = peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    assert loaded.keys() == stored.keys()
    return wrapped.get_base_model()  # its own forward: PEFT's for question answering leaves token types out


def assert_same(ours: Any, theirs: Any, inputs: dict[str, Tensor]) -> None:
    with torch.no_grad():
        mine, other = ours(**inputs), their_logits(theirs, **inputs)
    torch.testing.assert_close(meaningful(mine, inputs), meaningful(other, inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TASKS)
class TestRoundTrip:
    def test_ours_in_peft(self, pair: Pair, name: str, tmp_path: Path) -> None:
        theirs, ours = pair(name)
        with torch.no_grad():
            plain = ours(**batch(name))
            assert not torch.allclose(trained(ours)(**batch(name)), plain, atol=1e-2)
        adapters.save(ours, tmp_path, base="some/base")
        assert_same(ours, with_peft(theirs, tmp_path), batch(name))
        settings = json.loads((tmp_path / "adapter_config.json").read_text())
        assert (settings["task_type"], settings["base_model_name_or_path"]) == (TASKS[name], "some/base")

    def test_peft_in_ours(self, pair: Pair, name: str, tmp_path: Path) -> None:
        theirs, ours = pair(name)
        targets = r".*\.layers?\.\d+\..*(query|key|value|dense|_proj|fc1|fc2)"
        config = peft.LoraConfig(task_type=TASKS[name], r=3, lora_alpha=5, target_modules=targets)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            wrapped = peft.get_peft_model(deepcopy(theirs), config).eval()
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
        wrapped.save_pretrained(str(tmp_path))
        adapters.load(ours, tmp_path)
        assert_same(ours, wrapped.get_base_model(), batch(name))
        merge(ours)
        assert_same(ours, wrapped.get_base_model(), batch(name))

    def test_saved_and_loaded_by_us(self, pair: Pair, name: str, tmp_path: Path) -> None:
        _, ours = pair(name)
        trained(ours, dropout=0.25)
        merge(ours)
        adapters.save(ours, tmp_path)
        _, again = pair(name)
        adapters.load(again, tmp_path)
        assert all(layer.dropout.p == 0.25 and layer.alpha == 6 for layer in lora_layers(again).values())
        merge(again)
        with torch.no_grad():
            assert torch.equal(again(**batch(name)), ours(**batch(name)))


class TestEmbeddings:
    def test_ours_in_peft(self, pair: Pair, tmp_path: Path) -> None:
        theirs, ours = pair("bert-sequence")
        trained(ours, targets=f"{TARGETS}|{EMBEDDINGS}")
        adapters.save(ours, tmp_path)
        stored = load_file(tmp_path / "adapter_model.safetensors")
        assert "base_model.model.bert.embeddings.word_embeddings.lora_embedding_A" in stored
        assert_same(ours, with_peft(theirs, tmp_path), batch("bert-sequence"))

    def test_peft_in_ours(self, pair: Pair, tmp_path: Path) -> None:
        theirs, ours = pair("bert-token")
        config = peft.LoraConfig(task_type="TOKEN_CLS", r=3, lora_alpha=5, target_modules=["query", "word_embeddings"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapped = peft.get_peft_model(deepcopy(theirs), config).eval()
            with torch.no_grad():
                for parameter in wrapped.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter), alpha=0.1)
            wrapped.save_pretrained(str(tmp_path), save_embedding_layers=False)
        adapters.load(ours, tmp_path)
        merge(ours)
        assert_same(ours, wrapped.get_base_model(), batch("bert-token"))


class TestEightBitFloats:
    def test_small_numbers_keep_their_digits(self, pair: Pair, tmp_path: Path) -> None:
        """Factors as small as training leaves them, of which a plain cast would keep nothing."""
        theirs, ours = pair("bert-sequence")
        trained(ours, alpha=4)
        with torch.no_grad():
            for layer in lora_layers(ours).values():
                layer.lora_a.mul_(0.003)
        exact = {name: layer.change() for name, layer in lora_layers(ours).items()}
        adapters.save(ours, tmp_path, dtype=torch.float8_e4m3fn)
        stored = load_file(tmp_path / "adapter_model.safetensors")
        dtypes = {name: tensor.dtype for name, tensor in stored.items()}
        assert {dtypes.pop(name) for name in list(dtypes) if "lora" in name} == {torch.float8_e4m3fn}
        assert set(dtypes.values()) == {torch.float16}, "the head has no adapter that makes up for few digits"
        _, again = pair("bert-sequence")
        adapters.load(again, tmp_path)
        assert all(parameter.dtype == torch.float32 for parameter in again.parameters())
        for name, layer in lora_layers(again).items():
            assert (layer.change() - exact[name]).norm() < 0.06 * exact[name].norm()
        assert_same(again, with_peft(theirs, tmp_path), batch("bert-sequence"))


class TestChosenLayers:
    def test_only_these_are_targets(self, pair: Pair, tmp_path: Path) -> None:
        theirs, ours = pair("llama")
        trained(ours, targets=r".*blocks\.(0\..*query|2\..*(query|down))")
        adapters.save(ours, tmp_path, dtype=torch.float16)
        wrapped = with_peft(theirs, tmp_path)
        wraps = {name for name, module in wrapped.named_modules() if hasattr(module, "lora_A")}
        layers = "model.layers.0.self_attn.q_proj", "model.layers.2.self_attn.q_proj", "model.layers.2.mlp.down_proj"
        assert wraps == set(layers)
        assert {tensor.dtype for tensor in load_file(tmp_path / "adapter_model.safetensors").values()} == {
            torch.float16
        }


class TestRefused:
    @pytest.fixture
    def saved(self, pair: Pair, tmp_path: Path) -> Path:
        adapters.save(trained(pair("llama")[1]), tmp_path)
        return tmp_path

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("use_dora", True, "adapters with use_dora are not supported"),
            ("use_rslora", True, "use_rslora"),
            ("rank_pattern", {"q_proj": 2}, "rank_pattern"),
            ("fan_in_fan_out", True, "fan_in_fan_out"),
            ("bias", "all", "bias none"),
            ("peft_type", "IA3", "peft_type LORA"),
            ("task_type", "SEQ_CLS", "is an adapter for SEQ_CLS, not CAUSAL_LM"),
            ("r", 5, "does not fit the model: .*size mismatch"),
        ],
    )
    def test_options(self, pair: Pair, saved: Path, option: str, value: object, message: str) -> None:
        file = saved / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {option: value}))
        with pytest.raises(WeightsError, match=f"(?s){message}"):
            adapters.load(pair("llama")[1], saved)

    def test_weights_of_another_family(self, pair: Pair, saved: Path) -> None:
        file = saved / "adapter_model.safetensors"
        save_file({"base_model.model.bert.encoder.layer.0.x.lora_A.weight": torch.zeros(4, 32)}, file)
        with pytest.raises(WeightsError, match="belongs to no part of a llama model"):
            adapters.load(pair("llama")[1], saved)

    def test_weights_that_are_missing(self, pair: Pair, saved: Path) -> None:
        file = saved / "adapter_model.safetensors"
        state = load_file(file)
        lost = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
        del state[lost]
        save_file(state, file)
        with pytest.raises(WeightsError, match=r"does not fit the model: .*1\.feed_forward\.up\.lora_b"):
            adapters.load(pair("llama")[1], saved)

    def test_layers_the_model_has_not(self, pair: Pair, saved: Path) -> None:
        file = saved / "adapter_model.safetensors"
        save_file({name.replace("layers.2", "layers.7"): value for name, value in load_file(file).items()}, file)
        with pytest.raises(WeightsError, match=r"does not fit the model: .*blocks\.7"):
            adapters.load(pair("llama")[1], saved)

    @pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
    def test_files_missing_or_cut_short(self, pair: Pair, saved: Path, file: str) -> None:
        (saved / file).write_bytes((saved / file).read_bytes()[:40])
        with pytest.raises(WeightsError, match="the adapter cannot be read"):
            adapters.load(pair("llama")[1], saved)
        (saved / file).unlink()
        with pytest.raises(WeightsError, match="the adapter cannot be read"):
            adapters.load(pair("llama")[1], saved)

    def test_nothing_to_save(self, pair: Pair, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="this model has none"):
            adapters.save(pair("llama")[1], tmp_path)

    def test_two_ranks(self, pair: Pair, tmp_path: Path) -> None:
        model = trained(pair("llama")[1], targets=r".*\.query")
        add_lora(model, 2, 6, targets=r".*\.key")
        with pytest.raises(WeightsError, match=r"one rank, alpha and dropout; this model has \[\(2, 6, 0.0\), \(4"):
            adapters.save(model, tmp_path)


def test_a_pooler_that_the_base_has_not_travels_with_the_adapter(pair: Pair, tmp_path: Path) -> None:
    """As masked-LM pre-training leaves a base."""
    base, place = tmp_path / "base", tmp_path / "adapter"
    pair("bert-masked-lm")[0].save_pretrained(base)
    build = partial(SequenceClassifier, num_labels=3)
    ours = trained(hub.load(base, build, fresh_head=True), rank=2, alpha=4)
    assert set(ours.fresh_parts) == {"pooler", "classifier"} and "pooler" not in lora_layers(ours)
    adapters.save(ours, place, base=str(base))
    theirs = with_peft(BertForSequenceClassification.from_pretrained(base, num_labels=3), place)
    assert_same(ours, theirs, batch("bert-sequence"))
    again = hub.load(base, build, fresh_head=True)
    adapters.load(again, place)
    assert_same(again, theirs, batch("bert-sequence"))


class TestLowRank:
    def full(self, pair: Pair, rank: int | None) -> tuple[Any, Any]:
        """A base, and the same fully fine-tuned by a change of `rank` (None: of every rank)."""
        before, after = pair("bert-sequence")[1], pair("bert-sequence")[1]
        with torch.no_grad():
            for name, parameter in after.named_parameters():
                if ".blocks." in name and parameter.dim() == 2 or name.startswith(("pooler.weight", "classifier")):
                    change = 0.1 * torch.randn_like(parameter)
                    if rank and parameter.dim() == 2 and not name.startswith("classifier"):
                        change = change[:, :rank] @ torch.randn(rank, parameter.shape[1])
                    parameter += change
        return before, after

    def test_exact_when_the_rank_suffices(self, pair: Pair) -> None:
        before, after = self.full(pair, rank=3)
        adapters.low_rank(before, after, rank=3)
        with torch.no_grad():
            expected = after(**batch("bert-sequence"))
            torch.testing.assert_close(before(**batch("bert-sequence")), expected, rtol=1e-4, atol=1e-4)

    def test_best_of_its_rank(self, pair: Pair) -> None:
        before, after = self.full(pair, rank=None)
        adapters.low_rank(before, after, rank=5)
        for name, layer in lora_layers(before).items():
            change = after.get_submodule(name).weight - layer.weight
            left = change - layer.lora_b @ layer.lora_a
            beyond = (
                torch.linalg.svdvals(change)[5:].square().sum().sqrt()
            )  # Eckart & Young: no rank-5 matrix is nearer
            torch.testing.assert_close(left.norm(), beyond, rtol=1e-4, atol=1e-5)

    def test_embeddings_where_they_are_wanted(self, pair: Pair) -> None:
        before, after = self.full(pair, rank=3)
        with torch.no_grad():
            table = after.transformer.embeddings.tokens.weight
            table += 0.1 * torch.randn(len(table), 3) @ torch.randn(3, table.shape[1])
            expected = after(**batch("bert-sequence"))
            adapters.low_rank(before, after, rank=3, targets=f"{TARGETS}|{EMBEDDINGS}")
            torch.testing.assert_close(before(**batch("bert-sequence")), expected, rtol=1e-4, atol=1e-4)

    def test_rank_above_the_layer_size(self, pair: Pair) -> None:
        before, after = self.full(pair, rank=None)
        adapters.low_rank(before, after, rank=40)
        with torch.no_grad():
            expected = after(**batch("bert-sequence"))
            torch.testing.assert_close(before(**batch("bert-sequence")), expected, rtol=1e-4, atol=1e-4)


class TestShorten:
    def tuned(self, pair: Pair) -> Any:
        return trained(pair("bert-sequence")[1], rank=6, alpha=12)

    def test_best_of_its_rank(self, pair: Pair) -> None:
        model = self.tuned(pair)
        changes = {name: 2 * layer.lora_b @ layer.lora_a for name, layer in lora_layers(model).items()}
        adapters.shorten(model, 4)
        for name, layer in lora_layers(model).items():
            assert len(layer.lora_a) == layer.lora_b.shape[1] == layer.alpha == 4
            left = changes[name] - layer.lora_b @ layer.lora_a
            beyond = torch.linalg.svdvals(changes[name])[4:].square().sum().sqrt()
            torch.testing.assert_close(left.norm(), beyond, rtol=1e-3, atol=1e-5)

    def test_the_whole_rank_changes_nothing_and_still_loads(self, pair: Pair, tmp_path: Path) -> None:
        model = self.tuned(pair).eval()
        with torch.no_grad():
            expected = model(**batch("bert-sequence"))
            adapters.shorten(model, 6)
            torch.testing.assert_close(model(**batch("bert-sequence")), expected, rtol=1e-4, atol=1e-4)
        adapters.save(model, tmp_path)
        assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 6

    def test_a_larger_rank_is_refused(self, pair: Pair) -> None:
        with pytest.raises(WeightsError, match="rank 6 cannot be shortened to 7"):
            adapters.shorten(self.tuned(pair), 7)


@pytest.mark.real_weights
@pytest.mark.parametrize("directory", SHIPPED, ids=lambda path: path.name)
def test_shipped_adapters(directory: Path, minilm_files: ModelFiles) -> None:
    """What `peft` trained on transformers' classes answers the same on ours."""
    config = AutoConfig.from_pretrained(directory)
    theirs_class, ours_class = CLASSES[config.architectures[0]]
    named = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    base = directory.parents[1] / named if named.startswith("models/") else minilm_files.directory
    theirs = with_peft(theirs_class.from_pretrained(base, config=config, dtype=torch.float32), directory)
    build = ours_class if ours_class is SpanExtractor else partial(ours_class, num_labels=config.num_labels)
    ours = hub.load(base, build, fresh_head=True)
    adapters.load(ours, directory)
    ids, kinds = torch.randint(1000, config.vocab_size, (2, 24)), (torch.arange(24) > 9).long().expand(2, 24)
    mask = (torch.arange(24) < torch.tensor([[24], [17]])).long()
    inputs = {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": kinds * mask}
    assert_same(ours, theirs, inputs)
