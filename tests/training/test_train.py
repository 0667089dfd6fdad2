"""Training end to end on a tiny model: what ships is what was trained, and a stopped run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from llm_core.data.loaders import load_rows
from llm_core.training.evaluate import evaluate
from llm_core.training.export import load_model, open_predictor, save_adapter
from llm_core.training.recipe import Recipe
from llm_core.training.train import train
from llm_core.training.trainer import BucketedTrainer, fit
from llm_core.training.tuning import base_model, trainable

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def _changed(recipe: Recipe, part: str, **values: Any) -> Recipe:
    return recipe.model_copy(update={part: getattr(recipe, part).model_copy(update=values)})


def test_a_classifier_ships_and_loads_by_plain_peft(
    classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    report = train(
        classifier, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / "films", work_dir=tmp_path / "run"
    )
    assert [(s["metric"], s["rows"]) for s in report.scores] == [("accuracy", 32), ("f1[great]", 32)]
    assert report.scores[0]["value"] >= 0.9, "three words a label are easily learned"
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

    rows = load_rows("films", "validation", data_dir)
    again = evaluate(open_predictor(report.model_dir, base_dir), rows, "classification")
    assert again["accuracy"] == pytest.approx(report.scores[0]["value"], abs=1e-4)
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert "free for research" in card and "research or non-commercial use only" in card and "Films only." in card
    assert json.loads((report.model_dir / "calibration.json").read_text())["temperature"] > 0


def test_a_reader_ships_with_its_threshold(reader: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    report = train(
        reader, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / "facts", work_dir=tmp_path / "run"
    )
    fitted = json.loads((report.model_dir / "calibration.json").read_text())
    assert isinstance(fitted["no_answer_threshold"], float)
    rows = load_rows("facts", "validation", data_dir)
    answers = open_predictor(report.model_dir, base_dir)(rows)
    assert all(answer in row["context"] for answer, row in zip(answers, rows, strict=True))
    assert "openly licensed" in (report.model_dir / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_the_exported_adapter_gives_the_trained_logits(
    classifier: Recipe, base_dir: Path, tmp_path: Path, kind: str
) -> None:
    recipe = _changed(classifier, "adapter", kind=kind, rank=32, alpha=8)  # rank 32 is the full rank of this base
    model = trainable(recipe, base_model(recipe, base_dir))
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.05
    save_adapter(recipe, model, base_dir, tmp_path)
    tokens = AutoTokenizer.from_pretrained(base_dir)(["the film was good", "bad"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        torch.testing.assert_close(
            load_model(tmp_path, base_dir)(**tokens).logits, model.eval()(**tokens).logits, atol=2e-2, rtol=2e-2
        )


def test_a_stopped_run_goes_on_to_the_same_weights(
    classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights(work: str) -> dict[str, torch.Tensor]:
        model = fit(classifier, base_dir=base_dir, data_dir=data_dir, work_dir=tmp_path / work)
        return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    whole = weights("whole")
    with monkeypatch.context() as patch:
        patch.setattr(BucketedTrainer, "training_step", _failing_after(30, BucketedTrainer.training_step))
        with pytest.raises(KeyboardInterrupt):
            weights("parts")
    assert (tmp_path / "parts" / "checkpoint-12").is_dir(), (
        "stopped between step 12 and step 18, in the third of four epochs"
    )
    resumed = weights("parts")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=1e-4, rtol=1e-3)


def _failing_after(calls: int, step: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    left = iter(range(calls))

    def stopped(*args: Any, **options: Any) -> torch.Tensor:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return step(*args, **options)

    return stopped
