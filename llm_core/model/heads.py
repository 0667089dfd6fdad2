"""The Transformer with a head for each kind of answer. Every `forward` returns logits; losses belong to training."""

# Shape suffix legend
#   B = batch, T = tokens, S = the encoder's tokens, D = hidden size, V = vocabulary, L = labels, P = chosen positions

from __future__ import annotations

import torch
from torch import Tensor, nn

from llm_core.model.attention import Attention, Trace
from llm_core.model.blocks import ACTIVATIONS, make_norm
from llm_core.model.cache import KeyValueCache
from llm_core.model.config import ModelConfig
from llm_core.model.transformer import Transformer


class Model(nn.Module):
    """A Transformer and a head."""

    fresh_parts: tuple[str, ...] = ()
    """What the checkpoint that was loaded had not: these parts started random."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, self.transformer = config, Transformer(config)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """The head alone: (…, V) of (…, D) for language models, also of a layer in the middle (the logit lens)."""
        return hidden_BTD @ self.transformer.embeddings.tokens.weight.T  # the token embedding is the output layer, too

    def use_fused_attention(self, fused: bool) -> None:
        """Chooses the attention path: torch's fused kernel, or the formula as written; they give the same."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.fused = fused

    def _linear(self, width: int, bias: bool = True) -> nn.Linear:
        layer = nn.Linear(self.config.hidden_size, width, bias)
        nn.init.normal_(layer.weight, std=self.config.initializer_range)
        if bias:
            nn.init.zeros_(layer.bias)
        return layer


class CausalLM(Model):
    """A decoder that predicts the next token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.output = None if config.tie_embeddings else self._linear(config.vocab_size, bias=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        trace: Trace | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """(B, T, V), or (B, 1, V) when only the last token's logits are wanted; see `Transformer.decode`."""
        hidden_BTD = self.transformer.decode(input_ids, attention_mask, cache=cache, trace=trace)
        return self.logits(hidden_BTD[:, -1:] if last_only else hidden_BTD)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(…, V) of (…, D)."""
        return super().logits(hidden_BTD) if self.output is None else self.output(hidden_BTD)


class Seq2SeqLM(Model):
    """An encoder–decoder that predicts the next token of the target."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.output_bias: Tensor
        self.register_buffer("output_bias", torch.zeros(config.vocab_size))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        decoder_input_ids: Tensor,
        memory_BSD: Tensor | None = None,
        cache: KeyValueCache | None = None,
        trace: Trace | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """(B, T, V), or (B, 1, V) of the last token; see `Transformer.decode`, which is what `trace` sees.

        `memory_BSD` is the encoder's output where it is known already; padding after the target needs no mask.
        """
        memory_BSD = self.transformer.encode(input_ids, attention_mask) if memory_BSD is None else memory_BSD
        hidden_BTD = self.transformer.decode(decoder_input_ids, None, memory_BSD, attention_mask, cache, trace)
        return self.logits(hidden_BTD[:, -1:] if last_only else hidden_BTD)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(…, V) of (…, D)."""
        logits = super().logits(hidden_BTD)
        return logits + self.output_bias.to(logits.dtype)  # in bfloat16 logits would become twice as large


class EncoderModel(Model):
    """An encoder with a head over its output."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        trace: Trace | None = None,
        logit_positions: Tensor | None = None,
    ) -> Tensor:
        """The head's logits; see `Transformer.encode`.

        A head that answers token by token gives (P, …) for the true `logit_positions` (B, T) alone, row by row.
        """
        hidden = self.transformer.encode(input_ids, attention_mask, token_type_ids, trace)
        return self.logits(hidden if logit_positions is None else hidden[logit_positions])


class MaskedLM(EncoderModel):
    """An encoder that guesses masked tokens, with BERT's prediction head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.transform, self.transform_norm = self._linear(config.hidden_size), make_norm(config)
        self.activation = ACTIVATIONS[config.activation]
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(…, V) of (…, D)."""
        return super().logits(self.transform_norm(self.activation(self.transform(hidden_BTD)))) + self.output_bias


class SequenceClassifier(EncoderModel):
    """One label a text, from BERT's pooler over the first token."""

    def __init__(self, config: ModelConfig, num_labels: int) -> None:
        super().__init__(config)
        self.pooler, self.classifier = self._linear(config.hidden_size), self._linear(num_labels)
        self.dropout = nn.Dropout(config.dropout)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(B, L)."""
        return self.classifier(self.dropout(self.pooler(hidden_BTD[:, 0]).tanh()))


class TokenClassifier(EncoderModel):
    """One label a token."""

    def __init__(self, config: ModelConfig, num_labels: int) -> None:
        super().__init__(config)
        self.classifier, self.dropout = self._linear(num_labels), nn.Dropout(config.dropout)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(B, T, L)."""
        return self.classifier(self.dropout(hidden_BTD))


class SpanExtractor(EncoderModel):
    """Where an answer starts and where it ends."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.span = self._linear(2)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """(B, T, 2)."""
        return self.span(hidden_BTD)
