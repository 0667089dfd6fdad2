"""The confidence dial in the tabs that label texts. Real embedded models and their shipped validation counts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]
ANSWER_MS = 60_000


def ask(page: Page, slug: str, tab: int, text: str) -> Locator:
    page.get_by_role("tab").nth(tab).click()
    page.locator(f"#{slug} .fields textarea:visible").last.fill(text)
    page.locator(f"#{slug}-run").click()
    expect(page.locator(f"#{slug}-status")).to_contain_text("✓", timeout=ANSWER_MS)
    return page.locator(f"#{slug}-dial")


def share(dial: Locator, column: int) -> float:
    return float(dial.locator("tbody td").nth(column).inner_text().split("%")[0])


def test_a_higher_bar_gives_fewer_and_better_answers(stay: Page) -> None:
    dial = ask(stay, "classify", 0, "The striker scored twice in the cup final against Milan.")
    expect(dial).to_contain_text(re.compile(r"Answered: Sports \d+\.\d%"))
    expect(dial).to_contain_text("AG News")
    expect(dial).to_contain_text("600 rows")
    expect(dial.locator("svg polyline")).to_have_count(1)
    everything = share(dial, 0), share(dial, 1)
    dial.get_by_role("slider").fill("90")
    expect(dial.locator("output")).to_have_text("90%")
    surest = share(dial, 0), share(dial, 1)
    assert everything[0] == 100.0 and 50 < surest[0] < 100
    assert surest[1] > everything[1] > 85


def test_an_answer_below_the_bar_is_withheld_until_the_bar_is_lowered(stay: Page) -> None:
    dial = ask(stay, "sentiment", 1, "The room was wonderful, but the breakfast was awful and cold.")
    dial.get_by_role("slider").fill("99")
    expect(dial).to_contain_text(re.compile(r"Not sure enough, so it keeps silent: \d+\.\d% < 99%"))
    bars = stay.locator("#sentiment .results .steady").first
    expect(bars).to_have_css("opacity", "0.3")
    dial.get_by_role("slider").press("Home")
    expect(dial).to_contain_text("Answered:")
    expect(bars).to_have_css("opacity", "1")


def test_the_bar_stays_for_the_next_answer_and_clear_removes_it(stay: Page) -> None:
    dial = ask(stay, "sentiment", 1, "What a wonderful film.")
    dial.get_by_role("slider").fill("97")
    ask(stay, "sentiment", 1, "房间很干净，服务也很好。")
    expect(dial).to_contain_text("1,500 rows")
    expect(dial.locator("tbody tr")).to_have_count(4)
    expect(dial.locator("output")).to_have_text("97%")
    stay.locator("#sentiment-clear").click()
    expect(dial).to_be_hidden()


def test_labels_of_ones_own_have_no_figures(stay: Page) -> None:
    stay.locator("#tab-classify-button").click()
    stay.locator("#classify").get_by_label("My own labels").check()
    stay.locator("#classify").get_by_label("Labels, separated by commas").fill("cooking, travel")
    dial = ask(stay, "classify", 0, "Simmer the onions in butter, then add the stock.")
    expect(dial).to_contain_text("Nothing was measured for these labels")
    expect(dial.locator("table")).to_have_count(0)


def test_it_fits_a_phone_and_speaks_chinese(site: str, browser: Browser) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        dial = ask(page, "classify", 0, "The striker scored twice in the cup final against Milan.")
        expect(dial).to_contain_text("只在高于此概率时回答")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_names_below_the_bar_are_held_back_one_by_one(stay: Page) -> None:
    stay.locator("#tab-entities-button").click()
    stay.locator("#entities-examples button").first.click()
    dial = stay.locator("#entities-dial")
    expect(dial).to_contain_text("Names shown: 8/8", timeout=ANSWER_MS)
    expect(dial.locator("tbody tr")).to_have_count(3)
    expect(dial).to_contain_text("web texts (UNER-EWT)")
    everything = [share(dial, column) for column in (0, 1, 2)]
    dial.get_by_role("slider").fill("60")
    expect(dial).to_contain_text(re.compile(r"Names shown: [1-7]/8"))
    held = dial.locator(".told small")
    expect(held).to_contain_text(re.compile(r"Held back: .*\d+\.\d%"))
    count = held.inner_text().count("%")
    expect(stay.locator("#entities .results [data-held]")).to_have_count(count)
    surest = [share(dial, column) for column in (0, 1, 2)]
    assert everything[0] == 100.0 > surest[0]
    assert surest[1] > everything[1] > 65 and surest[2] < everything[2]
    dial.get_by_role("slider").press("Home")
    expect(stay.locator("#entities .results [data-held]")).to_have_count(0)


def test_an_answer_below_the_bar_is_withheld_in_chinese(site: str, browser: Browser) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        page.locator("#tab-answer-button").click()
        page.locator("#answer-examples button").first.click()
        dial = page.locator("#answer-dial")
        expect(dial).to_contain_text(re.compile(r"回答： May 27, 1937 \d+\.\d%"), timeout=ANSWER_MS)
        expect(dial.locator("tbody tr")).to_have_count(2)
        exact, f1 = share(dial, 1), share(dial, 2)
        assert f1 > exact > 45
        dial.get_by_role("slider").fill("99")
        expect(dial).to_contain_text("把握不够，不作回答")
        expect(page.locator("#answer-result")).to_have_css("opacity", "0.3")
        dial.get_by_role("slider").fill("80")
        assert share(dial, 1) > exact and share(dial, 0) < 100
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
