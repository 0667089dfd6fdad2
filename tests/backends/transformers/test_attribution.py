"""Integrated gradients: held against a plain sum, complete, of the served weights, and stopped when asked to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llm_core.backends.base import Attributes, Attribution, Decision, ModelFiles
from llm_core.backends.transformers.attribution import Gradients, in_float32, log_odds
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.token_batches import TokenRow
from llm_core.errors import CancelledError, InputError
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import encoder_spec, save_checkpoint

HEADS = ("sequence_classification", "token_classification", "span_extraction")
TEXT = "the good dog ran, the bad cat sat."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    def opened(head: str, dtype: torch.dtype) -> Any:
        return open_encoder(
            encoder_spec(head=head), ModelFiles(save_checkpoint(tmp_path_factory.mktemp(head), head)), DEVICE, dtype
        )

    return {head: opened(head, torch.float32) for head in HEADS} | {"bf16": opened(HEADS[0], torch.bfloat16)}


def explained(model: Any, *decisions: Decision) -> list[Attribution]:
    found: list[Attribution] = model.attribute(decisions, CancelToken())
    return found


def test_every_head_that_decides_explains(models: dict[str, Any], tmp_path: Path) -> None:
    assert all(isinstance(model, Attributes) for model in models.values())
    embedder = open_encoder(encoder_spec(), ModelFiles(save_checkpoint(tmp_path)), DEVICE, torch.float32)
    assert not isinstance(embedder, Attributes)


def test_values_are_those_of_a_plain_sum(models: dict[str, Any]) -> None:
    """The integral as the mean of the gradients at 400 midpoints, without captum."""
    model = models["sequence_classification"]
    [found] = explained(model, Decision((TEXT,), "negative"))
    network, tokenizer = in_float32(model._model), model._tokenizer
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    x = network.get_input_embeddings()(ids).detach()
    b = x.clone()
    b[:, 1:-1] = network.get_input_embeddings().weight[tokenizer.pad_token_id]
    places = (torch.arange(400) + 0.5) / 400
    points = (b + places[:, None, None] * (x - b)).requires_grad_()
    log_odds(network(inputs_embeds=points).logits, 0).sum().backward()
    assert points.grad is not None
    expected = ((x - b)[0] * points.grad.mean(0)).sum(-1)[1:-1]
    np.testing.assert_allclose([value for *_, value in found.pieces[0]], expected, atol=1e-3)


def test_the_output_is_the_logit_of_the_probability_and_the_values_add_up(models: dict[str, Any]) -> None:
    model = models["sequence_classification"]
    [chances] = model.classify([TEXT], CancelToken())
    for label, chance in zip(model.spec.labels, chances, strict=True):
        [found] = explained(model, Decision((TEXT,), label))
        assert found.output == pytest.approx(math.log(chance / (1 - chance)), abs=1e-4)
        assert abs(found.completeness_error) < 0.02 * max(0.1, abs(found.output - found.baseline))
        assert [TEXT[start:end] for start, end, _ in found.pieces[0]] == TEXT.replace(",", " ,").replace(
            ".", " ."
        ).split()


def test_long_texts_are_explained_to_their_end(models: dict[str, Any]) -> None:
    text = "the cat sat on the mat. " * 60
    [found] = explained(models["sequence_classification"], Decision((text,), "positive"))
    assert max(end for _, end, _ in found.pieces[0]) == len(text) - 1
    assert abs(found.completeness_error) < 0.05


def test_the_served_weights_are_used_in_float32_and_stay_as_they_are(models: dict[str, Any]) -> None:
    served, exact = models["bf16"], models["sequence_classification"]
    before = {name: (id(each), each.dtype) for name, each in served._model.named_parameters()}
    [found], [other] = (explained(model, Decision((TEXT,), "positive")) for model in (served, exact))
    assert {name: (id(each), each.dtype) for name, each in served._model.named_parameters()} == before
    assert not any(each.requires_grad for each in served._model.parameters())
    np.testing.assert_allclose([v for *_, v in found.pieces[0]], [v for *_, v in other.pieces[0]], atol=0.05)
    assert abs(found.completeness_error) < 0.02, "in bfloat16 it would be of the size of its steps"


def test_what_is_plain_and_in_float32_is_not_copied(models: dict[str, Any]) -> None:
    network = models["sequence_classification"]._model
    plain = {id(each) for each in network.parameters() if not each.is_mkldnn}
    assert len(plain) > 10 and plain <= {id(each) for each in in_float32(network).parameters()}
    cast = in_float32(models["bf16"]._model)
    table = cast.get_input_embeddings().weight
    assert table is models["bf16"]._model.get_input_embeddings().weight
    assert {each.dtype for each in cast.parameters() if each is not table} == {torch.float32}


def test_an_entity_is_explained_by_the_words_of_its_sentence(models: dict[str, Any]) -> None:
    model = models["token_classification"]
    [found] = explained(model, Decision((TEXT,), "PER", (4, 12)))
    assert {(start, end) for start, end, _ in found.pieces[0]} >= {(0, 3), (4, 8), (9, 12)}
    assert abs(found.completeness_error) < 0.05
    for label, span in (("ORG", (4, 8)), ("PER", (3, 4)), ("PER", None)):
        with pytest.raises(InputError, match="span: must be that of an entity"):
            explained(model, Decision((TEXT,), label, span))


def test_an_answer_is_explained_by_words_of_both_texts(models: dict[str, Any]) -> None:
    model, question = models["span_extraction"], "who ran?"
    for span in ((9, 12), None):
        [found] = explained(model, Decision((question, TEXT), "", span))
        asked, read = found.pieces
        assert [question[start:end] for start, end, _ in asked] == ["who", "ran", "?"]
        assert {TEXT[start:end] for start, end, _ in read} >= {"dog", "cat", "."}
        assert abs(found.completeness_error) < 0.05
    with pytest.raises(InputError, match="span: must be within the context"):
        explained(model, Decision((question, TEXT), "", (500, 504)))


def test_an_unknown_label_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="label: must be one of negative, neutral, positive"):
        explained(models["sequence_classification"], Decision((TEXT,), "sports"))


class StopsAfter(CancelToken):
    """Lets a few checks pass."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise CancelledError


@pytest.mark.parametrize("checks", [0, 2])
def test_it_stops_between_steps(models: dict[str, Any], checks: int) -> None:
    cancel = StopsAfter(checks)
    with pytest.raises(CancelledError):
        models["sequence_classification"].attribute([Decision(("the cat sat on the mat. " * 60,), "positive")], cancel)
    assert cancel.left == -1


@pytest.mark.parametrize("baseline", ["pad", "mask", "zero"])
def test_baselines(models: dict[str, Any], baseline: Any) -> None:
    model = models["sequence_classification"]
    ids = model._tokenizer(TEXT)["input_ids"]
    gradients = Gradients(model._model, model._tokenizer, DEVICE, CancelToken(), baseline)
    found = gradients.of(
        TokenRow(ids), (((0, 0), *((i, i + 1) for i in range(len(ids) - 2)), (0, 0)),),
        lambda outputs: log_odds(outputs.logits, 1),
    )  # fmt: skip
    table = model._model.get_input_embeddings().weight
    stand_in = {"pad": table[0], "mask": table[4], "zero": torch.zeros_like(table[0])}[baseline]
    empty = table[torch.tensor([ids])].clone()
    empty[:, 1:-1] = stand_in
    with torch.no_grad():
        expected = float(log_odds(model._model(inputs_embeds=empty).logits, 1))
    assert found.baseline == pytest.approx(expected, abs=1e-5)
