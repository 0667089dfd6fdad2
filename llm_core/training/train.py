"""From a recipe to a model directory: fit, export, then `measure` what was exported."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from llm_core.data.crf import FILE as CRF_FILE
from llm_core.errors import InputError
from llm_core.evaluation.scores import SCORES_FILE, Score, write_scores
from llm_core.training import curve, sample_file
from llm_core.training.card import Run, model_card
from llm_core.training.crf import fit_crf
from llm_core.training.dictionary import save_dictionary
from llm_core.training.export import WHOLE, save_model
from llm_core.training.fitting import Fit, Fitted
from llm_core.training.measure import CALIBRATION_FILE, Measure
from llm_core.training.recipe import Recipe
from llm_core.training.run_folder import alone_in, hardware
from llm_core.training.scrutiny import Scrutiny, scrutinise
from llm_core.training.trainer import number_format, process_count, process_rank

MEASURED_WITH = ("torch", "transformers", "scikit-learn")


@dataclass(frozen=True)
class TrainReport:
    """What a training gave."""

    model_dir: Path
    scores: tuple[Score, ...]
    """What ``scores.json`` holds."""
    shipped_bytes: int
    """Size of the weights' files."""
    steps: int
    tokens: int
    """Read in training."""
    seconds: float
    """Wall time of this call; a resumed run counts only its last part."""


def train(
    recipe: Recipe,
    *,
    base_dir: Path | None,
    data_dir: Path | None,
    output_dir: Path,
    resume: bool = True,
    work_dir: Path | None = None,
    budget_minutes: float | None = None,
) -> TrainReport:
    """Trains a recipe and writes the directory that ships.

    Under torchrun or accelerate every process calls this; the first one writes.

    Args:
        recipe: What to train.
        base_dir: Directory of the base model in the Hub's format; None: the recipe has none.
        data_dir: Folder of data sets; None: the Hub.
        output_dir: The model directory to write, such as ``models/qa-en``.
        resume: Go on from the newest checkpoint, if there is one.
        work_dir: The run folder; default: ``runs/NAME`` under the current directory.
        budget_minutes: Make the learning rate reach zero when the time is up, whatever the recipe's number of steps.

    Raises:
        InputError: A data row is malformed, the recipe does not fit data or base, another training is in the folder, or
            several processes are to fit a CRF.
        ModelUnavailableError: A data set is not to be had.
    """
    began = time.monotonic()
    work = work_dir or Path("runs") / recipe.name
    first = process_rank() == 0
    if recipe.crf is not None and process_count() > 1:
        raise InputError("crf", "is fitted by one process: train without torchrun", process_count())
    with alone_in(work) if first else nullcontext():
        fitted = Fit(recipe, base_dir, data_dir, work, resume, budget_minutes).run()
        scores = _exported(recipe, fitted, base_dir, data_dir, work, output_dir) if first else []
    seconds = time.monotonic() - began
    return TrainReport(output_dir, tuple(scores), _shipped_bytes(output_dir), fitted.steps, fitted.tokens, seconds)


def _exported(
    recipe: Recipe, fitted: Fitted, base_dir: Path | None, data_dir: Path | None, work: Path, output_dir: Path
) -> list[Score]:
    """Writes and measures what ships."""
    for file in work.rglob(curve.FILE):
        curve.draw(curve.read_curve(file), file.with_suffix(".png"))
    save_model(recipe, fitted, base_dir, output_dir)
    fit_crf(recipe, base_dir, data_dir, output_dir, fitted.folder)
    save_dictionary(recipe, data_dir, output_dir)
    measure = Measure(recipe, base_dir, data_dir, output_dir, fitted.folder / WHOLE)
    scores = measure.scores()
    found = scrutinise(recipe, output_dir, base_dir, data_dir)
    further = {"baselines": found.baselines, "robustness": found.robustness} if found else {}
    about = {"model": recipe.name, "base": recipe.base, "negation_pairs": found.negation if found else None}
    write_scores(output_dir / SCORES_FILE, scores, packages=MEASURED_WITH, further=further, **about)
    if recipe.samples is not None:
        for name in (sample_file.FILE, curve.FILE):
            shutil.copyfile(fitted.folder / name, output_dir / name)
    run = _run(recipe, fitted, work, output_dir, measure.outputs, found)
    (output_dir / "README.md").write_text(model_card(recipe, scores, run), encoding="utf-8")
    return scores


def _run(
    recipe: Recipe,
    fitted: Fitted,
    work: Path,
    output_dir: Path,
    outputs: Sequence[Mapping[str, str]],
    found: Scrutiny | None,
) -> Run:
    parameters = list(fitted.model.parameters())
    last, file = fitted.steps, output_dir / CALIBRATION_FILE
    return Run(
        shipped_bytes=_shipped_bytes(output_dir),
        parameters=sum(p.numel() for p in parameters),
        trained=sum(p.numel() for p in parameters if p.requires_grad),
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=fitted.seconds,
        hardware=hardware(work),
        number_format=number_format(recipe.optim),
        seed=fitted.seed,
        results=fitted.results,
        samples=tuple(
            line for line in sample_file.read_samples(fitted.folder / sample_file.FILE) if line["step"] == last
        ),
        calibration=json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {},
        outputs=tuple(outputs),
        scrutiny=found,
    )


def _shipped_bytes(directory: Path) -> int:
    weights = (*directory.glob("adapter_model.safetensors"), *directory.glob("model.*"), *directory.glob("*.gguf"))
    own = next((file.stat().st_size for file in weights if file.suffix in (".safetensors", ".bin", ".gguf")), 0)
    return own + sum(file.stat().st_size for file in directory.glob(CRF_FILE))
