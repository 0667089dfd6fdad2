"""The recipe's tokenizer: the base's, or one learnt from the recipe's own texts and kept in the run folder."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from llm_core.tokenizer import Tokenizer, direction_tag
from llm_core.training.mixture import Mixture
from llm_core.training.objectives import LANGUAGES
from llm_core.training.recipe import Recipe


def vocabulary(mixture: Mixture, folder: Path) -> Path:
    """The directory of the tokenizer learnt from the mixture's texts; learnt now unless it stands there already.

    Args:
        mixture: Of a recipe with a model from scratch.
        folder: Where tokenizers are kept.

    Raises:
        InputError: The texts do not give a vocabulary of that size.
    """
    recipe = mixture.recipe
    assert recipe.model is not None and recipe.tokenizer is not None, "only a model from scratch has its own vocabulary"
    wanted = {"family": recipe.model.family, "extra_symbols": list(_symbols(recipe)), **recipe.tokenizer.model_dump()}
    told = json.dumps({**wanted, "data": [part.model_dump(mode="json") for part in recipe.data]}, indent=2)
    if not _is_made_so(folder, told):
        partial = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        Tokenizer.train(mixture.texts(), **wanted).save(partial)
        (partial / "made_from.json").write_text(told, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    return folder


def open_tokenizer(directory: Path) -> Any:
    """The Hub's class for the tokenizer in a directory."""
    with warnings.catch_warnings():  # Marian's recommends a normaliser of punctuation; ours do without
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return AutoTokenizer.from_pretrained(directory)


def _is_made_so(folder: Path, told: str) -> bool:
    file = folder / "made_from.json"
    return file.is_file() and file.read_text(encoding="utf-8") == told


def _symbols(recipe: Recipe) -> tuple[str, ...]:
    if recipe.objective == "causal_lm":
        return recipe.infilling.symbols if recipe.infilling else ()
    targets = sorted({pair.partition("-")[2] for part in recipe.data for pair in part.directions})
    return tuple(direction_tag(LANGUAGES.get(target, target)) for target in targets) if recipe.tagged else ()
