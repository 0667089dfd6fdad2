"""Which model did how well at what: the catalogue's measured figures, by task and data, each with the command that
measures it.

Nothing is measured here, and nothing is made up: an entry without a figure on a data set stands last, with the command
that would give it one. Simple methods that were measured on the same rows (`evaluation.baselines`) stand beside the
models.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llm_core.catalog import Catalog, ModelSpec, Score
from llm_core.errors import InputError
from llm_core.evaluation.scores import SCORES_FILE, read_baselines
from llm_core.tasks import TASK_NAMES
from llm_core.tasks.classify import OWN_LABEL_HEADS
from llm_core.training.recipe import Recipe, load_recipe, recipe_names
from llm_core.training.recipe_parts import ScorePart

BASES = "base"
"""In the place of a task: models that are there for others to adapt."""
_LOWER_IS_BETTER = frozenset({"perplexity", "bits_per_byte"})
_EVALUATED = frozenset({"classify", "sentiment", "answer", "entities", "translate"})
"""Tasks whose models `python -m llm_core evaluate` measures on rows with the truth."""
_FOLDER = "--data-dir DATA"


@dataclass(frozen=True)
class Placing:
    """A model on a board."""

    spec: ModelSpec
    score: Score | None
    """``None``: not measured."""
    command: str
    """That measures the figure, with ``DATA`` for the folder of data sets; empty: there is none."""


@dataclass(frozen=True)
class Board:
    """Models that do one task, measured on the same rows."""

    task: str
    data: str
    """Empty for a task of which nothing was measured."""
    title: str
    metric: str
    placings: tuple[Placing, ...]
    """The best first, those without a figure last."""
    baselines: tuple[tuple[str, Score], ...] = ()
    """Simple methods by name, the best first."""

    @property
    def lower_is_better(self) -> bool:
        """Of the metric."""
        return self.metric in _LOWER_IS_BETTER


@dataclass(frozen=True)
class _Benchmark:
    """Rows, and the model whose catalogue entry or recipe says which they are."""

    owner: ModelSpec
    score: Score
    part: ScorePart | None
    renamed: bool
    """Whether the recipe renames the tags of the rows: only training measures that."""

    @property
    def direction(self) -> tuple[str, str] | None:
        if self.part is None or self.part.direction is None:
            return None
        source, _, target = self.part.direction.partition("-")
        return source, target


def leaderboards(catalog: Catalog, models_dir: Path) -> dict[str, tuple[Board, ...]]:
    """Boards by task, in the order of the catalogue; a task without any figure has one board without data.

    Args:
        catalog: What models exist.
        models_dir: Folder of the trained models' folders, for the baselines.
    """
    found = {}
    for task in (*TASK_NAMES, BASES):
        specs = tuple(spec for spec in catalog.values() if (task in spec.tasks if task != BASES else not spec.tasks))
        boards = tuple(_board(task, specs, each, models_dir) for each in _benchmarks(specs))
        if specs:
            found[task] = boards or (Board(task, "", "", "", tuple(Placing(s, None, _unmeasured(s)) for s in specs)),)
    return found


def _benchmarks(specs: Iterable[ModelSpec]) -> list[_Benchmark]:
    """One for each data set and title, with the metric that its owner names first."""
    found: dict[tuple[str, str], _Benchmark] = {}
    for spec in specs:
        for score in spec.scores:
            part = _part(spec, score)
            if part is None or not part.before_int8:
                renamed = _renames_tags(spec.local, score.data)
                found.setdefault((score.data, score.title), _Benchmark(spec, score, part, renamed))
    return list(found.values())


def _board(task: str, specs: Iterable[ModelSpec], benchmark: _Benchmark, models_dir: Path) -> Board:
    score = benchmark.score
    sign = 1 if score.metric in _LOWER_IS_BETTER else -1
    placings = [
        Placing(spec, _figure(spec.scores, score), _command(spec, task, benchmark))
        for spec in specs
        if _could_serve(spec, benchmark)
    ]
    placings.sort(key=lambda placing: (placing.score is None, sign * placing.score.value if placing.score else 0))
    baselines = sorted(_baselines(benchmark, models_dir), key=lambda found: sign * found[1].value)
    return Board(task, score.data, score.title, score.metric, tuple(placings), tuple(baselines))


def _figure(scores: Iterable[Score], wanted: Score) -> Score | None:
    place = (wanted.data, wanted.title, wanted.metric)
    return next((score for score in scores if (score.data, score.title, score.metric) == place), None)


def _could_serve(spec: ModelSpec, benchmark: _Benchmark) -> bool:
    """Whether a model was measured on the rows, or reads their language and can give their labels."""
    owner, place = benchmark.owner, (benchmark.score.data, benchmark.score.title)
    if place in [(score.data, score.title) for score in spec.scores]:
        return True
    if benchmark.renamed:
        return False
    if spec.label_set != owner.label_set and spec.head not in OWN_LABEL_HEADS:
        return False
    if benchmark.direction is not None:
        return benchmark.direction in spec.language_pairs
    return set(owner.languages) <= set(spec.languages)


def _baselines(benchmark: _Benchmark, models_dir: Path) -> list[tuple[str, Score]]:
    file = models_dir / (benchmark.owner.local or "") / SCORES_FILE
    if benchmark.owner.local is None or not file.is_file():
        return []
    of_each = {name: [Score(**score.model_dump(exclude={"signature"})) for score in scores]
               for name, scores in read_baselines(file).items()}  # fmt: skip
    figures = ((name, _figure(scores, benchmark.score)) for name, scores in of_each.items())
    return [(name, figure) for name, figure in figures if figure is not None]


def _command(spec: ModelSpec, task: str, benchmark: _Benchmark) -> str:
    """The comment at its end says which printed figure is meant."""
    metric, part = benchmark.score.metric, benchmark.part
    if task not in _EVALUATED or benchmark.renamed:
        return f"python -m llm_core train {spec.local} {_FOLDER}  # {metric}" if spec.local else _unmeasured(spec)
    options = [f"--data {benchmark.score.data}"]
    if part is not None:
        options += [f"--source {source}" for source in part.sources]
        options += [f"--limit {part.limit}"] if part.limit else []
    if benchmark.direction is not None:
        metric = f"{metric}[{'-'.join(benchmark.direction)}]"
    elif part is not None and part.answerable:
        metric = f"answerable_{metric}"
    return _pulled(spec, f"python -m llm_core evaluate {spec.id} {' '.join(options)} {_FOLDER}  # {metric}")


def _unmeasured(spec: ModelSpec) -> str:
    """For tasks of which nothing was measured: the likelihood of texts, where a runtime gives it."""
    if spec.head != "causal_lm" or spec.backend != "transformers":
        return ""
    return _pulled(spec, f"python -m llm_core evaluate {spec.id} --data NAME {_FOLDER}  # perplexity")


def _pulled(spec: ModelSpec, command: str) -> str:
    return command if spec.tier == "embedded" else f"python -m llm_core pull {spec.id} && {command}"


def _part(spec: ModelSpec, score: Score) -> ScorePart | None:
    """The line of a model's recipe that asked for a figure; ``None`` for models without a recipe."""
    recipe = _recipe(spec.local)
    known = recipe.scores if recipe else ()
    return next((part for part in known if (part.data, part.title or part.data) == (score.data, score.title)), None)


def _renames_tags(name: str | None, data: str) -> bool:
    recipe = _recipe(name)
    return recipe is not None and any(part.tags for part in recipe.data if part.name == data)


@functools.cache
def _recipe(name: str | None) -> Recipe | None:
    try:
        return load_recipe(name) if name in recipe_names() else None
    except InputError:
        return None
