"""The page about the models, on the shipped catalogue. Speeds are measured by the running app."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]
LOADED_MS, SPEED_MS = 60_000, 180_000
"""All embedded models are loaded and measured by then, also on a busy machine."""


def open_models(page: Page) -> Locator:
    page.locator("#tab-models-button").click()
    board = page.locator("#models-board")
    expect(board.locator("table")).to_be_visible(timeout=LOADED_MS)
    return board


def test_boards_by_task_and_data(stay: Page) -> None:
    board = open_models(stay)
    first = board.locator("tbody tr").first
    expect(first).to_contain_text("News topics (AG News)")
    expect(first.locator(".score")).to_contain_text("93.0%")
    expect(first.locator(".score")).to_contain_text(re.compile(r"\d+\.\d% – \d+\.\d%.*600 rows"))
    board.get_by_role("button", name="Sentiment").click()
    board.get_by_label("Measured on").select_option(label="shop reviews (10 kinds of goods)")
    expect(board.locator(".about")).to_have_text("shop reviews (10 kinds of goods) · accuracy (higher is better)")
    expect(board.locator("tr.baseline")).to_have_count(3)
    expect(board.locator("tbody .open").first).to_have_text("Sentiment, Chinese")


def test_filters_and_sorting(stay: Page) -> None:
    board = open_models(stay)
    board.get_by_role("button", name="Translation").click()
    expect(board.locator(".open")).to_have_count(3)
    board.get_by_label("Where from").select_option("hub")
    expect(board.locator(".open")).to_have_count(2)
    board.get_by_label("Language").select_option("de")
    expect(board.locator(".open")).to_have_text(["NLLB-200 distilled 600M"])
    board.get_by_label("Language").select_option("code")
    expect(board).to_contain_text("No model fits these filters.")
    board.get_by_label("Language").select_option("")
    board.get_by_label("Where from").select_option("")
    board.get_by_role("button", name="Parameters").click()
    sizes = [float(text.split()[0]) for text in board.locator("td:nth-child(5)").all_inner_texts()]
    assert sizes == sorted(sizes) and len(sizes) == 3


def test_the_command_behind_a_figure_and_how_to_get_one(visit: Page) -> None:
    board = open_models(visit)
    board.get_by_text("The command that measures it").first.click()
    expect(board.locator("pre").first).to_have_text(
        "python -m llm_core evaluate topics-ag-news --data ag_news --data-dir DATA  # accuracy"
    )
    absent = board.locator("tr.absent", has_text="paraphrase-multilingual-MiniLM-L12-v2")
    expect(absent.locator(".score")).to_contain_text("not measured")
    expect(absent.locator(".reason")).to_contain_text("Not available here: Not downloaded yet")
    board.get_by_text("How to measure it").last.click()
    expect(board.locator("pre").last).to_contain_text("python -m llm_core pull multilingual-minilm && ")


def test_a_click_on_a_model_shows_its_card(stay: Page) -> None:
    board, card = open_models(stay), stay.locator("#models-card")
    expect(card.locator("h3")).to_have_text("News topics (AG News)")
    board.get_by_role("button", name="Chinese verse").click()
    board.locator(".open").first.click()
    expect(card.locator("h3")).to_have_text("Classical poems, Chinese")
    expect(card).to_contain_text("How it learned")
    expect(card.locator("svg polyline").first).to_be_visible()
    stay.locator("#models-text").get_by_role("button").click()
    expect(stay.locator("#models-text h2", has_text="Training data and licences")).to_be_visible()
    board.get_by_role("button", name="Entities").click()
    board.locator(".open").last.click()
    expect(card.locator("a")).to_have_attribute("href", re.compile("^https://huggingface.co/"))
    expect(card.locator(".reason")).to_contain_text("Not downloaded yet")
    expect(stay.locator("#models-text")).to_be_hidden()
    stay.locator("#models-chosen input").click()
    stay.get_by_role("option", name="Classical poems, Chinese").click()
    expect(card.locator("h3")).to_have_text("Classical poems, Chinese")


def test_speeds_come_while_nobody_asks_for_answers(stay: Page) -> None:
    board = open_models(stay)
    expect(board.locator("tbody .speed").first).to_contain_text(re.compile(r"\d texts/s"), timeout=SPEED_MS)
    board.get_by_role("button", name="Text generation").click()
    expect(board.locator("tbody .speed").first).to_contain_text(
        re.compile(r"\d tokens/s.*first token \d+ ms"), timeout=SPEED_MS
    )
    expect(board.locator("tr.absent .speed").first).to_have_text("–")


def test_it_fits_a_phone_and_speaks_chinese(site: str, browser: Browser) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        board = open_models(page)
        expect(board.locator(".about")).to_contain_text("越高越好")
        page.locator("#models-board .open").first.click()
        expect(page.locator("#models-card")).to_contain_text("局限")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
