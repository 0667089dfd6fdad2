"""History of the visit: kept in the browser, restored, saved and cleared."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab, run

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]


def test_runs_of_the_visit_are_listed_restored_saved_and_cleared(visit: Page) -> None:
    history = visit.locator("#history")
    expect(history.locator("summary")).to_have_text("History of this visit (0)")
    text = open_tab(visit, "sentiment").get_by_label("Text", exact=True)
    for written in ("I love it, <b>really</b>.", "=What a waste of two hours."):
        text.fill(written)
        run(visit, "sentiment")
        expect_done(visit, "sentiment")
    expect(history.locator("summary")).to_have_text("History of this visit (2)", timeout=ANSWER_MS)
    history.locator("summary").click()
    newest, oldest = history.locator("li").all()
    expect(newest).to_contain_text(re.compile(r"→ negative \d+%"))
    expect(oldest).to_contain_text("I love it, <b>really</b>.")

    with visit.expect_download() as saved:
        history.get_by_role("button", name="Save as JSON").click()
    entries = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert [entry["asked"] for entry in entries] == ["I love it, <b>really</b>.", "=What a waste of two hours."]
    assert entries[0]["link"].startswith("http") and "Sentiment" in entries[0]["tab"]
    with visit.expect_download() as saved:
        history.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(Path(saved.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert rows[1]["asked"] == "'=What a waste of two hours.", "no formula for a spreadsheet"

    oldest.get_by_role("link", name="Open again").click()
    expect(visit.locator("#sentiment").get_by_label("Text", exact=True)).to_have_value(
        "I love it, <b>really</b>.", timeout=ANSWER_MS
    )
    expect(history.locator("summary")).to_have_text("History of this visit (2)")
    history.locator("summary").click()
    history.get_by_role("button", name="Clear history").click()
    expect(history.locator("summary")).to_have_text("History of this visit (0)")
    assert visit.evaluate("sessionStorage.getItem('llm-core-history')") is None
