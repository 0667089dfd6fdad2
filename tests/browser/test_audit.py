"""Every tab under axe-core, with answers on the page: both looks, both languages, desktop and phone.

The score is Lighthouse's: of the rules that apply, the share that passes, each weighted by its impact. A view must
reach `LEAST_SCORE` and break no rule whose impact is serious or critical; contrast (WCAG 2.2 AA) is one of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import visitor

pytestmark = [pytest.mark.browser, pytest.mark.real_weights]

SLUGS = (
    "classify", "sentiment", "translate", "answer", "entities", "complete", "generate", "train", "under_the_hood",
    "models", "tour",
)  # fmt: skip
LEAST_SCORE = 95.0
WEIGHTS = {"critical": 10, "serious": 7, "moderate": 3, "minor": 1}
"""Of Lighthouse's accessibility audits, by axe's impact."""
EXCEPTIONS: dict[str, str] = {}
"""CSS selectors of Gradio's own elements that break a rule and cannot be mended from outside, with the reason."""
WIDTHS, HEIGHT = (1280, 360), 900
ANSWER_MS = 180_000
BEGINS_BY_ITSELF = "under_the_hood"
"""Its first example runs when the tab is opened: that answer is not the one of the example pressed."""
SETTLED_MS = 400
"""After which nothing fades any more."""
_RUN_AXE = """async (exceptions) => {
  const context = { exclude: exceptions.map((each) => [each]) };
  const { violations, passes } = await axe.run(context, { resultTypes: ["violations"] });
  const impact = Object.fromEntries(axe._audit.rules.map((rule) => [rule.id, rule.impact]));
  return {
    passed: passes.map(({ id }) => impact[id]),
    broken: violations.map(({ id, impact, nodes }) => [id, impact, nodes.map((node) => node.target.join(" "))]),
  };
}"""


def audit(page: Page) -> tuple[float, list[Any]]:
    """Score of what is in sight, 0 to 100, and the broken rules: name, impact, elements."""
    page.wait_for_timeout(SETTLED_MS)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_RUN_AXE, list(EXCEPTIONS))
    passed = sum(WEIGHTS[impact] for impact in found["passed"])
    lost = sum(WEIGHTS[impact] for _, impact, _ in found["broken"])
    return 100 * passed / (passed + lost), found["broken"]


def shortcomings(page: Page, what: str, width: int = WIDTHS[0]) -> list[str]:
    """What keeps the view from passing in a width; the page is a desktop's afterwards."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    score, broken = audit(page)
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    grave = [f"{what}, {width} px: {rule}" for rule in broken if rule[1] in ("serious", "critical")]
    return grave + ([f"{what}, {width} px: {score:.1f}, {broken}"] if score < LEAST_SCORE else [])


def views(page: Page, slug: str) -> Iterator[str]:
    """Opens a tab, then each view within it; yields after each what it is called."""
    page.locator(f"#tab-{slug}-button").click()
    expect(page.locator(f"#tab-{slug}")).to_be_visible()
    yield slug
    inner, seen = page.locator(f"#tab-{slug} [role=tab][id$='-button']:enabled:visible"), set()
    while fresh := [name for name in inner.evaluate_all("(tabs) => tabs.map((tab) => tab.id)") if name not in seen]:
        page.locator(f"[id='{fresh[0]}']").click()
        seen.add(fresh[0])
        page.wait_for_timeout(SETTLED_MS)
        yield f"{slug} › {fresh[0]}"
    onward = page.locator(f"#tab-{slug} .tour-root .next")
    while onward.count() and onward.is_enabled():
        onward.click()
        step = page.locator(f"#tab-{slug} [role=tabpanel]:visible")
        if (status := step.locator(".block.status")).count():
            expect(status).to_contain_text("✓", timeout=ANSWER_MS)
        yield f"{slug}, {page.locator('.tour .position').inner_text()}"


def run_examples(page: Page, slug: str) -> None:
    """The first example of each frame in sight."""
    for name in page.locator(f"#tab-{slug} .workbench:visible").evaluate_all("(frames) => frames.map(({ id }) => id)"):
        if name and (example := page.locator(f"#{name}-examples button").first).count():
            answered = expect(page.locator(f"#{name}-status"))
            if name == BEGINS_BY_ITSELF:
                answered.to_contain_text("✓", timeout=ANSWER_MS)
            with page.expect_request("**/queue/join*"):
                example.click()
            answered.to_contain_text("✓", timeout=ANSWER_MS)


def unfold(page: Page, slug: str) -> None:
    folded = page.locator(f"#tab-{slug} .label-wrap:not(.open):visible")
    folded.evaluate_all("(heads) => heads.forEach((head) => head.click())")


def press(page: Page, name: str, done: str) -> None:
    """Press a button if the tab has it, and wait for what comes of it."""
    if (button := page.locator(f"#{name}")).count() and button.is_visible():
        expect(button).to_be_enabled(timeout=ANSWER_MS)
        button.click()
        expect(page.locator(done).first).to_be_visible(timeout=ANSWER_MS)


def press_all(page: Page, slug: str) -> None:
    """Everything that shows something further, and a mistake."""
    press(page, f"{slug}-explain", f"#{slug}-explained h3")
    press(page, f"{slug}-stress", f"#{slug}-broken .verdict")
    press(page, f"{slug}-compare-run", f"#{slug}-compared .column.done, #{slug}-compared h3")
    if page.locator(f"#{slug}-batch-sample").is_visible():
        press(page, f"{slug}-batch-sample", f"#{slug}-batch-preview")
        press(page, f"{slug}-batch-run", f"#{slug}-batch-downloads")
    if slug in SLUGS[:7]:
        page.locator(f"#{slug}-clear").click()
        expect(page.locator(f"#{slug}-status")).not_to_contain_text("✓")  # emptied
        press(page, f"{slug}-run", f"#{slug}-message .md > *")


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_views_and_panels_are_accessible(browser: Browser, site: str, theme: str, locale: str) -> None:
    """Answers take most of the time, so each is looked at in both widths. `test_chinese` has the quick one."""
    found: list[str] = []
    with visitor(browser, site, locale, WIDTHS[0], f"/?__theme={theme}") as page:
        page.set_default_timeout(ANSWER_MS)
        for slug in SLUGS:
            for view in views(page, slug):
                run_examples(page, slug)
                unfold(page, slug)
                found += [each for width in WIDTHS for each in shortcomings(page, view, width)]
            if slug in SLUGS[:7]:
                if (first := page.locator(f"#tab-{slug} [role=tab]").first).count():
                    first.click()
                press_all(page, slug)
                found += [each for width in WIDTHS for each in shortcomings(page, f"{slug}, all panels", width)]
    assert found == []
