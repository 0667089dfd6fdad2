"""LoRA adapters merged into their base: :math:`W \\leftarrow W + (\\alpha / r) B A` (arXiv:2106.09685, eq. 3); a table
of embeddings, whose rows are tokens, takes the transpose.

Reads what `peft` writes (``adapter_config.json``, ``adapter_model.safetensors``; heads from `modules_to_save` replace
the base's) without importing peft, which takes seconds and is needed for training only. What cannot be merged this
way is refused, never ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from llm_core.backends.transformers.calibration import read_calibration
from llm_core.backends.transformers.checkpoint import read_json
from llm_core.errors import WeightsError

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_PARTS = {".lora_A.weight": ".lora_B.weight", ".lora_embedding_A": ".lora_embedding_B"}
"""Ends of the names of A and B: of linear layers, and of embeddings."""
_CHANGES_THE_FORMULA = ("use_dora", "fan_in_fan_out", "alpha_pattern", "layer_replication", "lora_bias", "use_qalora")


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter rather than a whole model."""
    return (directory / CONFIG_NAME).is_file()


def ignores_token_types(directory: Path) -> bool:
    """Whether a model was trained with all token types 0.

    peft's `PeftModelForQuestionAnswering` (0.21) takes `token_type_ids` and drops them, in training and inference,
    so an adapter of that kind has never seen them: given them, it would compute something else than it was trained and
    measured to. One that needs them says so in its calibration.
    """
    if not is_adapter(directory) or read_calibration(directory).mark_shared_words:
        return False
    return bool(read_json(directory / CONFIG_NAME).get("task_type") == "QUESTION_ANS")


@torch.no_grad()
def merge_adapter(model: nn.Module, directory: Path) -> frozenset[str]:
    """Merge an adapter into a float32 model, in place.

    Args:
        model: The base with the head that the adapter was trained with.
        directory: Of the adapter.

    Returns:
        Names of the parameters that the adapter replaced as a whole, such as the head's.

    Raises:
        WeightsError: The adapter is of another kind, or does not fit the model.
    """
    config = _checked_config(directory)
    if not (directory / WEIGHTS_NAME).is_file():
        raise WeightsError(f"{directory.name}: {WEIGHTS_NAME} is missing; other weight formats are not read")
    tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in load_file(directory / WEIGHTS_NAME).items()}
    parameters = dict(model.named_parameters())
    whole = {name for name in tensors if ".lora_" not in name}
    for name in sorted(whole):
        _parameter(parameters, name, tensors[name].shape, directory).copy_(tensors[name].float())
    adapted = _adapted(tensors)
    known = {module + end for module, ends in adapted.items() for end in ends}
    if unknown := sorted(tensors.keys() - whole - known):
        raise WeightsError(f"{directory.name}: {unknown[0]} is not a tensor that can be merged")
    for module, ends in sorted(adapted.items()):
        _merge(parameters, tensors, module, ends, config, directory)
    return frozenset(whole)


def _adapted(tensors: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The modules that have an A, and how the names of their A and B end."""
    return {name.removesuffix(ends[0]): ends for name in tensors for ends in _PARTS.items() if name.endswith(ends[0])}


def _merge(
    parameters: dict[str, nn.Parameter],
    tensors: dict[str, torch.Tensor],
    module: str,
    ends: tuple[str, str],
    config: Any,
    directory: Path,
) -> None:
    down = tensors[module + ends[0]].float()  # (rank, in)
    up = tensors.get(module + ends[1])  # (out, rank)
    if up is None:
        raise WeightsError(f"{directory.name}: {module} has lora_A but no lora_B")
    rank = down.shape[0]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if up.shape[1] != rank:
        raise WeightsError(f"{directory.name}: {module}: rank {rank} of lora_A is not that of lora_B ({up.shape[1]})")
    change = up.float() @ down
    change = change.T if "embedding" in ends[0] else change
    _parameter(parameters, f"{module}.weight", change.shape, directory).add_(change, alpha=scale)


def _parameter(parameters: dict[str, nn.Parameter], name: str, shape: torch.Size, directory: Path) -> nn.Parameter:
    if name not in parameters:
        raise WeightsError(f"{directory.name}: the base has no {name}")
    parameter = parameters[name]
    if parameter.shape != shape:
        raise WeightsError(f"{directory.name}: {name} has shape {tuple(shape)}, the base's {tuple(parameter.shape)}")
    return parameter


def _checked_config(directory: Path) -> dict[str, Any]:
    config = read_json(directory / CONFIG_NAME)
    if config.get("peft_type") != "LORA":
        raise WeightsError(f"{directory.name}: peft_type must be LORA, not {config.get('peft_type')!r}")
    active = [key for key in _CHANGES_THE_FORMULA if config.get(key)]
    if config.get("bias", "none") != "none":
        active.append("bias")
    if active:
        raise WeightsError(f"{directory.name}: adapters with {', '.join(active)} cannot be merged here")
    if not isinstance(config.get("lora_alpha"), int | float):
        raise WeightsError(f"{directory.name}: lora_alpha must be a number, not {config.get('lora_alpha')!r}")
    return config
