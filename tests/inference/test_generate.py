"""Decoding against transformers' `generate` on the same tiny weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import llm_core.inference.packed as packing
from llm_core.errors import CancelledError, InputError
from llm_core.inference.beam import BeamSettings, beam_search
from llm_core.inference.generate import Step, generate
from llm_core.inference.packed import packed
from llm_core.model.cache import KeyValueCache
from llm_core.types import CancelToken, Sampling
from tests.model.twins import PAD, batch

Pair = Callable[[str], tuple[Any, Any]]
EOS = {"llama": [7, 11], "marian": [0]}
FAMILIES = ("llama", "marian")
NEW = 12


def prompt(name: str) -> tuple[Tensor, Tensor]:
    inputs = batch(name)
    return inputs["input_ids"], inputs["attention_mask"]


def theirs_generate(theirs: Any, name: str, **options: Any) -> Tensor:
    ids, mask = prompt(name)
    if name == "marian":
        options["bad_words_ids"] = [[PAD]]
    usual = {"do_sample": False, "max_new_tokens": NEW, "eos_token_id": EOS[name], "pad_token_id": PAD}
    made = theirs.generate(input_ids=ids, attention_mask=mask, **(usual | options))
    return made[:, 1 if name == "marian" else ids.shape[1] :]


def tokens_of(steps: Any) -> Tensor:
    return torch.stack([step.tokens for step in steps], dim=1)


def assert_same_tokens(ours: Tensor, theirs: Tensor) -> None:
    """Equal but for columns in which every row has ended."""
    width = min(ours.shape[1], theirs.shape[1])
    assert torch.equal(ours[:, :width], theirs[:, :width])
    assert (ours[:, width:] == PAD).all() and (theirs[:, width:] == PAD).all()


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("penalty", [1.0, 1.7])
@pytest.mark.parametrize("name", FAMILIES)
def test_greedy_is_that_of_transformers(pair: Pair, name: str, penalty: float, static: bool) -> None:
    theirs, ours = pair(name)
    sampling = Sampling(NEW, temperature=0, repeat_penalty=penalty)
    made = tokens_of(generate(ours, *prompt(name), sampling=sampling, eos=EOS[name], static_cache=static))
    assert_same_tokens(made, theirs_generate(theirs, name, repetition_penalty=penalty))


@pytest.mark.parametrize("early", [False, True, "never"])
@pytest.mark.parametrize(("length_penalty", "penalty"), [(1.0, 1.0), (0.0, 1.0), (2.5, 1.3)])
@pytest.mark.parametrize("name", FAMILIES)
def test_beam_search_is_that_of_transformers(
    pair: Pair, name: str, length_penalty: float, penalty: float, early: Any
) -> None:
    theirs, ours = pair(name)
    limits = {"beams": 4, "max_new_tokens": NEW, "repeat_penalty": penalty}
    settings = BeamSettings(length_penalty=length_penalty, early_stopping=early, **limits)
    made, scores = beam_search(ours, *prompt(name), settings=settings, eos=EOS[name])
    options = {"num_beams": 4, "length_penalty": length_penalty, "early_stopping": early, "repetition_penalty": penalty}
    expected = theirs_generate(theirs, name, **options)
    assert_same_tokens(made, expected)
    assert torch.isfinite(scores).all()


def test_beam_search_of_one_row_and_one_beam_is_greedy(pair: Pair) -> None:
    _, ours = pair("llama")
    ids = prompt("llama")[0][:1]
    made, _ = beam_search(ours, ids, settings=BeamSettings(beams=1, max_new_tokens=NEW), eos=[])
    greedy = tokens_of(generate(ours, ids, sampling=Sampling(NEW, temperature=0, repeat_penalty=1.0), eos=[]))
    assert torch.equal(made, greedy)


def test_an_encoder_decoder_never_gives_padding_and_ends_at_its_limit(pair: Pair) -> None:
    _, ours = pair("marian")
    ours.output_bias[PAD], ours.output_bias[0] = 50.0, -50.0  # would always pad and never end
    made = tokens_of(generate(ours, *prompt("marian"), sampling=Sampling(5, temperature=1.0, seed=3)))
    assert made.shape == (2, 5) and (made[:, :4] != PAD).all() and (made[:, 4] == 0).all()


def test_a_seed_gives_the_same_tokens_and_another_gives_others(pair: Pair) -> None:
    _, ours = pair("llama")
    made = [
        tokens_of(generate(ours, *prompt("llama"), sampling=Sampling(20, temperature=1.5, top_k=0, seed=seed), eos=[]))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_probabilities_are_the_models_own(pair: Pair) -> None:
    _, ours = pair("llama")
    ids = prompt("llama")[0][:1]
    sampling = Sampling(4, temperature=0.3, top_k=3, seed=0, top_alternatives=5)
    steps: list[Step] = list(generate(ours, ids, sampling=sampling, eos=[]))
    made = tokens_of(steps)
    with torch.no_grad():
        log_p = ours(torch.cat((ids, made), 1))[0, ids.shape[1] - 1 : -1].log_softmax(-1)
    best = log_p.topk(5)
    for i, step in enumerate(steps):
        assert step.log_probabilities is not None and step.alternatives is not None
        torch.testing.assert_close(step.log_probabilities[0], log_p[i, made[0, i]], atol=1e-5, rtol=0)
        torch.testing.assert_close(step.alternatives[1][0], best.values[i], atol=1e-5, rtol=0)
        assert torch.equal(step.alternatives[0][0], best.indices[i])


def test_cancelling_stops_before_the_next_token(pair: Pair) -> None:
    _, ours = pair("llama")
    cancel = CancelToken()
    steps = generate(ours, *prompt("llama"), sampling=Sampling(NEW), eos=[], cancel=cancel)
    next(steps)
    cancel.cancel()
    with pytest.raises(CancelledError):
        next(steps)
    with pytest.raises(CancelledError):
        beam_search(ours, *prompt("llama"), settings=BeamSettings(max_new_tokens=3), cancel=cancel)


def test_stops_when_every_row_has_ended(pair: Pair) -> None:
    _, ours = pair("llama")
    greedy = Sampling(NEW, temperature=0, repeat_penalty=1.0)
    first = next(generate(ours, *prompt("llama"), sampling=greedy, eos=[])).tokens
    steps = list(generate(ours, *prompt("llama"), sampling=greedy, eos=first.tolist()))
    assert len(steps) == 1


@pytest.mark.parametrize("new", [0, 32])
def test_more_than_the_models_positions_is_refused(pair: Pair, new: int) -> None:
    _, ours = pair("llama")
    with pytest.raises(InputError, match="max_new_tokens: must be at least 1, and at most 40"):
        next(generate(ours, *prompt("llama"), sampling=Sampling(new)))


@pytest.mark.parametrize("name", ["llama", "llama-untied", "llama-one-kv-head"])
def test_a_packed_model_answers_as_the_plain_one(pair: Pair, name: str) -> None:
    _, ours = pair(name)
    ids, mask = prompt("llama")
    before = {key: tensor.clone() for key, tensor in ours.state_dict().items()}
    fast = packed(ours)
    with torch.no_grad():
        torch.testing.assert_close(fast(ids, mask), ours(ids, mask), atol=1e-5, rtol=0)
    greedy = Sampling(NEW, temperature=0)
    assert torch.equal(*(tokens_of(generate(m, ids, mask, sampling=greedy, eos=[])) for m in (fast, ours)))
    assert before.keys() == ours.state_dict().keys()
    assert all(torch.equal(before[key], tensor) for key, tensor in ours.state_dict().items())


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("as_vector", [True, False])
@pytest.mark.parametrize("name", ["llama", "llama-untied", "llama-one-kv-head"])
def test_a_packed_model_reads_one_row_token_by_token_as_the_plain_one(
    pair: Pair, name: str, as_vector: bool, static: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_vector_is_faster", lambda weight: as_vector)
    _, ours = pair(name)
    fast, ids = packed(ours), prompt("llama")[0][:1]
    cache = KeyValueCache(ours.config.decoder_layers, ids.shape[1] if static else None)
    with torch.no_grad():
        logits = torch.cat([fast(ids[:, i : i + 1], cache=cache) for i in range(ids.shape[1])], dim=1)
        torch.testing.assert_close(logits, ours(ids), atol=1e-5, rtol=0)


def test_only_llama_is_packed(pair: Pair) -> None:
    with pytest.raises(InputError, match="family: must be llama"):
        packed(pair("marian")[1])
