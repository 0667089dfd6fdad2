"""A run goes on in another way than it was saved: sharded (FSDP2) on any number of processes, or whole in each.

accelerate loads shards into shards, and transformers' Trainer a whole model into a whole one; here are the two other
ways. Shards are in the format of torch.distributed.checkpoint, which any number of processes can read.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.constants import FSDP_MODEL_NAME, OPTIMIZER_NAME
from safetensors.torch import load_file
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load

from llm_core.training.checkpoints import OPTIMIZER, SCHEDULER, WEIGHTS

MODEL_SHARDS, OPTIMIZER_SHARDS = f"{FSDP_MODEL_NAME}_0", f"{OPTIMIZER_NAME}_0"
"""Directories of a checkpoint, as accelerate names them."""
_FROM_FIRST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


def is_sharded(checkpoint: Path) -> bool:
    """Whether FSDP2 wrote a checkpoint."""
    return (checkpoint / MODEL_SHARDS).is_dir()


def load_model(checkpoint: Path, model: Any) -> None:
    """Shards into a whole model, or a whole checkpoint into a sharded model.

    Args:
        checkpoint: Its directory.
        model: In every process.
    """
    if is_sharded(checkpoint):
        state = get_model_state_dict(model)
        _read(checkpoint / MODEL_SHARDS, {"model": state})
        set_model_state_dict(model, state)
    else:
        whole: dict[str, Any] = dict(load_file(checkpoint / WEIGHTS)) if _is_first() else {}
        set_model_state_dict(model, whole, options=_FROM_FIRST)


def load_optimizer(checkpoint: Path, model: Any, optimizer: Any, scheduler: Any) -> None:
    """As `load_model`, of the optimiser; and the scheduler's state, which is the same in all processes."""
    if is_sharded(checkpoint):
        state = get_optimizer_state_dict(model, optimizer)
        _read(checkpoint / OPTIMIZER_SHARDS, {"optimizer": state})
        set_optimizer_state_dict(model, optimizer, state)
    else:
        whole = _by_name(torch.load(checkpoint / OPTIMIZER, weights_only=True), model, optimizer) if _is_first() else {}
        set_optimizer_state_dict(model, optimizer, whole, options=_FROM_FIRST)
    scheduler.load_state_dict(torch.load(checkpoint / SCHEDULER, weights_only=True))


def _read(directory: Path, state: dict[str, Any]) -> None:
    with warnings.catch_warnings():  # a single process may read, too
        warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
        load(state, storage_reader=FileSystemReader(directory))


def _by_name(numbered: dict[str, Any], model: nn.Module, optimizer: Any) -> dict[str, Any]:
    """An optimiser's state by the names of its parameters, which torch numbers in the order of its groups."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    order = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    groups = [{**group, "params": [order[n] for n in group["params"]]} for group in numbered["param_groups"]]
    return {"state": {order[n]: state for n, state in numbered["state"].items()}, "param_groups": groups}


def _is_first() -> bool:
    return bool(torch.distributed.get_rank() == 0)
