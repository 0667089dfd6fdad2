"""A whole file in a tab, in a real browser over echo models: columns, progress, Stop, Resume, figures, files."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio.utils import get_upload_folder
from playwright.sync_api import Browser, Locator, Page, expect

from llm_core.backends.echo import EchoBackend
from tests.browser.conftest import served, visitor
from tests.support.echo import echo_encoder, echo_engine, echo_spec

pytestmark = [pytest.mark.browser]

DONE_MS = 60_000
HOSTILE = '<img src=x onerror="window.__pwned=1">'
ROWS = [
    ["Review", "Label"],
    ["so positive", "positive"],
    [f"negative {HOSTILE}", "positive"],
    ["=negative", "negative"],
    ["中性 neutral", "neutral"],
    ["", "neutral"],
]
LABELS = ("positive", "neutral", "negative")


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """A file goes to the server and comes back as columns: on a busy machine that takes longer than five seconds."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def backend() -> EchoBackend:
    return EchoBackend()


@pytest.fixture(scope="module")
def echo_page(backend: EchoBackend) -> Iterator[tuple[str, gr.Blocks]]:
    """A page on echo models, and its address."""
    head = {"head": "sequence_classification", "labels": LABELS}
    engine = echo_engine(
        echo_encoder("topics", **head, tasks=("classify",), label_set="ag_news"),
        echo_encoder("feelings", **head, tasks=("sentiment",)),
        echo_encoder("tagger", head="token_classification", tasks=("entities",), labels=("O", "B-PER", "I-PER")),
        echo_encoder("reader", head="span_extraction", tasks=("answer",)),
        echo_spec("both", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
        echo_spec("writer"),
        backend=backend,
    )
    with served(engine) as page:
        yield page


@pytest.fixture
def echo_site(echo_page: tuple[str, gr.Blocks]) -> str:
    return echo_page[0]


def table(path: Path, rows: list[list[str]] = ROWS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def unfold(page: Page, icon: str, name: str) -> Locator:
    page.locator("#tabs").get_by_role("tab").filter(has_text=icon).first.click()
    page.locator(f"#{name}-batch > button").click()
    panel = page.locator(f"#{name}-batch")
    expect(panel.locator(f"#{name}-batch-run")).to_be_visible()
    return panel


def choose(panel: Locator, path: Path) -> None:
    panel.locator("input[type=file]").first.set_input_files(path)
    expect(panel.locator(".block.verdict")).to_contain_text("✓", timeout=DONE_MS)


def run(panel: Locator, name: str) -> None:
    panel.locator(f"#{name}-batch-run").click()
    expect(panel.locator(f"#{name}-batch-status")).to_contain_text("✓", timeout=DONE_MS)


def test_a_table_is_answered_measured_and_given_back(echo_site: str, browser: Browser, tmp_path: Path) -> None:
    with visitor(browser, echo_site) as page:
        panel = unfold(page, "☺", "sentiment")
        expect(panel.locator("#sentiment-batch-run")).to_be_disabled()
        choose(panel, table(tmp_path / "reviews.csv"))
        expect(panel.get_by_label("Column with the text")).to_have_value("Review")
        expect(panel.get_by_label("Column with the right label")).to_have_value("Label")
        expect(panel.locator("#sentiment-batch-preview")).to_contain_text("so positive")
        run(panel, "sentiment")
        view = panel.locator("#sentiment-batch-view")
        expect(view.locator(".line")).to_contain_text("5 / 5 rows")
        expect(view.locator(".line")).to_contain_text("errors: 1")
        expect(view.locator(".bars li").first).to_contain_text(re.compile("negative.*2 · 50%"))
        expect(view.locator(".figures")).to_contain_text("Accuracy75.0%")
        expect(view.locator(".matrix tbody tr").nth(2)).to_contain_text(re.compile(r"positive\s*1\s*0\s*1"))
        expect(view.locator(".mistakes")).to_contain_text(HOSTILE)
        rows = panel.locator("#sentiment-batch-rows")
        expect(rows).to_contain_text("text: must not be empty")
        panel.locator("#sentiment-batch-show input").click()
        page.get_by_role("option").filter(has_text="another answer").click()
        expect(rows).not_to_contain_text("so positive")
        expect(rows).to_contain_text("negative <img")
        assert page.evaluate("window.__pwned") is None
        enriched, english, chinese = downloaded(page, panel, tmp_path)
    given = list(csv.reader(io.StringIO(enriched.read_bytes().decode("utf-8-sig"), newline="")))
    assert enriched.name == "reviews.sentiment.csv"
    assert [row[2] for row in given] == ["sentiment_label", "positive", "negative", "negative", "neutral", ""]
    assert given[3][0] == "'=negative"
    assert "75.0%" in english.read_text("utf-8") and "混淆矩阵" in chinese.read_text("utf-8")
    read_report(browser, english)


def downloaded(page: Page, panel: Locator, folder: Path) -> list[Path]:
    links = panel.locator("#sentiment-batch-downloads a[download]")
    expect(links).to_have_count(3)
    found = []
    for number in range(3):
        with page.expect_download() as download:
            links.nth(number).click()
        found.append(folder / "got" / download.value.suggested_filename)
        download.value.save_as(found[-1])
    return found


def read_report(browser: Browser, report: Path) -> None:
    """It runs nothing, asks for nothing and shows what the visitor wrote as text."""
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    expect(page.locator("body")).to_contain_text(HOSTILE)
    expect(page.locator("h1")).to_have_text("Sentiment: reviews.csv")
    assert page.evaluate("window.__pwned") is None and page.locator("img, script").count() == 0
    assert asked == [report.as_uri()]
    page.close()


def test_stop_keeps_what_is_done_and_resume_goes_on_after_a_reload(
    echo_site: str, browser: Browser, tmp_path: Path, backend: EchoBackend
) -> None:
    path = table(tmp_path / "long.csv", [["text"], *([f"positive {number}"] for number in range(120))])
    backend.seconds_per_call = 1.0
    try:
        with visitor(browser, echo_site) as page:
            panel = unfold(page, "☺", "sentiment")
            choose(panel, path)
            panel.locator("#sentiment-batch-run").click()
            expect(panel.locator("progress")).to_have_attribute(
                "value", re.compile("^(1[6-9]|[2-9][0-9])$"), timeout=DONE_MS
            )
            panel.locator("#sentiment-batch-stop").click()
            expect(panel.locator("#sentiment-batch-status")).to_contain_text("Stopped")
            expect(panel.locator("#sentiment-batch-run")).to_have_text("Resume")
            expect(panel.locator("#sentiment-batch-downloads")).to_contain_text("first-")
            done = int(panel.locator("progress").get_attribute("value") or 0)
            assert 16 <= done < 120
        backend.seconds_per_call = 0.0
        with visitor(browser, echo_site) as page:
            panel = unfold(page, "☺", "sentiment")
            choose(panel, path)
            run(panel, "sentiment")
            expect(panel.locator(".line")).to_contain_text("120 / 120 rows")
            expect(panel.locator(".line")).to_contain_text(f"from before: {done}")
    finally:
        backend.seconds_per_call = 0.0


def test_the_page_sweeps_what_it_was_given_and_what_it_made(
    echo_page: tuple[str, gr.Blocks], browser: Browser, tmp_path: Path
) -> None:
    name = f"swept-{uuid.uuid4().hex}"
    with visitor(browser, echo_page[0]) as page:
        panel = unfold(page, "☺", "sentiment")
        choose(panel, table(tmp_path / f"{name}.csv"))
        run(panel, "sentiment")
        expect(panel.locator("#sentiment-batch-downloads a[download]")).to_have_count(3)
    cache = Path(get_upload_folder())
    kept = {file.name for file in cache.rglob(f"{name}*")}
    assert kept == {f"{name}{end}" for end in (".csv", ".sentiment.csv", ".sentiment.en.html", ".sentiment.zh.html")}
    delete_files_created_by_app(echo_page[1], None)  # what delete_cache does, at any age
    assert list(cache.rglob(f"{name}*")) == []


def test_two_visitors_see_their_own_rows(echo_site: str, browser: Browser, tmp_path: Path) -> None:
    with visitor(browser, echo_site) as one, visitor(browser, echo_site) as other:
        panels = [unfold(page, "☺", "sentiment") for page in (one, other)]
        for panel, word in zip(panels, ("alpha", "omega"), strict=True):
            choose(panel, table(tmp_path / f"{word}.csv", [["text"], *([f"{word} positive"] for _ in range(30))]))
        for panel in panels:
            panel.locator("#sentiment-batch-run").click()
        for panel, own, foreign in zip(panels, ("alpha", "omega"), ("omega", "alpha"), strict=True):
            expect(panel.locator("#sentiment-batch-rows")).to_contain_text(own, timeout=DONE_MS)
            expect(panel).not_to_contain_text(foreign)


def test_a_file_that_cannot_be_used_is_said_and_nothing_runs(echo_site: str, browser: Browser, tmp_path: Path) -> None:
    program = tmp_path / "program.csv"
    program.write_bytes(b"MZ\x90\x00" + bytes(range(256)) * 10)
    with visitor(browser, echo_site) as page:
        panel = unfold(page, "☺", "sentiment")
        panel.locator("input[type=file]").first.set_input_files(program)
        expect(panel.locator("#sentiment-batch-message")).to_contain_text("This file could not be used:")
        expect(panel.locator("#sentiment-batch-run")).to_be_disabled()


@pytest.mark.parametrize(
    ("icon", "name", "rows", "shown"),
    [
        ("▤", "classify", [["text"], ["positive"]], "positive"),
        ("⇄", "translate", [["text", "reference"], ["one two three", "three two one"]], "three two one"),
        ("❝", "answer", [["question", "context"], ["what lighthouse", "The lighthouse stands"]], "lighthouse"),
        ("◈", "entities", [["text"], ["then Ada left"]], "Ada (PER)"),
    ],
)
def test_other_tabs_take_files_too(
    echo_site: str, browser: Browser, tmp_path: Path, icon: str, name: str, rows: list[list[str]], shown: str
) -> None:
    with visitor(browser, echo_site) as page:
        panel = unfold(page, icon, name)
        choose(panel, table(tmp_path / "a.csv", rows))
        run(panel, name)
        expect(panel.locator(f"#{name}-batch-rows")).to_contain_text(shown)


def test_the_panel_fits_a_phone_and_speaks_chinese(echo_site: str, browser: Browser, tmp_path: Path) -> None:
    with visitor(browser, echo_site, locale="zh-CN", width=360) as page:
        panel = unfold(page, "▤", "classify")
        choose(panel, table(tmp_path / "reviews.csv"))
        run(panel, "classify")
        expect(panel.locator("#classify-batch-view")).to_contain_text("混淆矩阵")
        expect(panel.locator(".line")).to_contain_text("5 / 5 行")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
