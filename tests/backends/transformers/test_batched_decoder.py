"""Many answers at once, on a tiny random Llama; transformers' own `generate` and the decoder that writes one answer at
a time are the oracles."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MambaConfig, MistralConfig, Qwen3Config

from llm_core.backends.base import AnswersTogether, Generates
from llm_core.backends.transformers import TransformersBackend
from llm_core.backends.transformers import answer_streams as module
from llm_core.backends.transformers.batched_decoder import BatchedDecoder, open_batched_decoder
from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.decoder import open_decoder
from llm_core.errors import BackendError, CancelledError, InputError, OutOfMemoryError
from llm_core.types import CancelToken, ModelFiles, Sampling
from tests.support.decoders import SENTENCES, entry, save_decoder, save_llama
from tests.support.device import DEVICE
from tests.support.sessions import generated as run
from tests.support.sessions import text_of

PROMPTS = [sentence[: 5 + 3 * number] for number, sentence in enumerate(SENTENCES[:6])]
SETTINGS = [
    Sampling(max_new_tokens=20, temperature=0.0, repeat_penalty=1.0),
    Sampling(max_new_tokens=20, seed=1),
    Sampling(max_new_tokens=9, seed=2, temperature=1.5, top_k=0, repeat_penalty=1.3),
    Sampling(max_new_tokens=20, seed=3, top_p=0.5, top_alternatives=4),
    Sampling(max_new_tokens=15, temperature=0.0, repeat_penalty=1.2, top_alternatives=1),
    Sampling(max_new_tokens=20, seed=1, stop=("a",)),
]
IDS = [[(7 * i + 3 * j) % 300 + 3 for j in range(4 + 8 * i)] for i in range(6)]
GREEDY = SETTINGS[0]
LONG = Sampling(max_new_tokens=80, temperature=0.0, repeat_penalty=1.0)
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
Answers = list[Any]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def alone(checkpoint: Path) -> Any:
    return open_decoder(entry(), ModelFiles(checkpoint), DEVICE, torch.float32)


@pytest.fixture
def model(checkpoint: Path) -> Iterator[Any]:
    batched = open_batched_decoder(entry(), ModelFiles(checkpoint), DEVICE, 4, torch.float32)
    yield batched
    batched.close()


@pytest.fixture
def batch(checkpoint: Path) -> Iterator[ContinuousBatch]:
    with closing(batch_of(checkpoint)) as made:
        yield made


def batch_of(checkpoint: Path) -> ContinuousBatch:
    """Four places; nothing ends an answer but its length."""
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    return ContinuousBatch(model.to(DEVICE), frozenset(), 4, 128)


def written(batch: ContinuousBatch, prompts: list[list[int]], sampling: Sampling) -> list[list[int]]:
    """The answers of requests that come together."""
    with ThreadPoolExecutor(len(prompts)) as pool:
        return list(pool.map(lambda ids: [c.token_id for c in batch.choices(ids, sampling, CancelToken())], prompts))


def generated_alone(checkpoint: Path, prompts: list[list[int]], sampling: Sampling) -> list[list[int]]:
    """The greedy answers of transformers' `generate`."""
    options = {"do_sample": False, "max_new_tokens": sampling.max_new_tokens, "eos_token_id": None, "pad_token_id": 0}
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).to(DEVICE)
    answers = []
    for ids in prompts:
        row = torch.tensor([ids], device=DEVICE)
        answers.append(model.generate(row, attention_mask=torch.ones_like(row), **options)[0, len(ids) :].tolist())
    return answers


def at_once(model: Any, prompts: Sequence[str], settings: Sequence[Sampling]) -> Answers:
    """The answers of requests that start together."""
    start = threading.Barrier(len(prompts))

    def ask(prompt: str, sampling: Sampling) -> Any:
        start.wait()
        return run(model, prompt, sampling)

    with ThreadPoolExecutor(len(prompts)) as pool:
        return list(pool.map(ask, prompts, settings))


def test_each_answer_is_what_it_is_alone_whatever_its_settings(model: Any, alone: Any) -> None:
    """Greedy, seeded, with penalties, stop strings and probabilities: more of them than there are places."""
    assert isinstance(model, Generates) and isinstance(model, AnswersTogether) and model.max_streams == 4
    for ours, sampling, prompt in zip(at_once(model, PROMPTS, SETTINGS), SETTINGS, PROMPTS, strict=True):
        expected, finish = run(alone, prompt, sampling)
        assert (text_of(ours[0]), ours[1]) == (text_of(expected), finish) and expected
        for mine, its in zip(ours[0], expected, strict=True):
            assert (mine.probability or 0.0) == pytest.approx(its.probability or 0.0, rel=1e-4)
            assert [word for word, _ in mine.alternatives] == [word for word, _ in its.alternatives]


@pytest.mark.parametrize("family", [MistralConfig, Qwen3Config])
def test_greedy_ids_are_those_of_generate(tmp_path: Path, family: Any) -> None:
    directory = save_decoder(tmp_path / "it", family)
    with closing(batch_of(directory)) as batch:
        assert written(batch, IDS, GREEDY) == generated_alone(directory, IDS, GREEDY)


def test_a_withdrawn_answer_leaves_and_the_others_go_on(model: Any, alone: Any) -> None:
    withdrawn, closed = CancelToken(), CancelToken()
    leaving = model.generate(PROMPTS[0], Sampling(max_new_tokens=100, temperature=0.0), withdrawn)
    dropped = model.generate(PROMPTS[1], Sampling(max_new_tokens=100, temperature=0.0), closed)
    staying = model.generate(PROMPTS[2], GREEDY, CancelToken())
    tokens = [next(leaving) and next(dropped) and next(staying)]
    withdrawn.cancel()
    dropped.close()
    with pytest.raises(CancelledError):
        list(leaving)
    tokens += list(staying)
    assert text_of(tokens) == text_of(run(alone, PROMPTS[2], GREEDY)[0])
    assert not model._batch._streams


