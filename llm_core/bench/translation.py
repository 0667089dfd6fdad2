"""The embedded translator: CTranslate2 in int8 against transformers in float32, and how soon a page begins to show.

Speed is compared on a model of the shipped one's shape with random weights, since its float32 weights do not ship: both
sides read the same tokens and must write the same number, greedily. Loading and the first sentence are the shipped
model's, through the task.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

from llm_core.bench.corpus import english_sentences
from llm_core.bench.figures import Figure, alternate
from llm_core.engine import Engine, create_engine
from llm_core.model.convert import hub
from llm_core.model.convert.ctranslate2 import convert
from llm_core.model.heads import Seq2SeqLM
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.tokenizer import Tokenizer
from llm_core.training.recipe import load_recipe
from llm_core.types import Delta

MODEL = "translate-en-zh"
TOKENS = 32
"""Of each sentence, read and written."""
_BATCHES = (1, 16)
_PAGE_SENTENCES, _ROUNDS = 30, 5

Translate = Callable[[int], list[int]]
"""Translates so many sentences; says how many tokens it wrote of each."""


def measure(settings: Settings) -> list[Figure]:
    """Tokens per second of both and their ratios; seconds to load and to the first sentence of a page."""
    figures = []
    with both(settings) as (converted, plain):
        for rows in _BATCHES:
            ours, theirs, ratio = alternate(lambda n=rows: _rate(converted, n), lambda n=rows: _rate(plain, n))  # type: ignore[misc]
            figures += [
                Figure(f"greedy, batch {rows}: CTranslate2, int8", ours, "tokens/s", ""),
                Figure(f"greedy, batch {rows}: transformers, float32", theirs, "tokens/s", ""),
                Figure(f"greedy, batch {rows}: ratio, pair by pair", ratio, "", "≥ 2.5"),
            ]
    with closing(create_engine(settings)) as engine:
        started = time.monotonic()
        _first_sentence(engine, "Hello.")
        figures.append(Figure("model loaded and first words translated", time.monotonic() - started, "s", "< 1"))
        page = " ".join(english_sentences(_PAGE_SENTENCES))
        first = median(_first_sentence(engine, page) for _ in range(_ROUNDS))
        figures.append(Figure(f"first of {_PAGE_SENTENCES} sentences, warm", 1000 * first, "ms", "< 400"))
    return figures


def _rate(translate: Translate, rows: int) -> float:
    started = time.perf_counter()
    written = translate(rows)
    seconds = time.perf_counter() - started
    assert written == [TOKENS] * rows, "both sides write the same number of tokens"
    return sum(written) / seconds


def _first_sentence(engine: Engine, text: str) -> float:
    """Seconds until the first of a translation is there."""
    task: Any = find_task("translate")
    request = task.request_type.parse({"text": text, "source": "en", "target": "zh"})
    started = time.monotonic()
    with closing(engine.run(task, request, model_id=MODEL)) as events:
        next(event for event in events if isinstance(event, Delta) and event.text.strip())
    return time.monotonic() - started


@contextmanager
def both(settings: Settings) -> Iterator[tuple[Translate, Translate]]:
    """CTranslate2 in int8 and transformers in float32, with the same random weights in the shipped model's shape."""
    import ctranslate2
    from transformers import MarianMTModel

    tokenizer = Tokenizer.load(settings.models_dir / MODEL / "source.spm")
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    with tempfile.TemporaryDirectory() as directory:
        whole, converted = Path(directory) / "whole", Path(directory) / "converted"
        hub.save(_random_model(tokenizer), whole)
        tokenizer.save(whole)
        convert(whole, converted)
        translator = ctranslate2.Translator(str(converted), inter_threads=settings.threads, intra_threads=1)
        theirs: Any = MarianMTModel.from_pretrained(whole, dtype=torch.float32)
        theirs.eval()
    first = tokenizer.vocab_size // 2
    row = [tokenizer.vocabulary[token].piece for token in range(first, first + TOKENS)]

    def ours(rows: int) -> list[int]:
        lengths = {"min_decoding_length": TOKENS, "max_decoding_length": TOKENS}
        part = -(-rows // settings.threads)  # as the backend shares a batch out
        found = translator.translate_batch([row] * rows, beam_size=1, max_batch_size=part, **lengths)
        return [len(each.hypotheses[0]) for each in found]

    def peer(rows: int) -> list[int]:
        ids = torch.arange(first, first + TOKENS).repeat(rows, 1)
        limits = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False, "num_beams": 1}
        return [len(each) - 1 for each in theirs.generate(ids, attention_mask=torch.ones_like(ids), **limits)]

    try:
        yield ours, peer
    finally:
        torch.set_num_threads(before)


def _random_model(tokenizer: Tokenizer) -> Seq2SeqLM:
    recipe = load_recipe(MODEL)
    shape = recipe.model or load_recipe(str(recipe.base).removeprefix("models/")).model
    assert shape is not None, "it, or its base, is trained from scratch"
    torch.manual_seed(0)
    ids = {"pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.eos_id, "bos_token_id": tokenizer.eos_id}
    config = shape.config(vocab_size=tokenizer.vocab_size, decoder_start_token_id=tokenizer.pad_id, **ids)
    return Seq2SeqLM(config).eval()
