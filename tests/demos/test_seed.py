"""What the field for a seed holds, as a request's value."""

from __future__ import annotations

from typing import Any

import pytest

from demos._seed import seed_of
from llm_core.errors import InputError
from llm_core.tasks.generate import GenerateRequest


@pytest.mark.parametrize(("written", "seed"), [("", None), ("  ", None), (None, None), ("0", 0), (0, 0), (" 17 ", 17)])
def test_an_empty_seed_is_none(written: Any, seed: int | None) -> None:
    assert seed_of(written) == seed


@pytest.mark.parametrize("written", ["-1", "1.5", "one"])
def test_what_is_no_seed_is_refused_by_the_request(written: str) -> None:
    with pytest.raises(InputError, match="^seed: "):
        GenerateRequest.parse({"prompt": "A story", "seed": seed_of(written)})
