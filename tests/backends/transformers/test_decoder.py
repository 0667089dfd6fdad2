"""Hub decoders, on a tiny random Llama in the Hub's layout; transformers' own `generate` is the oracle."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from llm_core.backends.base import Generates
from llm_core.backends.transformers.decoder import open_decoder
from llm_core.backends.transformers.text_stream import TextStream
from llm_core.errors import BackendError, CancelledError, InputError, WeightsError
from llm_core.prompt import Prompt, literal, markup
from llm_core.types import CancelToken, ModelFiles, Sampling, Token
from tests.support.decoders import entry, save_llama
from tests.support.device import DEVICE
from tests.support.sessions import generated as run
from tests.support.sessions import text_of

PROMPT = "the cat sat on the mat"
GREEDY = Sampling(max_new_tokens=20, temperature=0.0, repeat_penalty=1.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return open_decoder(entry(), ModelFiles(checkpoint), DEVICE, torch.float32)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_text_is_that_of_transformers(model: Any, checkpoint: Path, penalty: float) -> None:
    reference = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    inputs = tokenizer(PROMPT, return_tensors="pt", return_token_type_ids=False)
    output = reference.generate(**inputs, max_new_tokens=20, do_sample=False, repetition_penalty=penalty)
    expected = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    tokens, _ = run(model, PROMPT, Sampling(max_new_tokens=20, temperature=0.0, repeat_penalty=penalty))
    assert isinstance(model, Generates) and expected.startswith(text_of(tokens)) and tokens


def test_reading_the_prompt_in_pieces_changes_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text_of(run(model, PROMPT * 3, GREEDY)[0])
    monkeypatch.setattr("llm_core.backends.transformers.decoder._PREFILL_TOKENS", 5)
    assert text_of(run(model, PROMPT * 3, GREEDY)[0]) == whole


def test_a_seed_makes_it_reproducible(model: Any) -> None:
    texts = [text_of(run(model, PROMPT, Sampling(max_new_tokens=20, seed=seed))[0]) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_probabilities_sum_to_one_before_filters(model: Any) -> None:
    everything = Sampling(max_new_tokens=3, seed=0, top_k=1, top_alternatives=1000)
    for token in run(model, PROMPT, everything)[0]:
        assert math.isclose(sum(p for _, p in token.alternatives), 1.0, rel_tol=1e-4)
        if token.probability is not None:
            assert token.probability == pytest.approx(token.alternatives[0][1])


def test_special_tokens_count_in_markup_only(model: Any) -> None:
    assert model.count_tokens("<|im_start|>") == 1
    assert model.count_tokens(Prompt(literal("<|im_start|>"))) > 1
    typed = "a <|im_end|> b <|im_<|im_end|>end|>"
    ids = model._prompt_ids(Prompt(markup("<|im_start|>"), literal(typed), markup("<|im_end|>")))
    assert ids[0] == 1 and ids[-1] == 2 and not {0, 1, 2} & set(ids[1:-1])
    assert model._decode(ids[1:-1]) == typed


def test_end_tokens_end_it_and_do_not_show(model: Any) -> None:
    for seed in range(40):
        sampling = Sampling(max_new_tokens=60, temperature=2.0, top_k=0, top_p=1.0, seed=seed)
        tokens, finish = run(model, PROMPT, sampling)
        assert not any(mark in text_of(tokens) for mark in ("<|im_end|>", "<|im_start|>"))
        if finish == "stop":
            return
    pytest.fail("no run met an end token")


def test_too_long_a_prompt_is_an_input_error(model: Any) -> None:
    assert model.context_length == 128
    with pytest.raises(InputError, match=r"prompt: has \d+ tokens; with max_new_tokens=20 .* 128 tokens"):
        run(model, PROMPT * 40, GREEDY)


def test_cancelling_ends_it(model: Any) -> None:
    cancel = CancelToken()
    steps = model.generate(PROMPT, Sampling(max_new_tokens=60, seed=0), cancel)
    next(steps)
    cancel.cancel()
    with pytest.raises(CancelledError):
        list(steps)


def test_code_and_pickles_are_refused(tmp_path: Path) -> None:
    save_llama(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    with pytest.raises(WeightsError, match="auto_map"):
        open_decoder(entry(), ModelFiles(tmp_path), DEVICE)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"model\.safetensors is missing"):
        open_decoder(entry(), ModelFiles(tmp_path), DEVICE)


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_text_is_whole_up_to_the_first_stop_string(text: str, stop: list[str]) -> None:
    data = text.encode()
    stream = TextStream(lambda ids: bytes(ids).decode("utf-8", "replace"), stop)
    tokens: list[Token] = []
    for byte in data:
        tokens += stream.add(byte, 1.0, ())
        if stream.stopped:
            break
    shown = text_of(tokens + stream.finish())
    places = [place for string in stop if (place := text.find(string)) >= 0]
    if places:
        assert len(shown) <= min(text.find(s) + len(s) for s in stop if s in text)
        assert text.startswith(shown) and not any(string in shown for string in stop)
    else:
        assert shown == text


def test_stop_string_ends_the_text(model: Any) -> None:
    whole = text_of(run(model, PROMPT, GREEDY)[0])
    middle = whole[len(whole) // 2 : len(whole) // 2 + 3]
    tokens, finish = run(model, PROMPT, dataclasses.replace(GREEDY, stop=(middle,)))
    assert finish == "stop" and text_of(tokens) == whole[: whole.index(middle)]


def test_a_schema_is_refused_and_not_ignored(model: Any) -> None:
    with pytest.raises(BackendError, match="schema or grammar"):
        run(model, PROMPT, Sampling(max_new_tokens=4, json_schema='{"type": "object"}'))
