"""Calibrate, score and describe an exported model.

Scores are measured on the exported files, never on the model in memory. Each validation row goes through the model
once; calibration and every score look its output up. Language models are scored in `measure_language`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from llm_core.data.crf import load_crf
from llm_core.data.loaders import Row, load_rows
from llm_core.data.question_answering import MAX_ANSWER_TOKENS, with_foreign_questions
from llm_core.data.tagging import best_tags, entities, entity_scores, in_small_words, repaired
from llm_core.data.words import joined
from llm_core.evaluation.calibration import (
    answer_calibration,
    calibration_gap,
    expected_calibration_error,
    fit_entity_temperature,
    fit_temperature,
    temperature_calibration,
    translation_calibration,
)
from llm_core.evaluation.coverage import COVERAGE_FILE, Coverage, write_coverage
from llm_core.evaluation.evaluate import evaluate
from llm_core.evaluation.scores import Score
from llm_core.evaluation.translation import sentence_chrf
from llm_core.files import write_json
from llm_core.model.convert import hub
from llm_core.model.heads import CausalLM
from llm_core.training.export import ADAPTER, BITS, load_model
from llm_core.training.measure_language import continuations, language_scores, score_rows, translator_scores
from llm_core.training.mixture import renamed
from llm_core.training.predictors import AnswerPredictor, ConvertedTranslator, LabelPredictor, answers, tag_predictor
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import ScorePart
from llm_core.training.vocabulary import open_tokenizer

CALIBRATION_FILE = "calibration.json"
_SEED = 0
"""Of the draw of foreign questions: the same rows each time."""
OUTPUTS = 10
"""Random rows that a card shows."""
NOTHING = "–"
Predictions = dict[int, Any]
"""`id` of a row → its prediction."""
Validation = dict[str, list[Row]]
"""Data set → validation rows."""


@dataclass(frozen=True)
class Measure:
    """An exported model and what it is measured on."""

    recipe: Recipe
    base_dir: Path | None
    data_dir: Path | None
    model_dir: Path
    whole_dir: Path | None = None
    """The model that `model_dir` was converted from, where a conversion ships."""
    outputs: list[dict[str, str]] = field(default_factory=list)
    """Once it is scored: some rows by chance, with what the model made of them."""

    def scores(self) -> list[Score]:
        """Calibrates where there is something to calibrate (`calibration.json`), and scores; of a classifier also
        `coverage.json`.

        Raises:
            InputError: A row is malformed, or a metric is none that can be measured.
        """
        torch.set_float32_matmul_precision("medium")
        if self.recipe.tuning.ship == "ctranslate2":
            return self._translator()
        names = {*self.recipe.calibrate_on, *(part.data for part in self.recipe.scores)}
        validation = {name: self._validation(name) for name in sorted(names)}
        reading = {"classification": self._labels, "question_answering": self._answers, "tagging": self._tags}
        if self.recipe.tuning.ship == "gguf":
            from llm_core.model.convert.gguf import as_stored  # its package is for decoders only

            assert self.whole_dir is not None, "a conversion comes from a whole model"
            return self._language(as_stored(hub.load(self.whole_dir, CausalLM), BITS), open_tokenizer(self.whole_dir))
        model, tokenizer = load_model(self.model_dir, self.base_dir), open_tokenizer(self.base_dir or self.model_dir)
        if self.recipe.objective not in reading:
            return self._language(model, tokenizer)
        predictions, settings = reading[self.recipe.objective](model, tokenizer, validation)
        self._keep_outputs([row for rows in validation.values() for row in rows], predictions)
        told = {"task": self.recipe.objective, "max_length": self.recipe.max_length, **settings}
        write_json(self.model_dir / CALIBRATION_FILE, told)
        if self.recipe.objective != "classification":  # an earlier model's; `evaluate --coverage` measures this one's
            (self.model_dir / COVERAGE_FILE).unlink(missing_ok=True)
        return self._looked_up(predictions, validation)

    def _validation(self, name: str) -> list[Row]:
        rows = load_rows(name, "validation", self.data_dir)
        return [*rows, *with_foreign_questions(rows, self.recipe.foreign_in_validation, _SEED)]

    def _language(self, model: Any, tokenizer: Any) -> list[Score]:
        """A language model: its scores, and how it goes on from some beginnings."""
        if isinstance(model, CausalLM):
            rows = [row for part in self.recipe.scores for row in score_rows(self.recipe, part, self.data_dir)]
            self.outputs.extend(continuations(model, tokenizer, [rows[place]["text"] for place in _drawn(len(rows))]))
        return language_scores(self.recipe, model, tokenizer, self.data_dir)

    def _translator(self) -> list[Score]:
        """A converted translator: the threshold of its warning, and its scores."""
        wanted = [p for p in self.recipe.scores if p.data in self.recipe.calibrate_on and not p.before_int8]
        known = [row for part in wanted for row in score_rows(self.recipe, part, self.data_dir)]
        shipped = ConvertedTranslator(self.model_dir)
        if known:
            found = shipped(self.recipe, known)
            texts = [text for text, _ in found]
            quality = sentence_chrf(texts, [row["target"] for row in known])
            fitted = translation_calibration([chance for _, chance in found], quality)
            if fitted:
                write_json(
                    self.model_dir / CALIBRATION_FILE, {"task": self.recipe.objective, "rows": len(known), **fitted}
                )
            for place in _drawn(len(known)):
                row = known[place]
                self.outputs.append({"source": row["source"], "output": texts[place], "reference": row["target"]})
        assert self.whole_dir is not None, "a conversion comes from a whole model"
        return translator_scores(self.recipe, shipped, self.whole_dir, self.data_dir)

    def _keep_outputs(self, rows: Sequence[Row], predictions: Predictions) -> None:
        for row in (rows[place] for place in _drawn(len(rows))):
            told, wanted = predictions[id(row)], row.get("label", "")
            if "tags" in row:
                told, wanted = (_named(row["tokens"], tags) for tags in (told, row["tags"]))
            elif "answers" in row:
                wanted = next((answer["text"] for answer in row["answers"]), "")
            asked = row.get("text") or row.get("question") or joined(row["tokens"])[0]
            self.outputs.append({"source": asked, "output": told or NOTHING, "reference": wanted or NOTHING})

    def _looked_up(self, predictions: Predictions, validation: Validation) -> list[Score]:
        def look_up(rows: Sequence[Row]) -> list[Any]:
            return [predictions[id(row)] for row in rows]

        found = []
        for part in self.recipe.scores:
            task: Any = self.recipe.objective
            measured = evaluate(look_up, selected(validation[part.data], part), task, language=self.recipe.language)
            title = part.title or part.data
            found += [Score.of(metric, measured[metric], data=part.data, title=title) for metric in part.metrics]
        return found

    def _known(self, validation: Validation) -> list[Row]:
        """The rows that calibrate."""
        sources = self.recipe.calibrate_sources
        rows = [row for name in self.recipe.calibrate_on for row in validation[name]]
        return [row for row in rows if not sources or row["source"] in sources]

    def _labels(self, model: Any, tokenizer: Any, validation: Validation) -> tuple[Predictions, dict[str, Any]]:
        labels = self.recipe.labels
        predictor = LabelPredictor(model, tokenizer, labels, self.recipe.max_length)
        rows = [row for part in validation.values() for row in part]
        logits = dict(zip(map(id, rows), predictor.logits([row["text"] for row in rows]), strict=True))
        known = self._known(validation)
        fitted = np.stack([logits[id(row)] for row in known])
        gold = [labels.index(row["label"]) for row in known]
        fit = temperature_calibration(
            fit_temperature(fitted, gold), lambda t: expected_calibration_error(softmax(fitted / t, axis=-1), gold)
        )
        settings = {"labels": list(labels), "rows": len(known), **fit}
        chances = {key: softmax(row / fit["temperature"]) for key, row in logits.items()}
        write_coverage(self.model_dir / COVERAGE_FILE, self.recipe.name, self._coverage(chances, validation))
        return {key: labels[int(row.argmax())] for key, row in logits.items()}, settings

    def _coverage(self, chances: dict[int, npt.NDArray[Any]], validation: Validation) -> list[Coverage]:
        """On the rows of each score.

        Args:
            chances: `id` of a row → calibrated probability of each label.
            validation: The rows.
        """
        found = []
        for part in self.recipe.scores:
            rows = selected(validation[part.data], part)
            best = [chances[id(row)] for row in rows]
            right = [self.recipe.labels[int(p.argmax())] == row["label"] for p, row in zip(best, rows, strict=True)]
            title = part.title or part.data
            found.append(Coverage.of([float(p.max()) for p in best], right, data=part.data, title=title))
        return found

    def _answers(self, model: Any, tokenizer: Any, validation: Validation) -> tuple[Predictions, dict[str, Any]]:
        asked = {
            name: getattr(self.recipe, name) for name in ("mark_shared_words", "overlap_weight", "overlap_in_margin")
        }
        with_types = not (self.model_dir / ADAPTER).is_file()
        predictor = AnswerPredictor(model, tokenizer, self.recipe.max_length, self.recipe.stride, with_types, **asked)
        rows = [row for part in validation.values() for row in part]
        spans = dict(zip(map(id, rows), predictor.spans(rows), strict=True))
        known = self._known(validation)
        own_spans = [spans[id(row)] for row in known]
        fitted = answer_calibration(known, own_spans, self.recipe.threshold_loss, self.recipe.language)
        texts = answers(rows, [spans[id(row)] for row in rows], fitted["no_answer_threshold"])
        settings = {
            "stride": self.recipe.stride, "max_answer_tokens": MAX_ANSWER_TOKENS, "rows": len(known), **fitted
        }  # fmt: skip
        settings |= {name: value for name, value in asked.items() if value}
        return dict(zip(map(id, rows), texts, strict=True)), settings

    def _tags(self, model: Any, tokenizer: Any, validation: Validation) -> tuple[Predictions, dict[str, Any]]:
        for data, part in validation.items():
            with_recipe_tags(self.recipe, data, part)
        rows = [row for part in validation.values() for row in part]
        labels, stride, marked = self.recipe.labels, self.recipe.stride, self.recipe.mark_capitals
        cut = [in_small_words(row) for row in rows]
        predictor = tag_predictor(self.recipe, model, tokenizer, load_crf(self.model_dir, labels))
        logits = predictor.logits([row for row, _ in cut])
        tags = [best_tags(found, labels) for found in logits]
        predicted = {id(row): of_tokens(some) for row, some, (_, of_tokens) in zip(rows, tags, cut, strict=True)}
        settings: dict[str, Any] = {"labels": list(labels), "stride": stride, "mark_capitals": marked}
        known = {id(row) for row in self._known(validation)}
        if known:
            whole = zip(rows, cut, tags, logits, strict=True)
            chosen = [(row["tags"], some, found) for old, (row, _), some, found in whole if id(old) in known]
            settings |= {"rows": len(known), **entity_calibration(chosen, labels)}
        return predicted, settings


def _drawn(rows: int) -> list[int]:
    """Which rows a card shows, by chance."""
    return random.Random(rows).sample(range(rows), min(OUTPUTS, rows))


def entity_calibration(
    rows: Sequence[tuple[Sequence[str], Sequence[str], npt.NDArray[Any]]], labels: Sequence[str]
) -> dict[str, Any]:
    """The temperature of a tagger's probabilities, and how honest its entities' scores are without and with it.

    Args:
        rows: Of each sentence the true tags, the predicted tags and the logits of its words.
        labels: In the order of the logits.
    """
    found = [entities(tags) for _, tags, _ in rows]
    truth = [set(entities(repaired(tags))) for tags, _, _ in rows]
    right = np.array([entity in gold for some, gold in zip(found, truth, strict=True) for entity in some])

    def scores_at(temperature: float) -> npt.NDArray[Any]:
        return np.concatenate(
            [
                entity_scores(some, tags, softmax(logits / temperature, axis=-1), labels)
                for some, (_, tags, logits) in zip(found, rows, strict=True)
            ]
        )

    return temperature_calibration(
        fit_entity_temperature(scores_at, right), lambda t: calibration_gap(scores_at(t), right)
    )


def _named(tokens: Sequence[str], tags: Sequence[str]) -> str:
    return ", ".join(f"{joined(tokens[e.first : e.last])[0]} ({e.label})" for e in entities(repaired(tags)))


def with_recipe_tags(recipe: Recipe, data: str, rows: list[Row]) -> list[Row]:
    """The rows of a data set with their tags renamed, in place, as the recipe renames them."""
    names = next((part.tags for part in recipe.data if part.name == data), {})
    for row in rows:
        row["tags"] = [renamed(tag, names) for tag in row["tags"]]
    return rows


def selected(rows: Sequence[Row], part: ScorePart) -> list[Row]:
    """The rows that a recipe's score is measured on."""
    chosen = [
        row
        for row in rows
        if (not part.sources or row["source"] in part.sources)
        and (part.answerable is None or bool(row["answers"]) is part.answerable)
    ]
    return chosen[: part.limit]
