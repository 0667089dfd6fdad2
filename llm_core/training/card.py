"""The model card: what a shipped model is, what it was trained on, how good it is, and what it is not for.

Everything is taken from the recipe, the run and the measured scores; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_core.evaluation.scores import Score
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import CRFPart, DictionaryPart
from llm_core.training.scrutiny import Scrutiny

_TEMPLATE = """\
---
{front}
license: other
language: [{languages}]
---
# {name}

{title}.
{warning}
{facts}

## Scores
{measured}

| data (validation split) | rows | metric | value [95 % interval] |
|---|--:|---|--:|
{scores}
{again}{scrutiny}
## Training data and licences
{data}

{restriction}

## Recipe
`recipes/{name}.toml`: {recipe}. Reproduce: `python -m llm_core train {name} --data-dir DIR`.
{calibration}{samples}{outputs}
## Limits
{limits}
"""

_RESTRICTED = ("non-commercial", "research", "academic")
_NOTE = (
    "**Some of this data is for research or non-commercial use only, or has no formal licence. Treat the model as a "
    "research and demonstration artefact; for commercial use, train it again on data that you may use.**"
)
_NOT_FREE = ("non-commercial", "permission")
_WARNING = "**Learnt from data whose licence does not allow commercial use, or asks for permission: {sets}.**"
_OPEN = "All of this data is openly licensed; attribution and share-alike terms apply as named above."
_CALIBRATION = {
    "classification": (
        "`calibration.json`: divide the logits by `temperature` before the softmax; fitted on the validation rows, it "
        "changes no label. Expected calibration error on them: {expected_calibration_error[after]}, before "
        "{expected_calibration_error[before]}."
    ),
    "tagging": (
        "`calibration.json`: divide the logits by `temperature` before the softmax; an entity's score is the "
        "probability of the tag of its least sure word. Fitted on validation rows so that the score is the chance that "
        "the entity is right (expected calibration error {expected_calibration_error[after]}); it changes no tag."
    ),
    "seq2seq": (
        "`calibration.json`: below `low_log_probability`, the mean log-probability of a token in nats, the page warns. "
        "A translation counts as bad when its chrF is under half of the median; the threshold separates bad from good "
        "best on the validation rows (Youden's J): {bad:.0%} are bad, {warned_bad:.0%} of these are warned of, and "
        "{warned_good:.0%} of the others (area under the ROC curve {auc:.2f})."
    ),
    "question_answering": (
        "`calibration.json`: the margin is the best span's start + end logit minus the lowest [CLS] start + end logit "
        'over the windows. At or below `no_answer_threshold` the answer is "not in the text". `answer_is_right` and '
        "`not_in_text` are logistic curves over the margin. All are fitted on validation rows. With `overlap_weight`, "
        "spans are compared after that many logits were added for the share of the question's words (by inverse "
        "document frequency) that their sentence has; with `overlap_in_margin` they stay in the margin."
    ),
}
_OBJECTIVE = {
    "masked_lm": "masked language model (encoder)",
    "causal_lm": "language model (decoder)",
    "seq2seq": "translator (encoder–decoder)",
    "classification": "classifier",
    "tagging": "tagger",
    "question_answering": "span extractor",
}


@dataclass(frozen=True)
class Run:
    """What the training was, for the card."""

    shipped_bytes: int
    """Size of the weights' files."""
    parameters: int
    """Of the whole model."""
    trained: int
    """Of these, the ones that moved."""
    steps: int
    tokens: int
    """Read in training."""
    seconds: float
    hardware: str
    number_format: str
    """What products were computed in."""
    seed: int
    results: tuple[float, ...] = ()
    """Validation metric of each seed, when there are several."""
    samples: tuple[Mapping[str, Any], ...] = ()
    """What the trained model made of the recipe's inputs; see `samples`."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """What ``calibration.json`` holds."""
    outputs: tuple[Mapping[str, str], ...] = ()
    """`source`, `output` and `reference` of validation rows drawn at random."""
    scrutiny: Scrutiny | None = None
    """Of a classifier or tagger."""


def model_card(recipe: Recipe, scores: Sequence[Score], run: Run) -> str:
    """The card as Markdown.

    Args:
        recipe: What was trained.
        scores: What ``scores.json`` holds.
        run: What the training was.
    """
    licences = " ".join(part.licence.lower() for part in recipe.data)
    calibration = _calibration(recipe, run)
    data = dict.fromkeys(f"- `{part.name}`{_sources(part.sources)}: {part.licence}" for part in recipe.data)
    return _TEMPLATE.format(
        front=_front(recipe),
        name=recipe.name,
        title=recipe.title.rstrip("."),
        languages=", ".join(recipe.languages),
        warning=_warning(recipe),
        facts="\n".join(f"- **{key}**: {value}" for key, value in _facts(recipe, run)),
        measured="Measured on the shipped files." if scores else "None were measured.",
        scores="\n".join(_score_line(score) for score in scores),
        again=_again(recipe),
        scrutiny=_scrutiny(scores, run),
        data="\n".join(data),
        restriction=_NOTE if any(word in licences for word in _RESTRICTED) else _OPEN,
        recipe=_recipe(recipe, run),
        calibration=f"\n## Calibration\n{calibration}\n" if calibration else "",
        samples=_samples(run),
        outputs=_outputs(run),
        limits=recipe.limits.strip() or "A demonstration; not meant for use.",
    )


def _warning(recipe: Recipe) -> str:
    """A line for the card's top; empty where the data may be used for everything or is said to be for research."""
    closed = [part for part in recipe.data if any(word in part.licence.lower() for word in _NOT_FREE)]
    sets = "; ".join(dict.fromkeys(f"`{part.name}` ({part.licence})" for part in closed))
    return f"\n{_WARNING.format(sets=sets)}\n" if closed else ""


