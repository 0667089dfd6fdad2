"""Equal weights are held once, and counted once."""

from __future__ import annotations

import gc
from pathlib import Path

import torch

from llm_core.backends.base import ModelFiles
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.backends.transformers.tensor_pool import TensorPool
from tests.support.encoders import encoder_spec, save_adapter, save_checkpoint


def layer(value: float) -> torch.nn.Module:
    linear = torch.nn.Linear(64, 64)
    torch.nn.init.constant_(linear.weight, value)
    return linear


def test_embeddings_are_shared_between_base_and_adapters(tmp_path: Path) -> None:
    base = ModelFiles(save_checkpoint(tmp_path / "base"))
    save_adapter(base.directory, tmp_path / "one", "sequence_classification", seed=1)
    save_adapter(base.directory, tmp_path / "two", "span_extraction", seed=2)
    plain = open_encoder(encoder_spec(), base, "cpu", torch.bfloat16)
    alone = plain.memory_bytes
    one = open_encoder(
        encoder_spec(head="sequence_classification"), ModelFiles(tmp_path / "one", base), "cpu", torch.bfloat16
    )
    two = open_encoder(encoder_spec(head="span_extraction"), ModelFiles(tmp_path / "two", base), "cpu", torch.bfloat16)
    tables = {model._model.get_input_embeddings().weight.data_ptr() for model in (plain, one, two)}
    assert len(tables) == 1
    together = plain.memory_bytes + one.memory_bytes + two.memory_bytes
    assert together < 3 * alone
    one.close()
    two.close()
    assert plain.memory_bytes == alone


def test_parts_add_up_to_what_is_held() -> None:
    pool = TensorPool()
    models = [layer(1.0), layer(1.0), layer(2.0)]
    holdings = [pool.adopt(model, "cpu") for model in models]
    assert models[0].weight is models[1].weight and models[0].weight is not models[2].weight
    tensors = {parameter.data_ptr(): parameter.nbytes for model in models for parameter in model.parameters()}
    assert sum(holding.nbytes for holding in holdings) == sum(tensors.values())


def test_tensors_leave_with_their_last_holder() -> None:
    pool = TensorPool()
    first, second = layer(1.0), layer(1.0)
    holding = pool.adopt(first, "cpu")
    pool.adopt(second, "cpu")
    del second  # never closed: the garbage collector gives its part back
    gc.collect()
    assert holding.nbytes == sum(parameter.nbytes for parameter in first.parameters())
    holding.release()
    holding.release()
    assert holding.nbytes == 0 and not pool._entries


def test_other_formats_are_not_mixed_up() -> None:
    pool = TensorPool()
    zeros, half = layer(0.0), layer(0.0).half()
    pool.adopt(zeros, "cpu")
    pool.adopt(half, "cpu")
    assert zeros.weight.dtype == torch.float32 and half.weight.dtype == torch.float16
