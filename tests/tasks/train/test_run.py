"""Trainings in real processes on a tiny base: visitors apart, Stop and Resume, limits, serving, and cleaning up."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from llm_core.backends.transformers import TransformersBackend
from llm_core.catalog import Catalog
from llm_core.engine import Engine
from llm_core.errors import BusyError, InputError
from llm_core.settings import Settings
from llm_core.tasks.classify import OWN_LABEL_SET, TASK, ClassifyRequest
from llm_core.tasks.train import run as run_module
from llm_core.tasks.train.publish import write_zip
from llm_core.tasks.train.request import ResumeRequest, TrainRequest, TrainTask
from llm_core.tasks.train.run import Trainings, TrainResult
from llm_core.types import CancelToken, Completed, Partial, Waiting
from tests.support.encoders import WORDS, encoder_spec, save_checkpoint
from tests.support.weights import OneDirectory

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

TRAIN, OWN = TrainTask(), {"label_set": OWN_LABEL_SET}


def examples(good: str = "great", bad: str = "poor", count: int = 40) -> list[list[str]]:
    """Two labels that words tell apart."""
    return [
        [
            f"the {WORDS[number % 20]} was {'good' if number % 2 else 'bad'}, {WORDS[number // 2]}",
            good if number % 2 else bad,
        ]
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture
def engine(base_dir: Path) -> Iterator[Engine]:
    spec = encoder_spec(tasks=("embed", "classify"))
    weights: Any = OneDirectory(base_dir)
    made = Engine(Catalog({"tiny": spec}), weights, Settings(offline=True), {"transformers": TransformersBackend(1)})
    yield made
    made.close()


@pytest.fixture
def trainings(engine: Engine) -> Iterator[Trainings]:
    made = Trainings(engine)
    yield made
    made.close()
    assert made._root is None or not any(made._root.iterdir()), "nothing of a visitor is left"


def train(trainings: Trainings, client: str, cancel: CancelToken | None = None, **fields: Any) -> TrainResult:
    request = TrainRequest.parse({"examples": examples(), **fields})
    *_, last = trainings.run(TRAIN, request, client=client, cancel=cancel)
    assert isinstance(last, Completed) and isinstance(last.result, TrainResult)
    return last.result


def classify(engine: Engine, client: str, text: str) -> Any:
    return engine.answer(TASK, ClassifyRequest.parse({"text": text, **OWN}), client=client).result


def test_a_visitor_trains_uses_and_takes_a_model(
    trainings: Trainings, engine: Engine, base_dir: Path, tmp_path: Path
) -> None:
    seen = list(trainings.run(TRAIN, TrainRequest.parse({"examples": examples()}), client="ann"))
    states = [event.result.state for event in seen if isinstance(event, Partial)]
    assert states[0].phase == "starting", "what was shown of an earlier training goes at once"
    steps = [state.step for state in states]
    assert steps == sorted(steps) and steps[-1] > 0
    result: TrainResult = seen[-1].result  # type: ignore[union-attr]
    assert result.state.phase == "done" and result.by_meaning and len(result.before) == 10
    losses = [row["loss"] for row in result.curve if "loss" in row]
    assert losses[-1] < losses[0] and any("eval_accuracy" in row for row in result.curve)
    report, folder = result.report, result.folder
    assert report is not None and folder is not None
    record = result.record()
    assert record["labels"] == ["poor", "great"] and record["rows"] == 40
    assert sum(map(sum, report.confusion)) == 10 and len(record["mistakes"]) == len(report.mistakes)
    assert 0.2 <= json.loads((folder / "calibration.json").read_text())["temperature"] <= 5

    answer = classify(engine, "ann", "the dog was good")
    assert set(answer.scores) == {"poor", "great"} and answer.method == "fine_tuned"
    # What plain peft makes of the zip is what is served.
    write_zip(folder, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        archive.extractall(tmp_path)
    mine = tmp_path / "mine"
    plain = AutoModelForSequenceClassification.from_pretrained(base_dir, config=AutoConfig.from_pretrained(mine))
    model = PeftModel.from_pretrained(plain, str(mine)).eval()
    logits = model(**AutoTokenizer.from_pretrained(mine)("the dog was good", return_tensors="pt")).logits[0]
    temperature = json.loads((mine / "calibration.json").read_text())["temperature"]
    shares = (logits / temperature).softmax(-1).tolist()
    assert answer.scores[model.config.id2label[0]] == pytest.approx(shares[0], abs=0.02)
    card = (mine / "README.md").read_text(encoding="utf-8")
    assert "base_model: somebody/tiny" in card and "| `great` | 5 |" in card and "40 labelled texts" in card


def test_two_visitors_wait_for_each_other_and_see_nothing_of_each_other(trainings: Trainings, engine: Engine) -> None:
    waited: list[Any] = []
    ready = threading.Event()

    def second() -> None:
        ready.wait(60)
        request = TrainRequest.parse({"examples": examples("joy", "sorrow", 16)})
        waited.extend(trainings.run(TRAIN, request, client="bob"))

    thread = threading.Thread(target=second)
    thread.start()
    for event in trainings.run(TRAIN, TrainRequest.parse({"examples": examples(count=16)}), client="ann"):
        if isinstance(event, Partial):
            ready.set()
    thread.join(120)
    assert isinstance(waited[0], Waiting) and waited[0].ahead == 1
    assert waited[-1].result.state.phase == "done"
    assert set(classify(engine, "ann", "good").scores) == {"poor", "great"}
    assert set(classify(engine, "bob", "good").scores) == {"joy", "sorrow"}
    assert list(engine.catalog) == ["tiny"], "no catalogue lists a visitor's model"
    own = engine.catalog_of("ann")
    [private] = set(own) - {"tiny"}
    with pytest.raises(InputError, match="train one first"):
        classify(engine, "eve", "good")
    with pytest.raises(Exception, match="there is no"):
        engine.answer(
            TASK, ClassifyRequest.parse({"text": "good", "labels": ["a", "b"]}), model_id=private, client="eve"
        )
    folder = trainings.done("ann").folder
    trainings.drop("ann")
    assert folder is not None and not folder.exists() and private not in engine.resident()
    with pytest.raises(InputError, match="train one first"):
        classify(engine, "ann", "good")
    assert set(classify(engine, "bob", "good").scores) == {"joy", "sorrow"}


def test_a_stopped_training_goes_on_where_it_was(trainings: Trainings) -> None:
    cancel = CancelToken()
    stopped: TrainResult | None = None
    for event in trainings.run(TRAIN, TrainRequest.parse({"examples": examples()}), client="ann", cancel=cancel):
        if isinstance(event, Partial) and event.result.state.step >= 5:
            cancel.cancel()
        elif isinstance(event, Completed):
            stopped = event.result
    assert stopped is not None and stopped.state.phase == "stopped" and stopped.report is None
    at = stopped.state.step
    assert 5 <= at < stopped.state.steps
    with pytest.raises(InputError, match="train one first"):
        trainings.done("ann")
    resumed = list(trainings.run(TrainTask(resumes=True), ResumeRequest(), client="ann"))
    first = next(e.result.state for e in resumed if isinstance(e, Partial) and e.result.state.phase == "training")
    assert first.step > at, "no step is made twice"
    result = resumed[-1].result  # type: ignore[union-attr]
    assert result.state.phase == "done" and [row["step"] for row in result.curve] == sorted(
        r["step"] for r in result.curve
    )
    with pytest.raises(InputError, match="no stopped training"):
        list(trainings.run(TrainTask(resumes=True), ResumeRequest(), client="ann"))


def test_clear_ends_a_running_training_and_deletes_its_folder(trainings: Trainings) -> None:
    for event in trainings.run(TRAIN, TrainRequest.parse({"examples": examples()}), client="ann"):
        if isinstance(event, Partial) and event.result.state.phase == "training":
            [folder] = trainings._root.iterdir()  # type: ignore[union-attr]
            assert len(folder.name) == 32 and folder.stat().st_mode & 0o077 == 0
            trainings.drop("ann")
    assert not folder.exists() and event.result.state.phase == "stopped"  # type: ignore[union-attr]


def test_too_many_who_wait_are_sent_away(trainings: Trainings) -> None:
    request = TrainRequest.parse({"examples": examples(count=16)})
    held = trainings._admission.join("somebody", exclusive=True)
    tokens = [CancelToken() for _ in range(run_module.MAX_WAITING)]
    threads = [
        threading.Thread(target=lambda n=n, t=t: list(trainings.run(TRAIN, request, client=f"c{n}", cancel=t)))
        for n, t in enumerate(tokens)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while trainings._admission.load[1] < len(tokens) and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(BusyError):
        next(trainings.run(TRAIN, request, client="late"))
    for token in tokens:
        token.cancel()
    for thread in threads:
        thread.join(30)
    held.release()
    assert trainings._admission.load == (0, 0)


def test_what_is_old_is_deleted_by_itself(engine: Engine) -> None:
    trainings = Trainings(engine, kept_seconds=0.2)
    cancel = CancelToken()
    cancel.cancel()
    held = trainings._admission.join("somebody", exclusive=True)
    train(trainings, "ann", cancel)
    held.release()
    deadline = time.monotonic() + 20
    while any(trainings._root.iterdir()) and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.05)
    assert not trainings._owned and not any(trainings._root.iterdir())  # type: ignore[union-attr]
    trainings.close()