_LIBRARIES = {"adapter": "peft", "ctranslate2": "ctranslate2", "gguf": "llama.cpp", "model": "transformers"}
_CONVERTED = {
    "ctranslate2": "int8, converted for CTranslate2",
    "gguf": "8 bits a weight with a scale for each 32 (GGUF q8_0), for llama.cpp",
}


def _front(recipe: Recipe) -> str:
    library = _LIBRARIES[recipe.tuning.ship]
    return f"library_name: {library}" if recipe.base is None else f"base_model: {recipe.base}\nlibrary_name: {library}"


def _facts(recipe: Recipe, run: Run) -> list[tuple[str, str]]:
    kind = _CONVERTED.get(recipe.tuning.ship, recipe.dtype)
    size = f"{run.shipped_bytes / 1e6:.2f} MB of {kind}"
    if recipe.base is None:
        facts = [("Model", f"{_OBJECTIVE[recipe.objective]} from scratch, {run.parameters:,} parameters; {size}")]
        facts += [("Shape", _shape(recipe)), ("Vocabulary", _vocabulary(recipe))]
    else:
        facts = [("Base", f"`{recipe.base}` ({recipe.base_licence})"), ("Tuning", f"{_tuning(recipe)}; {size}")]
        facts += [("Trained", f"{run.trained:,} of {run.parameters:,} parameters")]
    if recipe.labels:
        facts.append(("Labels", ", ".join(f"{i} {label}" for i, label in enumerate(recipe.labels))))
    if recipe.crf is not None:
        facts.append(("On top", _crf(recipe.crf)))
    if recipe.dictionary is not None:
        facts.append(("Beside it", _dictionary(recipe.dictionary)))
    compute = 6 * run.parameters * run.tokens if recipe.tuning.kind == "full" else 0
    flops = f", about {compute:.1e} floating-point operations (6 · parameters · tokens)" if compute else ""
    facts.append(("Training", f"{run.steps:,} steps, {run.tokens:,} tokens read, {run.seconds / 60:.1f} minutes on "
                  f"{run.hardware}{flops}"))  # fmt: skip
    if run.results:
        mean = sum(run.results) / len(run.results)
        spread = (sum((x - mean) ** 2 for x in run.results) / max(1, len(run.results) - 1)) ** 0.5
        facts.append((f"{len(run.results)} seeds", f"validation {recipe.optim.metric} {mean:.4f} ± {spread:.4f} "
                      f"(standard deviation); the best, seed {run.seed}, ships"))  # fmt: skip
    return facts


def _shape(recipe: Recipe) -> str:
    assert recipe.model is not None, "only a model from scratch has a shape of its own"
    sizes = ", ".join(f"{name} {value}" for name, value in recipe.model.sizes().items())
    return f"{recipe.model.family}: {sizes}"


def _vocabulary(recipe: Recipe) -> str:
    assert recipe.tokenizer is not None, "a model from scratch has a vocabulary of its own"
    return f"SentencePiece {recipe.tokenizer.kind}, {recipe.tokenizer.vocab_size:,} pieces, learnt from the same texts"


def _tuning(recipe: Recipe) -> str:
    tuning = recipe.tuning
    table = " and the token embeddings" if tuning.embeddings else ""
    if tuning.kind == "lora":
        shipped = "" if tuning.ship == "adapter" else ", merged into the base"
        if tuning.ship_rank is not None:
            shipped = f", shipped as its best approximation of rank {tuning.ship_rank}"
        return f"LoRA of rank {tuning.rank} on every linear layer{table}{shipped}"
    if tuning.ship == "adapter":
        polish = f" and trained on for {tuning.polish.max_steps:,} steps" if tuning.polish else ""
        shipped = f"shipped as its best approximation of rank {tuning.rank}{polish}"
        return f"full fine-tuning of the linear layers{table}, {shipped}"
    if tuning.kind == "partial":
        return f"fine-tuning of {f'the top {tuning.top_blocks}' if tuning.top_blocks else 'some'} blocks and the head"
    return "full fine-tuning" if tuning.kind == "full" else "a linear probe: the head alone is trained"


