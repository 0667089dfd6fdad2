"""While models are on their way the page says so, and how far they are; then the line goes by itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from llm_core.backends.echo import EchoBackend
from llm_core.operations.warm_up import WarmUp
from tests.browser.conftest import served, visitor
from tests.support.echo import echo_encoder, echo_engine, echo_spec

pytestmark = pytest.mark.browser
LATE = "late"


class SlowBackend(EchoBackend):
    """Opens one model only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()

    def open(self, spec: Any, files: Any) -> Any:
        if spec.id == LATE:
            self.let.wait(60)
        return super().open(spec, files)


@pytest.mark.parametrize(("locale", "words"), [("en-US", "Models are being loaded"), ("zh-CN", "正在载入模型")])
def test_the_page_says_how_far_the_models_are(browser: Browser, locale: str, words: str) -> None:
    backend = SlowBackend()
    pairs = (("en", "zh"), ("zh", "en"))
    translator = echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=pairs)
    engine = echo_engine(echo_spec("writer"), translator, echo_encoder(LATE), backend=backend)
    warm_up = WarmUp(engine, fetch=False)
    with served(engine, warm_up=warm_up) as (site, _), visitor(browser, site, locale) as page:
        expect(page.locator("#arrival")).to_contain_text(words, timeout=20_000)
        warm_up.start()
        expect(page.locator("#arrival")).to_contain_text("2/3", timeout=20_000)
        backend.let.set()
        expect(page.locator("#arrival")).to_be_hidden(timeout=20_000)
