"""Labels in the visitor's language: ready ones are translated, what a visitor made up stays as written."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import visitor
from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab, run

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]


def test_ready_labels_are_chinese_for_a_chinese_visitor(browser: Browser, site: str) -> None:
    with visitor(browser, site, locale="zh-CN") as page:
        bench = open_tab(page, "sentiment")
        bench.locator("textarea").first.fill("房间很干净。服务太差了，早餐难吃，非常失望，再也不会来了。")
        run(page, "sentiment")
        expect(bench.locator(".marked .tag")).to_have_text(["正面", "负面"], timeout=ANSWER_MS)
        expect(bench.locator(".labels .name")).to_have_text(["负面", "正面"])
        expect(page.locator("#sentiment-dial .told")).to_contain_text("负面")


def test_news_topics_are_those_of_the_texts_language(browser: Browser, site: str) -> None:
    with visitor(browser, site, locale="zh-CN") as page:
        bench = open_tab(page, "classify")
        text = bench.get_by_label("文本", exact=True)
        for written, topic, model in (
            ("女排三比零横扫对手，提前一轮锁定小组第一", "体育", "新闻主题（THUCNews）"),
            ("The striker scored twice as the home team won the cup final.", "体育", "新闻主题（AG News）"),
            ("新盘开盘均价每平米两万元，三居室热销", "房产", "新闻主题（THUCNews）"),
        ):
            text.fill(written)
            run(page, "classify")
            expect(bench.locator(".labels .name").first).to_have_text(topic, timeout=ANSWER_MS)
            expect(page.locator("#classify-status")).to_contain_text(model)
        expect(page.locator("#classify-dial .told")).to_contain_text("房产")
        page.locator("#classify-explain").click()
        expect(page.locator("#classify-explained")).to_contain_text("房产", timeout=ANSWER_MS)


def test_labels_of_ones_own_stay_as_written(browser: Browser, site: str) -> None:
    with visitor(browser, site, locale="zh-CN") as page:
        bench = open_tab(page, "classify")
        bench.get_by_label("自定标签").check()
        bench.get_by_label("标签，用逗号分隔").fill("sports, <b>cooking</b>")
        bench.get_by_label("文本", exact=True).fill("The goalkeeper saved two penalties in the final.")
        run(page, "classify")
        expect_done(page, "classify")
        expect(bench.locator(".labels h2")).to_have_text("sports")
        expect(bench.locator(".labels .name")).to_have_text(["sports", "<b>cooking</b>"])
        expect(page.locator("#classify-dial .told")).to_contain_text("sports")
        page.locator("#classify-stress").click()
        expect(page.locator("#classify-broken .answer").first).to_contain_text("sports", timeout=ANSWER_MS)
        page.locator("#classify-compare > button").click()
        page.locator("#classify-compare-run").click()
        compared = page.locator("#classify-compared")
        expect(compared.locator(".row.won .name").first).to_have_text("★ sports", timeout=ANSWER_MS)
        expect(compared.locator(".verdict")).to_contain_text("sports")
        expect(compared).not_to_contain_text("体育")
        page.locator("#classify-clear").click()
        expect(bench.locator(".labels .row")).to_have_count(0)
