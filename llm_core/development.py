"""Training and measuring, tied to the catalogue and the served path; what the commands `train` and `evaluate` do.

Training itself knows neither; it lives in `llm_core.training`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import ClassVar

from llm_core.backends.base import ScoresText
from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.data.loaders import Row, load_rows
from llm_core.data.poetry import form_of
from llm_core.data.tagging import touched_tags
from llm_core.data.verse_forms import verse_forms
from llm_core.data.words import joined
from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate
from llm_core.evaluation.completion import Filled, Hole, completion_scores, holes
from llm_core.evaluation.evaluate import evaluate
from llm_core.evaluation.language_model import TextLikelihood, language_model_scores, score_texts
from llm_core.evaluation.poems import poem_scores
from llm_core.evaluation.scores import Score
from llm_core.served import Rows, label_results, results_of, rows_of
from llm_core.session import Session, Steps
from llm_core.settings import Settings
from llm_core.tasks.language import is_chinese
from llm_core.tasks.poem.task import MAX_TITLE_CHARS
from llm_core.training.recipe import Recipe
from llm_core.training.train import train
from llm_core.training.trainer import process_rank
from llm_core.weights import WeightStore

MEASURED_WITH = ("torch", "transformers", "numpy", "sacrebleu", "seqeval")
"""Packages whose versions `evaluate` notes."""
_NO_CHARACTER = re.compile("[^一-龥]")
_WINDOW = 512
"""Tokens that a language model reads at once when it is measured, at most; the same for all, so that they compare."""


def train_recipe(
    recipe: Recipe,
    data_dir: Path | None,
    output: Path | None,
    settings: Settings,
    *,
    resume: bool = True,
    budget_minutes: float | None = None,
) -> str:
    """Train a recipe's model and describe what came out; in all processes but the first the description is empty.

    Args:
        recipe: What to train.
        data_dir: Folder of data sets; ``None`` means the setting, then the Hub.
        output: Directory to write; ``None`` means ``models/NAME``.
        settings: Where weights and models are.
        resume: Go on from the last checkpoint.
        budget_minutes: Fit the schedule to this time.

    Raises:
        InputError: The recipe's base is neither in the catalogue nor a directory.
    """
    report = train(
        recipe,
        base_dir=None if recipe.base is None else _base_directory(recipe.base, settings),
        data_dir=data_dir or settings.data_dir,
        output_dir=output or settings.models_dir / recipe.name,
        resume=resume,
        budget_minutes=budget_minutes,
    )
    if process_rank():
        return ""
    figures = "".join(f"\n  {score.title} {score.metric}: {score}" for score in report.scores)
    size, minutes = report.shipped_bytes / 1e6, report.seconds / 60
    return f"{report.model_dir}: {report.steps:,} steps, {minutes:.1f} minutes, {size:.2f} MB{figures}"


def _base_directory(base: str, settings: Settings) -> Path:
    """Where a recipe's base is: a directory, an earlier model under ``models/``, or a catalogue entry from the Hub.

    One that is there as a GGUF file is unpacked in the cache, once.
    """
    for place in (Path(base), settings.models_dir / base.removeprefix("models/")):
        if (place / "config.json").is_file():
            return place
    catalog = load_catalog()
    for spec in catalog.values():
        if spec.hub is not None and spec.hub.repo == base:
            directory = WeightStore(settings, catalog).files(spec).directory
            return _unpacked(directory, spec, settings) if spec.backend == "llama_cpp" else directory
    raise InputError("base", "must be a directory with a config.json, or come from a catalogue entry", base)


def _unpacked(directory: Path, spec: ModelSpec, settings: Settings) -> Path:
    from llm_core.model.convert.gguf_checkpoint import checkpoint_of

    [file] = (each for each in spec.files if each.name.endswith(".gguf"))
    return checkpoint_of(directory / file.name, settings.cache_dir / "checkpoints" / f"{spec.id}-{file.sha256[:12]}")


def evaluate_model(model_id: str, wanted: Rows, settings: Settings) -> list[Score]:
    """Scores of a model as it is served: through its task, in its precision, with its calibration.

    A translator is measured in each direction that the rows hold; a decoder by the likelihood of their `text`, one that
    completes code by holes in it; one of poems by poems of the rows' forms and titles, held to the form and free,
    beside the poets' own.

    Args:
        model_id: Catalogue id. A model without labels of its own is measured zero-shot on those of the data.
        wanted: What to measure on.
        settings: For the engine.

    Raises:
        UnknownModelError: There is no such model.
        InputError: It has no task that can be evaluated, or the data cannot be read.
    """
    rows = rows_of(wanted, settings)[: wanted.limit]
    with closing(create_engine(settings)) as engine:
        spec = engine.catalog[model_id]
        if "poem" in spec.tasks:
            learnt = load_rows(wanted.data, "train", wanted.data_dir or settings.data_dir)
            estimates = _poems(engine, spec, rows, [row["text"] for row in learnt])
        else:
            estimates = _estimates(engine, spec, rows)
    title = ", ".join(wanted.sources)
    return [
        Score.of(metric, estimate, data=wanted.data, split=wanted.split, title=title)
        for metric, estimate in estimates.items()
    ]


def _estimates(engine: Engine, spec: ModelSpec, rows: list[Row]) -> dict[str, Estimate]:
    if "answer" in spec.tasks:
        chinese = sum(is_chinese(str(row.get("context", ""))) for row in rows) > len(rows) / 2
        return evaluate(partial(_answers, engine, spec), rows, "question_answering", language="zh" if chinese else "en")
    if "entities" in spec.tasks:
        return evaluate(partial(_tags, engine, spec), rows, "tagging")
    if "sentiment" in spec.tasks or "classify" in spec.tasks:
        return evaluate(partial(_labels, engine, spec), rows, "classification")
    if "translate" in spec.tasks:
        return _translations(engine, spec, rows)
    if "complete" in spec.tasks and spec.backend != "transformers":
        return _completions(engine, spec, rows)
    if spec.head == "causal_lm" and spec.backend == "transformers":
        return _likelihoods(engine, spec, rows)
    why = f"; {spec.backend} does not give the likelihood of a text" if spec.head == "causal_lm" else ""
    raise InputError(
        "model",
        f"{spec.id} has no task that can be evaluated{why}; these have: answer, sentiment, classify, entities, "
        "translate, complete, and generate on the transformers runtime",
    )


def _translations(engine: Engine, spec: ModelSpec, rows: list[Row]) -> dict[str, Estimate]:
    """BLEU and chrF in each direction that the rows hold."""
    fields = set(rows[0]) if rows else set()
    pairs = [pair for pair in spec.language_pairs if fields.issuperset(pair)]
    if not pairs:
        directions = ", ".join(f"{source}-{target}" for source, target in spec.language_pairs[:6])
        raise InputError("data", f"must have rows with a field for each language of a direction, such as {directions}")
    scores: dict[str, Estimate] = {}
    for source, target in pairs:
        translate = partial(_translated, engine, spec, source, target)
        scores |= evaluate(translate, rows, "translation", source=source, language=target)
    return scores


def _translated(engine: Engine, spec: ModelSpec, source: str, target: str, rows: Sequence[Row]) -> list[str]:
    requests = [{"text": row[source], "source": source, "target": target} for row in rows]
    return [result.text for result in results_of(engine, "translate", spec, requests)]


def _poems(engine: Engine, spec: ModelSpec, rows: list[Row], learnt: list[str]) -> dict[str, Estimate]:
    """Of poems as they are served, of poems that the model writes by itself (``[free]``), and of ``[poets]``."""
    poets = [(form, row["text"], row["title"]) for row in rows if (form := form_of(row)) in verse_forms()]
    titles = [_NO_CHARACTER.sub("", title)[:MAX_TITLE_CHARS] for _, _, title in poets]
    values = [{"form": form, "title": title} for (form, *_), title in zip(poets, titles, strict=True)]

    def answered(hold_form: bool) -> list[tuple[str, str]]:
        wanted = [{**value, "hold_form": hold_form, "seed": seed} for seed, value in enumerate(values)]
        return [(result.form, result.text) for result in results_of(engine, "poem", spec, wanted)]

    scores = poem_scores(answered(True), learnt)
    return (
        scores
        | poem_scores(answered(False), learnt, who="free")
        | poem_scores([poem[:2] for poem in poets], learnt, who="poets")
    )


def _likelihoods(engine: Engine, spec: ModelSpec, rows: list[Row]) -> dict[str, Estimate]:
    if not rows or any("text" not in row for row in rows):
        raise InputError("data", "must have rows with the field 'text'")
    task = _Likelihood()
    return language_model_scores(
        engine.answer(task, row["text"], model_id=spec.id).result for row in rows if row["text"]
    )


class _Likelihood:
    """The likelihood of one text; see `Task`."""

    name: ClassVar[str] = "likelihood"
    request_type: ClassVar[type[str]] = str

    def candidates(self, catalog: Catalog, text: str) -> tuple[ModelSpec, ...]:
        return tuple(spec for spec in catalog.values() if spec.head == "causal_lm")

    def run(self, session: Session, text: str) -> Steps[TextLikelihood]:
        yield from ()
        model = session.open(ScoresText)
        window = min(model.context_length, _WINDOW)

        def likelihoods(ids: Sequence[int]) -> list[float]:
            return model.log_likelihoods(ids, session.cancel)

        [scored] = score_texts(
            [text], model.text_ids, likelihoods, start=model.start_id, window=window, stride=window // 2
        )
        return scored


def _completions(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> dict[str, Estimate]:
    """Of holes in Python files, written as the page writes them: the likeliest completion, to its boundary."""
    texts = [str(row.get("text", "")) for row in rows]
    lines, gaps = holes(texts, gaps=False), holes(texts, gaps=True)
    filled = _filled(engine, spec, [*lines, *gaps])
    return completion_scores(lines, filled[: len(lines)], gaps, filled[len(lines) :])


def _filled(engine: Engine, spec: ModelSpec, found: Sequence[Hole]) -> list[Filled]:
    requests = [{"prefix": hole.prefix, "suffix": hole.suffix} for hole in found]
    best = [result.candidates[0] for result in results_of(engine, "complete", spec, requests)]
    return [Filled(each.text, each.stopped_at != "length", bool(each.syntax_ok)) for each in best]


def _answers(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[str]:
    requests = [{"question": row["question"], "context": row["context"]} for row in rows]
    return [result.answer for result in results_of(engine, "answer", spec, requests)]


def _tags(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[list[str]]:
    """Tags of each row's words: what is found in its running text, said of the words that it touches."""
    texts = [joined(row["tokens"]) for row in rows]
    results = results_of(engine, "entities", spec, [{"text": text} for text, _ in texts])
    return [
        touched_tags(places, [(each.label, each.start, each.end) for each in result.entities])
        for (_, places), result in zip(texts, results, strict=True)
    ]


def _labels(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[str]:
    return [result.label for result in label_results(engine, spec, rows)]
