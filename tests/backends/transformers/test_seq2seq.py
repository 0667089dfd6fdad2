"""Hub translators, on tiny random Marian and NLLB checkpoints in the Hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from llm_core.backends.base import Translates
from llm_core.backends.transformers.seq2seq import open_seq2seq, without_advice
from llm_core.errors import CancelledError, InputError
from llm_core.types import CancelToken, ModelFiles
from tests.support.decoders import SENTENCES, save_marian, save_nllb, translator_entry, without_forced_end
from tests.support.device import DEVICE

PAIRS = (("en", "zh"), ("zh", "en"), ("en", "xx"))


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_marian(tmp_path_factory.mktemp("marian"))


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_nllb(tmp_path_factory.mktemp("nllb"))


def translator(directory: Path, **fields: Any) -> Any:
    return open_seq2seq(translator_entry(**fields), ModelFiles(directory), DEVICE, torch.float32)


def test_marian_translates_each_sentence_in_its_place(marian: Path) -> None:
    model = translator(marian)
    assert isinstance(model, Translates)
    together = model.translate(SENTENCES[:5], "en", "zh", CancelToken(), beam_size=1)
    alone = [model.translate([sentence], "en", "zh", CancelToken(), beam_size=1)[0] for sentence in SENTENCES[:5]]
    assert len(together) == 5 and [t[:8] for t in together] == [t[:8] for t in alone]


def test_nllb_is_told_both_languages(nllb: Path) -> None:
    model = translator(nllb, language_pairs=PAIRS)
    assert model.language_pairs() == {("en", "zh"), ("zh", "en")}
    ours = model.translate([SENTENCES[0]], "en", "zh", CancelToken(), beam_size=2)
    with without_advice():
        tokenizer = AutoTokenizer.from_pretrained(nllb, src_lang="eng_Latn")
    reference = AutoModelForSeq2SeqLM.from_pretrained(nllb, dtype=torch.float32)
    inputs = tokenizer(SENTENCES[0], return_tensors="pt")
    chinese = tokenizer.convert_tokens_to_ids("zho_Hans")
    output = reference.generate(**inputs, num_beams=2, forced_bos_token_id=chinese, max_new_tokens=63, max_length=None)
    assert ours == [tokenizer.decode(output[0], skip_special_tokens=True).strip()]
    assert output[0, 1] == chinese


@pytest.mark.parametrize("save", [save_marian, save_nllb])
def test_scores_and_attention_are_the_models_own(save: Any, tmp_path: Path) -> None:
    model = translator(save(tmp_path), language_pairs=PAIRS)
    found = model.hypotheses(SENTENCES[:3], "en", "zh", CancelToken(), beam_size=3, count=2, attention=True)
    plain = model.hypotheses(SENTENCES[:3], "en", "zh", CancelToken(), beam_size=3, count=2)
    for sentence, some, others in zip(SENTENCES, found, plain, strict=False):
        assert [h.text for h in some] == [h.text for h in others]
        assert [h.log_probability for h in some] == pytest.approx([h.log_probability for h in others], abs=1e-4)
        assert others[0].attention is None and all(h.log_probability < 0 for h in some)
        for hypothesis in some:
            weights, source = hypothesis.attention.weights, hypothesis.attention.source
            assert weights.shape == (len(hypothesis.attention.target), len(source))
            assert torch.allclose(torch.tensor(weights).sum(1), torch.ones(len(weights)), atol=1e-4)
            assert "".join(sentence[a:b] for a, b in source) == sentence.replace(" ", "")
    assert model._model.config._attn_implementation != "eager", "the faster attention is used again"


def test_a_score_is_the_mean_over_what_the_model_chose(tmp_path: Path) -> None:
    marian = without_forced_end(save_marian(tmp_path))
    best = [
        hypotheses[0]
        for hypotheses in translator(marian).hypotheses(SENTENCES[:3], "en", "zh", CancelToken(), beam_size=1)
    ]
    with without_advice():
        tokenizer = AutoTokenizer.from_pretrained(marian)
    reference = AutoModelForSeq2SeqLM.from_pretrained(marian, dtype=torch.float32)
    for sentence, hypothesis in zip(SENTENCES, best, strict=False):
        output = reference.generate(
            **tokenizer(sentence, return_tensors="pt"), num_beams=1, do_sample=False, max_new_tokens=63,
            max_length=None, return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        scores = reference.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)[0]
        assert hypothesis.log_probability == pytest.approx(float(scores.mean()), abs=1e-4)


def test_a_pair_it_does_not_have_is_an_input_error(marian: Path) -> None:
    with pytest.raises(InputError, match="target: tiny-mt does not translate from zh to en"):
        translator(marian).translate(["你好"], "zh", "en", CancelToken())


def test_cancelling_ends_it(marian: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        translator(marian).translate(SENTENCES[:3], "en", "zh", cancel)
