"""What the catalogue and Gradio say in English has a Chinese form; a new model or example without one fails here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import gradio as gr
import pytest

from demos._absence import absence
from demos._captions import chinese_captions
from demos._card import limits_in
from demos._model_words import chinese, model_strings, title_in, titled
from demos._page import build_page
from llm_core import weights
from llm_core.backends import remote
from llm_core.catalog import load_catalog
from llm_core.engine import create_engine
from llm_core.settings import REPOSITORY_ROOT, Settings
from llm_core.weights import Availability
from tests.demos.site import inside_a_loop
from tests.support.words import sentences_in

CATALOG = load_catalog()
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("model_id", CATALOG)
def test_every_model_is_described_in_chinese(model_id: str) -> None:
    told, spec = chinese(), CATALOG[model_id]
    assert model_id in told["title"], f"demos/i18n/models_zh.toml: [title] has no {model_id}"
    assert HAN.search(told["summary"].get(model_id, "")), f"demos/i18n/models_zh.toml: [summary] has no {model_id}"
    for score in spec.scores:
        assert (score.title or score.data) in told["measured"], f"models_zh.toml: [measured] has no {score.title!r}"
        assert re.sub(r"\[.*", "", score.metric) in told["metric"], f"models_zh.toml: [metric] has no {score.metric!r}"
    terms = spec.training_data_licence
    assert not terms or terms in told["terms"], f"models_zh.toml: [terms] has no {terms!r}"


def test_no_text_of_a_model_is_left_over_and_none_breaks_the_formatter() -> None:
    told = chinese()
    assert set(told["title"]) == set(told["summary"]) == set(CATALOG)
    assert set(told["terms"]) == {spec.training_data_licence for spec in CATALOG.values()} - {""}
    for language in ("en", "zh"):
        for key, text in model_strings(language).items():
            assert text.strip() and not set(text) & set("{}<>\n\t"), key


def test_titles_follow_the_language_where_there_is_one_of_each() -> None:
    assert titled("minilm", CATALOG["minilm"].title) == "all-MiniLM-L6-v2"
    assert '"model_title.qa-en"' in titled("qa-en", CATALOG["qa-en"].title)
    assert titled("of-the-owner", "House model") == "House model"
    assert '"model_asked.minilm"' in titled("minilm", "MiniLM", asked=True)
    assert titled("of-the-owner", "House model", asked=True).endswith(" House model")
    assert title_in("zh", "qa-en", "English") == "阅读问答（英文）" and title_in("zh", "own-1", "") == "我自己的模型"


def test_what_cards_say_of_limits_is_said_in_chinese() -> None:
    cards = {
        path.parent.name: path.read_text(encoding="utf-8") for path in (REPOSITORY_ROOT / "models").glob("*/README.md")
    }
    limited = {spec.id for spec in CATALOG.values() if spec.local and limits_in(cards.get(spec.local, ""))}
    assert set(chinese()["limits"]) == limited
    assert all(HAN.search(text) for text in chinese()["limits"].values())


@pytest.fixture(scope="module")
def page() -> Iterator[gr.Blocks]:
    engine = create_engine(Settings(offline=True))
    yield inside_a_loop(lambda: build_page(engine))
    engine.close()


def test_every_example_has_a_chinese_name(page: gr.Blocks) -> None:
    galleries = [block for block in page.blocks.values() if isinstance(block, gr.Dataset)]
    names = {name for gallery in galleries for name in gallery.sample_labels or ()}
    assert len(names) > 30
    assert {name for name in names if not HAN.search(chinese_captions().get(name, name))} == set()


def reasons() -> Iterator[str]:
    """Every reason and remedy that `Availability` is given, with a word for what is filled in."""
    for package in (weights, remote):
        for path in (REPOSITORY_ROOT / package.__name__.replace(".", "/")).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                if getattr(call.func, "id", "") == "Availability":
                    said = sentences_in([*call.args[1:], *(each.value for each in call.keywords)], tree)
                    # What another reason is part of is that reason.
                    yield from (text for text in said if re.search("[a-z]", text) and not text.endswith(": 7"))


@pytest.mark.parametrize("reason", sorted(set(reasons())))
def test_every_reason_why_a_model_is_missing_is_translated(reason: str) -> None:
    assert absence(Availability(False, reason))[0][0], f"demos/_absence.py has no rule for {reason!r}"


def test_reasons_keep_their_details() -> None:
    unreachable = "not downloaded yet, and the Hugging Face Hub cannot be reached"
    on_another = Availability(False, f"builds on minilm, which cannot be had: {unreachable}")
    assert absence(on_another) == [["hub", "minilm"]]
    assert absence(Availability(True, "minilm will be downloaded, 90 MB")) == [["download", "minilm · 90 MB"]]
    assert absence(Availability(False, "strange")) == [["", "strange"]]
