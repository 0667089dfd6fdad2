"""Under the hood, as a visitor meets it: a text through the showcases. Their weights ship with the repository."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, Route, expect

import demos
from demos.under_the_hood import EXAMPLES
from llm_core.inference.sampling import candidates
from tests.browser.conftest import visitor, wait_until_answered

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

ASSETS = Path(demos.__path__[0]) / "assets"
ANSWER_MS = 60_000
EXAMPLE = "Once upon a time there was a little"


def open_view(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("tab", name=name).click()


def open_hood(page: Page, *views: str) -> None:
    """Opens the page, which meets a visitor with an example, waits for that and opens views of it."""
    open_view(page, "Under the hood", "A text through a model")
    text = page.locator("#under_the_hood textarea").first
    expect(text).not_to_have_value("")
    if text.input_value() != EXAMPLE:  # another test was here
        run(page, EXAMPLE)
    expect(page.locator("#under_the_hood-status")).to_contain_text("✓", timeout=ANSWER_MS)
    open_view(page, *views)


def run(page: Page, text: str) -> None:
    wait_until_answered(page)  # a click before that does nothing
    page.locator("#under_the_hood textarea").first.fill(text)
    with page.expect_request("**/queue/join*"):
        page.locator("#under_the_hood-run").click()
    wait_until_answered(page)
    expect(page.locator("#under_the_hood-status")).to_contain_text("✓", timeout=ANSWER_MS)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.5, 0, 0.9), (1.7, 7, 1.0), (0.8, 20, 0.35), (2.0, 0, 0.05)]
)
def test_the_sliders_compute_what_the_sampler_draws_from(
    browser: Browser, temperature: float, top_k: int, top_p: float
) -> None:
    logits = np.sort(np.random.default_rng(0).normal(scale=2.0, size=300).round(3))[::-1].copy()
    script = (ASSETS / "sampling.js").read_text(encoding="utf-8")
    (function,) = re.findall(r"^function distribution.*?^}", script, re.DOTALL | re.MULTILINE)
    page = browser.new_page()
    shown = page.evaluate(
        f"(given) => {{ {function}; return distribution(...given); }}", [logits.tolist(), temperature, top_k, top_p]
    )
    page.close()
    kept, ids = candidates(torch.tensor(logits)[None], temperature, top_k, top_p)
    expected = torch.zeros(len(logits), dtype=torch.float64).scatter(0, ids[0], kept[0].softmax(-1))
    np.testing.assert_allclose(shown, expected.numpy(), atol=1e-6)


def test_the_next_token_follows_the_sliders_and_the_visitor(stay: Page) -> None:
    open_hood(stay)
    view = stay.locator("#hood-sampling-view")
    first = view.locator(".bars li").first
    expect(first).to_contain_text("girl")
    chance = first.locator(".chance").inner_text()
    view.get_by_label("Temperature").fill("0")
    expect(first.locator(".chance")).to_have_text("100%")
    expect(view.locator(".facts")).to_contain_text("1 / 4,000")
    view.get_by_label("Temperature").fill("2")
    assert float(first.locator(".chance").inner_text().rstrip("%")) < float(chance.rstrip("%"))
    view.get_by_label("Top-k").fill("2")
    expect(view.locator(".bars li.out")).to_have_count(13)
    first.get_by_role("button").click()
    expect(stay.locator("#under_the_hood textarea").first).to_have_value("Once upon a time there was a little girl")
    expect(view.locator(".so-far")).to_contain_text("little girl", timeout=ANSWER_MS)
    expect(view.locator(".facts")).to_contain_text("2 / 4,000")  # the sliders stay


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_what_is_typed_while_the_first_example_runs_is_kept(browser: Browser, site: str, locale: str) -> None:
    with visitor(browser, site, locale) as page:
        held: list[Route] = []
        page.route("**/gradio_api/**", lambda route: held.append(route))
        page.locator("#tab-under_the_hood-button").click()
        field = page.locator("#under_the_hood .fields textarea")
        expect(field).to_have_value(re.compile("|".join(map(re.escape, EXAMPLES.values()))))
        field.press_sequentially(" typed")
        page.wait_for_timeout(100)  # until Run has been pressed
        for route in held:
            route.continue_()
        page.unroute("**/gradio_api/**")
        expect(page.locator("#under_the_hood-status")).to_contain_text("✓", timeout=ANSWER_MS)
        expect(field).to_have_value(re.compile(" typed$"))


def test_attention_shows_every_head_and_a_cell_s_weight(stay: Page) -> None:
    open_hood(stay, "Attention")
    view = stay.locator("#hood-attention-view")
    expect(view.locator(".thumb")).to_have_count(16)
    view.get_by_role("button", name="Layer 2, Head 1").click()
    expect(view.locator("h3")).to_have_text(re.compile(r"Layer 2, Head 1 · the piece before \d+%"))
    view.locator("svg.matrix").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        stay.keyboard.press(key)
    expect(view.locator(".told")).to_have_text(re.compile(r"·upon → Once: 0\.\d{3}"))
    view.get_by_role("button", name="Arcs").click()
    view.locator("svg.arcs").get_by_role("button", name="·little").click()
    expect(view.locator(".told")).to_contain_text("·little → ")
    assert 0 < view.locator(".strand").count() <= 9


def test_each_layer_has_its_say(stay: Page) -> None:
    open_hood(stay, "After each layer")
    rows = stay.locator("#hood-lens-view tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.first.locator("td").last).to_have_text("·girl")
    expect(rows.last.locator("td").nth(1)).to_have_text("Once")  # before the first layer it still says what it read
    rows.first.locator("td button").last.focus()
    expect(stay.locator("#hood-lens-view .guesses li")).to_have_count(5)
    expect(stay.locator("#hood-lens-view .panel")).to_contain_text("·boy")


def test_tokens_show_ids_bytes_and_what_they_stand_for(stay: Page) -> None:
    open_hood(stay)
    run(stay, "Once 😀 upon")
    open_view(stay, "Tokens")
    view = stay.locator("#hood-pieces-view")
    expect(view.locator(".chip").first).to_contain_text("<s>")
    rows = view.locator("tbody tr")
    expect(rows.filter(has_text="<0xF0>")).to_contain_text("“😀”")
    view.locator(".chip").nth(1).hover()
    expect(view.locator("tr.on")).to_contain_text("“Once”")


def test_a_word_is_hidden_guessed_and_put_in_by_clicks(stay: Page) -> None:
    open_hood(stay)
    run(stay, "I do not know what you mean.")
    expect(stay.locator("#under_the_hood-status")).to_contain_text("Showcase decoder")
    open_view(stay, "Masked word")
    view = stay.locator("#hood-masked-view")
    view.get_by_role("button", name="Hide know").click()
    text = stay.locator("#under_the_hood textarea").first
    expect(text).to_have_value("I do not [MASK] what you mean.")
    expect(stay.locator("#under_the_hood-status")).to_contain_text("Encoder, Chinese and English", timeout=ANSWER_MS)
    first = view.locator(".guesses li").first
    expect(first).to_contain_text("know")
    first.get_by_role("button").click()
    expect(text).to_have_value("I do not know what you mean.")
    open_view(stay, "Next token")
    expect(stay.locator("#hood-sampling-view .bars li").first).to_be_visible(timeout=ANSWER_MS)


def test_the_learning_of_a_model_is_replayed(visit: Page) -> None:
    open_hood(visit, "A model learning")
    view = visit.locator("#hood-learning-view")
    expect(view.locator(".where")).to_contain_text("Step 950")
    expect(view.locator("dd").first).to_contain_text("there was a little girl")
    steps = view.get_by_role("slider", name="Step")
    steps.fill("0")
    expect(view.locator(".where")).to_contain_text("random numbers")
    expect(view.locator("dd").first).to_contain_text("rancerance")
    view.get_by_role("button", name="Play").click()
    expect(view.locator(".where")).to_contain_text("Step 2", timeout=10_000)
    visit.locator("#hood-learning-model input").click()
    visit.get_by_role("option", name="Classical poems").click()
    expect(view.locator("dt").first).to_contain_text("春晓")


def test_what_is_too_long_to_be_drawn_is_refused_and_kept(stay: Page) -> None:
    open_hood(stay)
    text = "time and again " * 20
    stay.locator("#under_the_hood textarea").first.fill(text)
    stay.locator("#under_the_hood-run").click()
    expect(stay.locator("#under_the_hood-message")).to_contain_text("at most 48 pieces", timeout=ANSWER_MS)
    expect(stay.locator("#under_the_hood textarea").first).to_have_value(text)


def test_the_road_opens_the_view_of_each_station_by_keyboard(stay: Page) -> None:
    open_hood(stay)
    road = stay.get_by_role("navigation", name="The road from data to answers")
    road.get_by_role("button", name="Evaluation").focus()
    stay.keyboard.press("Enter")
    expect(stay.locator("#hood-learning-view .scores")).to_contain_text("fairy tales: perplexity")
    for station, view in (("Tokenizer", "pieces"), ("Embeddings", "embeddings"), ("Attention", "attention")):
        road.get_by_role("button", name=re.compile(station)).click()
        expect(stay.locator(f"#hood-{view}-view")).to_be_visible()
    assert stay.locator("#hood-attention-view .thumb").count() == 16
    road.get_by_role("button", name="Fine-tuning").click()
    expect(stay.locator("#sentiment-run")).to_be_visible()


def test_the_worked_example_shows_formula_and_numbers_step_by_step(stay: Page) -> None:
    open_hood(stay, "A worked example")
    words, numbers = stay.locator("#hood-walk-words"), stay.locator("#hood-walk-numbers")
    expect(numbers.locator("tbody tr")).to_have_count(4, timeout=ANSWER_MS)
    stay.locator("#hood-walk-step input[type=number]").fill("7")
    stay.keyboard.press("Enter")
    expect(words).to_contain_text("Attention weights")
    expect(words.locator(".katex-display")).to_have_count(1)
    expect(numbers.locator("figcaption")).to_have_text(["A1", "A2"])
    expect(numbers.locator("td").first).to_have_text("1.000")
    stay.get_by_label("中文").check()
    expect(words).to_contain_text("注意力权重")
    sentence = stay.locator("#hood-walk-sentence").locator("input, textarea")
    sentence.fill("I like dragons")
    sentence.press("Enter")
    expect(stay.locator(".block.problem").filter(has_text="knows these words only")).to_be_visible()
    expect(numbers.locator("figcaption")).to_have_count(2)


def test_pieces_move_over_the_map_from_layer_to_layer(stay: Page) -> None:
    open_hood(stay, "Embeddings")
    view = stay.locator("#hood-embeddings-view")
    expect(view.locator(".dot")).to_have_count(9)
    place = view.locator(".dot").nth(3).get_attribute("style")
    expect(view.locator(".facts")).to_contain_text("After layer 4")
    view.get_by_label("Layer").fill("0")
    expect(view.locator(".facts")).to_contain_text("What enters layer 1")
    assert view.locator(".dot").nth(3).get_attribute("style") != place


def test_hostile_text_stays_text_in_every_view_in_chinese_on_a_phone(browser: Browser, site: str) -> None:
    with visitor(browser, site, "zh-CN", 360) as page:
        page.get_by_role("tab", name="模型内部").click()
        expect(page.locator("#under_the_hood-status")).to_contain_text("✓", timeout=ANSWER_MS)
        run(page, "<img src=x onerror=alert(1)> `${alert(2)}` [MASK]")
        for view in ("下一个词元", "注意力", "逐层猜测", "分词", "嵌入", "完形填空"):
            page.get_by_role("tab", name=view).click()
            expect(page.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")
        expect(page.locator("#hood-masked-view .sentence")).to_contain_text("<img src=x onerror=alert(1)>")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("#under_the_hood img[src=x]").count() == 0
