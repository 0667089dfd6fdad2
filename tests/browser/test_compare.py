"""Compare, as a visitor meets it in each tab: it works without a network, shows times, sizes and what differs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import visitor
from tests.browser.test_tabs import ANSWER_MS, ask_for_a_long_text, expect_done, open_tab

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]


def compare(page: Page, slug: str) -> Locator:
    """Open the panel and press its button."""
    page.locator(f"#{slug}-compare > button").click()
    page.locator(f"#{slug}-compare-run").click()
    return page.locator(f"#{slug}-compared")


def expect_columns(shown: Locator, *titles: str) -> None:
    expect(shown.locator(".column.done")).to_have_count(len(titles), timeout=2 * ANSWER_MS)
    for column, title in zip(shown.locator(".column").all(), titles, strict=True):
        expect(column.locator("h3")).to_have_text(title)
        expect(column).to_contain_text(re.compile(r"\d+ MB on disk"))
        expect(column.locator(".figures")).to_contain_text(re.compile(r"total \d+(\.\d+)? m?s"))


def test_classify_a_trained_model_beside_one_that_was_not(stay: Page) -> None:
    bench = open_tab(stay, "classify")
    bench.get_by_label("Text", exact=True).fill("The striker scored twice in the cup final against Milan.")
    shown = compare(stay, "classify")
    expect_columns(shown, "News topics (AG News)", "all-MiniLM-L6-v2")
    expect(shown.locator(".row.won .name")).to_have_text(["★ Sports", "★ Sports"])
    expect(shown.locator(".verdict")).to_have_text("✓ Same answer: Sports")
    expect(shown).to_contain_text("accuracy 0.930")
    expect(stay.locator("#classify-compare-stop")).to_be_disabled()
    stay.locator("#classify-clear").click()
    expect(shown.locator(".column")).to_have_count(0)


def test_sentiment_and_completion_compare_offline(stay: Page) -> None:
    bench = open_tab(stay, "sentiment")
    bench.get_by_label("Text", exact=True).fill("What a waste of two hours.")
    shown = compare(stay, "sentiment")
    expect_columns(shown, "Sentiment, English", "all-MiniLM-L6-v2")
    expect(shown.locator(".row.won .name").first).to_have_text("★ negative")
    open_tab(stay, "complete").locator(".cm-content").first.fill("def add(a, b):\n    return ")
    expect_done(stay, "complete")  # completed at the pause in typing, which would end a comparison
    shown = compare(stay, "complete")
    expect_columns(shown, "SmolLM2 135M Instruct", "SmolLM2 135M Instruct")
    expect(shown.locator(".settings")).to_have_text("temperature=0.8")
    expect(shown.locator(".said.code").first).to_contain_text(re.compile(r"\w"))


def test_entities_by_a_trained_model_and_by_one_that_is_told(stay: Page) -> None:
    bench = open_tab(stay, "entities")
    bench.get_by_label("Text", exact=True).fill("Marie Curie was born in Warsaw.")
    shown = compare(stay, "entities")
    expect_columns(shown, "Entities, English", "SmolLM2 135M Instruct")
    trained, told = shown.locator(".column").all()
    expect(trained.locator("mark")).to_have_text(["Marie CuriePER", "WarsawLOC"])
    expect(told).to_contain_text("asked in words, not trained for this")
    expect(told).to_contain_text("no score measured for this")


def test_translation_by_two_widths_of_search_and_a_model_that_is_not_here(browser: Browser, site: str) -> None:
    with visitor(browser, site) as page:
        bench = open_tab(page, "translate")
        page.set_viewport_size({"width": 360, "height": 900})  # narrower, the tabs are in a menu
        bench.get_by_label("Text", exact=True).first.fill("The old bridge is closed.")
        page.locator("#translate-compare > button").click()
        page.locator("#translate-compare-model-3 input").click()
        page.get_by_role("option", name=re.compile("NLLB")).click()
        page.locator("#translate-compare-run").click()
        shown = page.locator("#translate-compared")
        expect(shown.locator(".column.done")).to_have_count(2, timeout=ANSWER_MS)
        expect(shown.locator(".column.done .said").first).to_contain_text("桥")
        expect(shown.locator(".column.failed")).to_contain_text("cannot be used here")
        expect(page.locator("#translate-compare-message")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= 360")


def test_stop_ends_a_comparison_and_keeps_what_was_written(slow_visit: Page) -> None:
    visit = slow_visit
    bench = open_tab(visit, "generate")
    ask_for_a_long_text(bench)
    shown = compare(visit, "generate")
    expect(shown.locator(".column .said").first).to_contain_text(re.compile(r"\w+ \w+"), timeout=ANSWER_MS)
    visit.locator("#generate-compare-stop").click()
    expect(visit.locator("#generate-compare-status")).to_contain_text("Stopped")
    expect(shown.locator(".column.failed")).not_to_have_count(0)
    expect(shown.locator(".column .said").first).to_contain_text(re.compile(r"\w+ \w+"))
    expect(visit.locator("#generate-compare-run")).to_be_enabled()


def test_chinese_page_compares_in_chinese(browser: Browser, site: str) -> None:
    with visitor(browser, site, locale="zh-CN") as page:
        open_tab(page, "generate")
        page.locator("#generate-compare > button").click()
        expect(page.locator("#generate-compare-run")).to_have_text("对比")
        page.locator("#generate-compare-run").click()
        expect(page.locator("#generate-compare-message")).to_contain_text("请先说明要写什么")


def test_a_chat_compares_what_was_asked_last_and_stays_as_it_is(stay: Page) -> None:
    bench = open_tab(stay, "generate")
    stay.get_by_role("tab", name="Chat").click()
    bench = stay.locator("#chat")
    bench.get_by_label("Your message").fill("Name a colour.")
    stay.locator("#chat-run").click()
    expect_done(stay, "chat")
    said = bench.locator("#chat-conversation").inner_text()
    shown = compare(stay, "chat")
    expect_columns(shown, "SmolLM2 135M Instruct", "SmolLM2 135M Instruct")
    expect(shown.locator(".settings")).to_have_text("temperature=0")
    expect(shown.locator(".figures").first).to_contain_text(re.compile(r"\d+ tokens/s"))
    assert bench.locator("#chat-conversation").inner_text() == said


def test_code_is_asked_about_and_verse_written_side_by_side(stay: Page) -> None:
    open_tab(stay, "complete")
    stay.get_by_role("tab", name="Ask about code").click()
    stay.locator("#ask-examples button").nth(2).click()
    expect_done(stay, "ask")
    shown = compare(stay, "ask")
    expect_columns(shown, "SmolLM2 135M Instruct", "SmolLM2 135M Instruct")
    open_tab(stay, "generate")
    stay.get_by_role("tab", name="Chinese verse").click()
    stay.locator("#poem-examples button").first.click()
    expect_done(stay, "poem")
    shown = compare(stay, "poem")
    expect_columns(shown, "Classical poems, Chinese", "Classical poems, Chinese")
    expect(shown.locator(".settings")).to_have_text("hold_form=false")
    expect(shown.locator(".said").first).to_have_text(re.compile(r"^(?:[一-鿿]{7}[，。？！；]\s*){4}$"))
