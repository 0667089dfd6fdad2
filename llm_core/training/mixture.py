"""The rows a recipe trains on: its data sets, chosen, repeated and augmented as it says.

Rows stream: only a data set that is balanced, augmented or given more questions is held in memory. The order is the
files'; the trainer shuffles. Every draw depends on the recipe's first seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from llm_core.data.augmentation import augmented
from llm_core.data.classification import balanced
from llm_core.data.cloze import cloze_questions
from llm_core.data.lexicon import Lexicon, load_lexicon
from llm_core.data.loaders import Row, RowKind, Split, stream_rows
from llm_core.data.parallel import Cleaner, pairs
from llm_core.data.poetry import form_of
from llm_core.data.prose import paragraphs_of
from llm_core.data.question_answering import with_foreign_questions
from llm_core.data.words import joined
from llm_core.errors import InputError
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import DataPart

DERIVED: dict[str, Callable[[Row], str]] = {"form": form_of, "paragraphs": paragraphs_of}
"""Fields that a recipe may name though the rows have none: they are told from the others."""
_KINDS: dict[str, RowKind] = {
    "classification": "classification",
    "tagging": "tagging",
    "question_answering": "question_answering",
    "seq2seq": "translation",
}


@dataclass(frozen=True)
class Mixture:
    """The data of a recipe.

    Raises (while rows are read):
        InputError: A row is malformed, or lacks a field that the recipe names.
        ModelUnavailableError: A data set is not to be had.
    """

    recipe: Recipe
    data_dir: Path | None

    def training(self) -> Iterator[Row]:
        """Every training row, as often as the recipe says."""
        draw = random.Random(self.recipe.optim.seeds[0])
        for part in self.recipe.data:
            whole, share = divmod(part.repeat, 1)
            for keep in [1.0] * int(whole) + ([share] if share else []):
                seed = draw.randrange(2**32)
                yield from self._more(part, self._kept(part, keep, seed), seed)

    def validation(self) -> Iterator[Row]:
        """The first validation rows of each data set."""
        for part in self.recipe.data:
            if not part.validated:
                continue
            yield from islice(self.rows(part, "validation"), self.recipe.optim.eval_rows)

    def texts(self) -> Iterator[str]:
        """Training texts, each at most once: what a vocabulary is learnt from."""
        for part in self.recipe.data:
            for row in self._kept(part, min(1, part.repeat), self.recipe.optim.seeds[0]):
                yield from _texts(row)

    def rows(self, part: DataPart, split: Split) -> Iterator[Row]:
        """Rows of one split of one of the data sets, as the objective reads them."""
        found = stream_rows(part.name, split, self.data_dir, _KINDS.get(self.recipe.objective))
        chosen = (row for row in found if _is_chosen(row, part))
        shaped: Iterator[Row] = (shape for row in islice(chosen, part.limit) for shape in self._shaped(part, row))
        if self.recipe.cleaning is not None and split == "train":
            shaped = filter(Cleaner(self.recipe.cleaning).keeps, shaped)
        return _distinct(shaped) if part.distinct else shaped

    def _shaped(self, part: DataPart, row: Row) -> Iterator[Row]:
        """Rows as the objective reads them, without what it does not read."""
        if self.recipe.objective in ("masked_lm", "causal_lm"):
            yield {"text": "\n".join(_as_text(_field(row, name, part)) for name in part.fields)}
        elif self.recipe.objective == "seq2seq":
            for direction in part.directions:
                for language in direction.split("-"):
                    _field(row, language, part)
                yield from pairs(row, direction)
        elif self.recipe.objective == "tagging":
            yield {**row, "tags": [renamed(tag, part.tags) for tag in row["tags"]]}
        else:
            yield row

    def _kept(self, part: DataPart, share: float, seed: int) -> Iterator[Row]:
        rows = self.rows(part, "train")
        if share == 1:
            return rows
        draw = random.Random(seed)
        return (row for row in rows if draw.random() < share)

    def _more(self, part: DataPart, rows: Iterator[Row], seed: int) -> Iterator[Row]:
        if not (part.foreign_questions or part.cloze_questions or part.balance or part.augmentation.enabled):
            yield from rows
            return
        kept = list(rows)
        if part.balance:
            kept = balanced(kept, part.balance, seed)
        yield from kept
        if part.foreign_questions:
            yield from with_foreign_questions(kept, part.foreign_questions, seed)
        if part.cloze_questions:
            yield from cloze_questions(kept, part.cloze_questions, seed)
        if part.augmentation.enabled:
            yield from self._augmented(part, kept, seed)

    def _augmented(self, part: DataPart, rows: list[Row], seed: int) -> list[Row]:
        wanted = part.augmentation
        lexicon: Lexicon | None = load_lexicon(wanted.lexicon, self.data_dir) if wanted.synonyms else None
        if self.recipe.objective == "seq2seq":
            return augmented(rows, wanted, kind="translation", field="source", seed=seed, lexicon=lexicon)
        return augmented(rows, wanted, kind="classification", field="text", seed=seed, lexicon=lexicon)


def _is_chosen(row: Row, part: DataPart) -> bool:
    return (not part.sources or row.get("source") in part.sources) and row.get("title") not in part.except_titles


def _distinct(rows: Iterator[Row]) -> Iterator[Row]:
    seen: set[int] = set()
    for row in rows:
        if (mark := hash(row["text"])) not in seen:
            seen.add(mark)
            yield row


def _field(row: Row, name: str, part: DataPart) -> Any:
    if name not in row and name in DERIVED:
        return DERIVED[name](row)
    if name not in row:
        raise InputError("data", f"{part.name}: a row has no field {name!r}; it has {', '.join(row)}")
    return row[name]


def _as_text(value: Any) -> str:
    """A field as running text."""
    return joined(list(map(str, value)))[0] if isinstance(value, list) else str(value)


def renamed(tag: str, names: dict[str, str]) -> str:
    """A tag with its entity type renamed; a type renamed to nothing is outside."""
    mark, _, kind = tag.partition("-")
    kind = names.get(kind, kind)
    return f"{mark}-{kind}" if kind else "O"


def _texts(row: Row) -> Iterator[str]:
    for field in ("text", "source", "target", "context", "question"):
        if field in row and isinstance(row[field], str):
            yield row[field]
    if "tokens" in row:
        yield " ".join(row["tokens"])
