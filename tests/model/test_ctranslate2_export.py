"""Converted translators: CTranslate2 itself says what our model and transformers' say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import torch
from transformers import MarianMTModel

from llm_core.errors import InputError, WeightsError
from llm_core.model.attention import Trace
from llm_core.model.config import preset
from llm_core.model.convert import hub
from llm_core.model.convert.ctranslate2 import QUANTIZATIONS, convert
from llm_core.model.heads import CausalLM, Seq2SeqLM
from llm_core.tokenizer import Tokenizer, direction_tag

LINES = [
    "the cat sat on the mat and the dog ran over the green hill",
    "good morning, how are you today? we go to the park.",
    "今天天气很好，我们去公园散步吧。",
    "the train to the city leaves at nine from platform two!",
] * 30
SOURCES = ["the dog sat", "今天我们散步 🦊", "good morning, cat and dog!", "nine", f"{direction_tag('zho')} the hill"]
STEPS = 12


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(LINES, vocab_size=385, family="marian", kind="bpe", extra_symbols=[direction_tag("zho")])


def translator_model(tokenizer: Tokenizer, seed: int = 0, **fields: Any) -> Seq2SeqLM:
    """Random, with an embedding of padding that is not zero and an output bias that counts."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "encoder_layers": 2, "decoder_layers": 2}
    ids = {"pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.eos_id, "bos_token_id": tokenizer.eos_id}
    config = preset("marian", vocab_size=tokenizer.vocab_size, max_positions=64, initializer_range=0.3,
                    **{"decoder_start_token_id": tokenizer.pad_id, **sizes, **ids, **fields})  # fmt: skip
    torch.manual_seed(seed)
    model = Seq2SeqLM(config).eval()
    model.output_bias.normal_()
    model.output_bias[tokenizer.pad_id] = -1e4  # never written, as after training
    return model


def saved(tokenizer: Tokenizer, directory: Path, **fields: Any) -> Seq2SeqLM:
    model = translator_model(tokenizer, **fields)
    hub.save(model, directory)
    tokenizer.save(directory)
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["scaled", "unscaled"])
def checkpoint(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Seq2SeqLM, Path]:
    place = tmp_path_factory.mktemp("models") / "marian"
    return saved(tokenizer, place, scale_embeddings=request.param), place


@pytest.fixture(scope="module")
def converted(checkpoint: tuple[Seq2SeqLM, Path]) -> Callable[[str], Any]:
    """A plain translator of the model in a number format."""

    def load(quantization: str) -> Any:
        place = checkpoint[1].with_name(f"ct2-{quantization}")
        if not place.exists():
            convert(checkpoint[1], place, quantization=quantization)
        return ctranslate2.Translator(str(place), compute_type=quantization, intra_threads=1)

    return load


def pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    return [tokenizer.vocabulary[token].piece for token in ids]


def translated(translator: Any, tokenizer: Tokenizer, beam_size: int) -> list[list[str]]:
    rows = [pieces(tokenizer, tokenizer.encode(source)) for source in SOURCES]
    results = translator.translate_batch(rows, beam_size=beam_size, max_decoding_length=STEPS)
    return [result.hypotheses[0] for result in results]


@torch.no_grad()
def greedy(model: Seq2SeqLM, tokenizer: Tokenizer, source: str) -> list[int]:
    ids, written = torch.tensor([tokenizer.encode(source)]), [tokenizer.pad_id]
    while len(written) <= STEPS:
        best = int(model(ids, decoder_input_ids=torch.tensor([written]))[0, -1].argmax())
        if best == tokenizer.eos_id:
            break
        written.append(best)
    return written[1:]


def by_transformers(directory: Path, tokenizer: Tokenizer, source: str, beams: int) -> list[int]:
    model: Any = MarianMTModel.from_pretrained(directory)
    model.generation_config.forced_eos_token_id = None
    options = {"num_beams": beams, "do_sample": False, "max_new_tokens": STEPS}
    ids = torch.tensor([tokenizer.encode(source)])
    written = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, 1:].tolist()
    return [token for token in written if token not in (tokenizer.eos_id, tokenizer.pad_id)]


def test_greedy_is_that_of_the_model_and_of_transformers(
    checkpoint: tuple[Seq2SeqLM, Path], converted: Callable[[str], Any], tokenizer: Tokenizer
) -> None:
    model, directory = checkpoint
    ours = [greedy(model, tokenizer, source) for source in SOURCES]
    assert translated(converted("float32"), tokenizer, 1) == [pieces(tokenizer, ids) for ids in ours]
    assert [by_transformers(directory, tokenizer, source, 1) for source in SOURCES] == ours
    assert len({tuple(ids) for ids in ours}) > 1


def test_beam_search_is_that_of_transformers(
    checkpoint: tuple[Seq2SeqLM, Path], converted: Callable[[str], Any], tokenizer: Tokenizer
) -> None:
    theirs = [by_transformers(checkpoint[1], tokenizer, source, 4) for source in SOURCES]
    assert translated(converted("float32"), tokenizer, 4) == [pieces(tokenizer, ids) for ids in theirs]


