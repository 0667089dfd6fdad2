"""The translation tab in a real browser: on an echo translator with known words and links, and on the embedded one.

The echo translator writes the words of a sentence in reverse order, and each word looks at itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from demos.translate import EXAMPLES
from llm_core.backends.base import Attention, Hypothesis, ModelFiles
from llm_core.backends.echo import EchoBackend, EchoModel
from llm_core.backends.pieces import piece_spans
from llm_core.catalog import ModelSpec
from tests.browser.conftest import served, visitor
from tests.support.echo import echo_engine, echo_spec

pytestmark = [pytest.mark.browser]

ANSWER_MS = 60_000
HOSTILE = '<img src=x onerror="window.__pwned=1">'
ECHO = {"head": "seq2seq", "tasks": ("translate",)}


class Translator(EchoModel):
    """Unsure of sentences with "zxqv"."""

    def hypotheses(self, sentences: Sequence[str], *arguments: Any, **options: Any) -> list[list[Hypothesis]]:
        if "first goes last" in sentences[0]:
            return [[_turned(sentence)] for sentence in sentences]
        found = super().hypotheses(sentences, *arguments, **options)
        return [
            [Hypothesis(each.text, -3.0, each.attention) for each in some] if "zxqv" in sentence else some
            for sentence, some in zip(sentences, found, strict=True)
        ]


def _turned(sentence: str) -> Hypothesis:
    """The first word last; each word looks at itself with weight 0.7 and at the one after it with 0.3."""
    words = sentence.split()
    turned = [*words[1:], words[0]]
    own = np.eye(len(words), dtype=np.float32)
    weights = np.roll(0.7 * own + 0.3 * np.roll(own, 1, axis=1), -1, axis=0)
    text = " ".join(turned)
    return Hypothesis(text, -0.5, Attention(weights, piece_spans(sentence, words), piece_spans(text, turned)))


class TranslatorBackend(EchoBackend):
    """Opens such translators."""

    def open(self, spec: ModelSpec, files: ModelFiles) -> EchoModel:
        model = Translator(spec, self)
        model.low_log_probability = -2.0
        return model


@pytest.fixture(scope="module")
def echo_backend() -> TranslatorBackend:
    return TranslatorBackend()


@pytest.fixture(scope="module")
def echo_site(echo_backend: TranslatorBackend) -> Iterator[str]:
    """Address of a page on echo models."""
    engine = echo_engine(
        echo_spec("both", **ECHO, language_pairs=(("en", "zh"), ("zh", "en"))),
        echo_spec("german", **ECHO, language_pairs=(("de", "en"),)),
        backend=echo_backend,
    )
    with served(engine) as (address, _):
        yield address


@pytest.fixture
def echo(echo_site: str, browser: Browser) -> Iterator[Page]:
    """A visitor on the echo page's translation tab."""
    with visitor(browser, echo_site) as page:
        open_tab(page)
        yield page


def open_tab(page: Page) -> None:
    page.locator("#tabs").get_by_role("tab").filter(has_text="⇄").click()
    expect(page.locator("#translate")).to_be_visible()


def open_files(page: Page, path: Path) -> None:
    page.locator("#tab-translate .views").get_by_role("tab").nth(1).click()
    page.locator("#translate-file-upload input[type=file]").set_input_files(path)


def translate(page: Page, text: str) -> None:
    page.locator("#translate .fields textarea").first.fill(text)
    page.locator("#translate-run").click()
    done(page)


def done(page: Page, name: str = "translate") -> None:
    expect(page.locator(f"#{name}-status")).to_contain_text("✓", timeout=ANSWER_MS)


def rows(page: Page) -> Locator:
    return page.locator("#translate-pairs li")


def unfold(page: Page, menu: str) -> Locator:
    """The options of a menu; those of the one before may still be fading."""
    field = page.locator(f"#translate-{menu} input")
    field.click()
    expect(field).to_have_attribute("aria-expanded", "true")
    return page.locator(f"#{field.get_attribute('aria-controls')}").get_by_role("option")


def choose(page: Page, menu: str, option: str) -> None:
    unfold(page, menu).filter(has_text=option).click()


def options_of(page: Page, menu: str) -> list[str]:
    options = unfold(page, menu)
    expect(options).not_to_have_count(0)
    names = [option.get_attribute("aria-label") or "" for option in options.all()]
    page.locator(f"#translate-{menu} input").blur()
    return names


