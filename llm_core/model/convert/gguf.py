"""Decoders and their LoRA adapters as GGUF files, which llama.cpp reads.

    gguf.save(hub.load(directory, CausalLM), Path("model.gguf"), directory, weights="q8_0")
    gguf.save_adapter(model, Path("adapter.gguf"))        after peft.load(model, adapter)

A file holds the configuration, the weights and the tokenizer. Nothing here reads GGUF, and nothing is tokenized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, LlamaFileType
from numpy.typing import NDArray
from torch import Tensor

from llm_core.errors import InputError, WeightsError
from llm_core.files import replacing
from llm_core.model.config import ModelConfig
from llm_core.model.convert.gguf_vocabulary import add_vocabulary
from llm_core.model.convert.hub import hub_state
from llm_core.model.convert.names import to_hub
from llm_core.model.heads import CausalLM
from llm_core.model.lora import lora_layers

_ARCHITECTURE = gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.LLAMA]
_BLOCK = 32
"""Weights of a row that share one scale in the quantised formats."""


class Format(NamedTuple):
    """How the matrices are stored; norms are always float32."""

    blocks: GGMLQuantizationType
    """Of the layers' matrices."""
    vocabulary: GGMLQuantizationType
    """Of the embedding and the output layer, which suffer most from 4 bits."""
    file: LlamaFileType
    """What llama.cpp calls it."""


FORMATS: Mapping[str, Format] = {
    "f32": Format(GGMLQuantizationType.F32, GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "f16": Format(GGMLQuantizationType.F16, GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "bf16": Format(GGMLQuantizationType.BF16, GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
    "q8_0": Format(GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_1": Format(GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q4_1),
    "q4_0": Format(GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q4_0),
}
"""Names of `save`'s `weights`, with 32, 16, 16, 8.5, 5 and 4.5 bits a weight."""


def save(model: CausalLM, file: Path, tokenizer: Path, *, weights: str = "f16", name: str = "") -> None:
    """Writes a decoder with its tokenizer; an existing file is replaced once the new one is complete.

    Args:
        model: Of the family *llama*, in any precision; an adapter must be merged.
        file: Such as ``model.gguf``; its directory is made if missing.
        tokenizer: Hub directory with ``tokenizer.json`` and, for SentencePiece, ``tokenizer.model``.
        weights: A key of `FORMATS`. Rows that are no whole number of 32-weight blocks stay float16.
        name: What the file calls the model; default: the file's name.

    Raises:
        InputError: Unknown `weights`.
        WeightsError: llama.cpp has no such family, activation or tokenizer, the tokenizer has more ids than the model,
            or an adapter is not merged.
    """
    if weights not in FORMATS:
        raise InputError("weights", f"must be one of {', '.join(FORMATS)}", weights)
    _check_architecture(model.config)
    with _written(file) as writer:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(name or file.stem)
        writer.add_file_type(FORMATS[weights].file)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_sizes(writer, model.config)
        add_vocabulary(writer, tokenizer, model.config)
        for theirs, tensor in hub_state(model).items():
            _add_weight(writer, model.config, theirs, tensor, FORMATS[weights])


def as_stored(model: CausalLM, weights: str) -> CausalLM:
    """The model with the numbers that `save` would store, to measure what they cost; changed in place.

    Args:
        model: In float32.
        weights: A key of `FORMATS`.
    """
    wanted = FORMATS[weights]
    for theirs, tensor in hub_state(model).items():
        if tensor.ndim == 2:
            kind = _kind(_place(model.config, theirs), tensor.shape[-1], wanted)
            tensor.copy_(torch.from_numpy(gguf.dequantize(gguf.quantize(_numbers(tensor), kind), kind)))
    return model


def save_adapter(model: CausalLM, file: Path) -> None:
    """Writes the LoRA adapter of a decoder in float16, to be used with the GGUF file of its base.

    Args:
        model: With an adapter, merged or not; see `llm_core.model.lora.add_lora` and `convert.peft.load`.
        file: Such as ``adapter.gguf``; its directory is made if missing.

    Raises:
        WeightsError: The model has no adapter, or adapters of several strengths.
    """
    _check_architecture(model.config)
    layers = lora_layers(model)
    strengths = sorted({float(layer.alpha) for layer in layers.values()})
    if len(strengths) != 1:
        raise WeightsError(f"an adapter has one alpha; this model has {strengths or 'none'}")
    with _written(file) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, strengths[0])
        for ours, layer in layers.items():
            theirs = f"{to_hub(model.config.family, ours)}.weight"
            place = _place(model.config, theirs)
            for name, values in (
                ("lora_a", _numbers(layer.lora_a)),
                ("lora_b", _rotary_order(model.config, theirs, _numbers(layer.lora_b))),
            ):
                writer.add_tensor(f"{place}.{name}", values.astype(np.float16))


@contextmanager
def _written(file: Path) -> Iterator[gguf.GGUFWriter]:
    """A writer whose content appears under `file` only when it is complete."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as partial, closing(gguf.GGUFWriter(partial, _ARCHITECTURE)) as writer:
        yield writer
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def _check_architecture(config: ModelConfig) -> None:
    if config.family != "llama":
        raise WeightsError(f"GGUF is written of llama models, not of {config.family}")
    if config.activation != "silu":
        raise WeightsError(f"llama.cpp computes SiLU in llama models, not {config.activation}")


def _add_sizes(writer: gguf.GGUFWriter, config: ModelConfig) -> None:
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_positions)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.decoder_layers)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)


def _add_weight(writer: gguf.GGUFWriter, config: ModelConfig, theirs: str, tensor: Tensor, wanted: Format) -> None:
    place, values = _place(config, theirs), _rotary_order(config, theirs, _numbers(tensor))
    if values.ndim == 1:
        writer.add_tensor(place, values)
        return
    kind = _kind(place, values.shape[-1], wanted)
    writer.add_tensor(place, gguf.quantize(values, kind), raw_dtype=kind)


def _kind(place: str, columns: int, wanted: Format) -> GGMLQuantizationType:
    kind = wanted.vocabulary if place in ("token_embd.weight", "output.weight") else wanted.blocks
    return GGMLQuantizationType.F16 if gguf.GGML_QUANT_SIZES[kind][0] == _BLOCK and columns % _BLOCK else kind


def _place(config: ModelConfig, theirs: str) -> str:
    """llama.cpp's name of a weight of the Hub, such as ``blk.0.attn_q.weight``."""
    if (place := _names(config.decoder_layers).get_name(theirs, try_suffixes=(".weight",))) is None:
        raise WeightsError(f"llama.cpp's llama has no {theirs}")
    return place


@cache
def _names(layers: int) -> gguf.TensorNameMap:
    return gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)


def _rotary_order(config: ModelConfig, theirs: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of a query or key projection (or of its adapter's B) in llama.cpp's order.

    The Hub rotates entry i of a head with entry i + d/2, llama.cpp 2i with 2i + 1.
    """
    heads = {"q_proj.weight": config.num_heads, "k_proj.weight": config.num_kv_heads}.get(
        theirs.split("self_attn.")[-1]
    )
    if heads is None:
        return values
    return values.reshape(heads, 2, config.head_dim // 2, -1).swapaxes(1, 2).reshape(values.shape)


def _numbers(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return values
