"""Our three families against transformers' classes: logits equal to 1e-5 in float32, both ways, by every path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from llm_core.model.attention import Trace
from llm_core.model.cache import KeyValueCache
from llm_core.model.convert import hub
from tests.model.twins import PAD, TWINS, batch, meaningful, their_logits

Pair = Callable[[str], tuple[Any, Any]]
DECODERS = [name for name in TWINS if not name.startswith("bert")]


def assert_equal(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", TWINS)
class TestLogits:
    @pytest.mark.parametrize("fused", [True, False])
    def test_theirs_in_ours(self, pair: Pair, name: str, fused: bool) -> None:
        theirs, ours = pair(name)
        ours.use_fused_attention(fused)
        inputs = batch(name)
        with torch.no_grad():
            expected, logits = their_logits(theirs, **inputs), ours(**inputs)
        assert expected.std() > 0.1, "flat logits would agree by chance"
        assert_equal(meaningful(logits, inputs), meaningful(expected, inputs))

    def test_ours_in_theirs(self, pair: Pair, name: str, tmp_path: Path) -> None:
        _, ours = pair(name)
        with torch.no_grad():
            for parameter in ours.parameters():
                parameter.mul_(1.1)
            hub.save(ours, tmp_path)
            inputs = batch(name)
            loaded, report = TWINS[name].kind.from_pretrained(tmp_path, output_loading_info=True)
            assert not any(report.values()), report
            assert_equal(meaningful(ours(**inputs), inputs), meaningful(their_logits(loaded.eval(), **inputs), inputs))

    def test_without_padding_or_mask(self, pair: Pair, name: str) -> None:
        theirs, ours = pair(name)
        inputs = {key: value for key, value in batch(name).items() if "mask" not in key and "type" not in key}
        inputs = {key: value[:1] for key, value in inputs.items()}
        with torch.no_grad():
            assert_equal(ours(**inputs), their_logits(theirs, **inputs))

    def test_longest_sequence(self, pair: Pair, name: str) -> None:
        theirs, ours = pair(name)
        ids = torch.arange(ours.config.max_positions)[None] % PAD
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        inputs |= {"decoder_input_ids": ids} if name.startswith("marian") else {}
        with torch.no_grad():
            assert_equal(ours(**inputs), their_logits(theirs, **inputs), 2e-5)

    def test_padding_changes_nothing(self, pair: Pair, name: str) -> None:
        _, ours = pair(name)
        inputs = batch(name)
        keep = inputs["attention_mask"][1].bool()
        alone = {key: value[1:, keep] for key, value in inputs.items() if key != "decoder_input_ids"}
        if "decoder_input_ids" in inputs:
            alone["decoder_input_ids"] = inputs["decoder_input_ids"][1:]
        with torch.no_grad():
            padded, single = ours(**inputs)[1:], ours(**alone)
        by_token = single.dim() == 3 and "decoder_input_ids" not in inputs
        assert_equal(padded[:, keep] if by_token else padded, single)

    def test_trace(self, pair: Pair, name: str) -> None:
        theirs, ours = pair(name)
        inputs, trace = batch(name), Trace()
        theirs.set_attn_implementation("eager")
        with torch.no_grad():
            expected = theirs(**inputs, output_attentions=True, output_hidden_states=True)
            ours(**inputs, trace=trace)
        theirs.set_attn_implementation("sdpa")
        mask = inputs["attention_mask"].bool()
        if not name.startswith("marian"):
            assert_traced(trace, expected.hidden_states, expected.attentions, mask)
            return
        memory_trace = Trace()
        ours.transformer.encode(inputs["input_ids"], inputs["attention_mask"], trace=memory_trace)
        assert_traced(memory_trace, expected.encoder_hidden_states, expected.encoder_attentions, mask)
        everywhere = torch.ones(2, 7, dtype=torch.bool)
        assert_traced(trace, expected.decoder_hidden_states, expected.decoder_attentions, everywhere)
        for mine, other in zip(trace.cross_attentions, expected.cross_attentions, strict=True):
            assert_equal(mine, other)


def assert_traced(trace: Trace, hidden_states: Sequence[Tensor], attentions: Sequence[Tensor], mask: Tensor) -> None:
    """Hidden states and attention weights are the twin's wherever there is a token."""
    for mine, other in zip(trace.hidden_states, hidden_states, strict=True):
        assert_equal(mine[mask], other[mask])
    for mine, other in zip(trace.attentions, attentions, strict=True):
        assert_equal(mine.transpose(1, 2)[mask], other.transpose(1, 2)[mask])


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("capacity", [None, 12])
class TestCache:
    @pytest.mark.parametrize("chunks", [(1,) * 7, (4, 1, 2), (3, 4)])
    @pytest.mark.parametrize("fused", [True, False])
    def test_in_pieces_as_in_one(
        self, pair: Pair, name: str, capacity: int | None, chunks: tuple[int, ...], fused: bool
    ) -> None:
        theirs, ours = pair(name)
        ours.use_fused_attention(fused)
        inputs = batch(name)
        with torch.no_grad():
            expected = their_logits(theirs, **inputs)
            logits = in_pieces(ours, inputs, chunks, KeyValueCache(ours.config.decoder_layers, capacity))
        length = sum(chunks)
        kept = inputs["attention_mask"][:, :length].bool() if name.startswith("llama") else slice(None)
        assert_equal(logits[kept], expected[:, :length][kept])

    def test_without_a_mask(self, pair: Pair, name: str, capacity: int | None) -> None:
        theirs, ours = pair(name)
        inputs = {key: value[:1] for key, value in batch(name).items() if key != "attention_mask"}
        with torch.no_grad():
            logits = in_pieces(ours, inputs, (2, 1, 3, 1), KeyValueCache(ours.config.decoder_layers, capacity))
            assert_equal(logits, their_logits(theirs, **inputs)[:, :7])

    def test_reordered_rows(self, pair: Pair, name: str, capacity: int | None) -> None:
        _, ours = pair(name)
        inputs, cache = batch(name), KeyValueCache(ours.config.decoder_layers, capacity)
        rows = torch.tensor([1, 1])
        with torch.no_grad():
            in_pieces(ours, inputs, (4,), cache)
            cache.reorder(rows)
            chosen = {key: value[rows] for key, value in inputs.items()}
            last = in_pieces(ours, chosen, (3,), cache, start=4)
            assert_equal(last, ours(**chosen)[:, 4:7])

    def test_last_only(self, pair: Pair, name: str, capacity: int | None) -> None:
        _, ours = pair(name)
        with torch.no_grad():
            assert_equal(ours(**batch(name), last_only=True), ours(**batch(name))[:, -1:])