def result_of(page: Page) -> Locator:
    return page.locator("#translate-result textarea")


def test_words_that_belong_together_light_up_under_the_pointer_and_by_keyboard(echo: Page) -> None:
    translate(echo, "red apples fall. Good night")
    expect(rows(echo)).to_have_count(2)
    first = rows(echo).first
    expect(first.locator(".to")).to_have_text("fall. apples red")
    first.locator(".from .word", has_text="apples").hover()
    expect(echo.locator("#translate-pairs .linked")).to_have_text(["apples"])
    expect(first.locator(".to .linked")).to_have_css("--weight", "100%")
    first.locator(".to .word", has_text="red").hover()
    expect(first.locator(".from .linked")).to_have_text(["red"])
    echo.mouse.move(0, 0)
    expect(echo.locator("#translate-pairs .linked")).to_have_count(0)

    first.locator(".from .word").first.focus()
    expect(first.locator(".to .linked")).to_have_text(["red"])
    echo.keyboard.press("ArrowRight")
    expect(first.locator(".from .word", has_text="apples")).to_be_focused()
    expect(first.locator(".from .word", has_text="apples")).to_have_attribute("aria-description", "goes with apples")
    expect(first.locator(".to .linked")).to_have_text(["apples"])
    echo.keyboard.press("ArrowDown")
    expect(first.locator(".to .word", has_text="apples")).to_be_focused()
    echo.keyboard.press("Tab")  # one stop a side: on to what is folded below, not to the next word
    expect(echo.locator("#translate-pairs .linked")).to_have_count(0)
    expect(first.locator("summary").first).to_be_focused()


def test_a_stronger_link_is_lit_more(echo: Page) -> None:
    translate(echo, "The first goes last today")
    source, target = rows(echo).locator(".from"), rows(echo).locator(".to")
    expect(target).to_have_text("first goes last today The")
    target.locator(".word", has_text="goes").hover()
    expect(source.locator(".linked")).to_have_text(["goes", "last"])
    expect(source.locator(".linked").first).to_have_css("--weight", "70%")
    expect(source.locator(".linked").last).to_have_css("--weight", "30%")
    strong, weak = (
        source.locator(".linked").nth(number).evaluate("(word) => getComputedStyle(word).backgroundColor")
        for number in (0, 1)
    )
    assert strong != weak
    source.locator(".word", has_text="today").hover()
    expect(target.locator(".linked")).to_have_text(["last", "today"])


def test_a_wide_heat_map_scrolls_by_itself(echo: Page) -> None:
    translate(echo, " ".join(f"word{number}" for number in range(40)))
    row = rows(echo).first
    row.locator(".heat summary").click()
    scroller = row.locator(".heat .scroller")
    expect(scroller.locator("table")).to_be_visible()
    assert scroller.evaluate("(box) => box.scrollWidth > box.clientWidth"), "or the map is not wide"
    list_width = echo.locator("#translate-pairs ol").evaluate("(list) => list.clientWidth")
    assert all(part["width"] <= list_width for part in (row.bounding_box(), scroller.bounding_box()) if part)


def test_an_alternative_takes_the_place_of_its_sentence_in_the_result(echo: Page) -> None:
    translate(echo, "One two.\n\nThree four.")
    expect(result_of(echo)).to_have_value("two. One\n\nfour. Three")
    second = rows(echo).nth(1)
    second.locator(".others summary").click()
    buttons = second.locator("button.other")
    expect(buttons).to_have_text(["four. Three", ".four. Three", "..four. Three"])
    expect(buttons.first).to_have_attribute("aria-pressed", "true")
    buttons.nth(2).click()
    expect(result_of(echo)).to_have_value("two. One\n\n..four. Three")
    expect(second.locator(".to")).to_have_text("..four. Three")
    expect(buttons.nth(2)).to_be_focused()
    buttons.first.click()
    expect(result_of(echo)).to_have_value("two. One\n\nfour. Three")
    expect(second.locator(".to .word").first).to_be_visible()


