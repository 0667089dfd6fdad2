"""How the page appears: in the visitor's language from the first byte on, and without moving what is there already."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import visitor
from tools.measure_page import first_visit

pytestmark = pytest.mark.browser

MOST_SHIFT = 0.02
"""Of Chrome's Cumulative Layout Shift; below 0.1 is called good."""


def test_nothing_moves_while_the_page_appears(browser: Browser, site: str) -> None:
    seen = dict(first_visit(browser, site))
    assert seen["first contentful paint"] > 0
    assert seen["layout shift while the page appears"] < MOST_SHIFT


@pytest.mark.parametrize(
    ("locale", "language", "name"),
    [("zh-HK", "zh", "看见语言模型"), ("zh", "zh", "看见语言模型"), ("de-DE", "en", "Language models, shown")],
)
def test_the_window_is_called_as_the_page_is(
    browser: Browser, site: str, locale: str, language: str, name: str
) -> None:
    with visitor(browser, site, locale) as page:
        expect(page).to_have_title(name)
        expect(page.locator("#title")).to_have_text(name)
        page.wait_for_function(f"document.documentElement.lang.startsWith('{language}')")
