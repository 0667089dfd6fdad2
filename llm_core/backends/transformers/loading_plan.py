"""How a decoder's weights are brought into memory: number format, attention kernel, fewer bits a weight where the
device would not hold them otherwise, and whether its step is compiled.

A pure function of what the device has and of the model's size, so that it can be read as a table; `device_facts` looks
the device up.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

from llm_core.backends.transformers.precision import inference_dtype
from llm_core.hardware import device_memory_bytes, has_zero_gpu

HEADROOM = 1.2
"""Of what weights take: for activations, keys and values."""
_BYTES = {16: 2.0, 8: 1.1, 4: 0.65}
"""A weight's, by its bits: embeddings stay in 16 bits, scales come on top."""
_VOLTA, _AMPERE = (7, 0), (8, 0)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a plan depends on."""

    device: str
    """torch device."""
    dtype: torch.dtype
    """The fastest format it has; see `precision`."""
    memory_bytes: int | None = None
    """Of its own; ``None`` where it shares the machine's."""
    capability: tuple[int, int] | None = None
    """CUDA compute capability."""
    has_bitsandbytes: bool = False
    has_flash_attention: bool = False
    """Package ``flash_attn``, and an architecture that is written for it."""
    compiles: bool = False
    """Compiled code can be made for it (package ``triton``), and gains: kernels take less time than their launch."""


@dataclass(frozen=True, slots=True)
class LoadingPlan:
    """What `from_pretrained` is told."""

    dtype: torch.dtype
    attention: Literal["flash_attention_2"] | None = None
    """``None`` is transformers' own choice: torch's kernels, where the architecture is written for them."""
    bits: Literal[4, 8, 16, 32] = 16
    """A weight's."""
    compiled: bool = False
    """The step to the next token, over a cache of fixed size; see `compiled_steps`."""

    def options(self, device: str) -> dict[str, Any]:
        """Arguments of `from_pretrained`."""
        options: dict[str, Any] = {"dtype": self.dtype}
        if self.attention is not None:
            options["attn_implementation"] = self.attention
        if self.bits > 8:
            return options
        from transformers import BitsAndBytesConfig

        fewer: Any = (
            {"load_in_8bit": True}
            if self.bits == 8
            else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": self.dtype}
        )
        quantised: Any = BitsAndBytesConfig(**fewer)  # type: ignore[no-untyped-call]
        return options | {"quantization_config": quantised, "device_map": {"": device}}


def plan_loading(parameters: int, facts: DeviceFacts, *, alone: bool = False) -> LoadingPlan:
    """The plan for a model of so many parameters.

    Weights keep all their bits where the device holds them so, because 8 and 4 bits (LLM.int8, arXiv:2208.07339; NF4,
    arXiv:2305.14314) are slower there; they are taken where bitsandbytes is installed and nothing else fits. A model
    that does not fit in any way is planned whole, and fails with a clear error.

    A step is compiled only for a model that keeps its bits and answers alone: batches change shape with every answer
    that comes or goes. It then attends through torch's kernels, because FlashAttention has none for a cache of fixed
    size.

    Args:
        parameters: Of the model.
        facts: Of the device.
        alone: Whether it writes one answer at a time.
    """
    bits = _bits(parameters, facts)
    compiled = alone and facts.compiles and bits == 16
    flash = facts.has_flash_attention and bits < 32 and (facts.capability or (0, 0)) >= _AMPERE
    return LoadingPlan(facts.dtype, "flash_attention_2" if flash and not compiled else None, bits, compiled)


def _bits(parameters: int, facts: DeviceFacts) -> Literal[4, 8, 16, 32]:
    if facts.dtype == torch.float32:
        return 32
    if facts.memory_bytes is not None and facts.has_bitsandbytes:
        choices: tuple[Literal[16, 8, 4], ...] = (16, 8, 4)
        for bits in choices:
            if parameters * _BYTES[bits] * HEADROOM <= facts.memory_bytes:
                return bits
    return 16


def device_facts(device: str, config: Any, dtype: torch.dtype | None = None) -> DeviceFacts:
    """Look a device up.

    Args:
        device: torch device.
        config: transformers' configuration of the decoder to be loaded.
        dtype: In place of the device's fastest format.
    """
    cuda = device.startswith("cuda")
    written_for_flash = getattr(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], "_supports_flash_attn", False)
    capability = torch.cuda.get_device_capability(device) if cuda else None
    return DeviceFacts(
        device,
        dtype or inference_dtype(device),
        device_memory_bytes(device),
        capability,
        cuda and importlib.util.find_spec("bitsandbytes") is not None,
        cuda and written_for_flash and importlib.util.find_spec("flash_attn") is not None,
        (capability or (0, 0)) >= _VOLTA and importlib.util.find_spec("triton") is not None and not has_zero_gpu(),
    )
