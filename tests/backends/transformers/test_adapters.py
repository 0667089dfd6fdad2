"""Merged adapters compute what peft computes; what cannot be merged is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from llm_core.backends.base import ModelFiles
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.labels import ClassifierModel
from llm_core.data.question_answering import make_windows
from llm_core.errors import WeightsError
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import edit_json, encoder_spec, save_adapter, save_checkpoint

CLASSIFIER = "sequence_classification"
TEXTS = ["the cat sat on the mat.", "a bad dog", "who ran where when the red market news was good?"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("base"))


def opened(base: Path, adapter: Path, head: str = CLASSIFIER) -> Any:
    return open_encoder(encoder_spec(head=head), ModelFiles(adapter, ModelFiles(base)), DEVICE, torch.float32)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"target_modules": ["query", "value"], "r": 2},
        {"target_modules": ["query", "word_embeddings"], "r": 2},
    ],
)
def test_classifier_equals_peft(base: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    reference = save_adapter(base, tmp_path, CLASSIFIER, **options)
    model = opened(base, tmp_path)
    encoded = model._tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = reference(**encoded).logits.softmax(-1).numpy()
    assert isinstance(model, ClassifierModel)
    np.testing.assert_allclose(model.classify(TEXTS, CancelToken()), expected, atol=1e-5)


def test_span_logits_equal_pefts(base: Path, tmp_path: Path) -> None:
    """Also in that peft ignores token types for this kind of model."""
    reference = save_adapter(base, tmp_path, "span_extraction")
    model = opened(base, tmp_path, "span_extraction")
    encoded = model._tokenizer("where did the cat sat?", TEXTS[0], return_tensors="pt", return_token_type_ids=True)
    window = make_windows(model._tokenizer, [{"question": "where did the cat sat?", "context": TEXTS[0]}], 100, 10)[0]
    assert model._row(window).token_type_ids is None and encoded["token_type_ids"].any()
    with torch.inference_mode():
        expected = reference(**encoded)
        found = model.compute({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]})
    torch.testing.assert_close(found[..., 0], expected.start_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[..., 1], expected.end_logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"peft_type": "IA3"}, "peft_type must be LORA, not 'IA3'"),
        ({"use_dora": True}, "use_dora cannot be merged"),
        ({"bias": "all"}, "bias cannot be merged"),
        ({"lora_alpha": "8"}, "lora_alpha must be a number"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "names code to run"),
    ],
)
def test_other_adapters_are_refused(base: Path, tmp_path: Path, changes: dict[str, Any], rule: str) -> None:
    save_adapter(base, tmp_path, CLASSIFIER)
    edit_json(tmp_path / "adapter_config.json", **changes)
    with pytest.raises(WeightsError, match=rule):
        opened(base, tmp_path)


@pytest.mark.parametrize(
    ("rename", "rule"),
    [
        (("query.lora_A", "query.lora_C"), "is not a tensor that can be merged"),
        (("key.lora_B.weight", "key.lora_D.weight"), "is not a tensor that can be merged"),
        (("layer.0.attention.self.query", "layer.7.attention.self.query"), "the base has no bert.encoder.layer.7"),
        (("classifier", "other"), "the base has no other"),
    ],
)
def test_tensors_that_do_not_fit(base: Path, tmp_path: Path, rename: tuple[str, str], rule: str) -> None:
    save_adapter(base, tmp_path, CLASSIFIER)
    file = tmp_path / "adapter_model.safetensors"
    save_file({name.replace(*rename): tensor for name, tensor in load_file(file).items()}, file)
    with pytest.raises(WeightsError, match=rule):
        opened(base, tmp_path)


def test_eight_bit_floats(base: Path, tmp_path: Path) -> None:
    save_adapter(base, tmp_path, CLASSIFIER)
    expected = opened(base, tmp_path).classify(TEXTS, CancelToken())
    file = tmp_path / "adapter_model.safetensors"
    save_file({name: tensor.to(torch.float8_e4m3fn) for name, tensor in load_file(file).items()}, file)
    np.testing.assert_allclose(opened(base, tmp_path).classify(TEXTS, CancelToken()), expected, atol=0.05)


def test_head_that_is_missing(base: Path, tmp_path: Path) -> None:
    save_adapter(base, tmp_path, CLASSIFIER)
    file = tmp_path / "adapter_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if "classifier" not in name}, file)
    with pytest.raises(WeightsError, match="weights are missing: classifier.bias, classifier.weight"):
        opened(base, tmp_path)


def test_pickled_weights_are_refused(base: Path, tmp_path: Path) -> None:
    save_adapter(base, tmp_path, CLASSIFIER)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(WeightsError, match="adapter_model.safetensors is missing"):
        opened(base, tmp_path)
