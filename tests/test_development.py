"""`evaluate` measures the served path; `train` finds its base in the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_core.catalog import load_catalog
from llm_core.development import Rows, evaluate_model, train_recipe
from llm_core.errors import InputError, UnknownModelError
from llm_core.settings import Settings
from llm_core.training.recipe import load_recipe, recipe_names

ROWS = [
    {"text": "A wonderful film, moving and funny.", "label": "positive", "source": "a"},
    {"text": "Boring, badly acted and far too long.", "label": "negative", "source": "a"},
    {"text": "A wonderful film, moving and funny.", "label": "negative", "source": "wrong"},
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "validation.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    return tmp_path


@pytest.mark.real_weights
def test_the_served_path_is_measured(data_dir: Path, offline_settings: Settings) -> None:
    scores = evaluate_model("sentiment-en", Rows("reviews", data_dir=data_dir), offline_settings)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    chosen = evaluate_model("sentiment-en", Rows("reviews", data_dir=data_dir, sources=("a",)), offline_settings)
    assert chosen["accuracy"] == 1.0


def test_mistakes_are_named(data_dir: Path, offline_settings: Settings) -> None:
    with pytest.raises(UnknownModelError, match="did you mean sentiment-en"):
        evaluate_model("sentiment-eng", Rows("reviews", data_dir=data_dir), offline_settings)
    with pytest.raises(InputError, match="split: must be train or validation"):
        evaluate_model("sentiment-en", Rows("reviews", "test", data_dir), offline_settings)
    with pytest.raises(InputError, match="has no task that can be evaluated"):
        evaluate_model("smollm2-135m-instruct", Rows("reviews", data_dir=data_dir), offline_settings)


def test_an_unknown_recipe_is_named(offline_settings: Settings) -> None:
    with pytest.raises(InputError, match="recipe"):
        train_recipe("no-such-recipe", None, None, True, offline_settings)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_s_base_is_in_the_catalogue_and_its_model_ships(name: str) -> None:
    recipe, catalog = load_recipe(name), load_catalog()
    assert any(spec.hub is not None and spec.hub.repo == recipe.base for spec in catalog.values())
    assert catalog[name].local == name
