"""Which weights move for each kind of tuning; training on from earlier models; tagging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from llm_core.data.loaders import load_rows
from llm_core.errors import InputError
from llm_core.evaluation.evaluate import evaluate
from llm_core.model.heads import Model
from llm_core.training.export import load_model, open_predictor
from llm_core.training.objectives import objective_for
from llm_core.training.recipe import Recipe
from llm_core.training.train import train
from llm_core.training.tuning import from_base, trainable
from llm_core.training.vocabulary import open_tokenizer


def _tuned(recipe: Recipe, base_dir: Path, **tuning: Any) -> Model:
    recipe = Recipe.model_validate({**recipe.model_dump(exclude_unset=True), "tuning": tuning})
    objective = objective_for(recipe, open_tokenizer(base_dir))
    return trainable(objective, from_base(objective, base_dir, seed=1))


def _free(model: Model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_kinds_free_their_weights(classifier: Recipe, base_dir: Path) -> None:
    everything = {name for name, _ in _tuned(classifier, base_dir, kind="full").named_parameters()}
    assert _free(_tuned(classifier, base_dir, kind="full")) == everything
    head = {name for name in everything if name.startswith(("classifier", "pooler"))}
    assert _free(_tuned(classifier, base_dir, kind="linear_probe")) == head and len(head) == 4
    top = {name for name in everything if name.startswith("transformer.encoder.blocks.1.")} | head
    assert _free(_tuned(classifier, base_dir, kind="partial", top_blocks=1)) == top
    assert _free(_tuned(classifier, base_dir, kind="partial", blocks=[1])) == top
    linear = _free(_tuned(classifier, base_dir, kind="full", ship="adapter"))
    assert linear < everything and not any("norm" in n or "embeddings" in n or "s.0.f.bias" in n for n in linear)
    table = _free(_tuned(classifier, base_dir, kind="full", ship="adapter", embeddings=True)) - linear
    assert table == {"transformer.embeddings.tokens.weight"}
    low = _free(_tuned(classifier, base_dir, kind="lora", rank=2, alpha=2, embeddings=True))
    assert {name for name in low if "embeddings" in name} == {
        "transformer.embeddings.tokens.lora_a", "transformer.embeddings.tokens.lora_b"
    }  # fmt: skip
    adapter = _free(_tuned(classifier, base_dir, kind="lora", rank=2, alpha=2))
    assert all(".lora_" in name or name.startswith("classifier") for name in adapter)


def test_blocks_that_the_base_has_not(classifier: Recipe, base_dir: Path) -> None:
    with pytest.raises(InputError, match=r"tuning.blocks: must be below 2.*7"):
        _tuned(classifier, base_dir, kind="partial", blocks=[7])


def test_rows_longer_than_the_base_reads(classifier: Recipe, base_dir: Path) -> None:
    with pytest.raises(InputError, match="max_length: must not exceed the base's 128"):
        _tuned(classifier.model_copy(update={"max_length": 200}), base_dir, kind="full")


def test_a_whole_model_ships_and_is_trained_on(
    classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    content = {**classifier.model_dump(exclude_unset=True), "tuning": {"kind": "linear_probe", "hidden_dropout": 0.0}}
    slow = {**content["optim"], "learning_rate": 1e-4}  # a head that has gone far is a bad place to begin from
    first = Recipe.model_validate({**content, "dtype": "float32", "optim": slow})
    train(first, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / "first", work_dir=tmp_path / "run1")
    probe, base = load_model(tmp_path / "first").state_dict(), load_model(tmp_path / "first", base_dir)
    assert torch.equal(probe["transformer.encoder.blocks.0.feed_forward.up.weight"], base.state_dict()[
        "transformer.encoder.blocks.0.feed_forward.up.weight"
    ])  # fmt: skip
    second = Recipe.model_validate({**content, "tuning": {"kind": "partial", "top_blocks": 1}, "dtype": "float32"})
    report = train(
        second, base_dir=tmp_path / "first", data_dir=data_dir, output_dir=tmp_path / "m", work_dir=tmp_path / "run2"
    )
    after = load_model(tmp_path / "m").state_dict()
    assert report.scores[0].value >= 0.9
    frozen = [name for name in after if "embeddings" in name or ".blocks.0." in name]
    assert frozen and all(torch.equal(after[name], probe[name]) for name in frozen)
    assert not torch.equal(after["classifier.weight"], probe["classifier.weight"])


def test_an_approximation_is_polished(classifier: Recipe, base_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    content = {**classifier.model_dump(exclude_unset=True), "dtype": "float8_e4m3fn"}
    content["optim"] = {**content["optim"], "epochs": 0.5, "learning_rate": 2e-3}
    content["data"] = [{"name": "films", "licence": "commercial use needs permission"}]
    tuning = {"kind": "full", "ship": "adapter", "rank": 2, "embeddings": True, "hidden_dropout": 0.0}
    rows, losses = load_rows("films", "train", data_dir), {}
    for name, polish in {
        "plain": {},
        "still": {"polish": {"max_steps": 1, "learning_rate": 1e-9}},
        "polished": {"polish": {"max_steps": 24, "learning_rate": 0.02}},
    }.items():
        recipe = Recipe.model_validate({**content, "tuning": {**tuning, **polish}})
        train(
            recipe, base_dir=base_dir, data_dir=data_dir, output_dir=tmp_path / name, work_dir=tmp_path / f"run {name}"
        )
        predictor: Any = open_predictor(tmp_path / name, base_dir)
        chances = predictor.probabilities([row["text"] for row in rows])
        right = [recipe.labels.index(row["label"]) for row in rows]
        losses[name] = -float(np.log(chances[range(len(rows)), right]).mean())
    assert losses["still"] == pytest.approx(losses["plain"], rel=0.05)
    assert losses["polished"] < 0.8 * losses["plain"]
    card = (tmp_path / "polished" / "README.md").read_text(encoding="utf-8")
    assert "and the token embeddings, shipped as its best approximation of rank 2 and trained on for 24 steps" in card
    top = card.partition("## Scores")[0]
    assert "asks for permission: `films` (commercial use needs permission)" in top


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"crf": {}}, "crf: is for tagging, not classification"),
        ({"crf": {"width": 4}}, "must be odd"),
        ({"crf": {"dropout": 1}}, "less than 1"),
        ({"tuning": {"kind": "lora", "polish": {"max_steps": 1, "learning_rate": 0.1}}}, "polish: is for kind full"),
        ({"tuning": {"kind": "full", "embeddings": True}}, "embeddings: is for adapters"),
        ({"tuning": {"kind": "full"}, "dtype": "float8_e4m3fn"}, "dtype: float8_e4m3fn is for adapters"),
    ],
)
def test_options_that_do_not_belong_together(classifier: Recipe, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Recipe.model_validate({**classifier.model_dump(exclude_unset=True), **changes})


def tagger(**fields: Any) -> Recipe:
    """A recipe for the names in `names`, with these fields besides."""
    return Recipe.model_validate(
        {
            "name": "names",
            "title": "Names",
            "objective": "tagging",
            "base": "made/up",
            "base_licence": "Apache-2.0",
            "labels": ["O", "B-FILM", "I-FILM"],
            "max_length": 32,
            "stride": 4,
            "calibrate_on": ["names"],
            "data": [{"name": "names", "licence": "MIT"}],
            "scores": [{"data": "names", "metrics": ["f1"]}],
            **fields,
        }
    )


def test_a_tagger_finds_the_names_and_loads_in_transformers(base_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    recipe = tagger(
        labels=["O", "B-WORK", "I-WORK"],
        mark_capitals=True,
        data=[{"name": "names", "licence": "MIT", "tags": {"FILM": "WORK"}}],
        tuning={"hidden_dropout": 0.0},
        optim={"epochs": 4, "learning_rate": 0.01, "batch_size": 16, "warmup_steps": 2},
    )
    model_dir = tmp_path / "m"
    report = train(recipe, base_dir=base_dir, data_dir=data_dir, output_dir=model_dir, work_dir=tmp_path / "run")
    assert report.scores[0].value > 0.95
    fitted = json.loads((model_dir / "calibration.json").read_text())
    assert fitted["mark_capitals"] is True and 0.2 <= fitted["temperature"] <= 5
    card = (model_dir / "README.md").read_text(encoding="utf-8")
    assert "least sure word" in card and "(WORK)** (reference: " in card
    rows = load_rows("names", "validation", data_dir)
    expected = [{**row, "tags": [tag.replace("FILM", "WORK") for tag in row["tags"]]} for row in rows]
    predict: Any = open_predictor(model_dir)
    assert evaluate(predict, expected, "tagging")["f1"].value == pytest.approx(report.scores[0].value, abs=1e-4)
    theirs = AutoModelForTokenClassification.from_pretrained(model_dir)
    assert theirs.config.id2label == {0: "O", 1: "B-WORK", 2: "I-WORK"}


def test_a_crf_knows_names_that_the_tagger_missed(
    base_dir: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(name: str, **fields: Any) -> Any:
        recipe = tagger(**fields, name=name, tuning={"kind": "lora"}, optim={"max_steps": 1, "learning_rate": 1e-4})
        options = {"base_dir": base_dir, "data_dir": data_dir, "output_dir": tmp_path / "model"}
        return train(recipe, **options, work_dir=tmp_path / name)

    crf: dict[str, Any] = {"rows": 4096, "size": 4, "orders": 2, "width": 3, "epochs": 40}
    with_crf = trained("with-crf", crf=crf, dtype="float8_e4m3fn")
    assert with_crf.scores[0].value > 0.9
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "a table of 4,096 × 4 numbers for hashed n-grams of up to 2 words" in card
    predict: Any = open_predictor(tmp_path / "model", base_dir)
    rows = load_rows("names", "validation", data_dir)
    assert evaluate(predict, rows, "tagging")["f1"].value == pytest.approx(with_crf.scores[0].value, abs=1e-4)

    alone = trained("alone")
    assert alone.scores[0].value < 0.8, "the earlier training's CRF must not stay"
    assert with_crf.shipped_bytes > 4096 * 4
    assert not (tmp_path / "model" / "crf.safetensors").exists()

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="crf: is fitted by one process"):
        trained("together", crf=crf)
