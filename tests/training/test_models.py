"""Every directory under `models/` that came from a recipe is complete, small and says what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from llm_core.training.recipe import load_recipe, recipe_names

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = [name for name in recipe_names() if (MODELS / name).is_dir()]
LIMIT = 3_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_the_adapter_is_small_and_in_float16(name: str) -> None:
    folder = MODELS / name
    assert sum(file.stat().st_size for file in folder.iterdir()) <= LIMIT
    with safe_open(folder / "adapter_model.safetensors", "pt") as weights:
        assert {weights.get_slice(key).get_dtype() for key in weights.keys()} == {"F16"}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_adapter_names_the_public_base(name: str) -> None:
    settings = json.loads((MODELS / name / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["base_model_name_or_path"] == load_recipe(name).base
    assert settings["inference_mode"]


@pytest.mark.parametrize("name", SHIPPED)
def test_labels_are_the_recipes(name: str) -> None:
    recipe = load_recipe(name)
    config = json.loads((MODELS / name / "config.json").read_text(encoding="utf-8"))
    calibration = json.loads((MODELS / name / "calibration.json").read_text(encoding="utf-8"))
    assert calibration["task"] == recipe.task
    assert tuple(calibration.get("labels", ())) == recipe.labels
    if recipe.labels:
        assert tuple(config["id2label"][str(i)] for i in range(len(recipe.labels))) == recipe.labels


@pytest.mark.parametrize("name", SHIPPED)
def test_scores_are_the_recipes(name: str) -> None:
    recipe = load_recipe(name)
    scores = json.loads((MODELS / name / "scores.json").read_text(encoding="utf-8"))["scores"]
    assert [(s["data"], s["metric"]) for s in scores] == [
        (part.data, m) for part in recipe.scores for m in part.metrics
    ]
    assert all(0 < s["value"] <= 1 and s["rows"] > 0 and s["split"] == "validation" for s in scores)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_names_base_licences_and_scores(name: str) -> None:
    recipe = load_recipe(name)
    card = (MODELS / name / "README.md").read_text(encoding="utf-8")
    scores = json.loads((MODELS / name / "scores.json").read_text(encoding="utf-8"))["scores"]
    wanted = [
        recipe.base,
        recipe.base_licence,
        *(part.licence for part in recipe.data),
        *(f"{s['value']:.4f}" for s in scores),
    ]
    assert [text for text in wanted if text not in card] == []
