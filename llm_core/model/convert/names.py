"""How the families on the Hub name what our modules hold.

One table a family: pairs of our module's (or parameter's) name and the Hub's. `{}` stands for a layer's number.
Reading turns the table round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_core.errors import WeightsError

Table = tuple[tuple[str, str], ...]

_BERT: Table = (
    ("transformer.embeddings.tokens", "bert.embeddings.word_embeddings"),
    ("transformer.embeddings.positions", "bert.embeddings.position_embeddings"),
    ("transformer.embeddings.types", "bert.embeddings.token_type_embeddings"),
    ("transformer.embeddings.norm", "bert.embeddings.LayerNorm"),
    ("transformer.encoder.blocks.{}.self_attention.query", "bert.encoder.layer.{}.attention.self.query"),
    ("transformer.encoder.blocks.{}.self_attention.key", "bert.encoder.layer.{}.attention.self.key"),
    ("transformer.encoder.blocks.{}.self_attention.value", "bert.encoder.layer.{}.attention.self.value"),
    ("transformer.encoder.blocks.{}.self_attention.output", "bert.encoder.layer.{}.attention.output.dense"),
    ("transformer.encoder.blocks.{}.self_attention_norm", "bert.encoder.layer.{}.attention.output.LayerNorm"),
    ("transformer.encoder.blocks.{}.feed_forward.up", "bert.encoder.layer.{}.intermediate.dense"),
    ("transformer.encoder.blocks.{}.feed_forward.down", "bert.encoder.layer.{}.output.dense"),
    ("transformer.encoder.blocks.{}.feed_forward_norm", "bert.encoder.layer.{}.output.LayerNorm"),
    ("pooler", "bert.pooler.dense"),
    ("transform", "cls.predictions.transform.dense"),
    ("transform_norm", "cls.predictions.transform.LayerNorm"),
    ("output_bias", "cls.predictions.bias"),
    ("classifier", "classifier"),
    ("span", "qa_outputs"),
)
_LLAMA: Table = (
    ("transformer.embeddings.tokens", "model.embed_tokens"),
    ("transformer.decoder.blocks.{}.self_attention.query", "model.layers.{}.self_attn.q_proj"),
    ("transformer.decoder.blocks.{}.self_attention.key", "model.layers.{}.self_attn.k_proj"),
    ("transformer.decoder.blocks.{}.self_attention.value", "model.layers.{}.self_attn.v_proj"),
    ("transformer.decoder.blocks.{}.self_attention.output", "model.layers.{}.self_attn.o_proj"),
    ("transformer.decoder.blocks.{}.self_attention_norm", "model.layers.{}.input_layernorm"),
    ("transformer.decoder.blocks.{}.feed_forward.gate", "model.layers.{}.mlp.gate_proj"),
    ("transformer.decoder.blocks.{}.feed_forward.up", "model.layers.{}.mlp.up_proj"),
    ("transformer.decoder.blocks.{}.feed_forward.down", "model.layers.{}.mlp.down_proj"),
    ("transformer.decoder.blocks.{}.feed_forward_norm", "model.layers.{}.post_attention_layernorm"),
    ("transformer.decoder.norm", "model.norm"),
    ("output", "lm_head"),
)


def _marian_side(side: str) -> Table:
    ours, theirs = f"transformer.{side}.blocks.{{}}", f"model.{side}.layers.{{}}"
    return (
        *_marian_attention(f"{ours}.self_attention", f"{theirs}.self_attn"),
        (f"{ours}.feed_forward.up", f"{theirs}.fc1"),
        (f"{ours}.feed_forward.down", f"{theirs}.fc2"),
        (f"{ours}.feed_forward_norm", f"{theirs}.final_layer_norm"),
    )


def _marian_attention(ours: str, theirs: str) -> Table:
    parts = (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "out_proj"))
    return (*((f"{ours}.{a}", f"{theirs}.{b}") for a, b in parts), (f"{ours}_norm", f"{theirs}_layer_norm"))


_MARIAN: Table = (
    ("transformer.embeddings.tokens", "model.shared"),
    *_marian_side("encoder"),
    *_marian_side("decoder"),
    *_marian_attention("transformer.decoder.blocks.{}.cross_attention", "model.decoder.layers.{}.encoder_attn"),
    ("output_bias", "final_logits_bias"),
)
TABLES: Mapping[str, Table] = {"bert": _BERT, "llama": _LLAMA, "marian": _MARIAN}


def to_hub(family: str, name: str) -> str:
    """The Hub's name of our module or parameter `name`.

    Raises:
        WeightsError: The family has no such part.
    """
    if (theirs := _renamed(name, TABLES[family])) is None:
        raise WeightsError(f"{name} has no place in a {family} checkpoint")
    return theirs


def from_hub(family: str, name: str) -> str | None:
    """Our name of the Hub's `name`; None: it is no part of ours (a copy of a tied weight, say)."""
    return _renamed(name, tuple((theirs, ours) for ours, theirs in TABLES[family]))


def _renamed(name: str, table: Table) -> str | None:
    for before, after in table:
        pattern = re.escape(before).replace(r"\{\}", r"(\d+)") + r"((?:\.weight|\.bias)?)"
        if found := re.fullmatch(pattern, name):
            *layer, suffix = found.groups()
            return after.format(*layer) + suffix
    return None