def test_a_prompt_that_is_too_long_is_refused_alone(model: Any) -> None:
    with pytest.raises(InputError, match="exceeds the model's 128 tokens"):
        run(model, "the cat " * 100, GREEDY)
    assert run(model, PROMPTS[0], GREEDY)[0]


def test_memory_counts_the_cache_while_there_is_one(model: Any, alone: Any) -> None:
    assert model.memory_bytes == alone.memory_bytes
    run(model, PROMPTS[0], GREEDY)
    per_token = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, width, float32
    assert model.memory_bytes == alone.memory_bytes + model._batch.cache_tokens * per_token


class _Choices:
    """`choose`, which raises one error after the other, each in the second step that all four answers share."""

    def __init__(self, *errors: Exception, poison: str = "") -> None:
        self.errors, self.poison = list(errors), poison
        self.rows: list[int] = []
        self.unpatched = module.choose

    def __call__(self, logits: Any, rows: Any) -> Any:
        self.rows.append(len(rows))
        if any(row.sampling.stop == (self.poison,) for row in rows):
            raise RuntimeError("this prompt is poison")
        if self.errors and self.rows.count(4) == 2:
            self.rows.clear()
            raise self.errors.pop(0)
        return self.unpatched(logits, rows)


def test_after_a_crash_all_go_on_where_they_were(batch: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashes = [RuntimeError("a kernel failed"), RuntimeError("another failed")]
    monkeypatch.setattr(module, "choose", choices := _Choices(*crashes))
    assert written(batch, IDS[:4], LONG) == generated_alone(checkpoint, IDS[:4], LONG)
    assert not choices.errors and not batch._suspicious


def test_who_makes_it_crash_is_found_and_fails_alone(model: Any, alone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = Sampling(max_new_tokens=20, temperature=0.0, stop=("poison",))
    monkeypatch.setattr(module, "choose", _Choices(poison="poison"))

    def ask(numbered: tuple[int, str]) -> Any:
        try:
            return text_of(run(model, numbered[1], poison if numbered[0] == 1 else GREEDY)[0])
        except BackendError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(ask, enumerate(PROMPTS[:4])))
    blamed = texts.pop(1)
    assert isinstance(blamed, BackendError) and "failed on this input" in str(blamed)
    expected = [text_of(run(alone, prompt, GREEDY)[0]) for prompt in PROMPTS[:4]]
    assert texts == [text for number, text in enumerate(expected) if number != 1]
    assert run(model, PROMPTS[1], GREEDY)[0], "the next one is served"


def test_after_running_out_of_memory_half_as_many_are_written(
    batch: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "choose", choices := _Choices(FULL))
    assert written(batch, IDS[:4], LONG) == generated_alone(checkpoint, IDS[:4], LONG)
    assert not choices.errors and max(choices.rows) == 2
    choices.rows.clear()
    written(batch, IDS[:4], LONG)
    assert max(choices.rows) == 4, "all places are back once nothing was written"


def test_what_never_fits_is_said(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(logits: Any, rows: Any) -> Any:
        raise FULL

    with monkeypatch.context() as patch, pytest.raises(OutOfMemoryError, match="does not fit into the device's memory"):
        patch.setattr(module, "choose", never)
        run(model, PROMPTS[0], GREEDY)
    assert run(model, PROMPTS[0], GREEDY)[0]


def test_numbers_that_are_none_fail_alone(checkpoint: Path) -> None:
    model: Any = open_batched_decoder(entry(), ModelFiles(checkpoint), DEVICE, 4, torch.float32)
    try:
        [bad] = model._prompt_ids("!")[:1]
        with torch.no_grad():
            model._model.get_input_embeddings().weight[bad] = torch.nan
        with ThreadPoolExecutor(2) as pool:
            good, broken = (pool.submit(run, model, prompt, GREEDY) for prompt in ("the cat", "the dog!"))
            assert good.result()[0]
            with pytest.raises(BackendError, match="failed on this input"):
                broken.result()
    finally:
        model.close()


def test_what_transformers_cannot_batch_writes_one_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = save_decoder(tmp_path / "mamba", MambaConfig)
    model = open_batched_decoder(entry(), ModelFiles(directory), DEVICE, 4, torch.float32)
    assert not isinstance(model, AnswersTogether) and "cannot batch it" in caplog.text


def test_a_closed_model_answers_no_more(checkpoint: Path) -> None:
    model: Any = open_batched_decoder(entry(), ModelFiles(checkpoint), DEVICE, 4, torch.float32)
    written = model.generate(PROMPTS[0], Sampling(max_new_tokens=100, temperature=0.0), CancelToken())
    next(written)
    loop = model._batch._manager._generation_thread
    model.close()
    loop.join(5)
    assert loop.daemon and not loop.is_alive()
    with pytest.raises(BackendError):
        list(written)


@pytest.mark.parametrize(("streams", "expected"), [(None, 4), (1, None), (3, 3)])
def test_how_many_at_once_is_the_devices_choice_or_the_owners(
    checkpoint: Path, streams: int | None, expected: int | None
) -> None:
    model = TransformersBackend(threads=1, device="cpu", streams=streams).open(entry(), ModelFiles(checkpoint))
    assert isinstance(model, BatchedDecoder) is (expected is not None)
    assert getattr(model, "max_streams", None) == expected
    model.close()
