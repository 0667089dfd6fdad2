"""Full float32 products while a token is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from llm_core.inference.generate import generate
from llm_core.inference.precision import full_float32
from llm_core.types import Sampling


@pytest.fixture(autouse=True)
def medium() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_the_last_to_leave_restores_the_choice() -> None:
    with full_float32:
        with full_float32:
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "medium"


def test_an_error_restores_the_choice() -> None:
    with pytest.raises(ValueError, match="inside"), full_float32:
        raise ValueError("inside")
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.parametrize(("rows", "expected"), [(1, ["medium", "highest", "highest"]), (2, ["medium"] * 3)])
def test_one_row_is_read_in_full_after_its_prompt(
    pair: Callable[[str], tuple[Any, Any]], rows: int, expected: list[str]
) -> None:
    _, ours = pair("llama")
    seen: list[str] = []
    ours.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    between = []
    ids = torch.tensor([[3, 4, 5]]).expand(rows, -1)
    for _ in generate(ours, ids, sampling=Sampling(3, temperature=0), eos=()):
        between.append(torch.get_float32_matmul_precision())
    assert seen == expected
    assert between == ["medium"] * 3
