"""What a model is made of: one frozen value, and three presets that are exactly their families on the Hub.

| family   | stacks            | positions  | norm              | feed-forward | paper            |
|----------|-------------------|------------|-------------------|--------------|------------------|
| `bert`   | encoder           | learned    | LayerNorm, post   | GELU         | arXiv:1810.04805 |
| `llama`  | decoder           | rotary     | RMSNorm, pre      | SwiGLU       | arXiv:2302.13971 |
| `marian` | encoder + decoder | sinusoidal | LayerNorm, post   | SiLU or ReLU | arXiv:1804.00344 |

The modules read the fields and never the family's name; only `convert` asks for the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and choices of one model; a ValueError names fields that contradict each other."""

    family: Literal["bert", "llama", "marian"]
    """Whose checkpoints it shares."""
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    """Width of the feed-forward layer."""
    num_heads: int
    num_kv_heads: int
    """Heads that keys and values have; fewer than `num_heads` is grouped-query attention (arXiv:2305.13245)."""
    encoder_layers: int = 0
    decoder_layers: int = 0
    max_positions: int = 512
    """Longest sequence in tokens; rotary and sinusoidal positions are computed for as many."""
    positions: Literal["learned", "rotary", "sinusoidal"] = "learned"
    rope_theta: float = 10000.0
    token_types: int = 0
    """Segments that BERT tells apart; 0: none."""
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: float = 1e-5
    pre_norm: bool = False
    """Normalise what enters a layer, and the last output; otherwise what leaves it."""
    embedding_norm: bool = False
    scale_embeddings: bool = False
    r"""Multiply token embeddings by :math:`\sqrt{d}`, so that they outweigh sinusoidal positions."""
    activation: Literal["gelu", "relu", "silu"] = "gelu"
    gated: bool = False
    r"""SwiGLU: :math:`\mathrm{down}(\mathrm{silu}(\mathrm{gate}\,x) \odot \mathrm{up}\,x)` (arXiv:2002.05202)."""
    bias: bool = True
    """Whether linear layers add a bias."""
    tie_embeddings: bool = True
    """The output layer is the token embedding, transposed (arXiv:1608.05859)."""
    dropout: float = 0.0
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    """Standard deviation of fresh weights."""
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    decoder_start_token_id: int | None = None
    head_size: int | None = None
    """Width of one attention head; None: ``hidden_size // num_heads``."""

    def __post_init__(self) -> None:
        if self.head_size is None and self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be divisible by num_heads ({self.num_heads})")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads ({self.num_heads}) must be divisible by num_kv_heads ({self.num_kv_heads})")
        if self.positions == "rotary" and self.head_dim % 2:
            raise ValueError(f"rotary positions need an even head_dim, not {self.head_dim}")
        if not self.encoder_layers and not self.decoder_layers:
            raise ValueError("encoder_layers and decoder_layers must not both be 0")
        if self.encoder_layers and not self.tie_embeddings:
            raise ValueError("tie_embeddings must be true where there are encoder_layers")
        if self.family == "marian" and self.decoder_start_token_id is None:
            raise ValueError("a marian model needs decoder_start_token_id")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.head_size or self.hidden_size // self.num_heads


_LLAMA = {"positions": "rotary", "norm": "rms", "pre_norm": True, "activation": "silu", "gated": True, "bias": False}
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "bert": {"token_types": 2, "norm_eps": 1e-12, "embedding_norm": True, "pad_token_id": 0},
    "llama": {**_LLAMA, "max_positions": 2048},
    "marian": {"positions": "sinusoidal", "scale_embeddings": True, "activation": "silu"},
}
"""What makes each family what it is, as fields of `ModelConfig`."""


def preset(family: str, **fields: Any) -> ModelConfig:
    """A configuration of a family: its usual choices, changed and completed by `fields`, such as ``num_heads=8``."""
    return ModelConfig(**{"family": family, "num_kv_heads": fields["num_heads"], **FAMILIES[family], **fields})
