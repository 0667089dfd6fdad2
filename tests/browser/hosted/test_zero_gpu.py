"""ZeroGPU as a visitor meets it: who answered, what stands in without quota, and what Stop does to a GPU."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor
from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab
from tests.support.page_process import page_process, zero_gpu
from tests.support.zero_gpu_api import GpuApi, lending_gpus

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lender() -> Iterator[GpuApi]:
    with lending_gpus() as server:
        yield server


@pytest.fixture(scope="module")
def address(lender: GpuApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("zero")
    with page_process("zero_gpu_page", zero_gpu(lender.address, folder), folder) as started:
        yield started


@pytest.fixture
def api(lender: GpuApi) -> GpuApi:
    lender.left_seconds = lender.waits = None
    del lender.scheduled[:], lender.released[:], lender.allowed[:]
    return lender


def ask(page: Page, prompt: str = "Tell a story.") -> None:
    open_tab(page, "generate").locator("textarea").first.fill(prompt)
    page.locator("#generate-run").click()


def soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 15
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


def test_the_answer_says_that_it_came_from_zero_gpu(browser: Browser, address: str, api: GpuApi) -> None:
    with visitor(browser, address) as page:
        ask(page)
        expect_done(page, "generate")
        expect(page.locator("#generate-status")).to_contain_text("large · ZeroGPU")
        expect(page.locator("#generate-status .instead")).to_be_hidden()
    assert soon(lambda: len(api.released) == 1)


@pytest.mark.parametrize(
    ("locale", "badge", "told"),
    [
        ("en-US", "In place of a model that did not answer: large", "Your time on the shared GPU is used up. Please"),
        ("zh-CN", "没有应答", "您的共享 GPU 时间已用完"),
    ],
)
def test_without_quota_the_embedded_model_stands_in(
    browser: Browser, address: str, api: GpuApi, locale: str, badge: str, told: str
) -> None:
    api.left_seconds, api.wait_seconds = 3, 750
    with visitor(browser, address, locale) as page:
        page.set_extra_http_headers({"x-ip-token": "head.e30.signature"})  # as the Hub's page around it does
        ask(page)
        expect(page.locator("#generate-status")).to_contain_text("small · cpu", timeout=ANSWER_MS)
        expect(page.locator("#generate-status .instead")).to_contain_text(badge)
        page.locator("#generate-model input").click()
        page.get_by_role("option").nth(1).click()
        page.locator("#generate-run").click()
        expect(page.locator("#generate-message")).to_contain_text(told, timeout=ANSWER_MS)
        expect(page.locator("#generate-message")).to_contain_text("0:12:30")
        expect(page.locator("#generate textarea").first).to_have_value("Tell a story.")


def test_a_comparison_says_so_in_the_column_of_the_model(browser: Browser, address: str, api: GpuApi) -> None:
    api.left_seconds, api.wait_seconds = 3, 750
    with visitor(browser, address) as page:
        page.set_extra_http_headers({"x-ip-token": "head.e30.signature"})
        open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
        page.locator("#generate-compare > button").click()
        page.locator("#generate-compare-run").click()
        columns = page.locator("#generate-compared")
        expect(columns).to_contain_text("Your time on the shared GPU is used up", timeout=ANSWER_MS)
        expect(columns).to_contain_text("0:12:30")
        expect(columns).to_contain_text("Tell a story. Tell a story.", timeout=ANSWER_MS)


def test_stop_ends_the_answer_and_gives_the_gpu_back(browser: Browser, address: str, api: GpuApi) -> None:
    with visitor(browser, address) as page:
        ask(page, "Write slowly.")
        result = page.locator("#generate-result textarea")
        expect(result).to_have_value(re.compile("call 1"), timeout=ANSWER_MS)
        page.locator("#generate-stop").click()
        expect(page.locator("#generate-status")).to_contain_text("Stopped")
        assert soon(lambda: len(api.released) == 1), "the worker noticed at its next token"


def test_stop_does_not_wait_for_a_gpu(browser: Browser, address: str, api: GpuApi) -> None:
    api.waits = threading.Event()
    with visitor(browser, address) as page:
        ask(page)
        assert soon(lambda: len(api.scheduled) == 1)
        expect(page.locator("#generate-status")).to_contain_text("Waiting for a shared GPU")
        page.locator("#generate-stop").click()
        expect(page.locator("#generate-status")).to_contain_text("Stopped")
        assert api.allowed == []
        api.waits.set()
        assert soon(lambda: len(api.released) == 1), "a GPU that comes too late goes back"
