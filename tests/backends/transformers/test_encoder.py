"""Encoders: right in any batch, for any length; refused when their files are not what they should be."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.backends.base import Classifies, Embeds, ExtractsSpans, LoadedModel, ModelFiles, Span, Tags
from llm_core.backends.transformers import TransformersBackend
from llm_core.backends.transformers.calibration import Calibration, read_calibration
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.token_batches import CPU_BATCH_TOKENS, batches_by_length, padded_length
from llm_core.catalog import load_catalog
from llm_core.errors import BackendError, CancelledError, OutOfMemoryError, WeightsError
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import LABELS, WORDS, edit_json, encoder_spec, save_checkpoint

HEADS = ("embedding", "sequence_classification", "span_extraction", "token_classification")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    def opened(head: str) -> LoadedModel:
        files = ModelFiles(save_checkpoint(tmp_path_factory.mktemp(head), head))
        return open_encoder(encoder_spec(head=head), files, DEVICE, torch.float32)

    return {head: opened(head) for head in HEADS}


def test_capabilities(models: dict[str, Any]) -> None:
    for head, capability in zip(HEADS, (Embeds, Classifies, ExtractsSpans, Tags), strict=True):
        assert isinstance(models[head], capability) and isinstance(models[head], LoadedModel)
    assert not isinstance(models["embedding"], Classifies) and not isinstance(models["span_extraction"], Embeds)


@settings(max_examples=25, deadline=None)
@given(st.lists(texts, min_size=1, max_size=12))
def test_a_batch_gives_what_each_text_gives_alone(models: dict[str, Any], batch: list[str]) -> None:
    cancel = CancelToken()
    for call in (models["embedding"].embed, models["sequence_classification"].classify):
        alone = np.concatenate([call([text], cancel) for text in batch])
        np.testing.assert_allclose(call(batch, cancel), alone, atol=2e-6)


def test_embeddings_are_unit_vectors_and_empty_calls_work(models: dict[str, Any]) -> None:
    vectors = models["embedding"].embed(["the cat", "a dog ran. " * 400], CancelToken())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert models["embedding"].embed([], CancelToken()).shape == (0, 32)
    assert models["sequence_classification"].classify([], CancelToken()).shape == (0, 3)


def test_long_texts_are_read_to_their_end(models: dict[str, Any]) -> None:
    start = "the cat sat on the mat. " * 60
    first, second = models["sequence_classification"].classify([start, start + "bad news " * 200], CancelToken())
    assert first.sum() == pytest.approx(1, abs=1e-5) and second.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(first - second).max() > 1e-5  # rounding differs by 2e-6


def test_temperature_softens(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "sequence_classification")
    spec, files, cancel = encoder_spec(head="sequence_classification"), ModelFiles(tmp_path), CancelToken()
    plain = open_encoder(spec, files, DEVICE, torch.float32).classify(["a good cat"], cancel)
    (tmp_path / "calibration.json").write_text('{"temperature": 3.0}')
    soft = open_encoder(spec, files, DEVICE, torch.float32).classify(["a good cat"], cancel)
    assert soft.max() < plain.max() and soft.argmax() == plain.argmax()


def test_bfloat16_is_close_and_its_head_is_float32(tmp_path: Path) -> None:
    files = ModelFiles(save_checkpoint(tmp_path, "sequence_classification"))
    spec, cancel = encoder_spec(head="sequence_classification"), CancelToken()
    exact = open_encoder(spec, files, DEVICE, torch.float32).classify(["the red dog"], cancel)
    model = open_encoder(spec, files, DEVICE, torch.bfloat16)
    np.testing.assert_allclose(model.classify(["the red dog"], cancel), exact, atol=0.05)
    assert {parameter.dtype for parameter in model._model.classifier.parameters()} == {torch.float32}


def test_cancel_stops_before_the_next_batch(models: dict[str, Any]) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        models["embedding"].embed(["a cat"], cancel)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (MemoryError(), OutOfMemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), OutOfMemoryError),
        (RuntimeError("shape mismatch"), BackendError),
    ],
)
def test_errors_while_computing(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: type[Exception]
) -> None:
    def fail(batch: object) -> torch.Tensor:
        raise problem

    monkeypatch.setattr(models["embedding"], "compute", fail)
    with pytest.raises(expected, match="tiny: the"):
        models["embedding"].embed(["a cat"], CancelToken())


def test_backend_dispatches_and_sees_the_device(tmp_path: Path) -> None:
    backend = TransformersBackend(threads=torch.get_num_threads(), device="cpu")
    model = backend.open(encoder_spec(), ModelFiles(save_checkpoint(tmp_path)))
    assert model.device == "cpu" and isinstance(model, Embeds)
    model.close()


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "model.safetensors is missing"),
        (lambda d: (d / "config.json").unlink(), "config.json is missing"),
        (lambda d: (d / "config.json").write_text("{"), "not readable JSON"),
        (lambda d: (d / "config.json").write_text("[]"), "must hold a JSON object"),
        (lambda d: edit_json(d / "config.json", auto_map={"AutoModel": "evil.Model"}), "names code to run"),
        (lambda d: edit_json(d / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]}), "names code"),
        (lambda d: edit_json(d / "config.json", model_type="no-such-model"), "cannot be loaded"),
        (lambda d: (d / "model.safetensors").write_bytes(b"\xff" * 64), "cannot be loaded"),
        (
            lambda d: (d / "model.safetensors").write_bytes((d / "model.safetensors").read_bytes()[:-9]),
            "cannot be loaded",
        ),
        (lambda d: edit_json(d / "config.json", hidden_size=64), "cannot be loaded"),
        (lambda d: edit_json(d / "config.json", id2label={"0": "a", "1": "b"}), "2 labels, its catalogue entry 3"),
        (lambda d: edit_json(d / "config.json", id2label=dict(enumerate(LABELS[::-1]))), "in the model's order"),
        (lambda d: (d / "calibration.json").write_text('{"temperature": 0}'), "temperature must be positive"),
        (lambda d: (d / "calibration.json").write_text('{"temperature": NaN}'), "temperature must be a finite number"),
    ],
)
def test_broken_checkpoints_are_refused(tmp_path: Path, spoil: Any, rule: str) -> None:
    spoil(save_checkpoint(tmp_path, "sequence_classification"))
    with pytest.raises(WeightsError, match=rule):
        open_encoder(encoder_spec(head="sequence_classification"), ModelFiles(tmp_path), DEVICE)


def test_a_head_is_never_made_up(tmp_path: Path) -> None:
    save_checkpoint(tmp_path)
    with pytest.raises(WeightsError, match="weights are missing: qa_outputs"):
        open_encoder(encoder_spec(head="span_extraction"), ModelFiles(tmp_path), DEVICE)


def test_loading_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    files = ModelFiles(save_checkpoint(tmp_path, "sequence_classification"))
    capfd.readouterr()
    with caplog.at_level(logging.WARNING):
        open_encoder(encoder_spec(), files, DEVICE)
    assert not caplog.records and capfd.readouterr() == ("", "")


@given(st.lists(st.integers(1, 600), max_size=200))
def test_batches_hold_every_row_once_within_bounds(lengths: list[int]) -> None:
    batches = list(batches_by_length(lengths))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * padded_length(max(lengths[i] for i in batch)) <= CPU_BATCH_TOKENS


@settings(max_examples=25, deadline=None)
@given(texts, st.lists(texts, min_size=1, max_size=4))
def test_spans_lie_in_their_contexts(models: dict[str, Any], question: str, contexts: list[str]) -> None:
    model = models["span_extraction"]
    spans = model.extract([question] * len(contexts), contexts, CancelToken())
    for span, context in zip(spans, contexts, strict=True):
        found = context[span.start : span.end]
        assert found == found.strip() != ""
        assert found.split()[0] in WORDS and found.split()[-1] in WORDS
        assert 0 <= model.answer_probability(span) <= 1


def test_a_long_context_is_searched_to_its_end(models: dict[str, Any]) -> None:
    model = models["span_extraction"]
    filler = "the cat sat on the mat. " * 80
    spans = model.extract(["who ran?"] * 2, [filler, filler + "blue of red market"], CancelToken())
    assert spans[0] != spans[1] or spans[1].end <= len(filler)
    assert model.extract([], [], CancelToken()) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4))
def test_entities_are_words_of_their_texts(models: dict[str, Any], batch: list[str]) -> None:
    found = models["token_classification"].tag(batch, CancelToken())
    for text, spans in zip(batch, found, strict=True):
        assert all(text[span.start : span.end].split()[0] in WORDS for span in spans)
        assert all(span.label == "PER" and 0 < span.score <= 1 for span in spans)
        assert all(before.end <= span.start for before, span in itertools.pairwise(spans))
    alone = [models["token_classification"].tag([text], CancelToken())[0] for text in batch]
    assert [[(s.start, s.end) for s in spans] for spans in alone] == [[(s.start, s.end) for s in own] for own in found]


def test_entities_of_a_long_text_are_found_to_its_end(models: dict[str, Any]) -> None:
    model = models["token_classification"]
    (spans,) = model.tag(["the cat sat on the mat. " * 80], CancelToken())
    assert (
        spans and spans[-1].end > 1500 and model.tag([], CancelToken()) == [] and model.tag([""], CancelToken()) == [[]]
    )


def test_capitals_are_told_where_the_calibration_says_so(tmp_path: Path) -> None:
    spec, files = (
        encoder_spec(head="token_classification"),
        ModelFiles(save_checkpoint(tmp_path, "token_classification")),
    )
    asked = ["Blue market who ran", "blue market who ran"]
    plain = open_encoder(spec, files, DEVICE, torch.float32).tag(asked, CancelToken())  # type: ignore[attr-defined]
    assert [s.score for s in plain[0]] == pytest.approx([s.score for s in plain[1]])
    (tmp_path / "calibration.json").write_text(json.dumps({"mark_capitals": True}))
    told = open_encoder(spec, files, DEVICE, torch.float32).tag(asked, CancelToken())  # type: ignore[attr-defined]
    assert [(s.start, s.score) for s in told[1]] == [(s.start, s.score) for s in plain[1]]
    assert [s.score for s in told[0]] != pytest.approx([s.score for s in told[1]])


def test_calibration_of_answers(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(
        '{"no_answer_threshold": 1.5, "answer_is_right": {"slope": 0.5, "intercept": -1.0}, "not_in_text": {}}'
    )
    assert read_calibration(tmp_path) == Calibration(1.0, 1.5, 0.5, -1.0)
    assert read_calibration(tmp_path).answer_is_right(2.0) == pytest.approx(0.5)
    assert Calibration().answer_is_right(-np.inf) == 0 and Calibration().answer_is_right(np.inf) == 1


@pytest.mark.parametrize("stride", [-1, 1.5, True, "9"])
def test_a_stride_is_a_whole_number(stride: object, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"stride": stride}))
    with pytest.raises(WeightsError, match="stride must be a whole number from 0"):
        read_calibration(tmp_path)


def test_threshold_decides_and_curve_states(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "span_extraction")
    spec, cancel = encoder_spec(head="span_extraction"), CancelToken()
    plain = open_encoder(spec, ModelFiles(tmp_path), DEVICE, torch.float32)
    (tmp_path / "calibration.json").write_text('{"no_answer_threshold": 9.0}')
    strict = open_encoder(spec, ModelFiles(tmp_path), DEVICE, torch.float32)
    before: Span = plain.extract(["who ran?"], ["the cat ran"], cancel)[0]
    after: Span = strict.extract(["who ran?"], ["the cat ran"], cancel)[0]
    assert after.null_score == pytest.approx(before.null_score + 9.0)
    assert strict.answer_probability(after) == pytest.approx(plain.answer_probability(before))


@pytest.mark.real_weights
def test_minilm_in_bfloat16_is_minilm(minilm_files: ModelFiles) -> None:
    spec, cancel = load_catalog()["minilm"], CancelToken()
    sentences = [
        "A man is playing the guitar.", "Somebody plays an instrument.", "The stock market fell sharply on Monday.",
    ]  # fmt: skip
    exact = open_encoder(spec, minilm_files, DEVICE, torch.float32).embed(sentences, cancel)
    fast = open_encoder(spec, minilm_files, DEVICE, torch.bfloat16).embed(sentences, cancel)
    assert (exact * fast).sum(axis=1).min() >= 0.999
    likeness = exact @ exact.T
    assert likeness[0, 1] > 0.5 > 0.2 > likeness[0, 2]
