"""The model card: what a shipped model is, what it was trained on, how good it is, and what it is not for.

Everything is taken from the recipe and the measured scores; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_core.training.recipe import Recipe

_TEMPLATE = """\
---
base_model: {base}
library_name: peft
license: other
language: [{languages}]
---
# {name}

{title}.

- **Base**: `{base}` ({base_licence}), unchanged; the adapter is {megabytes:.2f} MB of float16.
- **Adapter**: {adapter}; the head is included.
- **Labels**: {labels}

## Scores
Measured on the shipped files, loaded by plain `peft` on the plain base.

| data (validation split) | rows | metric | value |
|---|--:|---|--:|
{scores}

Measure again: `python -m llm_core evaluate {name} --data {first_data} --data-dir DIR`.

## Training data and licences
{data}

{restriction}

## Recipe
`recipes/{name}.toml`: {recipe}. Reproduce: `python -m llm_core train {name} --data-dir DIR`.

## Calibration
{calibration}

## Limits
{limits}
"""

_RESTRICTED = ("non-commercial", "research", "academic")
_NOTE = (
    "**Some of this data is for research or non-commercial use only, or has no formal licence. Treat the adapter as a "
    "research and demonstration artefact; for commercial use, train it again on data that you may use.**"
)
_OPEN = "All of this data is openly licensed; attribution and share-alike terms apply as named above."
_CALIBRATION = {
    "classification": (
        "`calibration.json`: divide the logits by `temperature` before the softmax; fitted on the validation rows, it "
        "changes no label."
    ),
    "question_answering": (
        "`calibration.json`: the margin is the best span's start + end logit minus the lowest [CLS] start + end logit "
        'over the windows. At or below `no_answer_threshold` the answer is "not in the text". `answer_is_right` and '
        "`not_in_text` are logistic curves over the margin. All are fitted on validation rows."
    ),
}


def model_card(recipe: Recipe, scores: Sequence[dict[str, Any]], adapter_bytes: int) -> str:
    """The card as Markdown.

    Args:
        recipe: What was trained.
        scores: Entries of ``scores.json``.
        adapter_bytes: Size of the adapter's file.
    """
    licences = " ".join(part.licence.lower() for part in recipe.data)
    return _TEMPLATE.format(
        name=recipe.name,
        title=recipe.title.rstrip("."),
        base=recipe.base,
        base_licence=recipe.base_licence,
        languages=", ".join(recipe.languages),
        megabytes=adapter_bytes / 1e6,
        adapter=_adapter(recipe),
        labels=", ".join(f"{i} {label}" for i, label in enumerate(recipe.labels)) or "none (start and end of a span)",
        scores="\n".join(_score_line(score) for score in scores),
        first_data=recipe.scores[0].data,
        data="\n".join(
            dict.fromkeys(f"- `{part.name}`{_sources(part.sources)}: {part.licence}" for part in recipe.data)
        ),
        restriction=_NOTE if any(word in licences for word in _RESTRICTED) else _OPEN,
        recipe=_recipe(recipe),
        calibration=_CALIBRATION[recipe.task],
        limits=recipe.limits.strip(),
    )


def _adapter(recipe: Recipe) -> str:
    how = {"lora": "LoRA", "full": "full fine-tuning of the linear layers, shipped as its best low-rank approximation,"}
    return f"{how[recipe.adapter.kind]} of rank {recipe.adapter.rank} on every linear layer"


def _sources(sources: tuple[str, ...]) -> str:
    return f" ({', '.join(sources)})" if sources else ""


def _score_line(score: dict[str, Any]) -> str:
    return f"| {score['title']} | {score['rows']} | {score['metric']} | {score['value']:.4f} |"


def _recipe(recipe: Recipe) -> str:
    optim = recipe.optim
    return (
        f"{optim.epochs:g} epochs of batches of {optim.batch_size}, AdamW with a peak learning rate of "
        f"{optim.learning_rate:g}, at most {recipe.max_length} tokens, bfloat16 autocast"
    )
