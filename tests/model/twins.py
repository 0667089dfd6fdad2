"""Tiny random models of transformers, saved in the Hub's layout: the oracle of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
)

from llm_core.model.heads import (
    CausalLM,
    MaskedLM,
    Model,
    Seq2SeqLM,
    SequenceClassifier,
    SpanExtractor,
    TokenClassifier,
)

VOCABULARY, PAD = 61, 60


@dataclass(frozen=True)
class Twin:
    """transformers' class and configuration, and what builds ours."""

    kind: Any
    config: Callable[[], Any]
    build: Callable[[Any], Model]

    def make(self, seed: int = 0) -> Any:
        """A model of transformers in which no weight, bias or norm is at its flat default."""
        torch.manual_seed(seed)
        model = self.kind(self.config()).eval()
        with torch.no_grad():
            for tensor in model.parameters():
                if tensor.dim() == 1:
                    tensor += 0.2 * torch.randn_like(tensor)
            if hasattr(model, "final_logits_bias"):
                model.final_logits_bias.normal_(std=0.2)
        return model

    def save(self, directory: Path, **options: Any) -> Any:
        """The model, written to `directory` as well."""
        model = self.make()
        model.save_pretrained(directory, **options)
        return model


def bert(**changes: Any) -> BertConfig:
    """Three layers of width 32."""
    usual: dict[str, Any] = {"num_labels": 3, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, initializer_range=0.2, pad_token_id=PAD, **(usual | changes),
    )  # fmt: skip


def llama(**changes: Any) -> LlamaConfig:
    """Three layers of width 32; grouped queries and tied embeddings unless changed."""
    usual: dict[str, Any] = {"num_key_value_heads": 2, "tie_word_embeddings": True, "max_position_embeddings": 40}
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        initializer_range=0.2, pad_token_id=PAD, **(usual | changes),
    )  # fmt: skip


def marian(**changes: Any) -> MarianConfig:
    """Three layers of width 32 in the encoder, two in the decoder."""
    usual: dict[str, Any] = {"scale_embedding": True, "activation_function": "swish"}
    return MarianConfig(
        vocab_size=VOCABULARY, d_model=32, encoder_layers=3, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=40, init_std=0.2,
        pad_token_id=PAD, eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=PAD, dropout=0.0,
        **(usual | changes),
    )  # fmt: skip


_classifier, _tagger = partial(SequenceClassifier, num_labels=3), partial(TokenClassifier, num_labels=3)
TWINS = {
    "bert-masked-lm": Twin(BertForMaskedLM, bert, MaskedLM),
    "bert-sequence": Twin(BertForSequenceClassification, bert, _classifier),
    "bert-token": Twin(BertForTokenClassification, bert, _tagger),
    "bert-span": Twin(BertForQuestionAnswering, partial(bert, hidden_act="relu", num_labels=2), SpanExtractor),
    "llama": Twin(LlamaForCausalLM, llama, CausalLM),
    "llama-untied": Twin(
        LlamaForCausalLM, partial(llama, tie_word_embeddings=False, num_key_value_heads=4, head_dim=6), CausalLM
    ),
    "llama-one-kv-head": Twin(
        LlamaForCausalLM,
        partial(llama, num_key_value_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
        CausalLM,
    ),
    "marian": Twin(MarianMTModel, marian, Seq2SeqLM),
    "marian-relu": Twin(MarianMTModel, partial(marian, activation_function="relu", scale_embedding=False), Seq2SeqLM),
    "marian-gelu": Twin(MarianMTModel, partial(marian, activation_function="gelu"), Seq2SeqLM),
}


def batch(name: str) -> dict[str, Tensor]:
    """Two rows, the second with three tokens of padding, on the side that the family pads."""
    generator = torch.Generator().manual_seed(1)
    ids, mask = torch.randint(1, PAD, (2, 9), generator=generator), torch.ones(2, 9, dtype=torch.long)
    mask[1, 6:] = 0
    mask = mask.flip(1) if name.startswith("llama") else mask
    inputs = {"input_ids": ids.masked_fill(mask == 0, PAD), "attention_mask": mask}
    if name.startswith("bert"):
        inputs["token_type_ids"] = (torch.arange(9) > 3).long().expand(2, 9) * mask
    if name.startswith("marian"):
        inputs["decoder_input_ids"] = torch.randint(1, PAD, (2, 7), generator=generator)
    return inputs


def their_logits(model: Any, **inputs: Tensor) -> Tensor:
    """The logits of a model of transformers, in our layout."""
    output = model(**inputs)
    if "start_logits" in output:
        return torch.stack((output.start_logits, output.end_logits), dim=-1)
    logits: Tensor = output.logits
    return logits


def meaningful(logits: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """The logits without those at padding."""
    mask = inputs["attention_mask"].bool()
    by_token = logits.dim() == 3 and "decoder_input_ids" not in inputs
    return logits[mask] if by_token else logits