def test_what_is_doubtful_kept_or_asked_for_is_said_in_words(echo: Page) -> None:
    echo.locator("#translate-options button").first.click()
    echo.locator("#translate-glossary textarea").fill("brown dog => 棕狗\nfox → Fuchs")
    echo.get_by_label("Translate back and compare").check()
    translate(echo, "The zxqv runs away. 我们走吧。 A brown dog sleeps here. 1984")
    expect(rows(echo)).to_have_count(4)
    doubtful = rows(echo).nth(0)
    expect(doubtful.locator(".badge.unsure")).to_contain_text("The model is unsure here")
    expect(doubtful.locator(".back")).to_contain_text(re.compile(r"Translated back: .*zxqv.* · chrF\s\d+"))
    expect(rows(echo).nth(1).locator(".badge")).to_have_text("Kept: it is in the target language already.")
    expect(rows(echo).nth(1).locator(".back")).to_have_count(0)
    expect(rows(echo).nth(2).locator(".badge.term")).to_have_text("✓ Glossary followed: brown dog → 棕狗")
    expect(rows(echo).nth(3).locator(".badge")).to_have_text("Kept: there are no words in it to translate.")
    facts = echo.locator("#translate-facts")
    expect(facts).to_contain_text("Detected language: English")
    expect(facts).to_contain_text("sentences: 1")
    expect(facts).to_contain_text("unsure of sentences: 1/4")
    echo.locator("#translate-clear").click()
    expect(rows(echo)).to_have_count(0)
    expect(facts).not_to_contain_text("Detected")


def test_markup_from_visitor_and_model_stays_text(echo: Page) -> None:
    echo.locator("#translate-options button").first.click()
    echo.get_by_label("Translate back and compare").check()
    echo.locator("#translate-glossary textarea").fill(f"mark => {HOSTILE}")
    translate(echo, f"An x{HOSTILE} image ${{alert(1)}} mark. <script>window.__pwned=1</script> {{{{value}}}}")
    echo.locator("#translate-pairs summary").first.click()
    expect(echo.locator("#translate-pairs")).to_contain_text(HOSTILE)
    assert echo.locator("#translate-pairs :is(img, script)").count() == 0
    assert echo.evaluate("window.__pwned") is None


def test_menus_offer_what_the_model_has_and_always_fit(echo: Page) -> None:
    assert options_of(echo, "source") == ["Detect", "English", "简体中文", "繁體中文", "Deutsch"]
    choose(echo, "source", "English")
    choose(echo, "target", "English")
    expect(echo.locator("#translate-source input")).to_have_value("简体中文")
    choose(echo, "model", "german")
    expect(echo.locator("#translate-target input")).to_have_value("English")
    expect(echo.locator("#translate-source input")).to_have_value("Detect")
    assert options_of(echo, "source") == ["Detect", "Deutsch"]
    assert options_of(echo, "target") == ["English"]
    # An example in other languages runs all the same.
    echo.locator("#translate-examples button").first.click()
    done(echo)
    expect(echo.locator("#translate-model input")).to_have_value(re.compile("Automatic"))
    expect(echo.locator("#translate-status")).to_contain_text("both")


def test_swap_turns_the_languages_and_what_was_translated(echo: Page) -> None:
    translate(echo, "One two.")
    echo.locator("#translate-swap").click()
    expect(echo.locator("#translate-source input")).to_have_value("简体中文")
    expect(echo.locator("#translate-target input")).to_have_value("English")
    expect(echo.locator("#translate .fields textarea").first).to_have_value("two. One")
    expect(rows(echo)).to_have_count(0)


