"""Every tab as a visitor meets it: type, run, read, stop; and what a mistake looks like. Real embedded models."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from demos._usage import ADDRESS, Place, link
from tests.browser.conftest import visitor, wait_until_answered

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

SLUGS = ("classify", "sentiment", "translate", "answer", "entities", "complete", "generate")
ANSWER_MS = 60_000
"""Loading a model on a busy machine is part of the first answer."""


def open_tab(page: Page, slug: str) -> Locator:
    page.get_by_role("tab").nth(SLUGS.index(slug)).click()
    if (views := page.locator(f"#tab-{slug} .views").get_by_role("tab")).count():
        views.first.click()  # another test may have left another one open
    bench = page.locator(f"#{slug}")
    expect(bench).to_be_visible()
    return bench


def run(page: Page, slug: str) -> None:
    page.locator(f"#{slug}-run").click()


def expect_done(page: Page, slug: str) -> None:
    expect(page.locator(f"#{slug}-status")).to_contain_text("✓", timeout=ANSWER_MS)
    expect(page.locator(f"#{slug}-status")).to_contain_text(re.compile(r"\d+(\.\d+)? m?s"))
    expect(page.locator(f"#{slug}-stop")).to_be_disabled()


def test_classify_news(stay: Page) -> None:
    bench = open_tab(stay, "classify")
    bench.get_by_label("Text", exact=True).fill("The striker scored twice in the cup final against Milan.")
    run(stay, "classify")
    expect_done(stay, "classify")
    expect(bench.locator(".results h2")).to_have_text("Sports")


def test_classify_by_own_labels(stay: Page) -> None:
    bench = open_tab(stay, "classify")
    bench.get_by_label("My own labels").check()
    bench.get_by_label("Labels, separated by commas").fill("cooking, travel, finance")
    bench.get_by_label("Text", exact=True).fill("Simmer the onions in butter, then add the stock.")
    run(stay, "classify")
    expect(bench.locator(".results h2")).to_have_text("cooking", timeout=ANSWER_MS)
    expect_done(stay, "classify")


def test_classify_by_own_examples(stay: Page) -> None:
    bench = open_tab(stay, "classify")
    bench.get_by_label("My own examples").check()
    bench.get_by_label(re.compile("one a line")).fill(
        "My parcel never came | delivery\nWhere is my order | delivery\n"
        "I was charged twice | billing\nPlease refund the invoice | billing"
    )
    bench.get_by_label("Text", exact=True).fill("The courier lost my package")
    run(stay, "classify")
    expect(bench.locator(".results h2")).to_have_text("delivery", timeout=ANSWER_MS)
    expect_done(stay, "classify")


def test_sentiment_by_sentence(stay: Page) -> None:
    bench = open_tab(stay, "sentiment")
    bench.get_by_label("Text", exact=True).fill("The room was wonderful. The breakfast was awful and cold.")
    run(stay, "sentiment")
    expect_done(stay, "sentiment")
    expect(bench.locator(".results mark")).to_have_text(
        [re.compile(r"^The room was wonderful\..*positive$"), re.compile(r"^The breakfast was awful.*negative$")]
    )


def test_answer_is_marked_in_the_passage(stay: Page) -> None:
    bench = open_tab(stay, "answer")
    bench.get_by_label("Question").fill("When was the bridge opened?")
    bench.get_by_label("Passage", exact=True).fill(
        "The old bridge was opened in 1932. It was closed for repairs in 1988."
    )
    run(stay, "answer")
    expect_done(stay, "answer")
    expect(bench.locator(".results")).to_contain_text("1932")
    expect(bench.locator(".results .token.highlighted")).to_contain_text("1932")


def test_entities(stay: Page) -> None:
    bench = open_tab(stay, "entities")
    bench.get_by_label("Text", exact=True).fill("Angela Merkel met Tim Cook in Berlin. Cook liked Berlin.")
    run(stay, "entities")
    expect_done(stay, "entities")
    expect(bench.locator(".token.highlighted").first).to_contain_text("Angela Merkel")
    berlin = bench.locator("#entities-counted tr", has_text="Berlin")
    expect(berlin.locator("td")).to_have_text(["place", "2", "2", re.compile(r"\d+%")])


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_counted_names_stay_whole_on_a_phone(browser: Browser, site: str, locale: str) -> None:
    with visitor(browser, site, locale, 360) as page:
        open_tab(page, "entities")
        page.locator("#entities-examples button").first.click()
        expect_done(page, "entities")
        name = page.locator("#entities-counted tbody th", has_text="University of Toronto")
        expect(name).to_be_visible()
        lines = """(cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return range.getClientRects().length;
        }"""
        assert name.evaluate(lines) == 1
        table = page.locator("#entities-counted table")
        assert table.evaluate("(box) => box.getBoundingClientRect().right <= innerWidth")


def test_complete_a_function(stay: Page) -> None:
    bench = open_tab(stay, "complete")
    stay.locator("#complete-examples button").first.click()
    expect_done(stay, "complete")
    expect(bench.locator(".completions .candidate .text").first).not_to_be_empty()
    expect(bench.locator(".completions .candidate").first).to_contain_text("valid Python")


def test_generate_streams_and_finishes(stay: Page) -> None:
    bench = open_tab(stay, "generate")
    bench.get_by_label("What should it write?").fill("Two sentences about the sea.")
    stay.keyboard.press("Control+Enter")
    expect_done(stay, "generate")
    expect(stay.locator("#generate-status")).to_contain_text("tokens/s")
    assert len(stay.locator("#generate-result textarea").input_value()) > 40


def ask_for_a_long_text(bench: Locator) -> None:
    """One that is still being written when a busy machine has drawn its first words."""
    bench.get_by_label("What should it write?").fill("A very long story about a lighthouse, in many chapters.")
    bench.locator(".fields").get_by_role("button", name="Settings").first.click()
    bench.get_by_label(re.compile("number input for Longest text")).first.fill("1024")
    bench.get_by_label(re.compile("number input for Longest text")).first.press("Tab")


def test_stop_ends_a_generation_and_keeps_what_was_written(slow_visit: Page) -> None:
    visit = slow_visit
    bench = open_tab(visit, "generate")
    ask_for_a_long_text(bench)
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


def test_chat_remembers_the_turn_before(stay: Page) -> None:
    open_tab(stay, "generate")
    stay.get_by_role("tab", name="Chat").click()
    message = stay.get_by_role("textbox", name="Your message")
    for turn, words in enumerate(("My name is Ada. Say hello to me.", "What is my name?"), start=1):
        message.fill(words)
        message.press("Enter")
        expect(stay.locator("#chat-conversation .bot.message")).to_have_count(turn, timeout=ANSWER_MS)
        expect(stay.locator("#chat-status")).to_contain_text("✓", timeout=ANSWER_MS)
        expect(message).to_have_value("")


@pytest.mark.parametrize("slug", SLUGS)
def test_running_on_nothing_says_what_to_do(stay: Page, slug: str) -> None:
    open_tab(stay, slug)
    stay.locator(f"#{slug}-clear").click()
    expect(stay.locator(f"#{slug}-status")).to_have_text("Ready")
    run(stay, slug)
    message = stay.locator(f"#{slug}-message")
    expect(message).to_contain_text(re.compile("Please .*first"), timeout=ANSWER_MS)
    stay.locator(f"#{slug}-clear").click()
    expect(message).to_be_hidden()


@pytest.mark.parametrize("slug", SLUGS)
def test_clear_empties_the_fields(stay: Page, slug: str) -> None:
    bench = open_tab(stay, slug)
    field = bench.locator(".fields textarea, .fields .cm-content").first
    field.click()
    stay.keyboard.type("abc")
    stay.locator(f"#{slug}-clear").click()
    if slug == "complete":
        expect(field).to_have_text("")
    else:
        expect(field).to_have_value("")


def test_what_is_typed_right_after_clear_stays(stay: Page) -> None:
    bench = open_tab(stay, "sentiment")
    field = bench.locator(".fields textarea").first
    field.fill("The first text.")
    stay.locator("#sentiment-clear").click()
    field.fill("I love it.")
    run(stay, "sentiment")
    expect_done(stay, "sentiment")
    expect(bench.locator(".results h2")).to_have_text("positive")
    expect(field).to_have_value("I love it.")


def test_clear_ends_a_run_and_nothing_of_it_comes_after(slow_visit: Page) -> None:
    bench = open_tab(slow_visit, "generate")
    ask_for_a_long_text(bench)
    run(slow_visit, "generate")
    result = slow_visit.locator("#generate-result textarea")
    expect(result).not_to_have_value("", timeout=ANSWER_MS)
    slow_visit.locator("#generate-clear").click()
    expect(result).to_have_value("")
    expect(slow_visit.locator("#generate-status")).to_have_text("Ready")
    time.sleep(1.0)
    assert result.input_value() == ""


def test_without_a_seed_each_run_writes_another_text(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.locator(".fields").get_by_role("button", name="Settings").first.click()
    expect(bench.get_by_label(re.compile("Seed:")).first).to_have_value("")
    bench.get_by_label("What should it write?").fill("A short story about a lighthouse.")
    bench.get_by_label(re.compile("number input for Longest text")).first.fill("32")
    bench.get_by_label(re.compile("number input for Longest text")).first.press("Tab")
    result = visit.locator("#generate-result textarea")
    run(visit, "generate")
    expect_done(visit, "generate")
    first = result.input_value()
    run(visit, "generate")
    expect(result).not_to_have_value(first, timeout=ANSWER_MS)
    expect_done(visit, "generate")
    assert result.input_value() != first != ""


def test_a_double_click_runs_once(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.get_by_label("What should it write?").fill("One sentence about rain.")
    joins: list[str] = []
    visit.on("request", lambda request: joins.append(request.url) if "/queue/join" in request.url else None)
    visit.locator("#generate-run").dblclick()
    expect_done(visit, "generate")
    assert len(joins) == 1


def test_markup_in_text_stays_text(stay: Page) -> None:
    bench = open_tab(stay, "sentiment")
    hostile = '<img src=x onerror="window.__pwned=1"> I love it. <script>window.__pwned=1</script>'
    bench.get_by_label("Text", exact=True).fill(hostile)
    run(stay, "sentiment")
    expect_done(stay, "sentiment")
    assert stay.evaluate("window.__pwned") is None


def test_completions_come_while_one_types_and_are_accepted_by_keyboard(visit: Page) -> None:
    open_tab(visit, "complete")
    editor = visit.locator("#complete-prefix .cm-content")
    editor.click()
    visit.keyboard.type("import os\n\n\ndef add(a, b):\n    return a ")
    first = visit.locator(".completions .candidate").first
    expect(first.locator(".accept")).to_be_visible(timeout=ANSWER_MS)
    expect(first).to_contain_text("%")
    typed, completion = editor.inner_text(), first.locator(".text").inner_text()
    assert completion.strip()
    visit.keyboard.press("Control+ArrowRight")
    expect(editor).not_to_have_text(typed)
    word = editor.inner_text().removeprefix(typed)
    assert word.strip() and completion.strip().startswith(word.strip())
    if len(completion.strip()) > len(word.strip()):
        visit.keyboard.press("Tab")
        expect(editor).to_contain_text(completion.strip().splitlines()[-1].strip())
    expect(visit.locator("#complete-completions")).to_contain_text("Accepted")


def test_no_completion_is_asked_for_when_that_is_switched_off(visit: Page) -> None:
    open_tab(visit, "complete")
    visit.locator("#complete-live input").uncheck()
    visit.locator("#complete-prefix .cm-content").click()
    visit.keyboard.type("def add(a, b):")
    visit.wait_for_timeout(1500)
    expect(visit.locator(".completions .candidate")).to_have_count(0)


def test_the_model_is_asked_about_code(stay: Page) -> None:
    open_tab(stay, "complete")
    stay.get_by_role("tab", name="Ask about code").click()
    stay.locator("#ask-examples button").first.click()
    expect_done(stay, "ask")
    assert len(stay.locator("#ask-answer").inner_text()) > 60


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_poem_is_written_downwards_with_pinyin_and_tones(browser: Browser, site: str, locale: str) -> None:
    with visitor(browser, site, locale) as page:
        chinese = locale == "zh-CN"
        page.get_by_role("tab", name="文本生成" if chinese else "Text generation").click()
        page.get_by_role("tab", name="写诗" if chinese else "Chinese verse").click()
        page.locator("#poem-examples button", has_text="春夏秋冬").click()
        expect_done(page, "poem")
        lines = page.locator(".poem .line")
        expect(lines).to_have_count(4)
        heads = [line.locator("ruby").first.inner_text()[0] for line in lines.all()]
        assert heads == list("春夏秋冬") and all(line.locator("ruby").count() == 7 for line in lines.all())
        expect(page.locator(".poem .facts-line")).to_contain_text("押韵 1/1" if chinese else "rhymes 1/1")
        sheet = page.locator(".poem .sheet")
        assert sheet.evaluate("(box) => getComputedStyle(box).writingMode") == "vertical-rl"
        page.locator(".poem .toggles button").first.click()
        assert sheet.evaluate("(box) => getComputedStyle(box).writingMode") == "horizontal-tb"
        expect(page.locator(".poem rt").first).to_be_hidden()
        page.get_by_role("button", name="拼音" if chinese else "Pinyin").click()
        expect(page.locator(".poem rt").first).to_be_visible()


def test_a_tune_takes_no_title(stay: Page) -> None:
    open_tab(stay, "generate")
    stay.get_by_role("tab", name="Chinese verse").click()
    stay.get_by_text("词: to a tune").click()
    expect(stay.get_by_role("textbox", name="What is it about")).to_be_hidden()
    stay.locator("#poem-run").click()
    expect_done(stay, "poem")
    expect(stay.locator(".poem h3")).to_have_text("浣溪沙")


def test_the_same_request_from_elsewhere(visit: Page) -> None:
    bench = open_tab(visit, "sentiment")
    bench.get_by_label("Text", exact=True).fill('They said "it\'s fine", and it was: lovely!')
    run(visit, "sentiment")
    expect_done(visit, "sentiment")
    bench.get_by_text("Use this").click()
    visit.locator("#sentiment-usage").get_by_role("tab", name="JavaScript").click()
    program = visit.locator("#sentiment-usage pre").inner_text()
    assert visit.url.rstrip("/") in program
    run_it = """async (program) => {
      const told = [];
      const run = Object.getPrototypeOf(async () => {}).constructor("console", program);
      await run({ log: (value) => told.push(value) });
      return told;
    }"""
    [answer] = visit.evaluate(run_it, program)
    assert answer["label"] == "positive" and answer["model"] == "sentiment-en"
    visit.locator("#sentiment-usage").get_by_role("tab", name="JavaScript").press("ArrowRight")
    expect(visit.locator("#sentiment-usage pre")).to_contain_text("mcpServers")


def test_the_text_goes_on_from_another_token(visit: Page) -> None:
    bench = open_tab(visit, "generate")
    bench.get_by_label("What should it write?").fill("Two sentences about the sea.")
    bench.get_by_label("Show how sure the model was of each token").check()
    run(visit, "generate")
    expect_done(visit, "generate")
    result = visit.locator("#generate-result textarea")
    tokens = visit.locator("#generate-tokens .text .token")
    assert result.input_value().startswith("".join(tokens.all_inner_texts()).strip()[:20])
    tokens.nth(3).press("Enter")
    others = visit.locator("#generate-tokens .choices button")
    expect(others).to_have_count(5)
    before = "".join(tokens.nth(place).inner_text() for place in range(3)).lstrip()
    plain = others.filter(has_text=re.compile("[A-Za-z]{2}"))  # a blank or a line's end is shown as a sign
    other = plain.filter(has_not=visit.locator(".same")).last
    chosen = other.locator("code").inner_text()
    other.click()
    begins = bench.get_by_label("The text begins with")
    expect(begins).not_to_have_value("")
    assert begins.input_value() == before + chosen
    expect_done(visit, "generate")
    expect(visit.locator("#generate-tokens .given")).to_have_text(before + chosen, timeout=ANSWER_MS)
    assert result.input_value().startswith((before + chosen).strip())


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_answer_is_tried_on_other_forms_of_the_text(browser: Browser, site: str, locale: str) -> None:
    chinese = locale == "zh-CN"
    with visitor(browser, site, locale) as page:
        open_tab(page, "sentiment")
        text = (
            "我很喜欢这家酒店，房间非常干净。"
            if chinese
            else "Mary was very happy with the room, and the staff was kind."
        )
        page.locator("#sentiment textarea").first.fill(text)
        page.locator("#sentiment-stress").click()
        rows = page.locator("#sentiment-broken li")
        expect(rows.nth(5)).to_be_visible(timeout=ANSWER_MS)
        expect(page.locator("#sentiment-broken .verdict")).to_contain_text(re.compile(r"\d/\d"))
        negated = rows.filter(has_text="否定" if chinese else "Negated")
        expect(negated).to_contain_text("不喜欢" if chinese else "was not very happy")
        expect(negated).to_contain_text("负面" if chinese else "negative")
        page.locator("#sentiment-run").click()
        expect(rows).to_have_count(0, timeout=ANSWER_MS)


def test_a_link_brings_everything_back(visit: Page, browser: Browser, site: str) -> None:
    open_tab(visit, "generate")
    visit.get_by_role("tab", name="Chinese verse").click()
    visit.locator("#poem-examples button", has_text="春夏秋冬").click()
    expect_done(visit, "poem")
    visit.locator("#poem .results").get_by_text("Use this").click()
    address = visit.locator("#poem-usage pre").inner_text()
    assert address.startswith(f"{site}/?state=")
    with visitor(browser, site, "zh-CN", query=address.removeprefix(site)) as page:
        expect(page.locator("#poem")).to_be_visible(timeout=10_000)
        expect(page.get_by_role("textbox", name="写什么")).to_have_value("四时")
        page.locator("#poem-run").click()
        expect_done(page, "poem")
        assert page.locator(".poem ruby").first.inner_text().startswith("春")
    with visitor(browser, site, query="/?state=W10%3C<b>") as page:  # changed on the way
        expect(page.locator("#classify-run")).to_be_visible()


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        ("classify", ["ready", "emotion", "", "", "I could cry, I'm so happy."]),
        ("translate", ["早上好。", "auto", "xx", "", 0, True, False]),
    ],
)
def test_a_link_to_a_model_and_a_language_that_are_no_more(
    browser: Browser, site: str, slug: str, fields: list[Any]
) -> None:
    address = link(Place(slug, (slug,)), ["a-model-of-before", *fields])
    with visitor(browser, site, query=address.removeprefix(ADDRESS)) as page:
        expect(page.locator(f"#{slug}-model input")).to_have_value(re.compile("^Automatic"), timeout=ANSWER_MS)
        wait_until_answered(page)
        page.locator(f"#{slug}-run").click()
        expect_done(page, slug)
