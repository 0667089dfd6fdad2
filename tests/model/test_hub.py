"""Directories of the Hub: forms of checkpoints that are read, and what is refused and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, BertModel

from llm_core.errors import WeightsError
from llm_core.model.config import ModelConfig, preset
from llm_core.model.convert import hub
from llm_core.model.convert.configs import from_hub_config, to_hub_config
from llm_core.model.convert.names import TABLES, from_hub, to_hub
from llm_core.model.heads import CausalLM, MaskedLM, Seq2SeqLM, SequenceClassifier, SpanExtractor, TokenClassifier
from tests.model.twins import PAD, TWINS, batch

Pair = Callable[[str], tuple[Any, Any]]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """A twin's directory of the test's own, with changed settings."""

    def save(name: str, **settings: Any) -> Path:
        TWINS[name].save(tmp_path)
        file = tmp_path / "config.json"
        changed = json.loads(file.read_text()) | settings
        file.write_text(json.dumps({key: value for key, value in changed.items() if value is not ...}))
        return tmp_path

    return save


class TestForms:
    def test_other_threads_can_make_models_meanwhile(self, twin: Callable[[str], tuple[Any, Path]]) -> None:
        made: list[torch.nn.Linear] = []

        def build(config: ModelConfig) -> CausalLM:
            other = Thread(target=lambda: made.append(torch.nn.Linear(2, 2)))
            other.start()
            other.join()
            model = CausalLM(config)
            assert {parameter.device.type for parameter in model.parameters()} == {"meta"}, "would take memory twice"
            return model

        loaded = hub.load(twin("llama")[1], build)
        assert made[0].weight.device.type == "cpu"
        assert {value.device.type for value in [*loaded.parameters(), *loaded.buffers()]} == {"cpu"}

    def test_shards(self, pair: Pair, tmp_path: Path) -> None:
        theirs, ours = pair("llama-untied")
        theirs.save_pretrained(tmp_path, max_shard_size="20KB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 2
        loaded = hub.load(tmp_path, CausalLM).state_dict()
        assert all(torch.equal(value, loaded[key]) for key, value in ours.state_dict().items())

    @pytest.mark.parametrize("build", [SpanExtractor, partial(SequenceClassifier, num_labels=5), MaskedLM])
    def test_bare_model(self, pair: Pair, tmp_path: Path, build: Any) -> None:
        theirs, _ = pair("bert-sequence")
        theirs.bert.save_pretrained(tmp_path)
        assert not any(name.startswith("bert.") for name in load_file(tmp_path / "model.safetensors"))
        ours, inputs = hub.load(tmp_path, build, fresh_head=True), batch("bert-sequence")
        hidden = ours.transformer.encode(**inputs)
        expected = theirs.bert(**inputs).last_hidden_state
        mask = inputs["attention_mask"].bool()
        torch.testing.assert_close(hidden[mask], expected[mask], rtol=1e-5, atol=1e-5)
        assert ours(**inputs).isfinite().all()

    def test_fresh_heads_are_as_new_ones(self, pair: Pair, tmp_path: Path) -> None:
        pair("bert-sequence")[0].bert.save_pretrained(tmp_path)
        ours = hub.load(tmp_path, partial(TokenClassifier, num_labels=50), fresh_head=True)
        assert ours.classifier.weight.std().item() == pytest.approx(ours.config.initializer_range, rel=0.1)
        assert not ours.classifier.bias.any()
        masked = hub.load(tmp_path, MaskedLM, fresh_head=True)
        assert (masked.transform_norm.weight == 1).all() and not masked.transform_norm.bias.any()

    def test_old_names_of_norms(self, saved: Callable[..., Path]) -> None:
        directory = saved("bert-masked-lm")
        file, expected = directory / "model.safetensors", hub.load(directory, MaskedLM).state_dict()
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        state = load_file(file)
        for new, name in old.items():
            state = {key.replace(new, name): value for key, value in state.items()}
        assert any(key.endswith("gamma") for key in state)
        save_file(state | {"bert.embeddings.position_ids": torch.arange(40)}, file)
        loaded = hub.load(directory, MaskedLM).state_dict()
        assert all(torch.equal(value, loaded[key]) for key, value in expected.items())

    def test_rotary_frequencies_of_old_checkpoints_are_ignored(self, saved: Callable[..., Path]) -> None:
        directory = saved("llama")
        file = directory / "model.safetensors"
        save_file(load_file(file) | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}, file)
        hub.load(directory, CausalLM)

    def test_dtype(self, saved: Callable[..., Path], tmp_path: Path) -> None:
        ours = hub.load(saved("llama"), CausalLM, dtype=torch.bfloat16)
        assert {parameter.dtype for parameter in ours.parameters()} == {torch.bfloat16}
        hub.save(ours, tmp_path / "half", dtype=torch.float16)
        assert {value.dtype for value in load_file(tmp_path / "half" / "model.safetensors").values()} == {torch.float16}
        assert AutoConfig.from_pretrained(tmp_path / "half").dtype == torch.float16

    def test_changes_of_the_configuration(self, saved: Callable[..., Path]) -> None:
        ours = hub.load(saved("bert-masked-lm"), MaskedLM, dropout=0.4)
        assert ours.config.dropout == ours.transformer.embeddings.dropout.p == 0.4

    def test_labels(self, pair: Pair, tmp_path: Path) -> None:
        _, ours = pair("bert-sequence")
        hub.save(ours, tmp_path, labels=["好", "坏", "neither"])
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert loaded.config.id2label == {0: "好", 1: "坏", 2: "neither"}
        with pytest.raises(ValueError, match=r"labels \(2\) must be as many as the classifier's logits \(3\)"):
            hub.save(ours, tmp_path, labels=["good", "bad"])

    def test_tied_weights_are_stored_once(self, saved: Callable[..., Path], tmp_path: Path) -> None:
        hub.save(hub.load(saved("marian"), Seq2SeqLM), tmp_path / "ours")
        names = set(load_file(tmp_path / "ours" / "model.safetensors"))
        assert {"model.shared.weight", "final_logits_bias"} <= names and "lm_head.weight" not in names

    def test_nothing_half_written(self, pair: Pair, tmp_path: Path) -> None:
        hub.save(pair("llama")[1], tmp_path / "new" / "folder")
        assert {file.name for file in (tmp_path / "new" / "folder").iterdir()} == {"config.json", "model.safetensors"}


REFUSED = [
    ("llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0}}, "of type 'llama3'"),
    ("llama", {"rope_parameters": ..., "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling = {'type'"),
    ("llama", {"attention_bias": True}, "llama with attention_bias = True is not supported"),
    ("llama", {"mlp_bias": True}, "mlp_bias = True"),
    ("llama", {"hidden_act": "gelu_new"}, "activation 'gelu_new' is not supported; these are: gelu, relu"),
    ("llama", {"model_type": "mistral"}, "model_type must be one of bert, llama, marian, not mistral"),
    ("llama", {"model_type": ...}, "not None"),
    ("llama", {"num_attention_heads": ...}, "config.json cannot be used: KeyError"),
    ("llama", {"hidden_size": ...}, "config.json cannot be used: TypeError.*hidden_size"),
    ("llama", {"num_key_value_heads": 3}, r"num_heads \(4\) must be divisible by num_kv_heads \(3\)"),
    ("bert-span", {"position_embedding_type": "relative_key"}, "position_embedding_type = 'relative_key'"),
    ("bert-span", {"is_decoder": True}, "is_decoder = True"),
    ("marian", {"normalize_before": True}, "normalize_before = True"),
    ("marian", {"share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings = False"),
    ("marian", {"decoder_attention_heads": 2}, "another attention_heads in the decoder"),
    ("marian", {"decoder_ffn_dim": 32}, "another ffn_dim in the decoder"),
    ("marian", {"decoder_start_token_id": None}, "needs decoder_start_token_id"),
    # weights that contradict the configuration
    ("llama", {"num_hidden_layers": 4}, "lacks transformer.decoder.blocks.3"),
    ("llama", {"num_hidden_layers": 2}, "model.layers.2.* has no place in the configured model"),
    ("llama", {"vocab_size": 99}, "of another shape than the configuration says: transformer.embeddings.tokens.weight"),
    ("llama", {"tie_word_embeddings": False}, "lacks output.weight"),
]


class TestRefused:
    @pytest.mark.parametrize(("name", "settings", "message"), REFUSED)
    def test_options(self, saved: Callable[..., Path], name: str, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(WeightsError, match=message):
            hub.load(saved(name, **settings), TWINS[name].build)

    def test_biases_that_the_configuration_hides(self, saved: Callable[..., Path]) -> None:
        directory = saved("llama")
        file = directory / "model.safetensors"
        save_file(load_file(file) | {"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}, file)
        with pytest.raises(WeightsError, match=r"q_proj\.bias has no place in the configured model"):
            hub.load(directory, CausalLM)

    def test_a_head_that_is_not_there(self, saved: Callable[..., Path]) -> None:
        with pytest.raises(WeightsError, match=r"lacks span\.bias, span\.weight"):
            hub.load(saved("bert-masked-lm"), SpanExtractor)

    def test_pickles(self, saved: Callable[..., Path]) -> None:
        directory = saved("llama")
        (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
        with pytest.raises(WeightsError, match="safetensors is missing; other weight formats are not read"):
            hub.load(directory, CausalLM)

    @pytest.mark.parametrize("listed", ["lost.safetensors", "../elsewhere.safetensors"])
    def test_shards_that_are_not_there(self, saved: Callable[..., Path], listed: str) -> None:
        directory = saved("llama")
        index = {"weight_map": {"model.norm.weight": listed}}
        (directory / "model.safetensors.index.json").write_text(json.dumps(index))
        (directory.parent / "elsewhere.safetensors").write_bytes((directory / "model.safetensors").read_bytes())
        with pytest.raises(WeightsError, match=f"{listed} is missing"):
            hub.load(directory, CausalLM)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 3}'])
    def test_a_malformed_index(self, saved: Callable[..., Path], content: str) -> None:
        directory = saved("llama")
        (directory / "model.safetensors.index.json").write_text(content)
        with pytest.raises(WeightsError, match=r"index\.json is malformed"):
            hub.load(directory, CausalLM)

    @pytest.mark.parametrize("length", [0, 5, 3000])
    def test_a_file_cut_short(self, saved: Callable[..., Path], length: int) -> None:
        file = saved("llama") / "model.safetensors"
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(WeightsError, match="is cut short or malformed"):
            hub.load(file.parent, CausalLM)

    @pytest.mark.parametrize("content", [None, "", "{", "[]"])
    def test_configurations_that_cannot_be_read(self, saved: Callable[..., Path], content: str | None) -> None:
        file = saved("llama") / "config.json"
        file.unlink()
        if content is not None:
            file.write_text(content)
        with pytest.raises(WeightsError, match=r"config\.json cannot be used"):
            hub.load(file.parent, CausalLM)

    def test_parts_without_a_place_in_the_family(self) -> None:
        config = preset("llama", vocab_size=9, hidden_size=8, intermediate_size=8, num_heads=2, encoder_layers=1)
        with pytest.raises(WeightsError, match="has no place in a llama checkpoint"):
            hub.hub_state(SpanExtractor(config))


class TestConfigurations:
    @pytest.mark.parametrize("name", TWINS)
    def test_there_and_back(self, name: str) -> None:
        twin = TWINS[name]
        ours = from_hub_config(twin.config().to_dict())
        assert from_hub_config(to_hub_config(ours, twin.kind.__name__)) == ours
        again = type(twin.config()).from_dict(to_hub_config(ours, twin.kind.__name__))
        assert from_hub_config(again.to_dict()) == ours

    @pytest.mark.parametrize("family", ["bert", "llama", "marian"])
    def test_silence_means_what_transformers_means(self, family: str) -> None:
        """A sparse config.json is read as transformers reads it, not as our presets would have it."""
        twin = TWINS["bert-masked-lm" if family == "bert" else family]
        full = twin.config().to_dict()
        sizes = ("size", "layers", "heads", "dim", "d_model", "max_position", "token_id", "model_type")
        sparse = {key: value for key, value in full.items() if any(part in key for part in sizes)}
        sparse["head_dim"] = full.get("head_dim")
        completed = type(twin.config()).from_dict(sparse).to_dict()
        assert from_hub_config(sparse) == from_hub_config(completed)

    def test_marian_ends_its_longest_output(self) -> None:
        """What generation reads from the configuration of a translator: opus-mt's own say the same."""
        settings = to_hub_config(from_hub_config(TWINS["marian"].config().to_dict()), "MarianMTModel")
        wanted = {"eos_token_id": 0, "forced_eos_token_id": 0, "decoder_start_token_id": PAD, "pad_token_id": PAD}
        assert wanted.items() <= settings.items()

    def test_several_end_tokens(self) -> None:
        assert from_hub_config(TWINS["llama"].config().to_dict() | {"eos_token_id": [5, 7]}).eos_token_id == 5

    def test_rope_theta_of_older_configurations(self) -> None:
        settings = TWINS["llama"].config().to_dict() | {"rope_theta": 250.0}
        del settings["rope_parameters"]
        assert from_hub_config(settings).rope_theta == 250.0


