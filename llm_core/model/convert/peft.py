"""LoRA adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`, in and out.

What is saved here, plain `peft.PeftModel.from_pretrained` puts on transformers' base of the same family; what `peft`
saved, `load` puts on ours. Heads that start random travel with the adapter (`modules_to_save`).
PEFT's wrapper for question answering calls its base without token types; the adapter itself is the same with them.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from llm_core.errors import WeightsError
from llm_core.files import replacing, write_json
from llm_core.model.convert.names import from_hub, to_hub
from llm_core.model.heads import (
    CausalLM,
    MaskedLM,
    Model,
    Seq2SeqLM,
    SequenceClassifier,
    SpanExtractor,
    TokenClassifier,
)
from llm_core.model.lora import TARGETS, LoraLayer, add_lora, lora_layers, trained_whole

TASKS: Mapping[type[Model], str | None] = {
    SequenceClassifier: "SEQ_CLS",
    TokenClassifier: "TOKEN_CLS",
    SpanExtractor: "QUESTION_ANS",
    CausalLM: "CAUSAL_LM",
    Seq2SeqLM: "SEQ_2_SEQ_LM",
    MaskedLM: None,
}
"""PEFT's name for the task of each head."""
_PREFIX = "base_model.model."
_PARTS = {".lora_a": ".lora_A.weight", ".lora_b": ".lora_B.weight"}
_TABLE_PARTS = {".lora_a": ".lora_embedding_A", ".lora_b": ".lora_embedding_B"}
"""PEFT's names for the parts of an adapted layer: of linear ones, and of embeddings."""
_REFUSED = (
    *("use_dora", "use_rslora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out", "alora_invocation_tokens"),
    *("rank_pattern", "alpha_pattern", "layer_replication", "trainable_token_indices", "target_parameters"),
    *("arrow_config", "kasa_config", "monteclora_config", "velora_config"),
)
"""Options of PEFT that change what an adapter computes."""


def save(model: Model, directory: Path, *, base: str = "", dtype: torch.dtype | None = None) -> None:
    """Writes the adapter of a model, merged or not.

    Args:
        model: With adapters of one rank and strength, as `add_lora` makes them.
        directory: Made if missing; files of the same name are replaced.
        base: Name of the base on the Hub, or its directory, for those who load the adapter by its own name.
        dtype: Of the weights on disk; None: as they are. A and B are written to 8-bit floats as large as these hold,
            because small numbers have few digits there, and `lora_alpha` makes up for it; a head stays in 16 bits.

    Raises:
        WeightsError: The model has no adapter, or adapters of several ranks or strengths.
    """
    layers, family = lora_layers(model), model.config.family
    shapes = {(len(layer.lora_a), layer.alpha, layer.dropout.p) for layer in layers.values()}
    if len(shapes) != 1:
        raise WeightsError(f"an adapter has one rank, alpha and dropout; this model has {sorted(shapes) or 'none'}")
    rank, alpha, dropout = shapes.pop()
    growth = _growth(layers.values()) if dtype == torch.float8_e4m3fn else {}
    settings = {
        "peft_type": "LORA",
        "task_type": TASKS[type(model)],
        "base_model_name_or_path": base or None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha / math.prod(growth.values()),
        "lora_dropout": dropout,
        "target_modules": _pattern(to_hub(family, name) for name in layers),
        "modules_to_save": [to_hub(family, name) for name, _ in model.named_children() if name in trained_whole(model)],
        "bias": "none",
    }
    tables = {name for name, layer in layers.items() if layer.is_table}
    state = {}
    for name, tensor in adapter_state(model).items():
        part = name[name.rfind(".") :]
        its_dtype = torch.float16 if growth and part not in growth else dtype
        scaled = tensor.detach() * growth.get(part, 1)
        state[_their_name(family, name, tables)] = scaled.to("cpu", its_dtype or tensor.dtype).contiguous()
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(directory / "adapter_model.safetensors") as partial:
        partial.write_bytes(to_bytes(state, metadata={"format": "pt"}))
    write_json(directory / "adapter_config.json", settings)


def _growth(layers: Collection[LoraLayer]) -> dict[str, float]:
    """The power of two that brings all A, and that which brings all B, just below the largest 8-bit float."""
    largest = {
        ".lora_a": max(float(layer.lora_a.detach().abs().max()) for layer in layers),
        ".lora_b": max(float(layer.lora_b.detach().abs().max()) for layer in layers),
    }
    limit = torch.finfo(torch.float8_e4m3fn).max
    return {part: 2.0 ** math.floor(math.log2(limit / value)) if value else 1.0 for part, value in largest.items()}


def adapter_state(model: Model) -> dict[str, Tensor]:
    """What belongs to the adapter, by name: every A and B, and what is trained whole."""
    wanted = (*trained_whole(model), *(f"{name}.lora_" for name in lora_layers(model)))
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(wanted)}


