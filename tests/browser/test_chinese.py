"""The Chinese page is Chinese throughout: all tabs and views are opened, and what is left in English is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor
from tests.browser.test_audit import SLUGS, run_examples, shortcomings, unfold, views

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

NAMES = (
    # Units, formats, and what is called so in Chinese, too.
    "API", "Apache-2.0", "BLEU", "CSV", "Ctrl", "CPU", "GPU", "Enter", "Esc", "F1", "HTTP", "JSON", "JavaScript", "MB",
    "MIT", "MCP", "Markdown", "PDF", "Python", "Tab", "Top-k", "Top-p", "cpu", "cuda", "curl", "llm_core", "chrF",
    "Hub", "BERT", "DistilBERT", "MiniLM", "Qwen", "SmolLM2 135M Instruct", "Llama",
    # Entity types (IOB2 tags of the models).
    "PER", "ORG", "LOC",
)  # fmt: skip
"""What may stand alone in Latin letters."""
MODEL_OR_DATA = """
  pre, code, .cm-editor, textarea, kbd, option, mark, ins, .said, .text, .token, .token-container, .pairs .side,
  .pairs table, .note-root strong, .card-root dd, .card-root a, .card-root h3, .card-text, .limits, .compare h3,
  .board-root .open, .board-root .how pre, .completions-root, .sampling-root .so-far, .sampling-root table,
  .pieces-root table, .attention-root, .lens-root table, .embeddings-root svg, .masked-root .words, .learning-root dl,
  .learning-root li, .stress-root li, .mentions-root td, .mentions-root th, .message, table.table, .history-root .body
"""
"""What shows the visitor's text, a model's answer, code, or the names and licences of models and data."""
_LEFT_OVER = """([names, apart]) => {
  const latin = /[A-Za-z]{3}/;
  const han = /\\p{Script=Han}/u;
  const known = (text) => names.reduce((rest, name) => rest.replaceAll(name, ""), text);
  // English words in a row count as English also beside Chinese ones.
  const isEnglish = (text) => (han.test(text) ? /\\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\\b/ : latin).test(known(text));
  const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement;
    if (!element || element.closest(`script, style, ${apart}`) || !isEnglish(node.data) || !seen(element)) continue;
    found.add(`${node.data.trim()} (in ${element.tagName} .${element.closest("[class]")?.className})`);
  }
  for (const name of ["aria-label", "placeholder", "title", "alt"])
    for (const element of document.querySelectorAll(`[${name}]`))
      if (!element.closest(apart) && isEnglish(element.getAttribute(name)) && seen(element))
        found.add(`${name}: ${element.getAttribute(name)}`);
  return [...found];
}"""


def left_over(page: Page) -> Iterator[str]:
    """What of the page's own is in English."""
    yield from page.evaluate(_LEFT_OVER, [list(NAMES), MODEL_OR_DATA])


def test_every_tab_is_chinese_and_in_the_dark_accessible_on_a_phone(browser: Browser, site: str) -> None:
    """One visit for both: waiting for the answers takes most of the time."""
    found: dict[str, str] = {}
    with visitor(browser, site, "zh-CN", query="/?__theme=dark") as page:
        for slug in SLUGS:
            for view in views(page, slug):
                run_examples(page, slug)
                if view == slug:
                    assert shortcomings(page, view, width=360) == []
                unfold(page, slug)
                page.wait_for_timeout(300)
                for text in left_over(page):
                    found.setdefault(text, view)
    assert not found, "\n".join(f"{view}: {text}" for text, view in sorted(found.items()))


def test_names_follow_when_the_language_is_switched(browser: Browser, site: str) -> None:
    with visitor(browser, site, "zh-CN") as page:
        expect(page.locator("#classify-examples")).to_contain_text("短信")
        expect(page.locator("#classify-note")).to_contain_text(
            re.compile("按文字的语言选用：.*新闻主题（AG News） · 24 M 参数.*新闻主题（THUCNews）")
        )
        page.locator("button.settings").click()
        page.get_by_role("combobox", name="Language").click()
        page.get_by_role("option", name="English").click()
        expect(page.locator("#classify-examples")).to_contain_text("Text message")
        expect(page.locator("#classify-note")).to_contain_text(
            re.compile("By the language of the text: .*News topics \\(AG News\\) · 24 M.*Chinese \\(THUCNews\\)")
        )