def in_pieces(
    model: Any, inputs: dict[str, Tensor], chunks: tuple[int, ...], cache: KeyValueCache, start: int = 0
) -> Tensor:
    """Logits of the decoder's tokens from `start` on, read in chunks through a cache."""
    parts, seq2seq = [], "decoder_input_ids" in inputs
    tokens, mask = inputs["decoder_input_ids" if seq2seq else "input_ids"], inputs.get("attention_mask")
    for size in chunks:
        piece = tokens[:, start : start + size]
        if seq2seq:
            parts.append(model(inputs["input_ids"], mask, decoder_input_ids=piece, cache=cache))
        else:
            parts.append(model(piece, None if mask is None else mask[:, : start + size], cache=cache))
        start += size
    return torch.cat(parts, dim=1)


class TestCacheLimits:
    def test_full(self, pair: Pair) -> None:
        _, ours = pair("llama")
        with pytest.raises(ValueError, match=r"9 tokens exceed the cache's capacity \(8\)"):
            ours(batch("llama")["input_ids"], cache=KeyValueCache(3, capacity=8))

    def test_length(self, pair: Pair) -> None:
        _, ours = pair("llama")
        cache = KeyValueCache(3)
        ours(batch("llama")["input_ids"], cache=cache)
        assert cache.length == 9


class TestHeads:
    def test_logits_at_chosen_positions_only(self, pair: Pair) -> None:
        _, ours = pair("bert-masked-lm")
        inputs = batch("bert-masked-lm")
        chosen = torch.zeros(2, 9, dtype=torch.bool)
        chosen[0, 2] = chosen[1, 4] = True
        with torch.no_grad():
            assert_equal(ours(**inputs, logit_positions=chosen), ours(**inputs)[chosen])

    def test_memory_that_is_known_already(self, pair: Pair) -> None:
        _, ours = pair("marian")
        inputs = batch("marian")
        with torch.no_grad():
            memory = ours.transformer.encode(inputs["input_ids"], inputs["attention_mask"])
            again = ours(**inputs | {"input_ids": torch.full((2, 9), PAD)}, memory_BSD=memory)
            assert_equal(again, ours(**inputs))
