"""A tagger with a CRF: n-grams and neighbouring tags change what it finds, and have their share in explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core.backends.base import Decision, ModelFiles
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.data.crf import NgramCRF, save_crf
from llm_core.data.ngrams import ngram_rows
from llm_core.errors import InputError
from llm_core.types import CancelToken
from tests.support.device import DEVICE
from tests.support.encoders import TAGS, encoder_spec, save_checkpoint

TEXT = "the good dog ran, the bad cat sat."
ROWS = 2**16


def names_only(word: str) -> NgramCRF:
    """Begins a person at `word`, goes on with it for one word more, and doubts the encoder."""
    crf = NgramCRF(TAGS, ROWS, 1, orders=2, width=3)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.zero_()
        crf.scale.fill_(0.1)
        crf.table.weight[ngram_rows([word], 1, ROWS)[0, 0]] = 1.0
        crf.window.weight[TAGS.index("B-PER"), 0, 1] = 12.0  # the unigram in the middle
        crf.window.weight[TAGS.index("I-PER"), 0, 0] = 12.0  # the unigram before
        crf.window.bias[TAGS.index("O")] = 6.0
        crf.transitions[TAGS.index("I-PER"), TAGS.index("I-PER")] = -20.0
    return crf


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tagger"), "token_classification")


def opened(folder: Path) -> Any:
    return open_encoder(encoder_spec(head="token_classification"), ModelFiles(folder), DEVICE, torch.float32)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    return opened(folder)


@pytest.fixture(scope="module")
def model(plain: Any, folder: Path) -> Any:
    save_crf(names_only("dog"), folder, torch.float16)
    return opened(folder)


def test_it_finds_what_its_ngrams_say(model: Any, plain: Any) -> None:
    texts = [TEXT, "a dog", "", "no dog here, but a dog there"]
    found = model.tag(texts, CancelToken())
    persons = [[text[each.start : each.end] for each in own] for text, own in zip(texts, found, strict=True)]
    assert persons == [["dog ran"], ["dog"], [], ["dog here", "dog there"]]
    assert all(0.9 < each.score <= 1 for own in found for each in own)
    assert [model.tag([text], CancelToken())[0] for text in texts] == found
    assert plain.tag([TEXT], CancelToken()) != found[:1]
    assert model.memory_bytes - plain.memory_bytes > 4 * ROWS


def test_the_words_of_an_ngram_have_its_share(model: Any, plain: Any) -> None:
    [entity] = model.tag([TEXT], CancelToken())[0]
    decision = Decision((TEXT,), entity.label, (entity.start, entity.end))
    [chance] = model.decision_probabilities([decision], CancelToken())
    assert chance > 0.99
    [found] = model.attribute([decision], CancelToken())
    values = {TEXT[start:end]: value for start, end, value in found.pieces[0]}
    assert len(values) == len(TEXT.replace(",", " ,").replace(".", " .").split()) - 1  # "the" comes twice
    assert values["dog"] > 5 > 2 > max(abs(value) for word, value in values.items() if word != "dog")
    assert abs(found.completeness_error) < 0.05 * (found.output - found.baseline)
    [other] = plain.attribute([decision], CancelToken())
    assert [piece[:2] for piece in other.pieces[0]] == [piece[:2] for piece in found.pieces[0]]


def test_long_texts_and_marks_without_pieces_are_read(model: Any) -> None:
    text = "the cat sat. " * 100 + "a dog ran \x01 here"
    [found] = model.tag([text], CancelToken())
    assert [text[e.start : e.end] for e in found] == ["dog ran"]
    decision = Decision((text,), "PER", (found[0].start, found[0].end))
    [why] = model.attribute([decision], CancelToken())
    assert max(why.pieces[0], key=lambda piece: piece[2])[:2] == (text.index("dog"), text.index("dog") + 3)
    with pytest.raises(InputError, match="span: must have a word that the model can read"):
        model.attribute([Decision(("a dog ran \x01",), "PER", (10, 11))], CancelToken())
