"""Configurations: the presets, and fields that contradict each other."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from llm_core.model.config import FAMILIES, preset

SIZES: dict[str, Any] = {"vocab_size": 10, "hidden_size": 12, "intermediate_size": 16, "num_heads": 2}


class TestPresets:
    def test_head_width(self) -> None:
        assert preset("llama", **SIZES, decoder_layers=1).head_dim == 6
        assert preset("llama", **SIZES, decoder_layers=1, head_size=8).head_dim == 8

    def test_every_head_has_keys_and_values_unless_told_otherwise(self) -> None:
        assert preset("bert", **SIZES, encoder_layers=1).num_kv_heads == 2
        assert preset("llama", **SIZES, decoder_layers=1, num_kv_heads=1).num_kv_heads == 1

    def test_fields_win_over_the_family(self) -> None:
        assert FAMILIES["llama"]["norm"] == "rms"
        assert preset("llama", **SIZES, decoder_layers=1, norm="layer").norm == "layer"

    def test_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            preset("bert", **SIZES, encoder_layers=1).vocab_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("family", "fields", "message"),
    [
        ("bert", {"num_heads": 5, "encoder_layers": 1}, r"hidden_size \(12\) must be divisible by num_heads \(5\)"),
        ("llama", {"num_kv_heads": 3, "decoder_layers": 1}, r"num_heads \(2\) must be divisible by num_kv_heads \(3\)"),
        ("llama", {"num_heads": 4, "decoder_layers": 1}, "rotary positions need an even head_dim, not 3"),
        ("bert", {}, "encoder_layers and decoder_layers must not both be 0"),
        ("bert", {"encoder_layers": 1, "tie_embeddings": False}, "tie_embeddings must be true where there are encoder"),
        ("marian", {"encoder_layers": 1, "decoder_layers": 1}, "a marian model needs decoder_start_token_id"),
    ],
)
def test_contradictions(family: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset(family, **SIZES | fields)
