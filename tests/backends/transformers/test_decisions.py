"""How probable a model finds what it might decide: the same numbers as in what it decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llm_core.backends.base import Decision, ModelFiles, WeighsDecisions
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.errors import InputError
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import encoder_spec, save_checkpoint

HEADS = ("sequence_classification", "token_classification", "span_extraction")
TEXT = "the good dog ran, the bad cat sat."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        head: open_encoder(
            encoder_spec(head=head),
            ModelFiles(save_checkpoint(tmp_path_factory.mktemp(head), head)),
            DEVICE,
            torch.float32,
        )
        for head in HEADS
    }


def weighed(model: Any, *decisions: Decision) -> list[float]:
    assert isinstance(model, WeighsDecisions)
    return model.decision_probabilities(decisions, CancelToken())


def test_a_label_s_is_that_of_the_classifier(models: dict[str, Any]) -> None:
    model = models["sequence_classification"]
    [expected] = model.classify([TEXT], CancelToken())
    found = weighed(model, *(Decision((TEXT,), label) for label in model.spec.labels))
    assert found == pytest.approx(expected.tolist(), abs=1e-6)
    with pytest.raises(InputError, match="label: must be one of"):
        weighed(model, Decision((TEXT,), "no label"))


def test_an_entity_s_is_the_mean_over_its_words(models: dict[str, Any]) -> None:
    model = models["token_classification"]
    kind = model.spec.labels[1].removeprefix("B-")
    start, end = TEXT.index("good"), TEXT.index("dog") + 3
    both, one, other = weighed(
        model,
        Decision((TEXT,), kind, (start, end)),
        Decision((TEXT,), kind, (start, start + 4)),
        Decision((TEXT,), kind, (end - 3, end)),
    )
    assert all(0 < each < 1 for each in (both, one, other))
    [logits] = model._read([TEXT], [[(start, start + 4), (end - 3, end)]], CancelToken())
    assert logits.shape == (2, len(model.spec.labels))
    with pytest.raises(InputError, match="span: must be that of an entity"):
        weighed(model, Decision((TEXT,), "NOTHING", (start, end)))


def test_answers_of_one_window_share_what_there_is(models: dict[str, Any]) -> None:
    model, question = models["span_extraction"], "who ran"
    places = [(found, found + 3) for found in range(len(TEXT)) if TEXT[found : found + 3] in ("dog", "cat", "sat")]
    found = weighed(model, *(Decision((question, TEXT), "", place) for place in places))
    assert len(found) == 3 and all(0 < each < 1 for each in found) and sum(found) < 1
    best = model.extract([question], [TEXT], CancelToken())[0]
    [surest] = weighed(model, Decision((question, TEXT), "", (best.start, best.end)))
    assert surest >= max(found) - 1e-6 or np.isclose(surest, max(found))
    with pytest.raises(InputError, match="span: must be within the context"):
        weighed(model, Decision((question, TEXT), "", (900, 903)))


def test_an_embedder_decides_nothing(tmp_path: Path) -> None:
    embedder = open_encoder(encoder_spec(), ModelFiles(save_checkpoint(tmp_path)), DEVICE, torch.float32)
    assert not isinstance(embedder, WeighsDecisions)
