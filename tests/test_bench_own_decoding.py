"""The benchmark of our decoder, at a tiny size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from llm_core.bench import own_decoding
from llm_core.bench.own_decoding import CONTESTS, Answer, Contest, answers
from llm_core.model.config import preset
from llm_core.settings import Settings

CONFIG = preset(
    "llama", vocab_size=50, hidden_size=32, intermediate_size=48, num_heads=4, num_kv_heads=2, decoder_layers=2,
    max_positions=32, bos_token_id=0, eos_token_id=0,
)  # fmt: skip


def tiny(contest: Contest) -> Contest:
    return replace(contest, config=CONFIG, prompt_tokens=7, new_tokens=5, rounds=1)


@pytest.mark.parametrize("contest", CONTESTS[:2], ids=lambda contest: contest.name)
def test_both_give_the_same_answer(contest: Contest) -> None:
    ours, theirs = answers(tiny(contest))
    prompt = torch.arange(1, 8)[None]
    assert ours(prompt, 20).shape == (1, 20)
    assert torch.equal(ours(prompt, 20), theirs(prompt, 20))


def a_second_a_token(answer: Answer, prompt: torch.Tensor, tokens: int) -> float:
    return float(answer(prompt, tokens).shape[1])


def test_figures_and_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    monkeypatch.setattr(own_decoding, "CONTESTS", [tiny(contest) for contest in CONTESTS])
    monkeypatch.setattr(own_decoding, "_seconds", a_second_a_token)
    figures = own_decoding.measure(Settings(threads=1))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
    assert [figure.value for figure in figures] == [1, 1, 1, 7, 7, 1] * len(CONTESTS)
    assert [figure.goal for figure in figures] == ["", "", "≥ 1.5", "", "", "≥ 1.0"] * len(CONTESTS)
