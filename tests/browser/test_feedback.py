"""Thumbs under an answer: real answers, a real file, both languages, the keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from llm_core.engine import create_engine
from llm_core.feedback import Vote, read_feedback
from llm_core.settings import Settings
from tests.browser.conftest import served, visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]
ANSWER_MS = 60_000
TEXT = "What a wonderful film."


@contextlib.contextmanager
def asking(path: Path) -> Iterator[str]:
    with served(create_engine(Settings(offline=True, feedback=str(path)))) as (address, _):
        yield address


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("votes") / "votes.jsonl"


@pytest.fixture(scope="module")
def asked(votes: Path) -> Iterator[str]:
    """Address of a page whose owner wants votes."""
    with asking(votes) as address:
        yield address


@pytest.fixture
def empty(votes: Path) -> Path:
    votes.unlink(missing_ok=True)
    return votes


def answered(page: Page, text: str = TEXT) -> Locator:
    page.locator("#tab-sentiment-button").click()
    page.locator("#sentiment .fields textarea:visible").last.fill(text)
    page.locator("#sentiment-run").click()
    expect(page.locator("#sentiment-status")).to_contain_text("✓", timeout=ANSWER_MS)
    return page.locator("#sentiment-feedback")


def only(path: Path) -> Vote:
    [row] = read_feedback(path)
    return row


def test_nobody_is_asked_where_the_owner_wants_no_votes(visit: Page) -> None:
    answered(visit)
    expect(visit.locator(".feedback")).to_have_count(0)


def test_a_vote_is_told_before_kept_once_and_can_be_changed(asked: str, empty: Path, browser: Browser) -> None:
    with visitor(browser, asked) as page:
        thumbs = answered(page)
        expect(thumbs).to_contain_text("Before you vote: your text, this answer")
        expect(thumbs).to_contain_text("Without a vote nothing is kept.")
        assert not empty.exists()
        thumbs.get_by_role("button", name="Yes").dblclick()
        expect(thumbs).to_contain_text("Kept, thank you.")
        expect(thumbs.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "true")
        row = only(empty)
        assert (row.task, row.request, row.model) == ("sentiment", {"text": TEXT}, "sentiment-en")
        assert (row.thumbs, row.language, row.answer["label"]) == ("up", "en", "positive")
        thumbs.get_by_label("Why?").fill("<b>It is</b> not sure enough")
        thumbs.get_by_role("button", name="Send comment").click()
        expect(thumbs).to_contain_text("Your vote and comment are kept")
        thumbs.get_by_role("button", name="No").click()
        expect(thumbs.get_by_role("button", name="No")).to_have_attribute("aria-pressed", "true")
        expect(thumbs.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "false")
        assert (only(empty).thumbs, only(empty).comment) == ("down", "<b>It is</b> not sure enough")


def test_the_next_answer_has_a_vote_of_its_own_and_clear_takes_the_question_away(
    asked: str, empty: Path, browser: Browser
) -> None:
    with visitor(browser, asked) as page:
        answered(page).get_by_role("button", name="Yes").click()
        expect(page.locator("#sentiment-feedback")).to_contain_text("Kept, thank you.")
        thumbs = answered(page, "The food was awful.")
        expect(thumbs.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "false")
        thumbs.get_by_role("button", name="No").click()
        expect(thumbs).to_contain_text("Kept, thank you.")
        assert [row.thumbs for row in read_feedback(empty)] == ["up", "down"]
        page.locator("#sentiment-clear").click()
        expect(thumbs).to_be_hidden()


def test_the_keyboard_votes_in_chinese_on_a_phone(asked: str, empty: Path, browser: Browser) -> None:
    with visitor(browser, asked, "zh-CN", 360) as page:
        thumbs = answered(page, "房间很干净，服务也很好。")
        expect(thumbs).to_contain_text("投票前请知悉")
        thumbs.get_by_role("button", name="好", exact=True).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(thumbs).to_contain_text("已保存，谢谢")
        expect(thumbs.get_by_role("button", name="不好")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("太肯定了")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(thumbs).to_contain_text("评价和留言已保存")
        row = only(empty)
        assert (row.thumbs, row.comment, row.language, row.model) == ("down", "太肯定了", "zh", "sentiment-zh")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_full_store_is_told_in_words(asked: str, empty: Path, browser: Browser) -> None:
    empty.write_bytes(b" " * 20_000_000)
    with visitor(browser, asked) as page:
        thumbs = answered(page)
        thumbs.get_by_role("button", name="Yes").click()
        expect(thumbs.get_by_role("alert")).to_contain_text("the owner's storage is full")
        expect(thumbs.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "false")
    assert empty.stat().st_size == 20_000_000
