"""Rules that every tab keeps; a new module in ``demos/`` is covered without another line here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import demos
from demos._api import FURTHER
from demos._demo import Demo, discover
from demos._drawn import VIEWS, view_scripts
from demos._i18n import strings
from demos._page import build_page
from llm_core.catalog import load_catalog
from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import TASK_NAMES
from tests.demos.site import inside_a_loop

DEMOS = discover()
OF_TASKS = [demo for demo in DEMOS if demo.task is not None]
PUBLIC = [demo for demo in DEMOS if demo.endpoint is not None]
FOLDER = Path(demos.__path__[0])
DRAWN = [FOLDER / "assets" / f"{name}.js" for name in VIEWS]
TEMPLATES = list((FOLDER / "assets").glob("*.html"))


@pytest.fixture(scope="module")
def page() -> Iterator[gr.Blocks]:
    """The page as it is shipped; building it loads no model."""
    engine = create_engine(Settings(offline=True))
    yield inside_a_loop(lambda: build_page(engine))
    assert engine.resident() == {}
    engine.close()


@pytest.fixture(scope="module")
def endpoints(page: gr.Blocks) -> dict[str, Any]:
    """Documented endpoints by path."""
    return page.get_api_info()["named_endpoints"]  # type: ignore[index, return-value]


def element_ids(page: gr.Blocks) -> dict[str, gr.blocks.Block]:
    return {block.elem_id: block for block in page.blocks.values() if block.elem_id}


def test_every_task_has_a_tab_in_a_place_of_its_own() -> None:
    assert {demo.slug for demo in OF_TASKS} == set(TASK_NAMES)
    assert [demo.order for demo in DEMOS] == sorted({demo.order for demo in DEMOS})


@pytest.mark.parametrize("demo", OF_TASKS, ids=lambda demo: demo.slug)
def test_tab_has_the_shared_frame(demo: Demo, page: gr.Blocks) -> None:
    blocks = element_ids(page)
    for part in ("run", "stop", "clear", "model", "note", "message", "status", "examples"):
        assert f"{demo.slug}-{part}" in blocks, f"{demo.slug} has no {part}"
    assert blocks[f"{demo.slug}-stop"].interactive is False
    examples = blocks[f"{demo.slug}-examples"]
    assert isinstance(examples, gr.Dataset) and len(examples.samples) >= 3
    assert examples.sample_labels and len(examples.sample_labels) == len(examples.samples)


@pytest.mark.parametrize("demo", OF_TASKS, ids=lambda demo: demo.slug)
def test_stop_and_clear_withdraw_the_request(demo: Demo, page: gr.Blocks) -> None:
    blocks = element_ids(page)
    for button, handler in (("stop", "stop"), ("clear", "clear_all")):
        button_id = blocks[f"{demo.slug}-{button}"]._id
        first = {number for number, fn in page.fns.items() if (button_id, "click") in fn.targets}
        # What the browser does by itself has no handler; what follows it may.
        led_to = [fn for number, fn in page.fns.items() if number in first or fn.trigger_after in first]
        assert [fn.name for fn in led_to if fn.fn] == [handler], f"{button} of {demo.slug} stops nothing"


@pytest.mark.parametrize("demo", OF_TASKS, ids=lambda demo: demo.slug)
def test_model_menu_takes_every_entry_of_the_task(demo: Demo, page: gr.Blocks) -> None:
    """Also from a page that was opened before the server started anew, whatever its fields had narrowed it to."""
    blocks, entries = element_ids(page), [spec.id for spec in load_catalog().for_task(demo.task.name)]
    for menu in (blocks[f"{demo.slug}-model"], blocks.get(f"{demo.slug}-compare-model-1")):
        if menu is None:
            assert demo.slug == "under_the_hood", "it alone compares nothing"
            continue
        assert isinstance(menu, gr.Dropdown)
        assert [value for _, value in menu.choices][: len(entries) + 1] == ["auto", *entries]


def test_language_menus_take_every_language_of_a_translator(page: gr.Blocks) -> None:
    pairs = {pair for spec in load_catalog().for_task("translate") for pair in spec.language_pairs}
    for name, codes in zip(("translate-source", "translate-target"), zip(*pairs, strict=True), strict=True):
        menu = element_ids(page)[name]
        assert isinstance(menu, gr.Dropdown) and set(codes) <= {value for _, value in menu.choices}


@pytest.mark.parametrize("demo", PUBLIC, ids=lambda demo: demo.slug)
def test_endpoint_is_documented(demo: Demo, page: gr.Blocks, endpoints: dict[str, Any]) -> None:
    parameters = endpoints[f"/{demo.slug}"]["parameters"]
    if demo.task is not None:
        required = [parameter["parameter_name"] for parameter in parameters if not parameter["parameter_has_default"]]
        assert 1 <= len(required) <= 3
        assert parameters[-1]["parameter_name"] == "model"
    function = next(fn.fn for fn in page.fns.values() if fn.api_name == demo.slug)
    assert function is not None and function.__name__ == demo.slug
    documentation = function.__doc__ or ""
    assert len(documentation.split("\n")[0]) > 20
    for parameter in parameters:
        assert re.search(rf"^ +{parameter['parameter_name']}: \S", documentation, re.MULTILINE), parameter


@pytest.mark.parametrize("demo", OF_TASKS, ids=lambda demo: demo.slug)
def test_endpoint_has_the_fields_of_the_command_line(demo: Demo, endpoints: dict[str, Any]) -> None:
    named = {parameter["parameter_name"] for parameter in endpoints[f"/{demo.slug}"]["parameters"]}
    assert named - {"model"} <= set(demo.task.request_type.model_fields)


def test_nothing_else_is_public(endpoints: dict[str, Any]) -> None:
    assert set(endpoints) == {f"/{name}" for name in (*(demo.slug for demo in PUBLIC), *FURTHER)}


def test_every_page_event_that_runs_a_model_is_a_generator(page: gr.Blocks) -> None:
    """Gradio can end a generator; a plain function would run on after Stop."""
    for fn in page.fns.values():
        if fn.queue and fn.fn is not None and fn.name != "clear_all":
            assert fn.types_generator, fn.name


def test_languages_have_the_same_strings() -> None:
    assert set(strings("en")) == set(strings("zh"))
    for language in ("en", "zh"):
        for key, text in strings(language).items():
            assert text.strip(), f"{language}: {key} is empty"
            assert not set(text) & set("{}<>"), f"{language}: {key} holds characters the browser's formatter reads"


def test_every_string_that_is_used_exists_and_every_one_is_used() -> None:
    written = {
        node.value
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    tables = {key.partition(".")[0] for key in strings("en")}
    named = {text for text in written if re.fullmatch(rf"(?:{'|'.join(tables)})\.[a-z0-9_]+", text)}
    for script in [
        *DRAWN,
        *TEMPLATES,
        FOLDER / "assets" / "drawn.js",
        FOLDER / "assets" / "catalogue.js",
    ]:  # they use the strings of the table of the same name, and others by whole keys
        found = re.findall(r"\bsay(?:\.|\[[`\"])([a-z_]+(?:\.[a-z_]*)?)", script.read_text(encoding="utf-8"))
        named |= {name if "." in name else f"{script.stem}.{name}" for name in found}
    named |= {f"pairs.{name}" for name in written & {"title", "look"}}  # headings are chosen in Python
    # The rest of these is appended: f"classify.set_{name}".
    begun = {text for text in named if text.endswith(("_", "."))} | {"error.", "common.", "rule."}
    assert {key for key in named - begun - {"page.js", "report.html"}} <= set(strings("en"))
    built = re.compile("|".join([*map(re.escape, begun), r"[a-z_]+\.(?:title|lead)$"]))
    assert {key for key in strings("en") if key not in named and not built.match(key)} == set()


def test_no_component_shows_html_from_a_model_or_visitor(page: gr.Blocks) -> None:
    scripts = view_scripts()
    assert not re.search(r"(inner|outer)HTML|insertAdjacent|document\.write|DOMParser|eval|Function\(", scripts)
    assert "</script" not in scripts and "<!--" not in scripts, "they stand in the page's head"
    for block in page.blocks.values():
        if isinstance(block, gr.HTML):
            assert re.fullmatch(r'<div class="[a-z-]+"></div>', block.html_template), "a template must be constant"
            assert not block.css_template and not block.props and not block.head
            drawn = re.fullmatch(r"drawnViews\.(\w+)\(element, props, trigger, watch\)", block.js_on_load or "")
            assert drawn and f"\n{drawn[1]}(element, props, trigger, watch) {{" in scripts
    for block in page.blocks.values():
        if isinstance(block, gr.Markdown | gr.Chatbot):
            assert block.sanitize_html
