"""Packed layers compute what transformers' own compute, and give their weights back to whoever needs gradients."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertModel

from llm_core.backends.base import Decision, ModelFiles
from llm_core.backends.transformers.attribution import in_float32
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.packed_layers import PackedEncoder, can_pack, pack
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.types import CancelToken
from tests.support.encoders import encoder_spec, save_checkpoint

pytestmark = pytest.mark.skipif(not can_pack(), reason="oneDNN's packed products are not here")
NATIVE = inference_dtype("cpu")
OTHER = torch.float32 if NATIVE == torch.bfloat16 else torch.bfloat16


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return ModelFiles(save_checkpoint(tmp_path_factory.mktemp("model"), "sequence_classification"))


def opened(files: ModelFiles, dtype: torch.dtype, device: str = "cpu") -> Any:
    return open_encoder(encoder_spec(head="sequence_classification"), files, device, dtype)


def trunk_of(model: Any) -> Any:
    return model._model.base_model


def plain_trunk(files: ModelFiles) -> Any:
    """transformers' own, in float32."""
    return BertModel.from_pretrained(files.directory, dtype=torch.float32, add_pooling_layer=False).eval()


def test_only_the_format_that_a_cpu_computes_in_is_packed(files: ModelFiles) -> None:
    assert isinstance(trunk_of(opened(files, NATIVE)).encoder, PackedEncoder)
    assert not isinstance(trunk_of(opened(files, OTHER)).encoder, PackedEncoder)
    plain = plain_trunk(files).to(NATIVE)
    pack(plain, "cuda")
    assert not isinstance(plain.encoder, PackedEncoder)


@pytest.mark.parametrize("lengths", [(9,), (24, 24, 24), (24, 3, 11)])
def test_hidden_states_are_those_of_the_plain_layers(files: ModelFiles, lengths: tuple[int, ...]) -> None:
    plain = plain_trunk(files)
    rounding, packed = copy.deepcopy(plain).to(NATIVE), copy.deepcopy(plain).to(NATIVE)
    pack(packed, "cpu")
    torch.manual_seed(0)
    ids = torch.randint(5, 60, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    with torch.inference_mode():
        exact, rounded, found = (
            model(input_ids=ids, attention_mask=mask).last_hidden_state.float()[mask.bool()]
            for model in (plain, rounding, packed)
        )
    assert (found - exact).abs().max() < 2 * (rounded - exact).abs().max() + 1e-5
    assert nn.functional.cosine_similarity(found, exact).min() > 0.999


def test_the_float32_copy_has_the_plain_weights(files: ModelFiles) -> None:
    model = opened(files, NATIVE)._model
    exact = in_float32(model)
    layer, plain = exact.base_model.encoder.layer[0], plain_trunk(files).encoder.layer[0]
    assert torch.equal(layer.widen.weight, plain.intermediate.dense.weight.to(NATIVE).float())
    assert torch.equal(layer.query_key_value.weight[32:64], plain.attention.self.key.weight.to(NATIVE).float())
    assert model.base_model.encoder.layer[0].widen.weight.is_mkldnn


def test_explanations_are_those_of_the_plain_model(files: ModelFiles) -> None:
    decision = Decision(("the red dog ran, good news.",), "positive")
    [packed], [plain] = (opened(files, dtype).attribute([decision], CancelToken()) for dtype in (NATIVE, OTHER))
    values, wanted = ([value for _, _, value in found.pieces[0]] for found in (packed, plain))
    assert values == pytest.approx(wanted, abs=0.1 * max(map(abs, wanted)))


def test_memory_is_counted_as_before(tmp_path: Path) -> None:
    own = save_checkpoint(tmp_path, "sequence_classification", seed=7)  # weights that no other test's model shares
    packed = opened(ModelFiles(own), NATIVE)
    assert packed.memory_bytes == sum(
        tensor.nbytes for tensor in (*packed._model.parameters(), *packed._model.buffers())
    )


def test_equal_packed_weights_are_held_once(files: ModelFiles) -> None:
    one, two = opened(files, NATIVE), opened(files, NATIVE)
    weights = [trunk_of(model).encoder.layer[0].query_key_value.weight for model in (one, two)]
    assert weights[0] is weights[1]
