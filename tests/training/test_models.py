"""Every directory under `models/` that came from a recipe is complete, small and says what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from llm_core.evaluation.scores import read_scores
from llm_core.training.recipe import load_recipe, recipe_names

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = [name for name in recipe_names() if (MODELS / name).is_dir()]
WEIGHTS = {"adapter": "adapter_model.safetensors", "model": "model.safetensors"}
CONVERTED = {"ctranslate2": "model.bin", "gguf": "{name}.gguf"}
"""Read by other runtimes alone."""
ADAPTERS = [name for name in SHIPPED if load_recipe(name).tuning.ship == "adapter"]
FORMATS = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float8_e4m3fn": "F8_E4M3"}
SMALL, ADAPTER = 4_300_000, 2_000_000
LIMITS = {"translate-en-zh": 24_000_000, "encoder-zh-en": 17_500_000, "poetry-zh": 10_000_000, "stories-en": 3_100_000}
"""Bytes of the directory; the others are `SMALL`, or an `ADAPTER`."""


@pytest.mark.parametrize("name", SHIPPED)
def test_the_model_is_small_and_in_the_recipes_format(name: str) -> None:
    folder, recipe = MODELS / name, load_recipe(name)
    most = ADAPTER if name in ADAPTERS else LIMITS.get(name, SMALL)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= most
    if recipe.tuning.ship in CONVERTED:
        assert (folder / CONVERTED[recipe.tuning.ship].format(name=name)).is_file()
        return
    with safe_open(folder / WEIGHTS[recipe.tuning.ship], "pt") as weights:
        found = {key: weights.get_slice(key).get_dtype() for key in weights.keys()}
    in_16_bits = {key for key, dtype in found.items() if dtype == "F16" != FORMATS[recipe.dtype]}
    assert recipe.dtype == "float8_e4m3fn" or not in_16_bits
    assert not any("lora" in key for key in in_16_bits), "of 8-bit adapters the head alone"
    assert {found[key] for key in found.keys() - in_16_bits} == {FORMATS[recipe.dtype]}


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_adapter_names_the_public_base(name: str) -> None:
    settings = _json(name, "adapter_config.json")
    assert settings["base_model_name_or_path"] == load_recipe(name).base
    assert settings["inference_mode"]


@pytest.mark.parametrize("name", [name for name in SHIPPED if load_recipe(name).calibrate_on])
def test_labels_are_the_recipes(name: str) -> None:
    recipe, config, calibration = load_recipe(name), _json(name, "config.json"), _json(name, "calibration.json")
    assert calibration["task"] == recipe.objective
    assert tuple(calibration.get("labels", ())) == recipe.labels
    if recipe.labels:
        assert tuple(config["id2label"][str(i)] for i in range(len(recipe.labels))) == recipe.labels


@pytest.mark.parametrize("name", SHIPPED)
def test_scores_are_the_recipes(name: str) -> None:
    recipe, scores = load_recipe(name), read_scores(MODELS / name / "scores.json")
    assert [(s.data, s.metric) for s in scores] == [(part.data, m) for part in recipe.scores for m in part.metrics]
    assert all(s.value > 0 and s.rows and s.split == "validation" for s in scores)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_names_base_licences_and_scores(name: str) -> None:
    recipe = load_recipe(name)
    card = (MODELS / name / "README.md").read_text(encoding="utf-8")
    wanted = [recipe.base or "from scratch", recipe.base_licence, *(part.licence for part in recipe.data)]
    wanted += [f"{score.value:.4f}" for score in read_scores(MODELS / name / "scores.json")]
    assert [text for text in wanted if text not in card] == []


def _json(name: str, file: str) -> Any:
    return json.loads((MODELS / name / file).read_text(encoding="utf-8"))
