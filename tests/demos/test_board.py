"""What the page about the models is told: boards, cards, and the endpoint's records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from demos._board import boards_of, describe_boards
from demos._card import POINTS, card_text, describe_card, limits_in
from demos._demo import DemoContext
from demos._i18n import strings
from demos.models import endpoint
from llm_core.catalog import load_catalog
from llm_core.engine import create_engine
from llm_core.leaderboard import leaderboards
from llm_core.settings import REPOSITORY_ROOT, Settings
from llm_core.speed import Speed, Speedometer
from tests.support.echo import echo_encoder, echo_engine, echo_spec

HEAD: dict[str, Any] = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": ("good", "bad")}
SCORE = {"data": "films", "title": "films", "metric": "accuracy", "value": 0.9, "low": 0.88, "high": 0.92, "rows": 500}
ADAPTED = echo_spec("base", tasks=("embed",), parameters=20_000_000)


@pytest.fixture(scope="module")
def shipped() -> Iterator[DemoContext]:
    with closing(create_engine(Settings(offline=True))) as engine:
        yield DemoContext(engine)


def test_boards_hold_figures_costs_and_reasons(shipped: DemoContext) -> None:
    told = json.loads(describe_boards(shipped, boards_of(shipped)))
    boards = dict(told["tasks"])
    news = boards["classify"][0]
    assert (news["metric"], news["lower"]) == ("accuracy", False)
    [model_id, (value, low, high, rows), command] = news["rows"][0]
    assert model_id == "topics-ag-news" and low < value < high and rows == 600
    assert command == "python -m llm_core evaluate topics-ag-news --data ag_news --data-dir DATA  # accuracy"
    model = told["models"]["topics-ag-news"]
    assert (model["tier"], model["languages"], model["parameters"][1]) == ("embedded", ["en"], "24 M")
    assert model["absent"] == [] and model["speed"] is None, "nothing measures speeds here"
    absent = told["models"]["nllb-200-distilled-600m"]
    assert absent["absent"][0] == ["offline", ""] and absent["size"][1] == "2.5 GB"


def test_speeds_appear_once_they_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(echo_engine(echo_encoder("feelings", **HEAD, scores=(SCORE,)))) as engine:
        speeds = Speedometer(engine)
        ctx = DemoContext(engine, speeds)

        def told() -> Any:
            return json.loads(describe_boards(ctx, boards_of(ctx)))["models"]["feelings"]["speed"]

        assert told() is None
        monkeypatch.setattr(speeds, "awaited", lambda: frozenset({"feelings"}))
        assert told() is True, "being measured"
        monkeypatch.setattr(speeds, "speed", lambda _: Speed(4.04, 250.26, "texts", "cpu"))
        assert told() == [4.0, 250.3, "texts"]


def test_a_card_tells_facts_limits_and_how_it_learned(shipped: DemoContext) -> None:
    told = json.loads(describe_card(shipped, shipped.catalog["poetry-zh"]))
    facts = dict(told["facts"])
    assert facts["licence"] == "MIT" and facts["languages"] == "zh" and "labels" not in facts
    assert told["limits"].startswith("") and "\n" not in told["limits"] and len(told["limits"]) > 40
    losses = told["curve"]["training"]
    assert 100 < len(losses) <= POINTS and losses[0][1] > losses[-1][1] > 0
    assert told["scores"][0][:2] == ["classical poems", "perplexity"] and told["absent"] == []


def test_a_card_of_an_adapter_names_its_base(shipped: DemoContext) -> None:
    facts = dict(json.loads(describe_card(shipped, shipped.catalog["sentiment-en"]))["facts"])
    assert facts["size"] == "1 MB + 92 MB (all-MiniLM-L6-v2)" and facts["labels"] == "negative, neutral, positive"


def test_a_model_of_the_hub_has_its_source_and_no_text(shipped: DemoContext) -> None:
    spec = shipped.catalog["bert-base-ner"]
    told = json.loads(describe_card(shipped, spec))
    assert spec.hub is not None and told["hub"] == f"https://huggingface.co/{spec.hub.repo}"
    assert told["absent"][0] == ["offline", ""] and told["curve"] == {} and told["scores"] == []
    assert card_text(shipped, spec) == ""


@pytest.mark.parametrize("path", sorted((REPOSITORY_ROOT / "models").glob("*/README.md")), ids=lambda p: p.parent.name)
def test_every_card_says_its_limits(path: Path) -> None:
    assert len(limits_in(path.read_text(encoding="utf-8"))) > 20


def test_the_text_of_a_card_begins_with_its_heading(shipped: DemoContext) -> None:
    text = card_text(shipped, shipped.catalog["qa-en"])
    assert text.startswith("# qa-en\n") and "library_name" not in text and "## Limits" in text


def test_the_endpoint_lists_models_of_a_task(shipped: DemoContext) -> None:
    async def answer(**fields: str) -> Any:
        return [record async for record in endpoint(shipped)(**fields)]

    [found] = asyncio.run(answer(task="poem"))
    [poet] = found["models"]
    assert (poet["id"], poet["available"], poet["speed"]) == ("poetry-zh", True, None)
    assert poet["scores"][0]["low"] < poet["scores"][0]["value"] < poet["scores"][0]["high"]
    [everything] = asyncio.run(answer())
    assert [each["id"] for each in everything["models"]] == list(shipped.catalog)
    [nothing] = asyncio.run(answer(task="juggle"))
    assert nothing == {"models": []}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_board_has_a_name_in_words(language: str) -> None:
    boards = leaderboards(load_catalog(), Settings().models_dir)
    assert {f"board.task_{task}" for task in boards} <= set(strings(language))
