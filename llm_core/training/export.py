"""The directory that ships, and opening it again.

A whole model is `config.json`, `model.safetensors` and the tokenizer's files: transformers' `AutoModel…` and
`AutoTokenizer` load it. A translator may ship as CTranslate2's int8 conversion instead (`model.bin`, its vocabulary and
the SentencePiece files), a decoder as a GGUF file in 8 bits; the whole model then stays in the run folder. An adapter
is `adapter_config.json`, `adapter_model.safetensors` (head included) and the base's `config.json` with our labels:
plain `peft` loads it on the base; a decoder's comes as `adapter.gguf`, too. A tagger may have `crf.safetensors` beside
its weights; see `training.crf`. `calibration.json`, `scores.json` and `README.md` come from `measure`.

A fully fine-tuned model that ships as an adapter is its best low-rank approximation; see `convert.peft.low_rank`. One
trained by LoRA may ship with a smaller rank (`tuning.ship_rank`).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from llm_core.data.crf import load_crf
from llm_core.errors import WeightsError
from llm_core.files import write_json
from llm_core.model.config import ModelConfig
from llm_core.model.convert import hub, peft
from llm_core.model.convert.configs import to_hub_config
from llm_core.model.heads import CausalLM, Model, SequenceClassifier, TokenClassifier
from llm_core.model.lora import lora_layers
from llm_core.tokenizer.files import TOKENIZER_FILES
from llm_core.training.fitting import Fitted
from llm_core.training.predictors import AnswerPredictor, LabelPredictor, TagPredictor
from llm_core.training.recipe import Recipe
from llm_core.training.tuning import approximated, from_base
from llm_core.training.vocabulary import open_tokenizer

ADAPTER = "adapter_config.json"
GGUF_ADAPTER = "adapter.gguf"
WHOLE = "model"
"""Folder within the run folder that keeps the weights in float32 when a conversion ships."""
CONVERSIONS = ("ctranslate2", "gguf")
"""Values of `tuning.ship` that ship another runtime's file instead of ours."""
BITS = "q8_0"
"""Of a decoder that ships as GGUF; see `convert.gguf.FORMATS`."""


def save_model(recipe: Recipe, fitted: Fitted, base_dir: Path | None, output_dir: Path) -> None:
    """Writes what ships, in the recipe's `dtype`.

    Args:
        recipe: What was trained.
        fitted: What came out; an adapter on it may be merged here.
        base_dir: Directory of the base model; None: from scratch.
        output_dir: Where to write; made if missing, files of the same name are replaced.
    """
    model, dtype = fitted.model, getattr(torch, recipe.dtype)
    if base_dir is not None:  # the dropout of training stays behind
        config = hub.read_config(base_dir)
        model.config = replace(model.config, dropout=config.dropout, attention_dropout=config.attention_dropout)
    if recipe.tuning.ship == "adapter":
        assert base_dir is not None, "an adapter has a base"
        _save_adapter(recipe, fitted, base_dir, output_dir, dtype)
        return
    peft.merge(model)
    if recipe.tuning.ship in CONVERSIONS:
        whole = fitted.folder / WHOLE
        _save_whole(model, fitted.tokenizer_dir, whole, recipe, torch.float32)
        if isinstance(model, CausalLM):
            from llm_core.model.convert import gguf  # its package is for decoders only

            gguf.save(model, gguf_file(recipe, output_dir), whole, weights=BITS, name=recipe.title)
        else:
            _save_converted(whole, output_dir)
    else:
        _save_whole(model, fitted.tokenizer_dir, output_dir, recipe, dtype)


def gguf_file(recipe: Recipe, output_dir: Path) -> Path:
    """Where a decoder's GGUF file ships."""
    return output_dir / f"{recipe.name}.gguf"


def _save_whole(model: Model, tokenizer_dir: Path, place: Path, recipe: Recipe, dtype: torch.dtype) -> None:
    hub.save(model, place, labels=recipe.labels, dtype=dtype)
    for name in TOKENIZER_FILES:
        if (tokenizer_dir / name).is_file():
            shutil.copyfile(tokenizer_dir / name, place / name)


