"""Scores of language models that were trained here, on validation rows.

- causal_lm: ``perplexity`` and ``bits_per_byte`` of texts (`evaluation.language_model`), and ``bits_per_byte[5-gram]``,
  what a 5-gram model of the same training texts reaches on them (`evaluation.ngrams`);
- masked_lm: ``accuracy`` and ``perplexity`` of hidden tokens, hidden as in training, the same each time;
- seq2seq: ``bleu``, ``chrf`` and the checks of `evaluation.translation` in the score's direction, of translations by
  beam search; a converted translator is measured as it is converted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from llm_core.data.loaders import Row
from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Array, Estimate, divided, interval, ratio
from llm_core.evaluation.evaluate import evaluate
from llm_core.evaluation.language_model import language_model_scores, score_texts
from llm_core.evaluation.ngrams import ORDER, ngram_likelihoods
from llm_core.evaluation.scores import Score
from llm_core.inference.beam import BeamSettings, beam_search
from llm_core.inference.generate import generate
from llm_core.model.convert.ctranslate2 import convert
from llm_core.model.heads import CausalLM, MaskedLM, Model, Seq2SeqLM
from llm_core.training.mixture import Mixture
from llm_core.training.objectives import objective_for, source_text
from llm_core.training.predictors import BEAMS, ConvertedTranslator
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import ScorePart
from llm_core.types import Sampling

BASELINE = f"bits_per_byte[{ORDER}-gram]"
SEED = 13
"""Of the tokens that are hidden, and of those that are drawn."""
BEGINNING_TOKENS, CONTINUED_TOKENS = 12, 48
"""Of a text that a language model goes on from, at most; what it may write."""
BEAM_ROWS = 16
"""Sentences translated together."""


Measured = Callable[[ScorePart, Sequence[Row]], dict[str, Estimate]]
"""What is measured on the rows of one of the recipe's scores."""


def language_scores(recipe: Recipe, model: Model, tokenizer: Any, data_dir: Path | None) -> list[Score]:
    """The recipe's scores, measured on the validation split of its data sets.

    Raises:
        InputError: A score names a data set that the recipe does not train on, or a metric that is not measured.
    """
    return _scores(recipe, partial(_measured, recipe, model, tokenizer, data_dir), data_dir)


def translator_scores(
    recipe: Recipe, shipped: ConvertedTranslator, whole_dir: Path, data_dir: Path | None
) -> list[Score]:
    """As `language_scores`, of a translator that was converted for CTranslate2.

    Args:
        recipe: Of the model.
        shipped: What ships.
        whole_dir: The model that it was converted from.
        data_dir: Folder of data sets; None: the Hub.
    """
    with tempfile.TemporaryDirectory() as scratch:
        before = shipped
        if any(part.before_int8 for part in recipe.scores):
            convert(whole_dir, Path(scratch) / "float32", quantization="float32")
            before = ConvertedTranslator(Path(scratch) / "float32")

        def measured(part: ScorePart, rows: Sequence[Row]) -> dict[str, Estimate]:
            translator = before if part.before_int8 else shipped
            return _translation_scores(part, rows, lambda same: [text for text, _ in translator(recipe, same)])

        return _scores(recipe, measured, data_dir)


def _scores(recipe: Recipe, measure: Measured, data_dir: Path | None) -> list[Score]:
    found = []
    for part in recipe.scores:
        measured = measure(part, score_rows(recipe, part, data_dir))
        if unknown := [metric for metric in part.metrics if metric not in measured]:
            raise InputError("scores.metrics", f"{unknown[0]} is not measured; these are: {', '.join(measured)}")
        title = part.title or part.data
        found += [Score.of(metric, measured[metric], data=part.data, title=title) for metric in part.metrics]
    return found


