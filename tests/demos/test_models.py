"""The line below the model menu."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from demos._demo import DemoContext
from demos._models import describe_choice
from llm_core.selection import AUTO
from tests.support.echo import echo_encoder, echo_engine, echo_spec

HEAD: dict[str, Any] = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": ("good", "bad")}
ENGLISH, CHINESE = (echo_encoder(f"feelings-{code}", **HEAD, languages=(code,)) for code in ("en", "zh"))
BOTH = echo_encoder("both", **HEAD, languages=("en", "zh"))


@pytest.mark.parametrize(
    ("specs", "named", "by_language"),
    [
        ((ENGLISH, CHINESE), ["feelings-en", "feelings-zh"], True),
        ((ENGLISH, BOTH), ["feelings-en", "both"], True),
        ((BOTH, ENGLISH), ["both"], False),
        ((ENGLISH,), ["feelings-en"], False),
    ],
)
def test_what_automatic_takes(specs: tuple[Any, ...], named: list[str], by_language: bool) -> None:
    with closing(echo_engine(*specs, echo_spec("other"))) as engine:
        told = json.loads(describe_choice(DemoContext(engine), specs, AUTO))
    assert told["kind"] == ("chosen_by_language" if by_language else "chosen")
    assert [model["id"] for model in told["models"]] == named
