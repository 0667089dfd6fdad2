"""The page without a pointer: past the tabs, along them, into a frame or panel, run, stop; and what is said aloud."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

ANSWER_MS = 60_000
FRAMES = ("classify", "sentiment", "translate", "answer", "entities", "complete", "generate", "under_the_hood", "train")
MOST_STOPS = 120
"""Of the Tab key, until a frame's button must have been reached."""


def focused(page: Page) -> str:
    """Id of the element that has the focus, or of the nearest one around it that has an id."""
    return str(page.evaluate("document.activeElement.closest('[id]:not([id=\"\"])')?.id ?? ''"))


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element has the focus, and see that it shows."""
    for _ in range(MOST_STOPS):
        if page.evaluate("document.activeElement.closest('.cm-editor') !== null"):
            page.keyboard.press("Escape")  # there, Tab indents
        page.keyboard.press("Tab")
        if focused(page) == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"#{name} has the focus and does not show it"
            return
    pytest.fail(f"#{name} was not reached")


def test_the_first_stop_leads_past_the_tabs(visit: Page) -> None:
    visit.keyboard.press("Tab")
    link = visit.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    visit.keyboard.press("Enter")
    assert focused(visit) == "tab-classify"
    visit.keyboard.press("Tab")
    assert visit.evaluate("document.querySelector('#classify').contains(document.activeElement)")


@pytest.mark.parametrize("slug", FRAMES)
def test_a_tab_is_opened_and_its_run_button_reached_by_the_tab_key(stay: Page, slug: str) -> None:
    tab_to(stay, f"tab-{slug}-button")
    stay.keyboard.press("Enter")
    expect(stay.locator(f"#{slug}")).to_be_visible()
    stay.keyboard.press("Escape")  # nothing runs: nothing happens
    tab_to(stay, f"{slug}-run")


def test_the_code_editor_lets_the_focus_go(stay: Page) -> None:
    stay.locator("#tab-complete-button").press("Enter")
    editor = stay.locator("#complete-prefix .cm-content")
    editor.focus()
    stay.keyboard.press("Escape")
    stay.keyboard.press("Tab")
    expect(editor).not_to_be_focused()


def test_ctrl_enter_runs_and_escape_stops(slow_visit: Page) -> None:
    visit = slow_visit
    visit.locator("#tab-generate-button").press("Enter")
    visit.locator("#generate").get_by_label("What should it write?").focus()
    visit.keyboard.type("A very long story about a lighthouse, in many chapters.")
    visit.keyboard.press("Control+Enter")
    expect(visit.locator("#generate-result textarea")).not_to_have_value("", timeout=ANSWER_MS)
    visit.keyboard.press("Escape")
    expect(visit.locator("#generate-status")).to_contain_text("Stopped")


def test_batch_runs_and_stops_by_the_same_keys(slow_visit: Page) -> None:
    visit = slow_visit
    visit.locator("#tab-translate-button").press("Enter")
    visit.locator("#translate-batch .label-wrap").press("Enter")
    visit.locator("#translate-batch-sample").press("Enter")
    expect(visit.locator("#translate-batch-run")).to_be_enabled()
    visit.locator("#translate-batch-sample").press("Control+Enter")
    expect(visit.locator("#translate-batch-stop")).to_be_enabled(timeout=ANSWER_MS)
    visit.keyboard.press("Escape")
    expect(visit.locator("#translate-batch-status")).to_contain_text("Stopped")
    expect(visit.locator("#translate-batch-stop")).to_be_disabled()
    expect(visit.locator("#translate-status")).to_contain_text("Ready")


def test_compare_runs_itself_by_ctrl_enter(stay: Page) -> None:
    stay.locator("#tab-sentiment-button").press("Enter")
    stay.locator("#sentiment").get_by_label("Text", exact=True).fill("I love it.")
    stay.locator("#sentiment-compare .label-wrap").press("Enter")
    stay.locator("#sentiment-compare-run").focus()
    stay.keyboard.press("Control+Enter")
    expect(stay.locator("#sentiment-compared")).to_contain_text("positive", timeout=ANSWER_MS)
    expect(stay.locator("#sentiment-status")).to_contain_text("Ready")


def test_errors_and_states_are_said_aloud_in_tabs_that_are_drawn_later(stay: Page) -> None:
    stay.locator("#tab-entities-button").press("Enter")
    stay.locator("#entities-run").press("Enter")
    alert = stay.get_by_role("alert").filter(has_text="Please")
    expect(alert).to_have_id("entities-message")
    expect(stay.locator("#entities-status")).to_have_attribute("role", "status")
    stay.locator("#tab-answer-button").press("Enter")
    expect(stay.locator("#answer .verdict").first).to_have_attribute("aria-live", "polite")


def test_each_tab_has_a_heading_of_its_own(browser: Browser, site: str) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        page.locator("#tab-sentiment-button").click()
        heading = page.get_by_role("heading", level=2, name="情感分析")
        expect(heading).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