def load(model: Model, directory: Path) -> None:
    """Puts an adapter on a model, in place; a model on which it fails is not to be used.

    Args:
        model: What the adapter was trained on, such as ``hub.load(base, SpanExtractor, fresh_head=True)``.
        directory: What `save` or `peft` wrote.

    Raises:
        WeightsError: A file is missing or malformed, an option is one that we do not compute, the adapter is for
            another task, or its weights do not fit the model.
    """
    settings, stored = _read(directory)
    if (task := settings.get("task_type")) not in (None, TASKS[type(model)]):
        raise WeightsError(f"{directory.name} is an adapter for {task}, not {TASKS[type(model)]}")
    state = {_our_name(model.config.family, name): tensor for name, tensor in stored.items()}
    targets = "|".join(re.escape(name.removesuffix(".lora_a")) for name in state if name.endswith(".lora_a"))
    try:
        add_lora(model, settings["r"], settings["lora_alpha"], settings.get("lora_dropout", 0.0), targets)
        if odd := sorted(set(state) ^ set(adapter_state(model))):
            raise WeightsError(f"{directory.name} does not fit the model: {', '.join(odd)}")
        model.load_state_dict(state, strict=False)
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{directory.name} does not fit the model: {error}") from error


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Puts the changes into the weights: inference costs nothing more, and the model can be saved as any other."""
    for layer in lora_layers(model).values():
        if layer.unmerged is None:
            layer.unmerged, layer.weight.data = layer.weight.data, layer.weight.data + layer.change()


def unmerge(model: nn.Module) -> None:
    """Undoes `merge`, bit by bit; training needs it."""
    for layer in lora_layers(model).values():
        if layer.unmerged is not None:
            layer.weight.data, layer.unmerged = layer.unmerged.to(layer.weight), None


@torch.no_grad()
def low_rank(before: Model, after: Model, rank: int, targets: str = TARGETS) -> None:
    """Puts an adapter on `before` that makes it the best approximation of `after`, fully fine-tuned from it.

    For each layer the truncated singular value decomposition of the change (Eckart & Young 1936). The heads are
    copied; changes to biases, norms and what `targets` leaves out are lost.

    Args:
        before: The base; changed in place.
        after: Of the same configuration.
        rank: Of the adapter; its `alpha` is the same, so that the change is BA itself.
        targets: See `add_lora`.
    """
    add_lora(before, rank, rank, targets=targets)
    whole = trained_whole(before)
    before.load_state_dict({n: t for n, t in after.state_dict().items() if n.startswith(whole)}, strict=False)
    for name, layer in lora_layers(before).items():
        change = after.get_submodule(name).get_parameter("weight").double() - layer.weight.double()
        down, up = _factors(change.T if layer.is_table else change, rank)
        layer.lora_a[: len(down)] = down
        layer.lora_b[:, : len(down)] = up


@torch.no_grad()
def shorten(model: Model, rank: int) -> None:
    """Replaces each layer's adapter by its best approximation of a smaller rank, in place; see `low_rank`.

    Args:
        model: With adapters that are not merged.
        rank: At most that of the adapters; their `alpha` becomes the same.

    Raises:
        WeightsError: It is larger.
    """
    for name, layer in lora_layers(model).items():
        if rank > len(layer.lora_a):
            raise WeightsError(f"{name}: an adapter of rank {len(layer.lora_a)} cannot be shortened to {rank}")
        change = layer.lora_b.double() @ layer.lora_a.double() * (layer.alpha / len(layer.lora_a))
        down, up = _factors(change, rank)
        layer.lora_a, layer.lora_b = nn.Parameter(down.to(layer.lora_a)), nn.Parameter(up.to(layer.lora_b))
        layer.alpha = rank


def _factors(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """A (r, in) and B (out, r) whose product is nearest to `change`."""
    up, values, down = torch.linalg.svd(change, full_matrices=False)
    root = values[:rank].sqrt()
    return root[:, None] * down[:rank], up[:, :rank] * root


def _read(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        settings = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
        stored = from_bytes((directory / "adapter_model.safetensors").read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"{directory.name}: the adapter cannot be read: {error!r}") from error
    if settings.get("peft_type") != "LORA" or settings.get("bias", "none") != "none":
        raise WeightsError(f"{directory.name}: only adapters with peft_type LORA and bias none are supported")
    if refused := [option for option in _REFUSED if settings.get(option)]:
        raise WeightsError(f"{directory.name}: adapters with {', '.join(refused)} are not supported")
    return settings, stored


def _their_name(family: str, name: str, tables: Collection[str]) -> str:
    layer, part = name[:-7], name[-7:]
    if part not in _PARTS:
        return _PREFIX + to_hub(family, name)
    return _PREFIX + to_hub(family, layer) + (_TABLE_PARTS if layer in tables else _PARTS)[part]


def _our_name(family: str, theirs: str) -> str:
    name = theirs.removeprefix(_PREFIX)
    for ours, part in (*_PARTS.items(), *_TABLE_PARTS.items()):
        if name.endswith(part) and (layer := from_hub(family, name.removesuffix(part))):
            return layer + ours
    if found := from_hub(family, name):
        return found
    raise WeightsError(f"{theirs} belongs to no part of a {family} model")


def _pattern(names: Iterable[str]) -> str:
    """A regular expression for just these names: those that differ only in the layer's number share a branch."""
    numbers: dict[str, list[str]] = defaultdict(list)
    for name in names:
        number = re.search(r"\.(\d+)\.", name)
        numbers[re.sub(r"\\\.\d+\\\.", r"\\.{}\\.", re.escape(name), count=1)].append(number[1] if number else "")
    return "|".join(branch.replace("{}", f"({'|'.join(layers)})") for branch, layers in numbers.items())
