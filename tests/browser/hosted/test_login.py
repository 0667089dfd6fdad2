"""The button to log in: on a Space that has log-in, in both languages, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab
from tests.support.login_page import SPACE, session_cookie
from tests.support.page_process import page_process
from tests.support.remote_servers import faulty

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with faulty() as router, page_process("login_page", SPACE, tmp_path_factory.mktemp("space"), router.url) as address:
        yield address


@contextmanager
def visitor(browser: Browser, space: str, locale: str = "en-US") -> Iterator[Page]:
    """A fresh visitor's page. On a Space Gradio asks for fonts and for the Space's card, which the policy of the page
    refuses: so there are errors in its log."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale=locale)
    page.goto(space)
    page.wait_for_selector("#classify-run")
    yield page
    page.close()


@pytest.mark.parametrize(
    ("locale", "enter", "leave", "note"),
    [
        ("en-US", "Log in with Hugging Face", "Log out (bea)", "run on your own credit"),
        ("zh-CN", "使用 Hugging Face 登录", "退出登录 (bea)", "使用您自己的额度"),
    ],
)
def test_who_is_logged_in_may_log_out(
    browser: Browser, space: str, locale: str, enter: str, leave: str, note: str
) -> None:
    with visitor(browser, space, locale) as page:
        button = page.locator("#login-button")
        expect(button).to_have_text(enter)
        expect(page.locator("#login .block.note")).to_contain_text(note)
        page.context.add_cookies([{"name": "session", "value": session_cookie("hf_token"), "url": space}])
        page.reload()
        expect(button).to_have_text(leave, timeout=ANSWER_MS)
        with page.expect_request(re.compile(r"/logout\?"), timeout=ANSWER_MS):
            button.click()
        expect(button).to_have_text(enter, timeout=ANSWER_MS)
        page.context.clear_cookies()


def test_remote_models_are_there_once_one_is_logged_in(browser: Browser, space: str) -> None:
    with visitor(browser, space) as page:
        status = page.locator("#generate-status")
        ask(page)
        expect(status).to_contain_text("near · cpu", timeout=ANSWER_MS)
        expect(page.locator("#generate-note")).not_to_contain_text("Stories")
        page.context.add_cookies([{"name": "session", "value": session_cookie("hf_token"), "url": space}])
        page.reload()
        ask(page)
        expect_done(page, "generate")
        expect(status).to_contain_text("Stories · remote")
        expect(page.locator("#generate-note")).to_contain_text("Stories", timeout=ANSWER_MS)
        page.context.clear_cookies()


def ask(page: Page) -> None:
    open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
    page.locator("#generate-run").click()


def test_a_page_of_ones_own_has_no_such_button(visit: Page) -> None:
    expect(visit.locator("#classify-run")).to_be_visible()
    expect(visit.locator("#login")).to_have_count(0)
    expect(visit.get_by_text("Hugging Face")).to_have_count(0)
