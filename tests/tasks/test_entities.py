"""Entities: exact places in the whole text, one call for all sentences, names counted."""

from __future__ import annotations

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog
from llm_core.errors import InputError
from llm_core.tasks.entities import TASK, EntitiesRequest
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, finish

SPEC = echo_spec(
    "names", tasks=("entities",), head="token_classification", labels=("O", "B-PER", "I-PER"), languages=("en",)
)


def request(text: str) -> EntitiesRequest:
    return EntitiesRequest.parse({"text": text})


def test_places_are_those_of_the_text() -> None:
    text = "  we met Ada. Then, Alan and Ada left!  "
    result = finish(TASK.run(MemorySession(EchoBackend().open(SPEC, None)), request(text)))  # type: ignore[arg-type]
    assert [text[each.start : each.end] for each in result.entities] == ["Ada", "Then", "Alan", "Ada"]
    assert all(each.text == text[each.start : each.end] and each.label == "PER" for each in result.entities)
    record = result.record()
    assert set(record) == {"entities"} and set(record["entities"][0]) == {"text", "label", "start", "end", "score"}
    assert [(each.text, each.count, each.sentences) for each in result.mentions] == [
        ("Ada", 2, 2), ("Then", 1, 1), ("Alan", 1, 1),
    ]  # fmt: skip


def test_many_requests_are_one_call() -> None:
    backend = EchoBackend()
    session = MemorySession(backend.open(SPEC, None))  # type: ignore[arg-type]
    results = TASK.run_many(session, [request("Ada came. Alan went."), request("nobody"), request("Grace.")])
    assert [len(result.entities) for result in results] == [2, 0, 1]
    assert backend.batch_sizes == [4]


def test_the_language_picks_the_model() -> None:
    chinese = SPEC.model_copy(update={"id": "names-zh", "languages": ("zh",)})
    catalog = Catalog({spec.id: spec for spec in (SPEC, chinese)})
    assert [spec.id for spec in TASK.candidates(catalog, request("Ada lives in London."))] == ["names"]
    assert [spec.id for spec in TASK.candidates(catalog, request("王明住在 London。"))] == ["names-zh"]
    with pytest.raises(InputError, match="text: is mostly written in Cyrillic"):
        TASK.candidates(catalog, request("Анна живёт в Москве."))
