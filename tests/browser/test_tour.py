"""Showcase mode: led by the keyboard, answered live, in both languages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor
from tests.browser.test_tabs import ANSWER_MS

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]


def open_tour(page: Page) -> None:
    page.locator("#tab-tour-button").click()
    expect(page.locator("#tour-step-0")).to_be_visible()


def test_the_keyboard_leads_through_answers_that_are_given_live(visit: Page) -> None:
    open_tour(visit)
    controls = visit.locator("#tour-controls")
    expect(visit.locator("#tour-step-0")).to_contain_text("What language models do")
    expect(controls.get_by_role("button", name="Back")).to_be_disabled()
    visit.keyboard.press("ArrowRight")
    expect(visit.locator("#tour-1-answer")).to_contain_text("★ positive", timeout=ANSWER_MS)
    visit.keyboard.press("PageDown")
    expect(visit.locator("#tour-2-answer")).to_contain_text("★ negative", timeout=ANSWER_MS)
    expect(controls.locator(".position")).to_have_text("3 / 8")

    notes = visit.locator("#tour-step-2 .block.speaker-notes")
    expect(notes).to_be_hidden()
    visit.keyboard.press("n")
    expect(notes).to_contain_text("trained from scratch")
    visit.keyboard.press("ArrowLeft")
    expect(visit.locator("#tour-step-1")).to_be_visible()

    text = visit.locator("#tour-1-text textarea")
    text.fill("What a terrible waste of two hours.")
    text.press("ArrowRight")
    expect(controls.locator(".position")).to_have_text("2 / 8")  # keys that edit do not lead on
    text.press("Control+Enter")
    expect(visit.locator("#tour-1-answer")).to_contain_text("★ negative", timeout=ANSWER_MS)


def test_the_last_step_leads_to_the_tabs(visit: Page) -> None:
    open_tour(visit)
    for _ in range(7):
        visit.locator("#tour-controls").get_by_role("button", name="Next").click()
    expect(visit.locator("#tour-controls").get_by_role("button", name="Next")).to_be_disabled()
    visit.locator("#tour-to-translate").click()
    expect(visit.locator("#translate")).to_be_visible()


def test_it_speaks_chinese_and_fits_a_phone(browser: Browser, site: str) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        open_tour(page)
        expect(page.locator("#tour-step-0")).to_contain_text("语言模型能做什么")
        page.locator("#tour-controls").get_by_role("button", name="下一步").click()
        expect(page.locator("#tour-step-1")).to_contain_text("读懂字里行间")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