def _save_converted(whole: Path, output_dir: Path) -> None:
    from llm_core.model.convert import ctranslate2

    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        converted = Path(scratch) / "converted"
        ctranslate2.convert(whole, converted)
        for file in converted.iterdir():
            shutil.copyfile(file, output_dir / file.name)


def _save_adapter(recipe: Recipe, fitted: Fitted, base_dir: Path, output_dir: Path, dtype: torch.dtype) -> None:
    tuned = fitted.model
    if not lora_layers(tuned):
        tuned = approximated(fitted.objective, from_base(fitted.objective, base_dir, fitted.seed), tuned)
    elif recipe.tuning.ship_rank is not None:
        peft.shorten(tuned, recipe.tuning.ship_rank)
    peft.save(tuned, output_dir, base=str(recipe.base), dtype=dtype)
    settings = to_hub_config(fitted.model.config, hub.HEADS[type(fitted.model)], recipe.labels)
    write_json(output_dir / "config.json", settings)
    if isinstance(tuned, CausalLM):
        from llm_core.model.convert import gguf

        gguf.save_adapter(tuned, output_dir / GGUF_ADAPTER)


def load_model(model_dir: Path, base_dir: Path | None = None) -> Model:
    """A shipped model or adapter in float32, ready for inference.

    Args:
        model_dir: What `save_model` wrote.
        base_dir: Directory of the base model, for an adapter.

    Raises:
        WeightsError: The files are not of a model of ours, or an adapter's base is not given.
    """
    head = head_of(json.loads((model_dir / "config.json").read_text(encoding="utf-8")))
    if not (model_dir / ADAPTER).is_file():
        return hub.load(model_dir, head)
    if base_dir is None:
        raise WeightsError(f"{model_dir.name} is an adapter: its base is needed")
    model = hub.load(base_dir, head, fresh_head=True)
    peft.load(model, model_dir)
    return model.eval()


def head_of(settings: dict[str, Any]) -> Callable[[ModelConfig], Model]:
    """Builds the model that a ``config.json`` names.

    Raises:
        WeightsError: It names none of ours.
    """
    named = settings.get("architectures") or [""]
    kind = next((ours for ours, theirs in hub.HEADS.items() if theirs == named[0]), None)
    if kind is None:
        raise WeightsError(f"architecture {named[0]!r} is not one of {', '.join(hub.HEADS.values())}")
    if kind in (SequenceClassifier, TokenClassifier):
        return partial(kind, num_labels=len(settings["id2label"]))
    return kind


def open_predictor(model_dir: Path, base_dir: Path | None = None) -> LabelPredictor | AnswerPredictor | TagPredictor:
    """A predictor of a shipped model, calibrated as it ships; for `evaluate`.

    Args:
        model_dir: A directory under `models/`.
        base_dir: Directory of an adapter's base, which holds the tokenizer.
    """
    settings = json.loads((model_dir / "calibration.json").read_text(encoding="utf-8"))
    model: Any = load_model(model_dir, base_dir)
    tokenizer, length = open_tokenizer(base_dir or model_dir), settings["max_length"]
    if settings["task"] == "classification":
        return LabelPredictor(model, tokenizer, tuple(settings["labels"]), length, settings["temperature"])
    if settings["task"] == "tagging":
        labels, marked = tuple(settings["labels"]), settings.get("mark_capitals", False)
        return TagPredictor(model, tokenizer, labels, length, settings["stride"], marked, load_crf(model_dir, labels))
    return AnswerPredictor(
        model,
        tokenizer,
        length,
        settings["stride"],
        with_types=not (model_dir / ADAPTER).is_file(),
        mark_shared_words=settings.get("mark_shared_words", False),
        overlap_weight=settings.get("overlap_weight", 0.0),
        overlap_in_margin=settings.get("overlap_in_margin", False),
        threshold=settings["no_answer_threshold"],
    )
