"""The CRF against every possible tagging of short sentences; its file."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from llm_core.data.crf import FILE, NgramCRF, load_crf, save_crf
from llm_core.data.tagging import best_tags, repaired
from llm_core.errors import WeightsError

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def random_crf(seed: int = 0, rows: int = 64) -> NgramCRF:
    torch.manual_seed(seed)
    crf = NgramCRF(LABELS, rows, 3, orders=2, width=3)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf.eval()


def taggings(words: int) -> torch.Tensor:
    """All that are proper IOB2, (taggings, words)."""
    tags = [one for one in product(LABELS, repeat=words) if repaired(one) == list(one)]
    return torch.tensor([[LABELS.index(tag) for tag in one] for one in tags])


def scores(crf: NgramCRF, emissions: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """The exponent of the formula, by hand: emissions (words, labels), tags (taggings, words)."""
    own = emissions[range(tags.shape[1]), tags].sum(1)
    return own + torch.stack([crf.transitions[one[:-1], one[1:]].sum() for one in tags])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), words=st.integers(1, 4), padding=st.integers(0, 3))
@torch.no_grad()
def test_it_is_the_formula(seed: int, words: int, padding: int) -> None:
    crf, tags = random_crf(seed), taggings(words)
    emissions = 2 * torch.randn(1, words + padding, len(LABELS))
    mask = torch.arange(words + padding)[None] < words
    by_hand = scores(crf, emissions[0, :words], tags)
    padded = torch.nn.functional.pad(tags, (0, padding))
    found = torch.cat([crf.log_likelihood(emissions, mask, one[None]) for one in padded])
    assert torch.allclose(found, by_hand.log_softmax(0), atol=1e-4)

    best = crf.max_marginals(emissions, mask)[0, :words]
    wanted = torch.tensor(
        [[max([-1e4, *by_hand[tags[:, t] == label].tolist()]) for label in range(len(LABELS))] for t in range(words)]
    )
    assert torch.allclose(best.clamp(min=-5e3), wanted.clamp(min=-5e3), atol=1e-4)
    assert [LABELS.index(tag) for tag in best_tags(best.numpy(), LABELS)] == tags[by_hand.argmax()].tolist()


def test_a_sentence_reads_the_same_in_any_company() -> None:
    crf, draw = random_crf(), np.random.default_rng(0)
    sentences = [list("他在北京"), [], list("好"), list("我们明天去上海大学")]
    logits = [draw.normal(size=(len(words), len(LABELS))).astype(np.float32) for words in sentences]
    together = crf.refined(sentences, logits)
    for words, given_, found in zip(sentences, logits, together, strict=True):
        assert found.shape == given_.shape
        np.testing.assert_allclose(found, crf.refined([words], [given_])[0], atol=1e-4)
    assert not np.allclose(together[0], crf.refined([list("她在北京")], logits[:1])[0])


def test_a_word_that_cannot_be_read_does_not_silence_the_ngrams() -> None:
    crf = random_crf()
    with torch.no_grad():
        crf.scale.fill_(0.5)
        crf.transitions.zero_()
        crf.window.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0, 0.0]))
        crf.window.weight.zero_()
    unread = np.full((1, len(LABELS)), -1e4, dtype=np.float32)
    unread[0, 0] = 0
    assert best_tags(crf.refined([["x"]], [unread])[0], LABELS) == ["B-PER"]


def test_dropout_is_for_training_alone() -> None:
    torch.manual_seed(0)
    crf = NgramCRF(LABELS, 64, 3, dropout=0.5, encoder_dropout=0.5)
    ngrams, logits, mask = torch.zeros(8, 5, 4, dtype=torch.long), torch.ones(8, 5, 5), torch.ones(8, 5).bool()
    once, again = (crf.emissions(crf.embedded(ngrams), logits, mask) for _ in range(2))
    assert not torch.equal(once, again)
    with torch.no_grad():
        crf.window.bias.zero_()
        encoder = crf.emissions(0 * crf.embedded(ngrams), logits, mask)
    assert encoder.unique().tolist() == [0, 1]
    assert torch.equal(encoder, encoder[:, :1, :1].expand_as(encoder))  # a sentence is left out as a whole
    crf.eval()
    once, again = (crf.emissions(crf.embedded(ngrams), logits, mask) for _ in range(2))
    assert torch.equal(once, again)


def test_the_file_keeps_it(tmp_path: Path) -> None:
    crf = random_crf()
    sentences, logits = [list("他在北京")], [np.ones((4, len(LABELS)), dtype=np.float32)]
    assert load_crf(tmp_path, LABELS) is None
    save_crf(crf, tmp_path, torch.float32)
    again = load_crf(tmp_path, LABELS)
    assert again is not None and (again.rows, again.orders) == (64, 2)
    np.testing.assert_array_equal(again.refined(sentences, logits)[0], crf.refined(sentences, logits)[0])
    save_crf(crf, tmp_path, torch.float8_e4m3fn)
    assert load_file(tmp_path / FILE)["table.weight"].dtype == torch.float8_e4m3fn
    smaller = load_crf(tmp_path, LABELS)
    assert smaller is not None
    np.testing.assert_allclose(smaller.table.weight.detach(), crf.table.weight.detach(), rtol=0.07, atol=0.002)


def test_a_file_for_other_labels_is_refused(tmp_path: Path) -> None:
    save_crf(random_crf(), tmp_path, torch.float32)
    with pytest.raises(WeightsError, match=r"crf\.safetensors: is not a CRF for 3 labels"):
        load_crf(tmp_path, LABELS[:3])
    save_file({"table.weight": torch.zeros(4)}, tmp_path / FILE)
    with pytest.raises(WeightsError, match="is not a CRF"):
        load_crf(tmp_path, LABELS)
