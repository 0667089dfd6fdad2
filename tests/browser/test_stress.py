"""Break it, for names, answers and translations: real embedded models, in both languages of the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]
ANSWER_MS = 90_000


def broken(page: Page, slug: str, *texts: str) -> Locator:
    """The view, after the fields were filled and the button pressed."""
    page.locator(f"#tab-{slug}-button").click()
    fields = page.locator(f"#{slug} .fields textarea:visible")
    for number, text in enumerate(texts):
        fields.nth(number).fill(text)
    page.locator(f"#{slug}-stress").click()
    view = page.locator(f"#{slug}-broken")
    expect(view.locator("li").nth(4)).to_be_visible(timeout=ANSWER_MS)
    return view


def test_names_that_small_letters_hide_are_listed(stay: Page) -> None:
    view = broken(stay, "entities", "Roland Busch, head of Siemens, spoke at McGill University in Munich.")
    expect(view.locator(".verdict")).to_contain_text(re.compile(r"\d/\d"))
    expect(view).to_contain_text("a form turns the answer when a name is lost")
    others = view.locator("li").filter(has_text="Other names")
    expect(others).to_contain_text("Olga Petrova, head of Siemens")
    expect(others).to_contain_text(re.compile(r"\d/\d names found again"))
    for turned in view.locator("li.turned").all():
        expect(turned).to_contain_text(re.compile("Lost:|New:"))
    stay.locator("#entities-run").click()
    expect(view.locator("li")).to_have_count(0, timeout=ANSWER_MS)


def test_the_answer_is_found_again_in_question_and_text(stay: Page) -> None:
    text = "The bridge opened on May 27, 1937. It was painted orange by Irving Morrow, the architect."
    view = broken(stay, "answer", "When did the bridge open?", text)
    loud = view.locator("li").filter(has_text="Text · Capitals")
    expect(loud).to_contain_text("MAY 27, 1937")
    expect(loud).to_contain_text("same answer")
    expect(view.locator("li").filter(has_text="Question · Paraphrase")).to_have_count(1)


def test_translations_of_capitals_are_told_apart_on_a_chinese_phone(site: str, browser: Browser) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        view = broken(page, "translate", "Where is the railway station? I have lost my ticket.")
        loud = view.locator("li").filter(has_text="全大写")
        expect(loud).to_contain_text(re.compile(r"chrF \d+"))
        expect(view).to_contain_text("chrF 低于 50")
        expect(view.locator("li").filter(has_text="加一个中性表情")).to_contain_text("答案不变")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
