"""Every tab as a visitor meets it: type, run, read, stop; and what a mistake looks like. Real embedded models."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

SLUGS = ("classify", "sentiment", "translate", "answer", "entities", "complete", "generate")
ANSWER_MS = 60_000
"""Loading a model on a busy machine is part of the first answer."""


def open_tab(page: Page, slug: str) -> Locator:
    page.get_by_role("tab").nth(SLUGS.index(slug)).click()
    bench = page.locator(f"#{slug}")
    expect(bench).to_be_visible()
    return bench


def run(page: Page, slug: str) -> None:
    page.locator(f"#{slug}-run").click()


def expect_done(page: Page, slug: str) -> None:
    expect(page.locator(f"#{slug}-status")).to_contain_text("✓", timeout=ANSWER_MS)
    expect(page.locator(f"#{slug}-status")).to_contain_text(re.compile(r"\d+(\.\d+)? m?s"))
    expect(page.locator(f"#{slug}-stop")).to_be_disabled()


def test_classify_news(visit: Page) -> None:
    bench = open_tab(visit, "classify")
    bench.get_by_label("Text", exact=True).fill("The striker scored twice in the cup final against Milan.")
    run(visit, "classify")
    expect_done(visit, "classify")
    expect(bench.locator(".results h2")).to_have_text("Sports")


def test_classify_by_own_labels(visit: Page) -> None:
    bench = open_tab(visit, "classify")
    bench.get_by_label("My own labels").check()
    bench.get_by_label("Labels, separated by commas").fill("cooking, travel, finance")
    bench.get_by_label("Text", exact=True).fill("Simmer the onions in butter, then add the stock.")
    run(visit, "classify")
    expect_done(visit, "classify")
    expect(bench.locator(".results h2")).to_have_text("cooking")


def test_classify_by_own_examples(visit: Page) -> None:
    bench = open_tab(visit, "classify")
    bench.get_by_label("My own examples").check()
    bench.get_by_label(re.compile("one a line")).fill(
        "My parcel never came | delivery\nWhere is my order | delivery\n"
        "I was charged twice | billing\nPlease refund the invoice | billing"
    )
    bench.get_by_label("Text", exact=True).fill("The courier lost my package")
    run(visit, "classify")
    expect_done(visit, "classify")
    expect(bench.locator(".results h2")).to_have_text("delivery")


def test_sentiment_by_sentence(visit: Page) -> None:
    bench = open_tab(visit, "sentiment")
    bench.get_by_label("Text", exact=True).fill("The room was wonderful. The breakfast was awful and cold.")
    run(visit, "sentiment")
    expect_done(visit, "sentiment")
    expect(bench.locator(".results")).to_contain_text("The room was wonderful.")
    expect(bench.locator(".results .token.highlighted")).to_have_count(2)


def test_answer_is_marked_in_the_passage(visit: Page) -> None:
    bench = open_tab(visit, "answer")
    bench.get_by_label("Question").fill("When was the bridge opened?")
    bench.get_by_label("Passage", exact=True).fill(
        "The old bridge was opened in 1932. It was closed for repairs in 1988."
    )
    run(visit, "answer")
    expect_done(visit, "answer")
    expect(bench.locator(".results")).to_contain_text("1932")
    expect(bench.locator(".results .token.highlighted")).to_contain_text("1932")


def test_entities(visit: Page) -> None:
    bench = open_tab(visit, "entities")
    bench.get_by_label("Text", exact=True).fill("Angela Merkel met Tim Cook in Berlin. Cook liked Berlin.")
    run(visit, "entities")
    expect_done(visit, "entities")
    expect(bench.locator(".token.highlighted").first).to_contain_text("Angela Merkel")
    berlin = bench.locator("#entities-counted tr", has_text="Berlin")
    expect(berlin.locator("td")).to_have_text(["place", "2", "2", re.compile(r"\d+%")])


def test_complete_a_function(visit: Page) -> None:
    bench = open_tab(visit, "complete")
    visit.locator("#complete-examples button").first.click()
    expect_done(visit, "complete")
    expect(bench.locator(".results .cm-content").first).to_contain_text("def ")


def test_generate_streams_and_finishes(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.get_by_label("What should it write?").fill("Two sentences about the sea.")
    visit.keyboard.press("Control+Enter")
    expect_done(visit, "generate")
    expect(visit.locator("#generate-status")).to_contain_text("tokens/s")
    assert len(visit.locator("#generate-result textarea").input_value()) > 40


def test_stop_ends_a_generation_and_keeps_what_was_written(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.get_by_label("What should it write?").fill("A very long story about a lighthouse, in many chapters.")
    run(visit, "generate")
    result = visit.locator("#generate-result textarea")
    expect(result).not_to_have_value("", timeout=ANSWER_MS)
    stop = visit.locator("#generate-stop")
    expect(stop).to_be_enabled()
    stop.click()
    expect(visit.locator("#generate-status")).to_contain_text("Stopped")
    expect(stop).to_be_disabled()
    written = result.input_value()
    time.sleep(1.0)
    assert result.input_value() == written != ""


def test_chat_remembers_the_turn_before(visit: Page) -> None:
    open_tab(visit, "generate")
    visit.get_by_role("tab", name="Chat").click()
    message = visit.get_by_role("textbox", name="Your message")
    for turn, words in enumerate(("My name is Ada. Say hello to me.", "What is my name?"), start=1):
        message.fill(words)
        message.press("Enter")
        expect(visit.locator("#chat-status")).to_contain_text("✓", timeout=ANSWER_MS)
        expect(visit.locator("#chat-conversation .bot.message")).to_have_count(turn)
        expect(message).to_have_value("")


@pytest.mark.parametrize("slug", SLUGS)
def test_running_on_nothing_says_what_to_do(visit: Page, slug: str) -> None:
    open_tab(visit, slug)
    run(visit, slug)
    message = visit.locator(f"#{slug}-message")
    expect(message).to_contain_text(re.compile("Please .*first"), timeout=ANSWER_MS)
    visit.locator(f"#{slug}-clear").click()
    expect(message).to_be_hidden()


@pytest.mark.parametrize("slug", SLUGS)
def test_clear_empties_the_fields(visit: Page, slug: str) -> None:
    bench = open_tab(visit, slug)
    field = bench.locator(".fields textarea, .fields .cm-content").first
    field.click()
    visit.keyboard.type("abc")
    visit.locator(f"#{slug}-clear").click()
    if slug == "complete":
        expect(field).to_have_text("")
    else:
        expect(field).to_have_value("")


def test_a_double_click_runs_once(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.get_by_label("What should it write?").fill("One sentence about rain.")
    joins: list[str] = []
    visit.on("request", lambda request: joins.append(request.url) if "/queue/join" in request.url else None)
    visit.locator("#generate-run").dblclick()
    expect_done(visit, "generate")
    assert len(joins) == 1


def test_markup_in_text_stays_text(visit: Page) -> None:
    bench = open_tab(visit, "sentiment")
    hostile = '<img src=x onerror="window.__pwned=1"> I love it. <script>window.__pwned=1</script>'
    bench.get_by_label("Text", exact=True).fill(hostile)
    run(visit, "sentiment")
    expect_done(visit, "sentiment")
    assert visit.evaluate("window.__pwned") is None
