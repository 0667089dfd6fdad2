"""What was typed outlives a reload and a lost connection, in every tab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor, wait_until_answered

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

ANSWER_MS = 60_000
TYPED = "Typed before the page went away"
FIELDS = {
    "classify": "#classify .fields textarea",
    "sentiment": "#sentiment .fields textarea",
    "translate": "#translate .fields textarea",
    "answer": "#answer .fields textarea",
    "entities": "#entities .fields textarea",
    "complete": "#complete-prefix .cm-content",
    "generate": "#generate .fields textarea",
    "under_the_hood": "#under_the_hood .fields textarea",
    "train": "#train-examples textarea",
}
KEPT = "(name) => sessionStorage.getItem(`llm-core-fields-${name}`) ?? ''"


def reload(page: Page) -> None:
    """As a visitor does who has seen the answers: a stream that the reload cuts off is told in the console."""
    wait_until_answered(page)
    page.reload()
    page.wait_for_selector("#tab-classify-button")


def test_a_reload_opens_the_same_tab_with_what_was_typed_in_all_of_them(visit: Page) -> None:
    for slug, field in FIELDS.items():
        visit.locator(f"#tab-{slug}-button").click()
        visit.locator(field).first.click()
        visit.keyboard.type(TYPED)
        visit.wait_for_function(f"({KEPT})('{slug}').includes('{TYPED}')")
    reload(visit)
    expect(visit.locator("#train")).to_be_visible(timeout=ANSWER_MS)  # the last one
    for slug, field in FIELDS.items():
        visit.locator(f"#tab-{slug}-button").click()
        if slug == "complete":
            expect(visit.locator(field)).to_contain_text(TYPED)
        else:  # under the hood there is a text to begin with
            expect(visit.locator(field).first).to_have_value(re.compile(f"{TYPED}$"))


def test_a_reload_keeps_choices_the_inner_view_and_what_was_cleared(visit: Page) -> None:
    visit.locator("#tab-classify-button").click()
    visit.get_by_label("My own labels").check()
    visit.get_by_label("Labels, separated by commas").fill("cooking, travel")
    visit.wait_for_function(f"({KEPT})('classify').includes('travel')")
    visit.locator("#tab-generate-button").click()
    visit.get_by_role("tab", name="Chat").click()
    visit.get_by_role("textbox", name="Your message").fill(TYPED)
    visit.wait_for_function(f"({KEPT})('chat').includes('{TYPED}')")
    reload(visit)
    message = visit.get_by_role("textbox", name="Your message")
    expect(message).to_have_value(TYPED, timeout=ANSWER_MS)
    visit.locator("#tab-classify-button").click()
    expect(visit.get_by_label("My own labels")).to_be_checked()
    expect(visit.get_by_label("Labels, separated by commas")).to_have_value("cooking, travel")
    visit.locator("#classify-clear").click()
    expect(visit.get_by_label("My own labels")).not_to_be_checked()
    visit.wait_for_function(f"!({KEPT})('classify').includes('travel')")
    reload(visit)
    expect(visit.locator("#classify")).to_be_visible()
    expect(visit.get_by_label("My own labels")).not_to_be_checked()


def choose(page: Page, menu: str, option: str) -> None:
    page.locator(f"{menu} input").click()
    page.get_by_role("option", name=re.compile(option)).click()


def test_a_reload_keeps_a_model_that_only_the_chosen_label_set_offers(visit: Page) -> None:
    visit.locator("#tab-classify-button").click()
    visit.get_by_label("Label set").click()
    visit.get_by_role("option", name="Emotions").click()
    choose(visit, "#classify-model", "^Emotions, English")
    visit.locator(FIELDS["classify"]).first.fill("I could cry, I'm so happy.")
    visit.wait_for_function(f"({KEPT})('classify').includes('emotion-en') && ({KEPT})('classify').includes('cry')")
    for _ in range(2):
        reload(visit)
        expect(visit.locator("#classify-model input")).to_have_value(re.compile("^Emotions"), timeout=ANSWER_MS)
        expect(visit.get_by_label("Label set")).to_have_value("Emotions")
        wait_until_answered(visit)  # the server has been told what is on offer
        visit.locator("#classify-run").click()
        expect(visit.locator("#classify-status")).to_contain_text("✓ Emotions", timeout=ANSWER_MS)


def test_a_reload_keeps_a_language_that_only_the_chosen_model_has(visit: Page) -> None:
    visit.locator("#tab-translate-button").click()
    choose(visit, "#translate-model", "NLLB")
    expect(visit.locator("#translate-model input")).to_have_value(re.compile("NLLB"))
    wait_until_answered(visit)
    choose(visit, "#translate-target", "Deutsch")
    visit.wait_for_function(f"({KEPT})('translate').includes('nllb')")
    for _ in range(2):
        reload(visit)
        expect(visit.locator("#translate-target input")).to_have_value("Deutsch", timeout=ANSWER_MS)
        expect(visit.locator("#translate-model input")).to_have_value(re.compile("NLLB"))


def test_another_visitor_finds_nothing(browser: Browser, site: str, visit: Page) -> None:
    visit.locator(FIELDS["classify"]).first.fill(TYPED)
    visit.wait_for_function(f"({KEPT})('classify').includes('{TYPED}')")
    with visitor(browser, site) as other:
        expect(other.locator(FIELDS["classify"]).first).to_have_value("")


def test_a_lost_connection_costs_nothing_that_was_typed(browser: Browser, site: str) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(site)
    page.wait_for_selector("#classify-run")
    page.locator("#tab-sentiment-button").click()
    field = page.locator(FIELDS["sentiment"]).first
    context.set_offline(True)
    field.fill("I love this place.")
    page.locator("#sentiment-run").click()
    page.wait_for_timeout(1500)
    expect(field).to_have_value("I love this place.")
    context.set_offline(False)
    reload(page)
    expect(field).to_have_value("I love this place.", timeout=ANSWER_MS)
    page.locator("#sentiment-run").click()
    expect(page.locator("#sentiment-status")).to_contain_text("✓", timeout=ANSWER_MS)
    expect(page.locator("#sentiment .results h2")).to_have_text("positive")
    context.close()
