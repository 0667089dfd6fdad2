"""Zero-shot classification by natural language inference, on a tiny random BERT in the Hub's layout; transformers' own
pipeline is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from llm_core.backends.base import Entails
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.batching import MicroBatcher
from llm_core.catalog import Catalog, parse_catalog
from llm_core.errors import InputError, WeightsError
from llm_core.shared_encoder import SharedEncoder
from llm_core.tasks.classify import TASK, ClassifyRequest
from llm_core.types import CancelToken, ModelFiles
from tests.support.device import DEVICE
from tests.support.encoders import encoder_spec, save_checkpoint
from tests.support.sessions import MemorySession, finish

LABELS = ["bad news", "sport", "market"]
SPEC = encoder_spec(head="entailment", tasks=("classify",), languages=("en",), context_length=160)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("nli"), "entailment")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return open_encoder(SPEC, ModelFiles(checkpoint), DEVICE, torch.float32)


def of(texts: list[str], model: Any) -> list[Any]:
    requests = [ClassifyRequest.parse({"text": text, "labels": LABELS}) for text in texts]
    return TASK.run_many(MemorySession(model), requests)


def test_scores_are_those_of_transformers_pipeline(model: Any, checkpoint: Path) -> None:
    plain: Any = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    asked = pipeline("zero-shot-classification", model=plain, tokenizer=tokenizer, device="cpu")
    texts = ["the dog ran on the hill", "good news of the market", "a cat sat in the red market and ran"]
    expected = asked(texts, LABELS, hypothesis_template="This text is about {}.")
    for ours, its in zip(of(texts, model), expected, strict=True):
        assert ours.method == "zero_shot" and ours.label == its["labels"][0]
        assert ours.scores == pytest.approx(dict(zip(its["labels"], its["scores"], strict=True)), abs=1e-4)


def test_the_windows_of_a_long_text_are_averaged(model: Any) -> None:
    first, second = "market " * 90 + ". ", "sport " * 90 + ". "
    [both] = of([first + second], model)
    parts = of([first, second], model)
    assert isinstance(model, Entails) and both.windows == 2 and {part.windows for part in parts} == {1}
    low, high = (pick(part.scores["sport"] for part in parts) for pick in (min, max))
    assert low < both.scores["sport"] < high


def test_a_pair_longer_than_the_model_reads_is_refused(model: Any) -> None:
    with pytest.raises(InputError, match="reads 160 at once"):
        model.entailment(["a . " * 90], ["a cat"], CancelToken())


def test_calls_of_several_requests_share_batches(model: Any) -> None:
    batcher = MicroBatcher()
    try:
        shared = SharedEncoder(model, batcher)
        premises, hypotheses = ["the cat", "a dog sat"], ["This text is about cat.", "This text is about mat."]
        ours = shared.entailment(premises, hypotheses, CancelToken())
        alone = [model.entailment([p], [h], CancelToken())[0] for p, h in zip(premises, hypotheses, strict=True)]
        np.testing.assert_allclose(ours, alone, atol=1e-4)
        assert shared.entailment([], [], CancelToken()).shape == (0,)
    finally:
        batcher.close()


def test_it_takes_own_labels_only(model: Any) -> None:
    catalog = Catalog({SPEC.id: SPEC})
    own = ClassifyRequest.parse({"text": "the cat", "labels": LABELS})
    learned = ClassifyRequest.parse({"text": "the cat", "examples": [["a cat", "x"], ["a dog", "y"]]})
    assert TASK.candidates(catalog, own) == (SPEC,) and TASK.candidates(catalog, learned) == ()
    with pytest.raises(InputError, match="labels: are needed by this model"):
        finish(TASK.run(MemorySession(model), learned))


def test_an_entry_must_say_which_label_is_entailment() -> None:
    with pytest.raises(WeightsError, match="one of the labels must be entailment"):
        parse_catalog({"nli": {**SPEC.model_dump(exclude={"id"}), "labels": ["yes", "no"]}})
