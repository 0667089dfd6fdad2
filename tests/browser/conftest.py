"""The real page in a process of its own, and a real Chromium that records what goes wrong."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page

from demos._page import build_page, launch_options
from llm_core.backends.echo import EchoBackend
from llm_core.bench.page import free_port
from llm_core.engine import Engine
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_page_engine
from tools.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the running page."""
    port = free_port()
    log = tmp_path_factory.mktemp("site") / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_served(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_served(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the page did not start:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def served(engine: Engine, **parts: Any) -> Iterator[tuple[str, gr.Blocks]]:
    """Address of a page on an engine (and further parts) of the test, and the page; the engine is closed at the end."""
    port = free_port()

    def serve() -> Any:
        page = inside_a_loop(lambda: build_page(engine, **parts))
        address = {"server_name": "127.0.0.1", "server_port": port}
        inside_a_loop(lambda: page.launch(**address, prevent_thread_lock=True, quiet=True, **launch_options()))
        return page

    # Playwright's loop runs in this thread.
    with ThreadPoolExecutor(1) as other:
        page = other.submit(serve).result()
        yield f"http://127.0.0.1:{port}", page
        other.submit(page.close, verbose=False).result()
    engine.close()


@pytest.fixture(scope="session")
def slow_site() -> Iterator[str]:
    """A page on echo models that take their time: what is to be stopped must not end before."""
    with served(echo_page_engine(EchoBackend(seconds_per_call=10, seconds_per_token=0.1))) as (address, _):
        yield address


@pytest.fixture
def slow_visit(slow_site: str, browser: Browser) -> Iterator[Page]:
    """A fresh visitor's page, whose models write slowly."""
    with visitor(browser, slow_site) as page:
        yield page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(site: str, browser: Browser) -> Iterator[Page]:
    """A fresh visitor's page."""
    with visitor(browser, site) as page:
        yield page


class Stay:
    """A visitor who stays for several tests.

    Args:
        come: Opens the page.
    """

    def __init__(self, come: Callable[[], AbstractContextManager[Page]]) -> None:
        self._come, self._open = come, contextlib.ExitStack()
        self._page: Page | None = None

    def page(self) -> Page:
        """What the test before has left of the page."""
        if self._page is None:
            self._page = self._open.enter_context(self._come())
        return self._page

    def leave(self) -> None:
        """Close the page; the next one is fresh."""
        self._page = None
        self._open.close()


def until_one_fails(request: pytest.FixtureRequest, stay: Stay) -> Iterator[Page]:
    """The page of a stay for one test; what a failed test leaves is nothing to go on with."""
    failed = request.session.testsfailed
    yield stay.page()
    if request.session.testsfailed > failed:
        stay.leave()


@pytest.fixture(scope="module")
def stay_of_the_file(site: str, browser: Browser) -> Iterator[Stay]:
    stay = Stay(lambda: visitor(browser, site))
    yield stay
    stay.leave()


@pytest.fixture
def stay(request: pytest.FixtureRequest, stay_of_the_file: Stay) -> Iterator[Page]:
    """A visitor's page that the tests of a file share: opening it takes longer than most of them."""
    yield from until_one_fails(request, stay_of_the_file)


@contextlib.contextmanager
def visitor(browser: Browser, site: str, locale: str = "en-US", width: int = 1280, query: str = "") -> Iterator[Page]:
    """A fresh visitor's page; at the end it must have logged no error and asked no other origin."""
    page = browser.new_page(viewport={"width": width, "height": 900}, locale=locale)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: problems.append(f"off-origin: {request.url}") if _leaves(request.url, site) else None
    )
    page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    page.goto(site + query)
    page.wait_for_selector("#classify-run", state="attached" if query else "visible")  # a link opens another tab
    try:
        yield page
    finally:
        page.close()
    assert problems == []


def wait_until_answered(page: Page) -> None:
    """Until nothing that the page has asked is on its way; at most ten seconds, as some ends are never told."""
    quiet = 0
    for _ in range(100):
        page.wait_for_timeout(100)
        last = [request for request in page.requests() if "/queue/" in request.url][-2:]
        answered = all(request.failure or request.timing["responseEnd"] >= 0 for request in last)
        quiet = quiet + 1 if answered else 0
        if quiet == 2:  # a stream begins a moment after the request for it has ended
            return


def _leaves(url: str, site: str) -> bool:
    return not url.startswith((site, "data:", "blob:"))
