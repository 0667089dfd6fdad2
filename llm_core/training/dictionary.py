"""The dictionary beside a translator (`data.dictionary`): common words, and what translators know least."""

from __future__ import annotations

from pathlib import Path

from llm_core.data.dictionary import FILE, word_counts, write_dictionary
from llm_core.data.loaders import load_rows
from llm_core.training.recipe import Recipe


def save_dictionary(recipe: Recipe, data_dir: Path | None, model_dir: Path) -> None:
    """Writes the recipe's dictionary beside the weights; without one, an old file goes.

    Args:
        recipe: Of the translator.
        data_dir: Folder of data sets; None: the Hub.
        model_dir: Of the exported model.

    Raises:
        ModelUnavailableError: A data set is not to be had.
    """
    (model_dir / FILE).unlink(missing_ok=True)
    if recipe.dictionary is None:
        return
    wanted = recipe.dictionary
    entries = load_rows(wanted.name, "train", data_dir)
    texts = (row["zh"] for name in wanted.counted_in for row in load_rows(name, "train", data_dir))
    counts = word_counts(texts, {row["zh"] for row in entries})
    write_dictionary(entries, counts, wanted.entries, model_dir / FILE)
