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
        ({"objective": "question_answering", "stride": 8}, "takes no labels"),
        (
            {"optim": {"epochs": 1, "learning_rate": 1e-3, "batch_size": 10, "micro_batch": 4}},
            r"micro_batch \(4\) must divide",
        ),
        ({"name": "../x"}, "name"),
        ({"tuning": {"kind": "lora", "rank": 4, "ship_rank": 5}}, "ship_rank: must not exceed rank"),
        ({"tuning": {"kind": "full", "ship": "adapter", "ship_rank": 4}}, "ship_rank: is for kind lora"),
        ({"tuning": {"kind": "lora", "ship": "model", "ship_rank": 4}}, "ship_rank: is for kind lora"),
    ],
)
def test_rules_across_fields(classifier: Recipe, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(classifier.model_dump() | change)


def _content(**changes: Any) -> dict[str, Any]:
    """A recipe from scratch, as its TOML is read."""
    return {
        "name": "x",
        "title": "X",
        "objective": "causal_lm",
        "model": {"family": "llama", "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "decoder_layers": 1},
        "tokenizer": {"vocab_size": 400},
        "data": [{"name": "d", "licence": "MIT"}],
        "optim": {"max_steps": 1, "learning_rate": 0.1},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "a/b", "base_licence": "MIT"}, "one of base"),
        ({"model": None}, "one of base"),
        ({"tokenizer": None}, "model and tokenizer come together"),
        ({"objective": "masked_lm"}, "masked_lm needs bert, not llama"),
        ({"max_length": 4000}, r"max_length \(4000\) must not exceed model.max_positions \(2048\)"),
        ({"model": _content()["model"] | {"hiden_size": 3}}, "hiden_size is not a field; these are: .*hidden_size"),
        ({"model": _content()["model"] | {"hidden_size": 33}}, r"hidden_size \(33\) must be divisible"),
        ({"model": {"family": "llama", "num_heads": 2}}, "missing .*vocab|missing .*hidden_size"),
        ({"masking": {}}, "masking: is for masked_lm"),
        ({"tuning": {"kind": "lora"}}, "from scratch is trained in full"),
        ({"optim": {"learning_rate": 0.1}}, "one of epochs and max_steps"),
        ({"optim": {"max_steps": 1, "learning_rate": 0.1, "seeds": [1, 2]}}, "several seeds need eval_steps"),
        ({"data": [{"name": "d", "licence": "MIT", "augmentation": {"dropout": 0.1}}]}, "is for classification"),
        ({"data": [{"name": "d", "licence": "MIT", "cloze_questions": 2}]}, "are for question_answering"),
    ],
)
def test_rules_of_models_from_scratch(changes: dict[str, Any], message: str) -> None:
    Recipe.model_validate(_content())
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(_content(**changes))


def test_overrides_replace_values() -> None:
    plain = load_recipe("spam-en")
    changed = load_recipe(
        "spam-en", ["optim.learning_rate=1e-3", "data.0.repeat = 2", "title=Other words", "optim.seeds=[1]"]
    )
    assert (changed.optim.learning_rate, changed.data[0].repeat, changed.title) == (1e-3, 2, "Other words")
    assert changed.optim.seeds == (1,) and changed.tuning == plain.tuning


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.learning_rat=1", "optim.learning_rat: .*these are: .*learning_rate"),
        ("optim.learning_rate=fast", "optim.learning_rate: .*number"),
        ("optim", "must look like"),
        ("data.7.repeat=1", "7 must be a number below 1"),
        ("title.x=1", "title is a value, not a table"),
    ],
)
def test_a_wrong_override_names_the_key(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe("spam-en", [override])
