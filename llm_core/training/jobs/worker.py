"""The process that trains: ``python -m llm_core.training.jobs.worker FOLDER``.

It reads `job.Job` from the folder and tells how far it is in ``state.json``; the figures are in the run folder's curve.
SIGTERM makes it write a checkpoint and end; started again, it goes on from there. A finished job leaves ``model/`` and
``result.json``, and no checkpoint.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from llm_core.errors import LlmCoreError
from llm_core.files import write_json
from llm_core.training.jobs.card import job_card
from llm_core.training.jobs.job import BUDGET_SECONDS, Job, State
from llm_core.training.jobs.report import Prediction, Report, Training

logger = logging.getLogger(__name__)

_TELL_SECONDS = 0.25
_PRIOR_ROWS = 50
"""As if so many rows had said that the temperature is 1: a dozen rows that are all right would ask for certainty."""


class _Stopped(Exception):
    """What there is, is saved."""


class Stopping:
    """Whether the process was asked to end, or has lost the one that started it."""

    def __init__(self) -> None:
        self._asked, self._parent = False, os.getppid()
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    @property
    def asked(self) -> bool:
        """Cheap enough for each step."""
        return self._asked or os.getppid() != self._parent


def main(folder: Path) -> None:
    """Train the folder's job to its end, or until SIGTERM."""
    stopping = Stopping()
    State().write(folder)
    try:
        _train(Job.read(folder), folder, stopping)
        State("done", *_told(folder)).write(folder)
    except _Stopped:
        State("stopped", *_told(folder)).write(folder)
    except LlmCoreError as error:
        State("failed", error=str(error)).write(folder)
    except MemoryError:
        State("failed", error="there is not enough memory for this").write(folder)
    except Exception:
        logger.exception("the training failed")
        State("failed", error="the training broke off; the log says why").write(folder)


def _told(folder: Path) -> tuple[int, int]:
    state = State.read(folder)
    return state.step, state.steps


def _train(job: Job, folder: Path, stopping: Stopping) -> None:
    """Raises `_Stopped` where that was asked for."""
    import torch

    from llm_core.tokenizer.files import TOKENIZER_FILES
    from llm_core.training.export import save_model
    from llm_core.training.fitting import Fit
    from llm_core.training.trainer import number_format

    torch.set_num_threads(job.threads)
    recipe, base, watcher = job.recipe(), Path(job.base.directory), _watcher(folder, stopping)
    if not (folder / "untrained.json").is_file():
        _predict_untrained(job, folder)
    fitted = Fit(
        recipe,
        base,
        folder / "data",
        folder / "run",
        budget_minutes=BUDGET_SECONDS / 60,
        at_most=True,
        in_memory=True,
        watchers=(watcher,),
    ).run()
    State("measuring", fitted.steps, fitted.steps).write(folder)
    model_dir = folder / "model"
    save_model(recipe, fitted, base, model_dir)
    for name in TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, model_dir / name)
    parameters = list(fitted.model.parameters())
    training = Training(
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=fitted.seconds,
        parameters=sum(each.numel() for each in parameters),
        trained=sum(each.numel() for each in parameters if each.requires_grad),
        threads=job.threads,
        number_format=number_format(recipe.optim),
    )
    report = Report(job.labels, _measured(job, model_dir), training)
    report.write(folder)
    (model_dir / "README.md").write_text(job_card(job, report), encoding="utf-8")
    shutil.copyfile(folder / "run" / "recipe.toml", model_dir / "recipe.toml")
    shutil.rmtree(folder / "run" / f"checkpoint-{fitted.steps}", ignore_errors=True)


def _watcher(folder: Path, stopping: Stopping) -> Any:
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        """Tells how far the training is, and ends it when that is asked for."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.first_step, self.began, self.told = state.global_step, time.monotonic(), 0.0
            self._end_if_asked()

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            now, done = time.monotonic(), state.global_step - self.first_step
            if stopping.asked:
                control.should_save = control.should_training_stop = True
            if stopping.asked or now - self.told > _TELL_SECONDS or state.global_step == state.max_steps:
                left = (now - self.began) / done * (state.max_steps - state.global_step)
                State("training", state.global_step, state.max_steps, round(left, 1)).write(folder)
                self.told = now

        def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self._end_if_asked()

        def _end_if_asked(self) -> None:
            if stopping.asked:
                raise _Stopped

    return Watcher()


def _predict_untrained(job: Job, folder: Path) -> None:
    """What the base says with a head that has learnt nothing."""
    from llm_core.training.objectives import objective_for
    from llm_core.training.predictors import LabelPredictor
    from llm_core.training.tuning import from_base
    from llm_core.training.vocabulary import open_tokenizer

    recipe, base = job.recipe(), Path(job.base.directory)
    tokenizer = open_tokenizer(base)
    model: Any = from_base(objective_for(recipe, tokenizer), base, recipe.optim.seeds[0]).eval()
    texts = [row.text for row in job.division.validation]
    found = LabelPredictor(model, tokenizer, job.labels, recipe.max_length).probabilities(texts)
    write_json(folder / "untrained.json", [[job.labels[row.argmax()], float(row.max())] for row in found])


def _measured(job: Job, model_dir: Path) -> list[Prediction]:
    """The exported model's answers to the validation rows, calibrated; writes ``calibration.json``."""
    import torch

    from llm_core.evaluation.calibration import expected_calibration_error, fit_temperature
    from llm_core.training.export import load_model
    from llm_core.training.measure import CALIBRATION_FILE
    from llm_core.training.predictors import LabelPredictor
    from llm_core.training.vocabulary import open_tokenizer

    model: Any = load_model(model_dir, Path(job.base.directory))
    predictor = LabelPredictor(model, open_tokenizer(model_dir), job.labels, job.recipe().max_length)
    rows = job.division.validation
    logits = predictor.logits([row.text for row in rows])
    gold = [job.labels.index(row.label) for row in rows]
    temperature = fit_temperature(logits, gold) ** (len(rows) / (len(rows) + _PRIOR_ROWS))
    probabilities = torch.from_numpy(logits / temperature).softmax(-1).numpy()
    told: dict[str, Any] = {
        "task": "classification",
        "max_length": predictor.max_length,
        "labels": list(job.labels),
        "temperature": round(temperature, 4),
        "rows": len(rows),
        "expected_calibration_error": round(expected_calibration_error(probabilities, gold), 4),
    }
    write_json(model_dir / CALIBRATION_FILE, told)
    return [
        Prediction(row.text, row.label, job.labels[int(found.argmax())], round(float(found.max()), 4))
        for row, found in zip(rows, probabilities, strict=True)
    ]


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(level=logging.WARNING)
    main(Path(sys.argv[1]))
