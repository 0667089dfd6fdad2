"""A decoder whose step is compiled writes what it writes without, and falls back where it cannot be compiled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from llm_core.backends.base import ModelFiles
from llm_core.backends.transformers import decoder as decoder_module
from llm_core.backends.transformers.compiled_steps import CompiledSteps
from llm_core.backends.transformers.decoder import DecoderModel, load_decoder, open_decoder
from llm_core.backends.transformers.loading_plan import DeviceFacts
from llm_core.prompt import Prompt, literal
from llm_core.types import CancelToken, Sampling
from tests.support.decoders import entry, save_decoder
from tests.support.device import DEVICE
from tests.support.sessions import generated, text_of

NEEDS = "triton" if DEVICE.startswith("cuda") else "a C++ compiler"
pytestmark = [
    pytest.mark.skipif(not (DEVICE.startswith("cuda") or shutil.which("g++")), reason=f"torch.compile needs {NEEDS}"),
    # torch.compile's own modules warn of one another
    pytest.mark.filterwarnings("default"),
]
GREEDY = Sampling(max_new_tokens=24, temperature=0.0)
FP32 = torch.float32


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_decoder(tmp_path_factory.mktemp("compiled") / "tiny", LlamaConfig)


@pytest.fixture(scope="module")
def plain(checkpoint: Path) -> DecoderModel:
    model, tokenizer, _ = load_decoder(entry(), ModelFiles(checkpoint), DEVICE, FP32)
    return DecoderModel(entry(), model, tokenizer, DEVICE)


@pytest.fixture(scope="module")
def compiled(plain: DecoderModel) -> Iterator[DecoderModel]:
    steps = CompiledSteps(plain._model, plain.context_length)
    model = DecoderModel(entry(), plain._model, plain._tokenizer, DEVICE, steps)
    yield model
    steps.close()


def written(model: DecoderModel, text: str, sampling: Sampling = GREEDY) -> str:
    return text_of(generated(model, Prompt(literal(text)), sampling)[0])


def test_it_writes_what_it_writes_without(plain: DecoderModel, compiled: DecoderModel) -> None:
    drawn = Sampling(max_new_tokens=24, seed=7)
    for text in ("the cat sat", "a", "good morning, how are you today? we go to the park.", "the cat sat"):
        assert written(compiled, text) == written(plain, text)
        assert written(compiled, text, drawn) == written(plain, text, drawn)
    assert compiled.memory_bytes - plain.memory_bytes == compiled._compiled.memory_bytes > 0  # type: ignore[union-attr]


def test_nothing_is_compiled_anew_for_another_answer(compiled: DecoderModel) -> None:
    written(compiled, "the cat sat")
    with torch.compiler.set_stance("fail_on_recompile"):
        assert written(compiled, "the dog ran over the green hill")


def test_a_second_answer_at_once_and_a_long_one_are_written_without(
    plain: DecoderModel, compiled: DecoderModel
) -> None:
    steps = compiled._compiled
    assert steps is not None
    with steps.lent(8) as forward:
        assert forward is not None
        with steps.lent(8) as second:
            assert second is None
        assert written(compiled, "the cat sat") == written(plain, "the cat sat")
    with steps.lent(plain.context_length + 1) as long:
        assert long is None
    with steps.lent(plain.context_length) as free:
        assert free is not None


def test_an_answer_that_is_stopped_leaves_the_steps_to_the_next(plain: DecoderModel, compiled: DecoderModel) -> None:
    tokens = compiled.generate(Prompt(literal("the cat sat")), GREEDY, CancelToken())
    next(tokens)
    tokens.close()
    assert written(compiled, "the dog") == written(plain, "the dog")


def test_a_model_that_cannot_be_compiled_is_written_with_all_the_same(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Steps(CompiledSteps):
        def __init__(self, model: Any, context_length: int) -> None:
            made.append(context_length)
            raise RuntimeError("no compiler")

    facts = DeviceFacts(DEVICE, torch.bfloat16, compiles=True)
    monkeypatch.setattr(decoder_module, "device_facts", lambda *_: facts)
    monkeypatch.setattr(decoder_module, "CompiledSteps", Steps)
    warned: list[str] = []
    monkeypatch.setattr(decoder_module.logger, "warning", lambda words, *values: warned.append(words % values))
    model: Any = open_decoder(entry(), ModelFiles(checkpoint), DEVICE)
    assert made == [128] and written(model, "the cat")
    assert warned == ["tiny is not compiled: RuntimeError: no compiler"]
    model.close()
