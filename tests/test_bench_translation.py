"""The benchmark of translating compares like with like; nothing is timed here."""

from __future__ import annotations

import pytest

from llm_core.bench.translation import TOKENS, both
from llm_core.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses:UserWarning")


def test_both_sides_write_the_same_number_of_tokens() -> None:
    with both(Settings(threads=1)) as (ours, theirs):
        assert ours(2) == theirs(2) == [TOKENS, TOKENS]