def continuations(model: CausalLM, tokenizer: Any, texts: Sequence[str]) -> list[dict[str, str]]:
    """How the model goes on from the beginnings of texts: `source`, `output`, and the text's own way as `reference`.

    Sampled as the page does it (temperature 0.7, top-p 0.95), with one seed.
    """
    found = []
    for text in texts:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        cut = max(1, min(BEGINNING_TOKENS, len(ids) // 2))
        sampling = Sampling(CONTINUED_TOKENS, repeat_penalty=1.0, seed=SEED)
        written = [int(step.tokens) for step in generate(model, torch.tensor([ids[:cut]]), sampling=sampling)]
        parts = (ids[:cut], written, ids[cut : cut + CONTINUED_TOKENS])
        said = (" ".join(tokenizer.decode(part, skip_special_tokens=True).split()) for part in parts)
        found.append(dict(zip(("source", "output", "reference"), said, strict=True)))
    return found


def score_rows(recipe: Recipe, part: ScorePart, data_dir: Path | None) -> list[Row]:
    """The validation rows that a score is measured on, as the objective reads them.

    Raises:
        InputError: The recipe does not train on its data set.
    """
    own = [data for data in recipe.data if data.name == part.data]
    if not own:
        raise InputError("scores.data", f"must be one of {', '.join(data.name for data in recipe.data)}", part.data)
    chosen = own[0].model_copy(update={"sources": part.sources or own[0].sources, "limit": None})
    rows = Mixture(recipe, data_dir).rows(chosen, "validation")
    return list(islice((r for r in rows if part.direction in (None, r.get("direction"))), part.limit))


def _measured(
    recipe: Recipe, model: Model, tokenizer: Any, data_dir: Path | None, part: ScorePart, rows: Sequence[Row]
) -> dict[str, Estimate]:
    if isinstance(model, CausalLM):
        texts = [row["text"] for row in rows]
        measured = _text_scores(model, tokenizer, texts, recipe.max_length)
        if BASELINE in part.metrics:
            counted = ngram_likelihoods(Mixture(recipe, data_dir).texts(), texts)
            measured[BASELINE] = language_model_scores(counted)["bits_per_byte"]
        return measured
    if isinstance(model, MaskedLM):
        return _hidden_scores(recipe, model, tokenizer, rows)
    assert isinstance(model, Seq2SeqLM), "only language models are scored here"
    return _translation_scores(part, rows, partial(_translated, recipe, model, tokenizer))


def _text_scores(model: CausalLM, tokenizer: Any, texts: Sequence[str], window: int) -> dict[str, Estimate]:
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id

    def encode(text: str) -> Sequence[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def likelihoods(ids: Sequence[int]) -> Sequence[float]:
        row = torch.tensor([list(ids)])
        chances = model(row)[0, :-1].float().log_softmax(-1)
        values: list[float] = chances.gather(1, row[0, 1:, None])[:, 0].tolist()
        return values

    parts = score_texts(texts, encode, likelihoods, start=start, window=window, stride=window // 2)
    return language_model_scores(parts)


def _hidden_scores(recipe: Recipe, model: MaskedLM, tokenizer: Any, rows: Sequence[Row]) -> dict[str, Estimate]:
    objective = objective_for(recipe, tokenizer)
    collate = objective.collator(SEED)
    statistics = np.array([_guessed(model, collate([feature])) for feature in objective.features(rows)])
    return {"accuracy": interval(statistics[:, 1:], ratio), "perplexity": interval(statistics, _perplexity)}


@torch.inference_mode()
def _guessed(model: MaskedLM, batch: dict[str, Any]) -> tuple[float, int, int]:
    """Nats, tokens guessed right, hidden tokens."""
    labels = batch.pop("labels")
    chances = model(**batch).float().log_softmax(-1)
    right = int(chances.argmax(-1).eq(labels).sum())
    return -float(chances.gather(1, labels[:, None]).sum()), right, len(labels)


def _perplexity(sums: Array) -> Array:
    return np.asarray(np.exp(divided(sums[..., 0], sums[..., 2])))


def _translation_scores(
    part: ScorePart, rows: Sequence[Row], translate: Callable[[Sequence[Row]], list[str]]
) -> dict[str, Estimate]:
    direction = part.direction or (rows[0]["direction"] if rows else "")
    source, target = direction.split("-")
    same = [row for row in rows if row["direction"] == direction]
    given = [{source: row["source"], target: row["target"]} for row in same]
    measured = evaluate(lambda _: translate(same), given, "translation", language=target, source=source)
    return {name.partition("[")[0]: estimate for name, estimate in measured.items()}


def _translated(recipe: Recipe, model: Seq2SeqLM, tokenizer: Any, rows: Sequence[Row]) -> list[str]:
    """The likeliest translation of each row by beam search, in batches of similar length."""
    texts = [source_text(row["source"], row["direction"], recipe.tagged) for row in rows]
    encoded = tokenizer(texts, truncation=True, max_length=recipe.max_length)["input_ids"]
    order = sorted(range(len(rows)), key=lambda row: len(encoded[row]))
    answers = [""] * len(rows)
    settings = BeamSettings(beams=BEAMS, max_new_tokens=recipe.max_length)
    for start in range(0, len(order), BEAM_ROWS):
        places = order[start : start + BEAM_ROWS]
        batch = tokenizer.pad({"input_ids": [encoded[place] for place in places]}, return_tensors="pt")
        tokens, _ = beam_search(model, batch["input_ids"], batch["attention_mask"], settings=settings)
        texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        for place, text in zip(places, texts, strict=True):
            answers[place] = text
    return answers