class TestNames:
    @pytest.mark.parametrize("family", TABLES)
    def test_each_name_comes_back(self, family: str) -> None:
        for ours, theirs in TABLES[family]:
            assert to_hub(family, ours.format(11)) == theirs.format(11)
            assert from_hub(family, f"{theirs.format(11)}.weight") == f"{ours.format(11)}.weight"

    @pytest.mark.parametrize(
        "name", ["model.layers.x.mlp.up_proj", "model.layers.1.mlp.up_proj.weight_scale", "lm_heads", ""]
    )
    def test_other_names(self, name: str) -> None:
        assert from_hub("llama", name) is None


def test_bare_model_of_ours_has_every_weight_of_the_twin(pair: Pair) -> None:
    """No weight of the twin is left out, but for tied copies and constant positions."""
    for name in TWINS:
        theirs, ours = pair(name)
        tied = {"lm_head.weight", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
        left = set(theirs.state_dict()) - set(hub.hub_state(ours)) - tied
        assert all("embed_positions" in key or "embed_tokens" in key or key.endswith("position_ids") for key in left)


def test_bert_without_a_pooler_loads(pair: Pair, tmp_path: Path) -> None:
    """As masked-LM pre-training leaves it: the pooler is fresh."""
    theirs, _ = pair("bert-masked-lm")
    assert isinstance(theirs.bert, BertModel) and theirs.bert.pooler is None
    theirs.save_pretrained(tmp_path)
    ours = hub.load(tmp_path, partial(SequenceClassifier, num_labels=2), fresh_head=True)
    assert ours.pooler.weight.std() > 0