def test_a_word_file_comes_back_with_its_formatting(echo: Page, tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Red apples", 1)
    document.add_paragraph("Good night moon", style="List Bullet")
    document.add_paragraph("The zxqv ").add_run("runs.").bold = True
    path = tmp_path / "my notes.docx"
    document.save(str(path))
    open_files(echo, path)
    expect(echo.locator("#translate-file")).to_contain_text("Characters to translate: 39")
    echo.locator("#translate-file-run").click()
    done(echo, "translate-file")
    link = echo.locator("#translate-file-done a").first
    expect(echo.locator("#translate-file-done")).to_contain_text("zh")
    with echo.expect_download() as started:
        link.click()
    assert started.value.suggested_filename == "my notes.zh.docx"
    back = docx.Document(str(started.value.path()))
    assert [(p.text, p.style.name) for p in back.paragraphs] == [
        ("apples Red", "Heading 1"), ("moon night Good", "List Bullet"), ("runs. zxqv The", "Normal"),
    ]  # fmt: skip
    look = echo.locator("#translate-file-pairs li")
    expect(look).to_have_count(1)
    expect(look).to_contain_text("The model is unsure here")
    expect(look.locator(".from")).to_have_text("The zxqv runs.")
    expect(look.locator(".place")).to_have_text("document")


def test_a_file_that_cannot_be_used_is_explained_and_the_next_one_runs(echo: Page, tmp_path: Path) -> None:
    broken, subtitles = tmp_path / "film.csv", tmp_path / "film.srt"
    broken.write_bytes(b"MZ\x90\x00\x03")
    subtitles.write_bytes(b"1\r\n00:00:01,000 --> 00:00:02,000\r\nGood night\r\n")
    open_files(echo, broken)
    message = echo.locator("#translate-file-message")
    expect(message).to_contain_text("This file could not be used")
    echo.locator("#translate-file-clear").click()
    expect(message).to_be_hidden()
    echo.locator("#translate-file-run").click()
    expect(message).to_contain_text("Please choose a file first.")
    echo.locator("#translate-file-upload input[type=file]").set_input_files(subtitles)
    expect(message).to_be_hidden()
    echo.locator("#translate-file-run").click()
    done(echo, "translate-file")
    with echo.expect_download() as started:
        echo.locator("#translate-file-done a").first.click()
    assert Path(started.value.path()).read_bytes() == b"1\r\n00:00:01,000 --> 00:00:02,000\r\nnight Good\r\n"


def test_stop_ends_a_file_and_gives_none_out(echo: Page, echo_backend: TranslatorBackend, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n".join(f"Line number {number}." for number in range(400)), encoding="utf-8")
    open_files(echo, path)
    expect(echo.locator("#translate-file")).to_contain_text("Ready.")
    echo_backend.seconds_per_call = 0.3
    try:
        echo.locator("#translate-file-run").click()
        expect(echo.locator("#translate-file-preview textarea")).to_have_value(re.compile("^0. number Line"))
        expect(echo.locator("#translate-file-status")).to_contain_text(re.compile(r"\d+/400"))
        echo.locator("#translate-file-stop").click()
        expect(echo.locator("#translate-file-status")).to_contain_text("Stopped")
        expect(echo.locator("#translate-file-done a")).to_have_count(0)
    finally:
        echo_backend.seconds_per_call = 0.0


def test_on_a_phone_sentences_are_stacked_and_nothing_sticks_out(echo_site: str, browser: Browser) -> None:
    with visitor(browser, echo_site, width=360) as page:
        page.locator("#tab-translate-button").click()
        translate(page, "Good night moon and stars. https://example.org/" + "a" * 80)
        source, target = rows(page).first.locator(".from"), rows(page).first.locator(".to")
        above, below = source.bounding_box(), target.bounding_box()
        assert above and below and below["y"] >= above["y"] + above["height"] and above["x"] == below["x"]
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.real_weights
def test_the_embedded_model_translates_both_ways(visit: Page) -> None:
    open_tab(visit)
    expect(visit.locator("#translate-note")).to_contain_text("Automatic takes")
    assert options_of(visit, "target") == ["English", "简体中文", "繁體中文"]
    translate(visit, "The weather is lovely today. Where is the railway station?")
    expect(result_of(visit)).to_have_value(re.compile(r"^[\u4e00-\u9fff，。？！]{6,}$"))
    word = rows(visit).first.locator(".from .word").first
    word.hover()
    expect(rows(visit).first.locator(".to .linked")).not_to_have_count(0)
    for name, (text, *_) in EXAMPLES.items():
        visit.locator("#translate-examples button", has_text=name).click()
        shown = "(text) => text.includes(document.querySelector('#translate-pairs .from')?.textContent ?? text + '.')"
        visit.wait_for_function(shown, arg=text, timeout=ANSWER_MS)
        done(visit)
        expect(visit.locator("#translate-message")).to_be_hidden()


@pytest.mark.real_weights
def test_a_chinese_visitor_reads_everything_in_chinese(site: str, browser: Browser) -> None:
    with visitor(browser, site, locale="zh-CN") as page:
        open_tab(page)
        translate(page, "我们在公园里跑步。 Thank you. 1984年")
        pairs = page.locator("#translate-pairs")
        choose(page, "target", "English")
        page.locator("#translate-run").click()
        done(page)
        expect(page.locator("#translate-facts")).to_contain_text("检测到的语言")
        expect(pairs.locator("h3")).to_have_text("逐句对照")
        expect(rows(page).nth(1).locator(".badge")).to_have_text("原样保留：已经是目标语言。")
        expect(pairs.locator(".others summary").first).to_contain_text("其他译法")
        expect(pairs.locator(".from .word").first).to_have_attribute("aria-description", re.compile("^对应 "))
