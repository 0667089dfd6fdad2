"""A Space that falls asleep while its page is open, and wakes when it is asked again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from llm_core.bench.page import free_port
from tests.support.page_process import page_process

pytestmark = pytest.mark.browser

ANSWER_MS = 60_000


def test_a_space_that_slept_and_woke_costs_nothing_that_was_typed(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    page = browser.new_page(locale="en-US")
    with page_process("echo_page", {}, tmp_path, port=port) as address:
        page.goto(address)
        page.locator("#tab-generate-button").click()
        field = page.locator("#generate .fields textarea").first
        field.fill("Before the sleep.")
        page.locator("#generate-run").click()
        expect(page.locator("#generate-status")).to_contain_text("✓", timeout=ANSWER_MS)
    field.fill("Typed while it slept.")
    page.locator("#generate-run").click()
    expect(page.get_by_text("Connection to the server was lost")).to_be_visible(timeout=ANSWER_MS)
    with page_process("echo_page", {}, tmp_path, port=port):  # Gradio then loads the page anew by itself
        result = page.locator("#generate-result textarea")
        expect(result).to_have_value("", timeout=ANSWER_MS)
        expect(field).to_have_value("Typed while it slept.", timeout=ANSWER_MS)
        page.locator("#generate-run").click()
        expect(result).to_have_value(re.compile("^Typed while it slept. Typed"), timeout=ANSWER_MS)
    page.close()
