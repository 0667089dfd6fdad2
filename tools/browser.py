"""Chromium as the browser tests, the measurements of the page and its screenshots start it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed at the end; `CHROMIUM` names another one than that on the path.

    Ends the program, saying what to install, where playwright is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("error: this needs playwright and Chromium: run `make setup-dev` first")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
