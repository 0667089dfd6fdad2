"""Measures the page in Chromium: paint, time until one can type, switching tabs, what moves when an answer arrives.

``python -m tools.measure_page``; prints Markdown. It is no part of ``llm_core bench``, which needs no browser.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from llm_core.bench.figures import Figure, as_markdown
from llm_core.bench.page import running_page, wait_until_loaded
from tools.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROUNDS = 3
TABS = (
    "sentiment", "translate", "answer", "entities", "complete", "generate", "train", "under_the_hood", "models", "tour",
)  # fmt: skip
TASKS = ("classify", "sentiment", "translate", "answer", "entities", "complete", "generate", "under_the_hood")
RUN_SECONDS = 120
SPEEDS_SECONDS = 20
"""How long the speed of the loaded models is measured afterwards, about."""
_WATCH = """
  window.shifts = [];
  const noted = new PerformanceObserver((list) => window.shifts.push(...list.getEntries()));
  noted.observe({ type: "layout-shift", buffered: true });
  const waiting = setInterval(() => {
    if (!document.querySelector("#classify-run")?.checkVisibility({ visibilityProperty: true })) return;
    clearInterval(waiting);
    // One frame later the main thread is free to answer.
    requestAnimationFrame(() => setTimeout(() => (window.interactive = performance.now())));
  }, 5);
"""
_SWITCH = """async (slug) => {
  const started = performance.now();
  document.getElementById(`tab-${slug}-button`).click();
  const there = () => document.getElementById(`tab-${slug}`)?.getBoundingClientRect().height > 100;
  while (!there()) await new Promise((resolve) => setTimeout(resolve));
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - started;
}"""
# The largest sum within a window of 5 s with gaps below 1 s, as Chrome's Cumulative Layout Shift has it. What the page
# itself presses counts as no input of the visitor's, so that nothing is excluded.
_SHIFT = """() => {
  let most = 0, sum = 0, first = 0, last = 0;
  for (const { startTime, value } of window.shifts) {
    if (startTime - last > 1000 || startTime - first > 5000) { sum = 0; first = startTime; }
    last = startTime;
    most = Math.max(most, (sum += value));
  }
  return most;
}"""


def opened(browser: Browser, address: str, width: int = 1280) -> Page:
    """The page in a context of its own, with nothing cached, once it can be used."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_function("window.interactive")
    return page


def first_visit(browser: Browser, address: str) -> Iterator[tuple[str, float]]:
    """Milliseconds to the first content and to use, and what moved on the way."""
    page = opened(browser, address)
    page.wait_for_timeout(1500)
    yield (
        "first contentful paint",
        page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
    )
    yield "until one can type and run", page.evaluate("window.interactive")
    yield "layout shift while the page appears", page.evaluate(_SHIFT)
    page.context.close()


def switches(browser: Browser, address: str) -> dict[str, float]:
    """Milliseconds from the click on each tab until it is painted, the first time."""
    page = opened(browser, address)
    page.wait_for_timeout(1500)
    taken = {}
    for slug in TABS:
        taken[slug] = page.evaluate(_SWITCH, slug)
        page.wait_for_timeout(700)
    page.context.close()
    return taken


def shift_of_run(browser: Browser, address: str, task: str, width: int) -> float:
    """Cumulative layout shift from the press of Run until a second after the answer."""
    page = opened(browser, address, width)
    page.evaluate(_SWITCH, task)
    page.wait_for_timeout(1500)
    page.evaluate("window.shifts = []")
    page.evaluate(f"document.querySelector('#{task}-examples button').click()")
    done = f"document.querySelector('#{task}-status').innerText.includes('✓')"
    page.wait_for_function(done, timeout=RUN_SECONDS * 1000)
    page.wait_for_timeout(1000)
    shift = page.evaluate(_SHIFT)
    page.context.close()
    return float(shift)


def measure() -> Iterator[Figure]:
    """All figures, as they come; medians of `ROUNDS` visits, except for shifts, of which each task's run is one."""
    goals = (("ms", "< 1500 ms"), ("ms", "< 3000 ms"), ("", "≤ 0.1"))
    with running_page() as (address, *_), chromium() as browser:
        for models in ("while models are loaded", "models loaded"):
            visits = [dict(first_visit(browser, address)) for _ in range(ROUNDS)]
            for name, (unit, goal) in zip(visits[0], goals, strict=True):
                yield Figure(f"{name}, {models}", median(visit[name] for visit in visits), unit, goal)
            wait_until_loaded(address)
            time.sleep(SPEEDS_SECONDS)
        taken = [switches(browser, address) for _ in range(ROUNDS)]
        for slug in TABS:
            yield Figure(f"first switch to {slug}", median(each[slug] for each in taken), "ms", "< 150 ms")
        for task in TASKS:
            for width in (1280, 360):
                yield Figure(
                    f"layout shift, {task}, {width} px", shift_of_run(browser, address, task, width), "", "≤ 0.1"
                )


def report() -> str:
    """The figures as Markdown; each on standard error as well when it is there."""
    figures = []
    for figure in measure():
        print(f"{figure.what}: {figure.value:.4g} {figure.unit}", file=sys.stderr)
        figures.append(figure)
    return as_markdown("page", figures)


if __name__ == "__main__":
    print(report())
