"""LoRA adapters merged into their base: :math:`W \\leftarrow W + (\\alpha / r) B A` (arXiv:2106.09685, eq. 3).

Reads what `peft` writes (``adapter_config.json``, ``adapter_model.safetensors``; heads from `modules_to_save` replace
the base's) without importing peft, which takes seconds and is needed for training only. What cannot be merged this
way is refused, never ignored.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from llm_core.backends.transformers.checkpoint import read_json
from llm_core.errors import WeightsError

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_CHANGES_THE_FORMULA = ("use_dora", "fan_in_fan_out", "alpha_pattern", "layer_replication", "lora_bias", "use_qalora")


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter rather than a whole model."""
    return (directory / CONFIG_NAME).is_file()


def ignores_token_types(directory: Path) -> bool:
    """Whether a model was trained with all token types 0.

    peft's `PeftModelForQuestionAnswering` (0.21) takes `token_type_ids` and drops them, in training and inference,
    so an adapter of that kind has never seen them: given them, it would compute something else than it was trained and
    measured to.
    """
    return is_adapter(directory) and read_json(directory / CONFIG_NAME).get("task_type") == "QUESTION_ANS"


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
    for name in sorted(tensors.keys() - whole):
        if name.endswith(".lora_A.weight"):
            _merge(parameters, tensors, name.removesuffix(".lora_A.weight"), config, directory)
        elif not (name.endswith(".lora_B.weight") and name.replace(".lora_B.", ".lora_A.") in tensors):
            raise WeightsError(f"{directory.name}: {name} is not a tensor that can be merged")
    return frozenset(whole)


def _merge(
    parameters: dict[str, nn.Parameter], tensors: dict[str, torch.Tensor], module: str, config: Any, directory: Path
) -> None:
    down = tensors[f"{module}.lora_A.weight"].float()  # (rank, in)
    up = tensors.get(f"{module}.lora_B.weight")  # (out, rank)
    if up is None:
        raise WeightsError(f"{directory.name}: {module} has lora_A but no lora_B")
    rank = down.shape[0]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if up.shape[1] != rank:
        raise WeightsError(f"{directory.name}: {module}: rank {rank} of lora_A is not that of lora_B ({up.shape[1]})")
    weight = _parameter(parameters, f"{module}.weight", torch.Size((up.shape[0], down.shape[1])), directory)
    weight.add_(up.float() @ down, alpha=scale)


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
