"""Directories of the Hub: `config.json` and `model.safetensors` of BERT, Llama and Marian models, in and out.

What is saved here, transformers' `AutoModel…` classes load; the tokenizer's files are the tokenizer's business.
Only safetensors are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.overrides import TorchFunctionMode

from llm_core.errors import WeightsError
from llm_core.files import replacing, write_json
from llm_core.model.config import ModelConfig
from llm_core.model.convert.configs import from_hub_config, to_hub_config
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
from llm_core.model.lora import lora_layers

HEADS: Mapping[type[Model], str] = {
    MaskedLM: "BertForMaskedLM",
    SequenceClassifier: "BertForSequenceClassification",
    TokenClassifier: "BertForTokenClassification",
    SpanExtractor: "BertForQuestionAnswering",
    CausalLM: "LlamaForCausalLM",
    Seq2SeqLM: "MarianMTModel",
}
"""Our heads and transformers' class for each."""
_LAYER = re.compile(r"\.layers?\.\d+\.(?!.*inv_freq$)")
"""Part of a layer, but for the rotary frequencies that old checkpoints kept."""
_PREFIX = {"bert": "bert.", "llama": "model.", "marian": "model."}

M = TypeVar("M", bound=Model)


class _WithoutMemory(TorchFunctionMode):
    """Weights of modules that are made inside take no memory; buffers, such as rotary angles, are real.

    It holds for this thread. (accelerate's `init_empty_weights` changes torch for all threads: a model that another one
    makes in that moment would be empty, too.)
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        device = {"device": "meta"} if function is torch.empty else {}
        return function(*args, **{**(kwargs or {}), **device})


def load(
    directory: Path,
    build: Callable[[ModelConfig], M],
    *,
    dtype: torch.dtype = torch.float32,
    fresh_head: bool = False,
    **changes: Any,
) -> M:
    """A model with the weights of a Hub directory, ready for inference.

    Args:
        directory: Holds ``config.json`` and ``model.safetensors`` (or its index of shards).
        build: A head's class, or a function that makes one, such as ``partial(SequenceClassifier, num_labels=3)``.
        dtype: Of the weights.
        fresh_head: Initialise what the checkpoint lacks outside the Transformer, from torch's global generator.
        **changes: Fields of `ModelConfig` that differ from the checkpoint's, such as ``dropout``.

    Raises:
        WeightsError: The configuration is of another family or has an option that we do not compute, a file is missing,
            weights are missing, of another shape, or more than the Transformer computes with.
    """
    config = replace(read_config(directory), **changes)
    with _WithoutMemory():
        model = build(config)
    state = {ours: tensor.to(dtype) for ours, tensor in _read_state(directory, config, set(model.state_dict()))}
    missing = sorted(set(model.state_dict()) - set(state))
    if unfit := [name for name in missing if not (fresh_head and not name.startswith("transformer."))]:
        raise WeightsError(f"{directory.name} lacks {', '.join(unfit)}")
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if wrong := [name for name, tensor in state.items() if tensor.shape != shapes[name]]:
        raise WeightsError(f"{directory.name}: of another shape than the configuration says: {', '.join(wrong)}")
    state |= {name: _fresh(name, shapes[name], config).to(dtype) for name in missing}
    model.load_state_dict(state, assign=True)
    model.fresh_parts = tuple(dict.fromkeys(name.partition(".")[0] for name in missing))
    return model.eval()


def save(model: Model, directory: Path, *, labels: Sequence[str] = (), dtype: torch.dtype | None = None) -> None:
    """Writes ``config.json`` and ``model.safetensors``, which transformers loads.

    Args:
        model: Any of `HEADS`.
        directory: Made if missing; files of the same name are replaced.
        labels: Names of a classifier's labels, in the order of the logits; none: ``LABEL_0`` and so on.
        dtype: Of the weights on disk; None: as they are.

    Raises:
        ValueError: There are not as many labels as logits.
        WeightsError: See `hub_state`.
    """
    if isinstance(model, SequenceClassifier | TokenClassifier):
        width = model.classifier.out_features
        labels = labels or [f"LABEL_{i}" for i in range(width)]
        if len(labels) != width:
            raise ValueError(f"labels ({len(labels)}) must be as many as the classifier's logits ({width})")
    directory.mkdir(parents=True, exist_ok=True)
    settings = to_hub_config(model.config, HEADS[type(model)], labels)
    dtypes = {value.dtype for value in model.parameters()} if dtype is None else {dtype}
    settings["dtype"] = str(dtypes.pop()).removeprefix("torch.")
    write_json(directory / "config.json", settings)
    state = {name: tensor.to(dtype or tensor.dtype) for name, tensor in hub_state(model).items()}
    with replacing(directory / "model.safetensors") as partial:
        partial.write_bytes(to_bytes(state, metadata={"format": "pt"}))


def hub_state(model: Model) -> dict[str, Tensor]:
    """The model's weights under the Hub's names, detached, on the CPU; tied weights once.

    Raises:
        WeightsError: It has an adapter that is not merged.
    """
    if any(layer.unmerged is None for layer in lora_layers(model).values()):
        raise WeightsError("a checkpoint holds no adapter: merge it first, or save it by itself")
    family, state = model.config.family, {}
    for name, tensor in model.state_dict().items():
        if name.endswith((".lora_a", ".lora_b")):
            continue
        theirs = to_hub(family, name)
        bias_row = theirs == "final_logits_bias"
        state[theirs] = (tensor[None] if bias_row else tensor).detach().cpu().contiguous()
    return state


def read_config(directory: Path) -> ModelConfig:
    """The configuration of a Hub directory; see `load` for what it raises."""
    file = directory / "config.json"
    try:
        return from_hub_config(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{directory.name}/config.json cannot be used: {error!r}") from error


def _read_state(directory: Path, config: ModelConfig, wanted: set[str]) -> Iterator[tuple[str, Tensor]]:
    for file in _weight_files(directory):
        try:
            with safe_open(str(file), framework="pt") as tensors:
                for theirs in tensors.keys():  # noqa: SIM118 — not a dict
                    if (ours := _our_name(config.family, theirs)) in wanted:
                        tensor = tensors.get_tensor(theirs)
                        yield str(ours), tensor[0] if theirs == "final_logits_bias" else tensor
                    elif str(ours).startswith("transformer.") or (ours is None and _LAYER.search(theirs)):
                        raise WeightsError(f"{directory.name}: {theirs} has no place in the configured model")
        except SafetensorError as error:
            raise WeightsError(f"{directory.name}/{file.name} is cut short or malformed: {error}") from error


def _our_name(family: str, theirs: str) -> str | None:
    """Checkpoints of a bare model leave the prefix out; old ones call a norm's weight gamma and its bias beta."""
    theirs = theirs.removesuffix(".gamma") + ".weight" if theirs.endswith(".gamma") else theirs
    theirs = theirs.removesuffix(".beta") + ".bias" if theirs.endswith(".beta") else theirs
    return from_hub(family, theirs) or from_hub(family, _PREFIX[family] + theirs)


def _weight_files(directory: Path) -> list[Path]:
    names, index = ["model.safetensors"], directory / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{directory.name}/{index.name} is malformed: {error!r}") from error
    for name in names:
        if Path(name).name != name or not (directory / name).is_file():
            raise WeightsError(f"{directory.name}: {name} is missing; other weight formats are not read")
    return [directory / name for name in names]


def _fresh(name: str, shape: torch.Size, config: ModelConfig) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    return torch.ones(shape) if "norm" in name else torch.randn(shape) * config.initializer_range
