"""A visitor teaches the page labels of their own: Start, Stop, Resume, before and after, the model in use at once."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

TRAINING_MS = 240_000
"""On a busy machine; on two free cores it takes 20 s."""


def open_tab(page: Page) -> None:
    page.locator("#tab-train-button").click()
    expect(page.locator("#train-run")).to_be_visible()


def classify_by_own(page: Page, text: str) -> None:
    page.locator("#tab-classify-button").click()
    page.get_by_label("My own model").check()
    page.locator("#classify").get_by_label("Text", exact=True).fill(text)
    page.locator("#classify-run").click()


def test_train_stop_resume_use_and_take(visit: Page, browser: Browser, site: str) -> None:
    open_tab(visit)
    visit.locator("#train-run").click()
    expect(visit.locator("#train-message")).to_contain_text("paste labelled texts")
    visit.locator("#train-sample-en").click()
    expect(visit.locator("#train-examples textarea")).to_have_value(re.compile("charged twice.*\tbilling"))
    visit.locator("#train-run").click()
    view = visit.locator("#train-view")
    expect(view.locator(".state")).to_have_text(re.compile(r"step \d\d+ / \d+"), timeout=TRAINING_MS)
    visit.locator("#train-stop").click()
    expect(view.locator(".state")).to_contain_text("Resume goes on", timeout=TRAINING_MS)
    visit.locator("#train-resume").click()
    expect(view.locator(".state")).to_contain_text("✓ Done", timeout=TRAINING_MS)

    before, after = (view.locator(f".figures > div:nth-child({place}) dd") for place in (1, 2))
    shares = [int(each.inner_text().rstrip("%")) for each in (before, after)]
    assert shares[1] > shares[0], "it has learnt something"
    expect(view.locator("svg.chart").first).to_have_attribute("aria-label", re.compile("Loss.*learns from.*0"))
    assert view.locator(".matrix tbody tr").count() == 4
    cells = [int(cell) for cell in view.locator(".matrix tbody td").all_inner_texts()]
    assert sum(cells) == 16, "every text that was kept out is in the matrix"
    assert view.locator(".mistakes li").count() == 16 - sum(cells[::5])

    visit.locator("#train-text textarea").fill("You charged my credit card twice, I want a refund")
    visit.locator("#train-try").click()
    expect(visit.locator("#train-answer h2")).to_have_text("billing", timeout=TRAINING_MS)
    with visit.expect_download() as taken:
        visit.locator("#train-download a").first.click()
    with zipfile.ZipFile(taken.value.path()) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert {"adapter_model.safetensors", "adapter_config.json", "config.json", "tokenizer.json", "README.md"} <= names

    classify_by_own(visit, "You charged my credit card twice, I want a refund")
    expect(visit.locator("#classify .results h2")).to_have_text("billing", timeout=TRAINING_MS)
    with visitor(browser, site) as other:
        classify_by_own(other, "You charged my credit card twice, I want a refund")
        expect(other.locator("#classify-message")).to_contain_text("train one first")
    visit.locator("#tab-train-button").click()
    visit.locator("#train-clear").click()
    expect(visit.locator("#train-use")).to_be_hidden()
    classify_by_own(visit, "Where is my refund?")
    expect(visit.locator("#classify-message")).to_contain_text("train one first")
