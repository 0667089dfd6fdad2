"""The model that is trained: from scratch or from a base, and which of its weights move.

- full: all of them when the whole model ships; a change that ships as an adapter can only be in linear layers, and in
  the embeddings where the recipe says so, so only those move then;
- partial: the chosen blocks and what stands behind the last of them;
- lora: low-rank adapters on every linear layer of the blocks (arXiv:2106.09685), on the embeddings where the recipe
  says so, and the head;
- linear_probe: the head alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from llm_core.errors import InputError
from llm_core.model.convert import hub, peft
from llm_core.model.heads import Model
from llm_core.model.lora import EMBEDDINGS, TARGETS, add_lora, trained_whole
from llm_core.model.lora import HEADS as TASK_HEADS
from llm_core.training.objectives import Objective

HEADS = (*TASK_HEADS, "pooler", "transform", "transform_norm", "output", "output_bias")
"""What stands behind the Transformer."""


def fresh(objective: Objective, seed: int) -> Model:
    """A model from scratch with the recipe's sizes and the vocabulary's ids.

    Args:
        objective: With a recipe that has a `model`.
        seed: Of the weights.
    """
    recipe, tokenizer = objective.recipe, objective.tokenizer
    assert recipe.model is not None, "the recipe has a base"
    decided: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if recipe.model.family != "bert":
        decided |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if recipe.model.family == "marian":  # its decoder starts with padding, and texts have no start
        decided |= {"bos_token_id": None, "decoder_start_token_id": tokenizer.pad_token_id}
    torch.manual_seed(seed)
    return objective.head(recipe.model.config(**decided))


def from_base(objective: Objective, base: Path, seed: int) -> Model:
    """The base with the objective's head, fresh where the base has none, in float32.

    Args:
        objective: What is trained.
        base: Directory of a model in the Hub's format.
        seed: Of a fresh head and of adapters.

    Raises:
        WeightsError: The directory does not hold a model that the objective can start from.
        InputError: The base reads fewer tokens than the recipe's `max_length`.
    """
    torch.manual_seed(seed)
    dropout = objective.recipe.tuning.hidden_dropout
    model = hub.load(base, objective.head, fresh_head=True, dropout=dropout, attention_dropout=0.0)
    if objective.recipe.max_length > model.config.max_positions:
        raise InputError("max_length", f"must not exceed the base's {model.config.max_positions} tokens")
    return model


def trainable(objective: Objective, model: Model) -> Model:
    """`model` with just the recipe's weights free to move, in place.

    Args:
        objective: Whose recipe says which.
        model: What to train.

    Raises:
        InputError: The recipe names blocks that the model has not.
    """
    tuning = objective.recipe.tuning
    if tuning.kind == "lora":
        add_lora(model, tuning.rank, tuning.alpha, tuning.lora_dropout, adapted(objective))
    elif tuning.kind == "full":
        if tuning.ship == "adapter":
            whole, targets = trained_whole(model), adapted(objective)
            _only(model, lambda name: name.startswith(whole) or _is_weight_of(targets, name))
    else:
        blocks = _chosen_blocks(objective, model) if tuning.kind == "partial" else ()
        _only(model, lambda name: name.partition(".")[0] in HEADS or name.startswith(tuple(blocks)))
    return model


def _only(model: Model, free: Any) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(free(name))


def approximated(objective: Objective, model: Model, tuned: Model) -> Model:
    """`model`, the base, with the adapter that approximates `tuned` best, free to move; in place.

    Args:
        objective: Whose recipe has the rank.
        model: The base that `tuned` came from.
        tuned: Fully fine-tuned.
    """
    peft.low_rank(model, tuned, objective.recipe.tuning.rank, adapted(objective))
    return model


def adapted(objective: Objective) -> str:
    """Pattern of the layers that an adapter of the recipe changes."""
    return f"{TARGETS}|{EMBEDDINGS}" if objective.recipe.tuning.embeddings else TARGETS


def _is_weight_of(targets: str, name: str) -> bool:
    layer, _, part = name.rpartition(".")
    return part == "weight" and "norm" not in layer and re.fullmatch(targets, layer) is not None


def _chosen_blocks(objective: Objective, model: Model) -> tuple[str, ...]:
    tuning, config = objective.recipe.tuning, model.config
    prefixes = []
    for side, count in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        wanted = tuning.blocks if tuning.top_blocks is None else range(max(0, count - tuning.top_blocks), count)
        if count and (missing := [number for number in wanted if number >= count]):
            raise InputError("tuning.blocks", f"must be below {count}, the base's {side} blocks", missing[0])
        prefixes += [f"transformer.{side}.blocks.{number}." for number in wanted if count]
        prefixes += [f"transformer.{side}.norm."] if count else []
    return tuple(prefixes)
