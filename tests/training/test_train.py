"""Training end to end on a tiny model: what ships is what was trained, and a stopped run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from llm_core.backends.base import ModelFiles
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.spans import SpanModel
from llm_core.data.loaders import load_rows
from llm_core.errors import InputError
from llm_core.evaluation.coverage import read_coverage
from llm_core.evaluation.evaluate import evaluate
from llm_core.evaluation.scores import read_scores
from llm_core.model.lora import lora_layers
from llm_core.training.export import load_model, open_predictor, save_model
from llm_core.training.fitting import Fitted
from llm_core.training.objectives import objective_for
from llm_core.training.recipe import Recipe
from llm_core.training.run_folder import alone_in
from llm_core.training.train import train
from llm_core.training.tuning import from_base, trainable
from llm_core.training.vocabulary import open_tokenizer
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import encoder_spec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def _changed(recipe: Recipe, part: str, **values: Any) -> Recipe:
    return recipe.model_copy(update={part: getattr(recipe, part).model_copy(update=values)})


def test_a_run_folder_takes_one_training_at_a_time(
    classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    places = {"base_dir": base_dir, "data_dir": data_dir, "output_dir": tmp_path / "out", "work_dir": tmp_path / "run"}
    with alone_in(tmp_path / "run"), pytest.raises(InputError, match="run folder: another training is running"):
        train(classifier, **places)
    with alone_in(tmp_path / "run"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_classifier_ships_and_loads_by_plain_peft(
    classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    report = train(
        classifier, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / "films", work_dir=tmp_path / "run"
    )
    assert [(s.metric, s.rows) for s in report.scores] == [("accuracy", 32), ("f1[great]", 32)]
    assert report.scores[0].value >= 0.9, "three words a label are easily learned"
    assert {tensor.dtype for tensor in load_file(report.model_dir / "adapter_model.safetensors").values()} == {
        torch.float16
    }

    config = AutoConfig.from_pretrained(report.model_dir)
    plain = AutoModelForSequenceClassification.from_pretrained(base_dir, config=config)
    model = PeftModel.from_pretrained(plain, str(report.model_dir)).eval()
    assert model.config.id2label == {0: "poor", 1: "great"}
    tokens = AutoTokenizer.from_pretrained(base_dir)(["the film was good"], return_tensors="pt")
    with torch.inference_mode():
        assert model(**tokens).logits.argmax() == 1

    [films] = read_coverage(report.model_dir / "coverage.json")
    assert (films.data, films.rows) == ("films", 32)
    assert films.right[0] / films.rows == pytest.approx(report.scores[0].value, abs=1e-4)
    assert films.kept[50] == 32, "one of two labels has at least half of the probability"

    rows = load_rows("films", "validation", data_dir)
    again = evaluate(open_predictor(report.model_dir, base_dir), rows, "classification")
    assert again["accuracy"].value == pytest.approx(report.scores[0].value, abs=1e-4)
    assert read_scores(report.model_dir / "scores.json") == report.scores
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert "free for research" in card and "research or non-commercial use only" in card and "Films only." in card
    assert "| majority | tfidf | ngrams |" in card and "| upper case |" in card and card.count("(reference: ") == 10
    told = json.loads((report.model_dir / "scores.json").read_text())
    assert [len(told["baselines"][name]) for name in ("majority", "tfidf", "ngrams")] == [2, 2, 2]
    assert told["baselines"]["tfidf"][0]["value"] > told["baselines"]["majority"][0]["value"]
    assert "negation_pairs" not in told, "poor and great are no sentiment"
    assert json.loads((report.model_dir / "calibration.json").read_text())["temperature"] > 0


@pytest.mark.parametrize("marked", [False, True])
def test_a_reader_ships_with_its_threshold(
    marked: bool, reader: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    changes = {
        "mark_shared_words": marked, "overlap_weight": 9.0 * marked, "overlap_in_margin": marked,
        "foreign_in_validation": 0.5 * marked,
        "languages": ("zh",),
    }  # fmt: skip
    reader = reader.model_copy(update={**changes, "tuning": reader.tuning.model_copy(update={"ship": "adapter"})})
    report = train(
        reader, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / "facts", work_dir=tmp_path / "run"
    )
    fitted = json.loads((report.model_dir / "calibration.json").read_text())
    assert isinstance(fitted["no_answer_threshold"], float)
    assert fitted.get("mark_shared_words", False) == marked and fitted.get("overlap_weight", 0) == 9 * marked
    assert (fitted["rows"] > 16) == marked
    rows = load_rows("facts", "validation", data_dir)
    predictor = open_predictor(report.model_dir, base_dir)
    answers = predictor(rows)
    assert all(answer in row["context"] for answer, row in zip(answers, rows, strict=True))
    files = ModelFiles(report.model_dir, ModelFiles(base_dir))
    served = open_encoder(encoder_spec(head="span_extraction", context_length=96), files, DEVICE, torch.float32)
    assert isinstance(served, SpanModel) and served._with_types == marked
    assert served.stride == reader.stride, "windows are cut as they were measured"
    spans = served.extract([r["question"] for r in rows], [r["context"] for r in rows], CancelToken())
    margins = [span.score - span.null_score + fitted["no_answer_threshold"] for span in spans]
    np.testing.assert_allclose(margins, [span.margin for span in predictor.spans(rows)], atol=1e-2)  # bfloat16
    assert "openly licensed" in (report.model_dir / "README.md").read_text(encoding="utf-8")


def test_an_adapter_ships_with_the_rank_of_its_recipe(classifier: Recipe, base_dir: Path, tmp_path: Path) -> None:
    recipe = _changed(classifier, "tuning", rank=4, ship_rank=3)
    objective = objective_for(recipe, open_tokenizer(base_dir))
    model = trainable(objective, from_base(objective, base_dir, seed=13))
    fitted = Fitted(model, objective, base_dir, tmp_path, seed=13, steps=1, tokens=1, seconds=0.0, results=())
    save_model(recipe, fitted, base_dir, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 3
    assert {len(layer.lora_a) for layer in lora_layers(load_model(tmp_path, base_dir)).values()} == {3}


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_the_exported_adapter_gives_the_trained_logits(
    classifier: Recipe, base_dir: Path, tmp_path: Path, kind: str
) -> None:
    recipe = _changed(classifier, "tuning", kind=kind, ship="adapter", rank=32, alpha=8)  # full rank of this base
    objective = objective_for(recipe, open_tokenizer(base_dir))
    model = trainable(objective, from_base(objective, base_dir, seed=13))
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.05
    fitted = Fitted(model, objective, base_dir, tmp_path, seed=13, steps=1, tokens=1, seconds=0.0, results=())
    save_model(recipe, fitted, base_dir, tmp_path)
    tokens = dict(open_tokenizer(base_dir)(["the film was good", "bad"], padding=True, return_tensors="pt"))
    with torch.inference_mode():
        shipped, trained = load_model(tmp_path, base_dir)(**tokens), model.eval()(**tokens)
    torch.testing.assert_close(shipped, trained, atol=2e-2, rtol=2e-2)
