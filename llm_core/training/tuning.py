"""Which weights move: a LoRA adapter on every linear layer, or those layers themselves.

LoRA (arXiv:2106.09685) replaces :math:`W x` by :math:`W x + (\\alpha / r) B A x`; the task's head is trained whole and
saved beside the adapter, so plain `peft` on the plain base restores the model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoModelForSequenceClassification

from llm_core.training.recipe import Recipe

TARGETS = r".*\.(query|key|value|dense)"
"""Every linear layer of a BERT-shaped encoder, the pooler included; a regular expression over module names."""
HEADS = ("classifier", "qa_outputs")
"""The task heads, as transformers names them."""
PEFT_TASK = {"classification": "SEQ_CLS", "question_answering": "QUESTION_ANS"}


def base_model(recipe: Recipe, base_dir: Path) -> Any:
    """The base with a fresh, seeded head of the recipe's task, in float32.

    Args:
        recipe: What is trained.
        base_dir: Directory of the base in the Hub's format.
    """
    options: dict[str, Any] = {
        "hidden_dropout_prob": recipe.adapter.hidden_dropout,
        "attention_probs_dropout_prob": 0.0,
    }
    if recipe.labels:
        names = dict(enumerate(recipe.labels))
        options |= {"id2label": names, "label2id": {label: i for i, label in names.items()}, "num_labels": len(names)}
    config = AutoConfig.from_pretrained(base_dir, **options)
    kind = AutoModelForSequenceClassification if recipe.labels else AutoModelForQuestionAnswering
    torch.manual_seed(recipe.optim.seed)
    # eager attention: measured 1.4 times as fast as SDPA's CPU kernel for training at these head sizes
    return kind.from_pretrained(base_dir, config=config, dtype=torch.float32, attn_implementation="eager")


def trainable(recipe: Recipe, model: Any) -> Any:
    """`model` with the recipe's adapter on it; for kind ``"full"`` its linear layers and head are free instead."""
    if recipe.adapter.kind == "lora":
        return get_peft_model(model, lora_config(recipe))
    for name, parameter in model.named_parameters():
        layer, _, part = name.rpartition(".")
        parameter.requires_grad = name.partition(".")[0] in HEADS or (part == "weight" and is_target(layer))
    return model


def is_target(layer: str) -> bool:
    """Whether the adapter changes the layer of this name."""
    return re.fullmatch(TARGETS, layer) is not None


def lora_config(recipe: Recipe) -> LoraConfig:
    """The adapter's shape as `peft` writes it into ``adapter_config.json``."""
    return LoraConfig(
        task_type=PEFT_TASK[recipe.task],
        r=recipe.adapter.rank,
        lora_alpha=recipe.adapter.alpha,
        lora_dropout=0.0,
        target_modules=TARGETS,
    )
