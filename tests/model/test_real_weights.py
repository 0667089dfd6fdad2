"""The real all-MiniLM-L6-v2 and SmolLM2-135M, reproduced to 1e-4 from the files that ship."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertModel, LlamaForCausalLM

from llm_core.backends.base import ModelFiles
from llm_core.model.attention import Trace
from llm_core.model.cache import KeyValueCache
from llm_core.model.convert import hub
from llm_core.model.heads import CausalLM, SpanExtractor

pytestmark = pytest.mark.real_weights
TEXTS = ["A Transformer to read, and to trust.", "Where is the cat? It sat on the mat, and the dog ran up the hill."]


class TestMiniLM:
    @pytest.mark.parametrize("fused", [True, False])
    def test_hidden_states_of_every_layer(self, minilm_files: ModelFiles, fused: bool) -> None:
        tokens = AutoTokenizer.from_pretrained(minilm_files.directory)(TEXTS, padding=True, return_tensors="pt")
        theirs = BertModel.from_pretrained(minilm_files.directory, dtype=torch.float32).eval()
        ours = hub.load(minilm_files.directory, SpanExtractor, fresh_head=True)
        ours.use_fused_attention(fused)
        trace, mask = Trace(), tokens["attention_mask"].bool()
        with torch.no_grad():
            expected = theirs(**tokens, output_hidden_states=True).hidden_states
            last = ours.transformer.encode(**tokens)
            ours.transformer.encode(**tokens, trace=trace)
        assert len(expected) == 7
        torch.testing.assert_close(last[mask], expected[-1][mask], rtol=1e-4, atol=1e-4)
        for mine, other in zip(trace.hidden_states, expected, strict=True):
            torch.testing.assert_close(mine[mask], other[mask], rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def smollm2(smollm2_files: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, CausalLM]:
    """The same weights in both: dequantised by transformers, written in the Hub's layout, read by us."""
    file = next(Path(smollm2_files.directory).glob("*.gguf"))
    with pytest.MonkeyPatch.context() as patch:
        # transformers parses the file twice and makes the table of names 397 times: once each takes a third of the time
        for slow in ("GGUFReader", "get_tensor_name_map"):
            patch.setattr(gguf, slow, cache(getattr(gguf, slow)))
        theirs = LlamaForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    directory = tmp_path_factory.mktemp("smollm2")
    theirs.config.to_json_file(directory / "config.json")
    state = {name: tensor for name, tensor in theirs.state_dict().items() if name != "lm_head.weight"}
    save_file(state, directory / "model.safetensors")
    return theirs, hub.load(directory, CausalLM)


class TestSmolLM2:
    def ids(self) -> torch.Tensor:
        return torch.randint(3, 49152, (2, 24), generator=torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("fused", [True, False])
    def test_logits(self, smollm2: tuple[Any, CausalLM], fused: bool) -> None:
        theirs, ours = smollm2
        ours.use_fused_attention(fused)
        with torch.no_grad():
            expected = theirs(self.ids()).logits
            assert expected.std() > 1
            torch.testing.assert_close(ours(self.ids()), expected, rtol=1e-4, atol=1e-4)

    def test_cached_logits(self, smollm2: tuple[Any, CausalLM]) -> None:
        theirs, ours = smollm2
        ours.use_fused_attention(True)
        past, ids = KeyValueCache(30), self.ids()
        with torch.no_grad():
            parts = [ours(ids[:, :20], cache=past), *(ours(ids[:, i : i + 1], cache=past) for i in range(20, 24))]
            torch.testing.assert_close(torch.cat(parts, dim=1), theirs(ids).logits, rtol=1e-4, atol=1e-4)
