"""Explain in a real browser: words drawn by weight, another label on demand, entities and answers; hostile text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor
from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]
EXPLAINED_MS = 3 * ANSWER_MS
"""An explanation costs as much as a hundred answers."""


def explain(page: Page, slug: str) -> None:
    page.locator(f"#{slug}-explain").click()
    expect(page.locator(f"#{slug}-explained h3")).to_be_visible(timeout=EXPLAINED_MS)
    expect_done(page, slug)


def test_sentiment_is_explained_and_another_label_on_demand(stay: Page) -> None:
    bench = open_tab(stay, "sentiment")
    bench.get_by_label("Text", exact=True).fill(
        "The food was delicious & the staff friendly <img src=x onerror=alert(1)>"
    )
    explain(stay, "sentiment")
    panel = stay.locator("#sentiment-explained")
    expect(panel.locator("h3")).to_contain_text("Why positive")
    expect(panel.locator(".words")).to_have_text(
        "The food was delicious & the staff friendly <img src=x onerror=alert(1)>"
    )
    expect(panel.locator(".strongest li.for .text").first).to_have_text("delicious")
    assert (panel.locator(".words mark", has_text="delicious").get_attribute("title") or "").startswith("+")
    panel.get_by_role("button", name="negative").click()
    expect(panel.locator("h3")).to_contain_text("Why negative", timeout=EXPLAINED_MS)
    expect(panel.locator(".words mark.against", has_text="delicious")).to_be_visible()
    expect(panel.locator(".check")).to_contain_text("%")
    stay.locator("#sentiment-run").click()
    expect(panel.locator("h3")).to_have_count(0, timeout=ANSWER_MS)


def test_an_answer_and_an_entity_are_explained(stay: Page) -> None:
    bench = open_tab(stay, "answer")
    bench.get_by_label("Question").fill("When was the bridge opened?")
    bench.get_by_label("Passage", exact=True).fill(
        "The old bridge was opened in 1932. It was closed for repairs in 1988."
    )
    explain(stay, "answer")
    panel = stay.locator("#answer-explained")
    expect(panel.locator("h3")).to_have_text("Why “1932”")
    expect(panel.locator(".words mark.for", has_text="When")).to_be_visible()
    expect(panel.locator(".words mark.for", has_text="1932")).to_be_visible()
    bench = open_tab(stay, "entities")
    bench.get_by_label("Text", exact=True).fill("Nothing to see here.")
    stay.locator("#entities-explain").click()
    expect(stay.locator("#entities-message")).to_contain_text("names no person", timeout=ANSWER_MS)
    bench.get_by_label("Text", exact=True).fill("Angela Merkel met Tim Cook in Berlin.")
    explain(stay, "entities")
    panel = stay.locator("#entities-explained")
    panel.get_by_role("button", name="Berlin").click()
    expect(panel.locator("h3")).to_contain_text("Why “Berlin” · place", timeout=EXPLAINED_MS)


def test_on_a_phone_in_chinese(browser: Browser, site: str) -> None:
    with visitor(browser, site, locale="zh-CN", width=360) as page:
        open_tab(page, "sentiment").locator("textarea").first.fill("这家餐厅的服务太好了，菜也很好吃。")
        page.get_by_role("button", name="解释").click()
        panel = page.locator("#sentiment-explained")
        expect(panel.locator("mark.for", has_text="好吃")).to_be_visible(timeout=EXPLAINED_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_own_labels_are_not_offered_for_explanation(stay: Page) -> None:
    bench = open_tab(stay, "classify")
    expect(stay.locator("#classify-explain")).to_be_visible()
    bench.get_by_label("My own labels").check()
    expect(stay.locator("#classify-explain")).to_be_hidden()
