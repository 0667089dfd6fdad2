"""The llama.cpp runtime on the real SmolLM2."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from llm_core.backends.base import Generates
from llm_core.backends.llama_cpp import LlamaCppBackend, LlamaCppModel
from llm_core.catalog import load_catalog
from llm_core.errors import BackendError, CancelledError, DeadlineExceededError, InputError, WeightsError
from llm_core.prompt import Prompt, literal, markup
from llm_core.types import CancelToken, ModelFiles, Sampling
from tests.support.sessions import generated as run
from tests.support.sessions import text_of

SPEC = load_catalog()["smollm2-135m-instruct"]
STORY = "<|im_start|>user\nTell a story.<|im_end|>\n<|im_start|>assistant\n"
GREEDY = Sampling(max_new_tokens=12, temperature=0.0, repeat_penalty=1.0)


@pytest.fixture(scope="module")
def model(smollm2_files: ModelFiles) -> Iterator[LlamaCppModel]:
    opened = LlamaCppBackend(threads=2).open(SPEC, smollm2_files)
    yield opened
    opened.close()


@pytest.mark.real_weights
class TestRealModel:
    def test_generates_what_was_asked_for(self, model: LlamaCppModel) -> None:
        assert isinstance(model, Generates)
        tokens, finish = run(model, STORY, GREEDY)
        assert len(tokens) == 12 and finish == "length"
        assert all(token.probability is None for token in tokens)

    def test_ends_by_itself(self, model: LlamaCppModel) -> None:
        prompt = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\nYes."
        tokens, finish = run(model, prompt, Sampling(max_new_tokens=200, temperature=0.0, repeat_penalty=1.0))
        assert finish == "stop" and "<|im_end|>" not in text_of(tokens)

    def test_stop_string_is_no_part_of_the_text(self, model: LlamaCppModel) -> None:
        sampling = Sampling(max_new_tokens=20, temperature=0.0, repeat_penalty=1.0, stop=(" 4",))
        tokens, finish = run(model, "1 2 3", sampling)
        assert finish == "stop" and "4" not in text_of(tokens)

    def test_a_seed_makes_it_reproducible(self, model: LlamaCppModel) -> None:
        sampling = Sampling(max_new_tokens=24, seed=7)
        first = text_of(run(model, STORY, sampling)[0])
        run(model, STORY + "Once", Sampling(max_new_tokens=3))
        assert text_of(run(model, STORY, sampling)[0]) == first
        assert text_of(run(model, STORY, Sampling(max_new_tokens=24, seed=8))[0]) != first

    def test_probabilities_are_the_models_own(self, model: LlamaCppModel) -> None:
        sampling = Sampling(max_new_tokens=8, temperature=0.0, repeat_penalty=1.0, top_alternatives=3)
        tokens, _ = run(model, STORY, sampling)
        for token in tokens:
            assert token.probability is not None and 0 < token.probability <= 1
            assert len(token.alternatives) == 3
            assert token.alternatives[0] == (token.text, pytest.approx(token.probability))
            assert sum(p for _, p in token.alternatives) <= 1.0001
        hot = Sampling(max_new_tokens=1, temperature=2.0, repeat_penalty=2.0, seed=1, top_alternatives=3)
        assert run(model, STORY, hot)[0][0].alternatives[0][1] == pytest.approx(tokens[0].probability, abs=0.02)

    def test_characters_of_several_tokens_arrive_whole(self, model: LlamaCppModel) -> None:
        prompt = "<|im_start|>user\nRepeat 🦊🐈🦊🐈🦊<|im_end|>\n<|im_start|>assistant\n🦊🐈🦊🐈🦊🐈"
        sampling = Sampling(max_new_tokens=16, temperature=0.0, repeat_penalty=1.0, top_alternatives=1)
        tokens, _ = run(model, prompt, sampling)
        assert "\ufffd" not in text_of(tokens)
        animals = [token for token in tokens if any(character > "\uffff" for character in token.text)]
        assert animals and all(token.probability is None for token in animals)

    def test_special_tokens_in_literal_text_are_characters(self, model: LlamaCppModel) -> None:
        assert model.count_tokens(Prompt(markup("<|im_end|>"))) == 1
        assert model.count_tokens(Prompt(literal("<|im_end|>"))) > 1
        assert model.count_tokens("<|im_end|>") == 1 and model.count_tokens("") == 0

    def test_too_long_a_prompt_is_an_input_error(self, model: LlamaCppModel) -> None:
        with pytest.raises(InputError, match=r"prompt: has 3001 tokens; with max_new_tokens=12 .* 2048 tokens"):
            run(model, "a b " * 1500, GREEDY)
        with pytest.raises(InputError, match="prompt: has .* tokens; with max_new_tokens=2048"):
            run(model, STORY, Sampling(max_new_tokens=2048))
        with pytest.raises(InputError, match="must not be empty"):
            run(model, "", GREEDY)

    def test_cancelling_stops_the_model(self, model: LlamaCppModel) -> None:
        cancel = CancelToken()
        steps = model.generate(STORY, Sampling(max_new_tokens=1000, repeat_penalty=1.0), cancel)
        next(steps)
        cancel.cancel()
        started = time.monotonic()
        with pytest.raises(CancelledError):
            for _ in steps:
                pass
        assert time.monotonic() - started < 0.2
        assert_idle()

    def test_cancelling_while_the_prompt_is_read(self, model: LlamaCppModel) -> None:
        cancel = CancelToken()
        cancelled_at: list[float] = []
        timer = threading.Timer(0.2, lambda: (cancelled_at.append(time.monotonic()), cancel.cancel()))
        timer.start()
        with pytest.raises(CancelledError):
            run(model, "The fox ran over the hill and saw a river. " * 136, GREEDY, cancel)
        assert time.monotonic() - cancelled_at[0] < 0.3
        assert_idle()

    def test_closing_the_iterator_stops_the_model(self, model: LlamaCppModel) -> None:
        steps = model.generate(STORY, Sampling(max_new_tokens=1000, repeat_penalty=1.0), CancelToken())
        next(steps)
        steps.close()
        assert_idle()

    def test_deadline(self, model: LlamaCppModel) -> None:
        with pytest.raises(DeadlineExceededError, match=r"0\.3 s"):
            run(model, STORY, Sampling(max_new_tokens=1500, repeat_penalty=1.0), CancelToken(0.3))

    def test_opens_no_port(self, model: LlamaCppModel) -> None:
        listening = [c for c in psutil.Process().net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
        assert listening == []

    def test_its_socket_is_private_and_wants_the_key(self, model: LlamaCppModel) -> None:
        endpoint = model._require_server().endpoint
        folder = Path(endpoint.hostname).parent
        assert os.stat(folder).st_mode & 0o077 == 0
        key, endpoint.key = endpoint.key, "wrong"
        try:
            with pytest.raises(BackendError, match=r"refused /tokenize \(status 401\)"):
                model.count_tokens("x")
        finally:
            endpoint.key = key

    def test_a_closed_model_is_gone(self, smollm2_files: ModelFiles) -> None:
        model = LlamaCppBackend(threads=1).open(SPEC, smollm2_files)
        folder = Path(model._require_server().endpoint.hostname).parent
        model.close()
        assert not folder.exists()
        with pytest.raises(BackendError, match="was closed"):
            model.count_tokens("x")

    def test_writes_nothing_to_the_terminal(self, smollm2_files: ModelFiles, capfd: Any) -> None:
        model = LlamaCppBackend(threads=1).open(SPEC, smollm2_files)
        run(model, STORY, Sampling(max_new_tokens=2))
        model.close()
        assert capfd.readouterr() == ("", "")


def assert_idle() -> None:
    """The call of the server has ended, at the latest when the prompt batch it is in has been read."""
    deadline = time.monotonic() + 5
    while any(thread.name == "llama-completion" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_files_must_hold_one_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="expected one GGUF file, found 0"):
        LlamaCppBackend(threads=1).open(SPEC, ModelFiles(tmp_path))


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\xff" * 64)
    with pytest.raises(WeightsError, match="llama.cpp cannot load model.gguf"):
        LlamaCppBackend(threads=1).open(SPEC, ModelFiles(tmp_path))