@pytest.mark.parametrize(("quantization", "tolerance"), [("float32", 2e-4), ("int8", 0.3)])
def test_probabilities_are_the_models(
    quantization: str,
    tolerance: float,
    checkpoint: tuple[Seq2SeqLM, Path],
    converted: Callable[[str], Any],
    tokenizer: Tokenizer,
) -> None:
    source, target = tokenizer.encode(SOURCES[0]), tokenizer.encode("今天 good cat")
    with torch.no_grad():
        inputs = torch.tensor([[tokenizer.pad_id, *target[:-1]]])
        logits = checkpoint[0](torch.tensor([source]), decoder_input_ids=inputs)[0]
    ours = logits.log_softmax(-1).gather(1, torch.tensor(target)[:, None])[:, 0]
    rows = [pieces(tokenizer, source)], [pieces(tokenizer, target[:-1])]
    theirs = torch.tensor(converted(quantization).score_batch(*rows)[0].log_probs)
    torch.testing.assert_close(theirs, ours, atol=tolerance, rtol=0)


def test_the_directory_stands_alone(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(tokenizer, tmp_path / "marian")
    convert(tmp_path / "marian", tmp_path / "new" / "int8")
    convert(tmp_path / "marian", tmp_path / "new" / "float32", quantization="float32")
    sizes = {place.name: (place / "model.bin").stat().st_size for place in (tmp_path / "new").iterdir()}
    assert sizes.keys() == {"int8", "float32"} and sizes["int8"] < 0.6 * sizes["float32"]
    place = tmp_path / "new" / "int8"
    assert {f.name for f in place.iterdir()} >= {"model.bin", "config.json", "source.spm", "target.spm"}
    assert (place / "target.spm").read_bytes() == (tmp_path / "marian" / "target.spm").read_bytes()
    assert json.loads((place / "shared_vocabulary.json").read_text(encoding="utf-8")) == [
        entry.piece for entry in tokenizer.vocabulary[:-1]
    ]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_format_loads(quantization: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved(tokenizer, tmp_path / "marian")
    convert(tmp_path / "marian", tmp_path / "converted", quantization=quantization)
    assert translated(ctranslate2.Translator(str(tmp_path / "converted")), tokenizer, 2)


class TestRefused:
    def refused(self, error: type[Exception], match: str, tmp_path: Path, **options: Any) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(error, match=match):
            convert(tmp_path / "marian", tmp_path / "converted", **options)
        assert sorted(tmp_path.rglob("*")) == before

    def test_unknown_format(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        saved(tokenizer, tmp_path / "marian")
        self.refused(InputError, "quantization: must be one of float32, .*int4", tmp_path, quantization="int4")

    def test_a_place_that_is_taken(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        saved(tokenizer, tmp_path / "marian")
        (tmp_path / "converted").mkdir()
        self.refused(InputError, "place: must not exist yet.*converted", tmp_path)

    def test_a_place_that_another_took_meanwhile(
        self, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved(tokenizer, tmp_path / "marian")
        move = os.replace

        def late(old: Path, new: Path) -> None:
            new.mkdir()
            (new / "model.bin").write_bytes(b"first")
            move(old, new)

        monkeypatch.setattr(os, "replace", late)
        with pytest.raises(InputError, match="place: must not exist yet"):
            convert(tmp_path / "marian", tmp_path / "converted")
        assert (tmp_path / "converted" / "model.bin").read_bytes() == b"first"
        assert sorted(place.name for place in tmp_path.iterdir()) == ["converted", "marian"]

    def test_no_safetensors(self, tmp_path: Path) -> None:
        (tmp_path / "marian").mkdir()
        (tmp_path / "marian" / "pytest_model.bin").write_bytes(b"")
        self.refused(WeightsError, "marian has no safetensors", tmp_path)

    def test_no_translator(self, tmp_path: Path) -> None:
        config = preset("llama", vocab_size=9, hidden_size=8, intermediate_size=8, num_heads=1, decoder_layers=1)
        hub.save(CausalLM(config), tmp_path / "marian")
        self.refused(WeightsError, "marian: ", tmp_path)

    def test_another_start_token(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        saved(tokenizer, tmp_path / "marian", decoder_start_token_id=0)
        self.refused(WeightsError, r"starts from its last token \(384\), not from 0", tmp_path)


@torch.no_grad()
def test_attention_is_the_mean_of_the_last_layers_heads(
    checkpoint: tuple[Seq2SeqLM, Path], converted: Callable[[str], Any], tokenizer: Tokenizer
) -> None:
    model, _ = checkpoint
    ids = tokenizer.encode(SOURCES[0])
    result = converted("float32").translate_batch(
        [pieces(tokenizer, ids)], beam_size=1, max_decoding_length=STEPS, return_attention=True
    )[0]
    written = [tokenizer.pad_id, *(tokenizer.token_id(piece) for piece in result.hypotheses[0])]
    trace = Trace()
    model(torch.tensor([ids]), decoder_input_ids=torch.tensor([written]), trace=trace)
    wanted = trace.cross_attentions[-1][0].mean(0)[: len(result.attention[0])]
    found = torch.tensor(result.attention[0])
    torch.testing.assert_close(found, wanted[:, : found.shape[1]], atol=1e-5, rtol=0)
