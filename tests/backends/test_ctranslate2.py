"""The CTranslate2 runtime, on a tiny random Marian in the Hub's layout; transformers is the oracle."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core.backends.base import Translates
from llm_core.backends.ctranslate2 import CTranslate2Backend
from llm_core.backends.transformers.seq2seq import open_seq2seq
from llm_core.errors import CancelledError, InputError, WeightsError
from llm_core.types import CancelToken, ModelFiles
from tests.support.decoders import SENTENCES, save_marian, translator_entry, without_forced_end

SPEC = translator_entry(backend="ctranslate2")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_marian(tmp_path_factory.mktemp("models") / "marian")


def opened(directory: Path, quantization: str = "int8") -> Any:
    return CTranslate2Backend(threads=1, quantization=quantization).open(SPEC, ModelFiles(directory))


@pytest.fixture
def may_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As plain beam search decodes; random weights do little else than loop."""
    monkeypatch.setattr("llm_core.backends.ctranslate2.SEARCH", {"length_penalty": 1.0})


def test_no_run_of_five_pieces_is_said_twice(checkpoint: Path) -> None:
    model = opened(checkpoint)
    for text in model.translate(SENTENCES, "en", "zh", CancelToken()):
        pieces = model._target.encode(text, out_type=str)
        runs = [tuple(pieces[start : start + 5]) for start in range(len(pieces) - 4)]
        assert len(set(runs)) >= 0.9 * len(runs), text


def test_greedy_text_is_that_of_transformers(checkpoint: Path, may_loop: None) -> None:
    reference: Any = open_seq2seq(translator_entry(), ModelFiles(checkpoint), "cpu", torch.float32)
    ours = opened(checkpoint, "float32").translate(SENTENCES[:5], "en", "zh", CancelToken(), beam_size=1)
    theirs = [reference.translate([s], "en", "zh", CancelToken(), beam_size=1)[0] for s in SENTENCES[:5]]
    # The two runtimes allow different lengths; random weights seldom end by themselves.
    assert all(a and b and (a.startswith(b) or b.startswith(a)) for a, b in zip(ours, theirs, strict=True))


def test_hypotheses_are_those_of_transformers(tmp_path: Path, may_loop: None) -> None:
    checkpoint = without_forced_end(save_marian(tmp_path / "marian"))
    reference: Any = open_seq2seq(translator_entry(), ModelFiles(checkpoint), "cpu", torch.float32)
    ours = opened(checkpoint, "float32")
    for beam, count in ((1, 1), (4, 3)):
        options: dict[str, Any] = {"beam_size": beam, "count": count, "attention": True}
        mine, theirs = (m.hypotheses(SENTENCES[:3], "en", "zh", CancelToken(), **options) for m in (ours, reference))
        for sentence, some, others in zip(SENTENCES, mine, theirs, strict=False):
            assert len(some) == len(others) == count
            assert [h.log_probability for h in some] == sorted((h.log_probability for h in some), reverse=True)
            for hypothesis in some:
                attention = hypothesis.attention
                assert attention is not None and hypothesis.log_probability < 0
                assert attention.weights.shape == (len(attention.target), len(attention.source))
                assert attention.weights.sum(axis=1).max() <= 1.01
                assert "".join(sentence[a:b] for a, b in attention.source) == sentence.replace(" ", "")
            assert [h.text for h in some] == [h.text for h in others]
            assert [h.log_probability for h in some] == pytest.approx([h.log_probability for h in others], abs=1e-3)
            first, second = some[0].attention, others[0].attention
            assert first is not None and second is not None and first.source == second.source[: len(first.source)]
    assert ours.hypotheses(SENTENCES[:1], "en", "zh", CancelToken())[0][0].attention is None


def test_the_threshold_of_confidence_comes_with_the_files(checkpoint: Path, tmp_path: Path) -> None:
    assert opened(checkpoint).low_log_probability is None
    save_marian(tmp_path / "marian")
    (tmp_path / "marian" / "calibration.json").write_text('{"low_log_probability": -1.25}')
    assert opened(tmp_path / "marian").low_log_probability == -1.25
    reference: Any = open_seq2seq(translator_entry(), ModelFiles(tmp_path / "marian"), "cpu", torch.float32)
    assert reference.low_log_probability == -1.25


def test_no_more_hypotheses_than_the_beam_has(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"count: must be in 1\.\.2, the beam \(got 3\)"):
        opened(checkpoint).hypotheses(["hi"], "en", "zh", CancelToken(), beam_size=2, count=3)


def test_converts_once_and_keeps_the_result(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(checkpoint)
    assert isinstance(first, Translates) and first.language_pairs() == {("en", "zh")}
    monkeypatch.setattr("llm_core.backends.ctranslate2.convert", lambda *_, **__: pytest.fail("converted again"))
    again = opened(checkpoint)
    assert again.translate(SENTENCES[:9], "en", "zh", CancelToken()) == first.translate(
        SENTENCES[:9], "en", "zh", CancelToken()
    )
    assert len(list(checkpoint.parent.glob("marian.ct2-int8-*"))) == 1


def test_new_weights_are_converted_anew(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian", seed=0)
    before = opened(tmp_path / "marian").translate(SENTENCES[:2], "en", "zh", CancelToken())
    save_marian(tmp_path / "marian", seed=1)
    assert opened(tmp_path / "marian").translate(SENTENCES[:2], "en", "zh", CancelToken()) != before


def test_a_converted_directory_is_used_as_it_is(checkpoint: Path, tmp_path: Path) -> None:
    opened(checkpoint)
    converted = next(checkpoint.parent.glob("marian.ct2-int8-*"))
    for file in (*converted.iterdir(), checkpoint / "source.spm", checkpoint / "target.spm"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert opened(tmp_path).translate(SENTENCES[:1], "en", "zh", CancelToken())[0]


def test_a_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian")
    (tmp_path / "marian" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="cannot convert"):
        opened(tmp_path / "marian")
    assert [path.name for path in tmp_path.iterdir()] == ["marian"]


def test_missing_pieces_are_named(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian")
    (tmp_path / "marian" / "target.spm").unlink()
    with pytest.raises(WeightsError, match=r"marian/target\.spm is missing"):
        opened(tmp_path / "marian")


def test_a_pair_it_does_not_have_is_an_input_error(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="target: tiny-mt does not translate from en to de"):
        opened(checkpoint).translate(["hi"], "en", "de", CancelToken())


def test_cancelling_between_batches(checkpoint: Path) -> None:
    cancel = CancelToken()
    threading.Timer(0.05, cancel.cancel).start()
    with pytest.raises(CancelledError):
        opened(checkpoint).translate(SENTENCES * 400, "en", "zh", cancel)