def _crf(crf: CRFPart) -> str:
    table = f"a table of {crf.rows:,} × {crf.size} numbers for hashed n-grams of up to {crf.orders} words"
    return (
        f"a linear-chain CRF with {table} (`crf.safetensors`), fitted to the tagger's logits; peft alone leaves it out"
    )


def _dictionary(dictionary: DictionaryPart) -> str:
    return (
        f"{dictionary.entries:,} entries of `{dictionary.name}` (`dictionary.tsv.xz`), in which this project looks "
        "lone words and set phrases up; the scores are those of the model alone"
    )


def _sources(sources: tuple[str, ...]) -> str:
    return f" ({', '.join(sources)})" if sources else ""


def _score_line(score: Score) -> str:
    return f"| {score.title} | {score.rows} | {score.metric} | {score} |"


def _scrutiny(scores: Sequence[Score], run: Run) -> str:
    found = run.scrutiny
    if found is None:
        return ""
    parts = []
    if found.baselines:
        rows = [
            [score.title, score.metric, f"{score.value:.4f}", *(f"{each.value:.4f}" for each in others)]
            for score, *others in zip(scores, *found.baselines.values(), strict=True)
        ]
        parts.append(
            "## Baselines\nTrained on the same data set's training rows, measured on the same validation rows: the "
            "commonest label; TF-IDF of words and word pairs with logistic regression; hashed character n-grams with a "
            "linear classifier.\n\n" + _table(["data", "metric", "this model", *found.baselines], rows)
        )
    titles = [score.title for score in next(iter(found.robustness.values()))]
    rows = [
        [name.replace("_", " "), *(f"{score.value:.4f}" for score in measured)]
        for name, measured in found.robustness.items()
    ]
    metric = next(iter(found.robustness.values()))[0].metric
    told = "Of {} pairs of short sentences that praise and their negations, both are read rightly."
    negation = "" if found.negation is None else f"\n{told.format(format(found.negation, '.0%'))}\n"
    emoji = ", an emoji of no opinion at the end" if "emoji" in found.robustness else ""
    parts.append(
        f"## Robustness\n{metric} on the first rows of each data set, as written and changed: a slip in one word of "
        f"ten, small letters, capitals{emoji}.\n\n" + _table(["", *titles], rows) + negation
    )
    return "\n" + "\n".join(parts)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _samples(run: Run) -> str:
    """Every input of the recipe with the trained model's output, none left out."""
    if not run.samples:
        return ""
    lines = "\n".join(f"- {line['input']} → {_shown(line['output'])}" for line in run.samples)
    return f"\n## Samples\nAt the last step, greedy; `samples.jsonl` has those of earlier steps, too.\n\n{lines}\n"


def _outputs(run: Run) -> str:
    if not run.outputs:
        return ""
    lines = "\n".join(f"- {row['source']} → **{row['output']}** (reference: {row['reference']})" for row in run.outputs)
    return f"\n## Random outputs\nDrawn from the validation rows by chance, not chosen.\n\n{lines}\n"


def _calibration(recipe: Recipe, run: Run) -> str:
    if not run.calibration or (recipe.objective == "tagging" and "temperature" not in run.calibration):
        return ""
    return _CALIBRATION.get(recipe.objective, "").format_map(run.calibration)


def _shown(output: Any) -> str:
    if isinstance(output, str):
        return " ".join(output.split())
    return " · ".join(", ".join(f"{piece} {chance:.2f}" for piece, chance in guesses) for guesses in output)


def _again(recipe: Recipe) -> str:
    """The command that measures what the catalogue serves; models of the catalogue alone have one."""
    if not recipe.scores or recipe.base is None:
        return ""
    return (
        f"\nMeasure again: `python -m llm_core evaluate {recipe.name} --data {recipe.scores[0].data} --data-dir DIR`.\n"
    )


def _recipe(recipe: Recipe, run: Run) -> str:
    optim = recipe.optim
    size = f"{optim.batch_tokens:,} tokens" if optim.batch_tokens else f"{optim.batch_size} rows"
    return (
        f"{run.steps:,} steps of {size}, AdamW, peak learning rate {optim.learning_rate:g} ({optim.schedule}), "
        f"at most {recipe.max_length} tokens a row, computed in {run.number_format}"
    )
