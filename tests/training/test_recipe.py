"""Recipes: every one in the tree validates; a broken one says which rule it broke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from llm_core.errors import InputError
from llm_core.training.recipe import RECIPES_DIR, Recipe, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_validates(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert load_recipe(RECIPES_DIR / f"{name}.toml") == recipe


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="qa-en"):
        load_recipe("nowhere")


def test_a_recipe_that_is_not_toml(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match="x.toml is not TOML"):
        load_recipe(file)


def test_broken_rules_are_listed(tmp_path: Path) -> None:
    text = (RECIPES_DIR / "spam-en.toml").read_text(encoding="utf-8")
    file = tmp_path / "x.toml"
    file.write_text(text.replace("learning_rate", "learning_rat"), encoding="utf-8")
    with pytest.raises(InputError, match=r"optim.learning_rat: Extra inputs.*|optim.learning_rate: Field required"):
        load_recipe(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["one"]}, "at least two different labels"),
        ({"labels": ["a", "b", "a"]}, "differ from each other"),
        ({"task": "question_answering", "stride": 8}, "takes no labels"),
        (
            {"optim": {"epochs": 1, "learning_rate": 1e-3, "batch_size": 10, "micro_batch": 4}},
            r"micro_batch \(4\) must divide",
        ),
        ({"name": "../x"}, "name"),
    ],
)
def test_rules_across_fields(classifier: Recipe, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(classifier.model_dump() | change)
