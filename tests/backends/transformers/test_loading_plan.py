"""How weights are loaded, as a table of devices and sizes; fewer bits for real where bitsandbytes is installed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.loading_plan import DeviceFacts, LoadingPlan, device_facts, plan_loading
from llm_core.types import CancelToken, Sampling

BF16, FP16, FP32 = torch.bfloat16, torch.float16, torch.float32


def gpu(gigabytes: int, capability: tuple[int, int] = (9, 0), **fields: Any) -> DeviceFacts:
    dtype = BF16 if capability >= (8, 0) else FP16
    return DeviceFacts("cuda", dtype, gigabytes * 10**9, capability, **{"has_bitsandbytes": True, **fields})


@pytest.mark.parametrize(
    ("billions", "bits"),
    [
        # on 8, 16, 24, 48 and 80 GB
        (0.5, (16, 16, 16, 16, 16)),
        (1.7, (16, 16, 16, 16, 16)),
        (4.0, (8, 16, 16, 16, 16)),
        (8.2, (4, 8, 16, 16, 16)),
        (14.8, (16, 4, 8, 16, 16)),
        (32.8, (16, 16, 16, 8, 16)),
    ],
)
def test_as_many_bits_as_the_gpu_holds(billions: float, bits: tuple[int, ...]) -> None:
    """The smallest GPUs do not hold the largest models in any way: these are planned whole, and fail to load."""
    plans = [plan_loading(int(billions * 1e9), gpu(size)) for size in (8, 16, 24, 48, 80)]
    assert tuple(plan.bits for plan in plans) == bits and {plan.dtype for plan in plans} == {BF16}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DeviceFacts("cpu", FP32), LoadingPlan(FP32, None, 32)),
        (DeviceFacts("cpu", BF16), LoadingPlan(BF16, None, 16)),
        (DeviceFacts("mps", FP16), LoadingPlan(FP16, None, 16)),
        (gpu(8, has_bitsandbytes=False), LoadingPlan(BF16, None, 16)),
        (gpu(16, (7, 5)), LoadingPlan(FP16, None, 8)),
        (gpu(16, (7, 5), has_flash_attention=True), LoadingPlan(FP16, None, 8)),
        (gpu(24, (8, 9), has_flash_attention=True), LoadingPlan(BF16, "flash_attention_2", 16)),
        (gpu(80, has_flash_attention=True), LoadingPlan(BF16, "flash_attention_2", 16)),
    ],
)
def test_format_and_attention_follow_the_device(facts: DeviceFacts, expected: LoadingPlan) -> None:
    assert plan_loading(8_190_735_360, facts) == expected


@pytest.mark.parametrize(
    ("facts", "alone", "expected"),
    [
        (gpu(24, compiles=True), True, LoadingPlan(BF16, None, 16, True)),
        (gpu(24, compiles=True, has_flash_attention=True), True, LoadingPlan(BF16, None, 16, True)),
        (gpu(24, compiles=True, has_flash_attention=True), False, LoadingPlan(BF16, "flash_attention_2", 16)),
        (gpu(16, compiles=True), True, LoadingPlan(BF16, None, 8)),
        (gpu(24), True, LoadingPlan(BF16, None, 16)),
        (DeviceFacts("cpu", BF16), True, LoadingPlan(BF16, None, 16)),
    ],
)
def test_steps_are_compiled_for_one_answer_at_a_time(facts: DeviceFacts, alone: bool, expected: LoadingPlan) -> None:
    assert plan_loading(8_190_735_360, facts, alone=alone) == expected


def test_a_cpu_is_looked_up() -> None:
    config = LlamaConfig()
    facts = device_facts("cpu", config)
    assert facts.memory_bytes is facts.capability is None and not facts.has_bitsandbytes and not facts.compiles
    assert device_facts("cpu", config, FP16).dtype == FP16
    assert LoadingPlan(FP32, None, 32).options("cpu") == {"dtype": FP32}
    flash = LoadingPlan(BF16, "flash_attention_2").options("cuda")
    assert flash == {"dtype": BF16, "attn_implementation": "flash_attention_2"}


@pytest.mark.parametrize(("bits", "held"), [(8, torch.int8), (4, torch.uint8)])
def test_fewer_bits_are_held_and_written_with(tmp_path: Path, bits: Any, held: torch.dtype) -> None:
    pytest.importorskip("bitsandbytes", reason="an extra of GPU machines")
    config = LlamaConfig(
        vocab_size=300, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128,
    )  # fmt: skip
    torch.manual_seed(0)
    whole: Any = AutoModelForCausalLM.from_config(config, dtype=BF16)
    whole.save_pretrained(tmp_path)
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path, **LoadingPlan(BF16, None, bits).options("cpu"))
    assert model.model.layers[0].mlp.up_proj.weight.dtype == held
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        likeness = torch.cosine_similarity(model(ids).logits.float(), whole(ids).logits.float(), dim=-1)
    assert likeness.min() > 0.98
    with closing(ContinuousBatch(model, frozenset(), 2, 64)) as batch:
        sampling = Sampling(8, temperature=0, repeat_penalty=1)
        assert len(list(batch.choices([5, 6, 7], sampling, CancelToken()))) == 8
