"""A remote model, as a visitor meets it: who answered, what stood in for it, and the ladder of tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from llm_core.catalog import Price, load_catalog
from llm_core.endpoints import Endpoint
from tests.browser.conftest import served, visitor
from tests.browser.test_tabs import ANSWER_MS, expect_done, open_tab
from tests.support.echo import echo_spec
from tests.support.remote_servers import FaultyServer, faulty, remote_engine, remote_model

pytestmark = pytest.mark.browser
KEY = "sk-canary-55"


@contextmanager
def page_of(server: FaultyServer) -> Iterator[str]:
    """Address of a page with a remote model on `server`, and an embedded one."""
    price = Price(read=0.05, written=40)
    endpoint = Endpoint(name="a", base_url=server.url, key=SecretStr(KEY))
    model = remote_model(price=price, licence="Llama 3.1", health_seconds=60, endpoints=(endpoint,))
    near = echo_spec("near", title="Near", download_bytes=98_000_000)
    others = [spec for spec in load_catalog().values() if "generate" not in spec.tasks]
    with ExitStack() as stack:
        address, _ = stack.enter_context(served(remote_engine(model, near, *others)))
        yield address


@pytest.mark.parametrize(
    ("locale", "badge"), [("en-US", "In place of a model that did not answer: Stories"), ("zh-CN", "没有应答")]
)
def test_who_stood_in_for_a_server_that_did_not_answer(browser: Browser, locale: str, badge: str) -> None:
    with faulty() as server, page_of(server) as address, visitor(browser, address, locale) as page:
        open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
        status = page.locator("#generate-status")
        page.locator("#generate-run").click()
        expect_done(page, "generate")
        expect(status).to_contain_text("Stories · remote")
        expect(status.locator(".instead")).to_be_hidden()
        server.status = 500
        page.locator("#generate-run").click()
        expect(status).to_contain_text("Near · cpu", timeout=ANSWER_MS)
        expect(status.locator(".instead")).to_contain_text(badge)
        expect(page.locator("#generate-message")).to_be_hidden()
        page.locator("#generate-clear").click()
        expect(status.locator(".instead")).to_be_hidden()


def test_what_arrived_of_an_answer_that_broke_off_stays(browser: Browser) -> None:
    with faulty(cut_after=2) as server, page_of(server) as address, visitor(browser, address) as page:
        open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
        page.locator("#generate-run").click()
        expect(page.locator("#generate-message")).to_contain_text("broke off here", timeout=ANSWER_MS)
        assert page.locator("#generate-result textarea").input_value().startswith("Once upon")
        told = page.content() + page.request.get(f"{address}/config").text()
        assert server.url.removeprefix("http://") not in told and KEY not in told
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("locale", "button", "tiers", "cost"),
    [
        ("en-US", "Engine ladder", ["Embedded · CPU", "☁ Remote"], "this answer cost 0.00016 USD"),
        ("zh-CN", "引擎阶梯", ["内置 · CPU", "☁ 远程"], "本次回答花费 0.00016 USD"),
    ],
)
def test_the_ladder_asks_one_model_of_each_tier(
    browser: Browser, locale: str, button: str, tiers: list[str], cost: str
) -> None:
    with faulty() as server, page_of(server) as address, visitor(browser, address, locale) as page:
        open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
        page.locator("#generate-compare > button").click()
        ladder = page.locator("#generate-compare-ladder")
        expect(ladder).to_have_text(button)
        ladder.click()
        shown = page.locator("#generate-compared")
        expect(shown.locator(".column.done")).to_have_count(2, timeout=2 * ANSWER_MS)
        expect(shown.locator(".column h3")).to_have_text(["Near", "Stories"])
        expect(shown.locator(".column .tier")).to_have_text(tiers)
        far = shown.locator(".column").last
        expect(far).to_contain_text("0.05 / 40 USD")
        expect(far).to_contain_text(cost)
        expect(far.locator(".said")).to_contain_text("Once upon a time.")
        expect(far.locator(".figures")).to_contain_text(re.compile(r"\d+ m?s"))
        page.set_viewport_size({"width": 360, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= 360")


def test_a_server_that_is_known_to_be_down_is_marked_in_the_menu(browser: Browser) -> None:
    with faulty(healthy=False) as server, page_of(server) as address, visitor(browser, address) as page:
        open_tab(page, "generate").locator("textarea").first.fill("Tell a story.")
        expect(page.locator("#generate-note")).to_contain_text("Near")
        page.locator("#generate-model input").click()
        page.get_by_role("option", name=re.compile("✕ Stories · ☁.*does not answer")).click()
        page.locator("#generate-run").click()
        expect(page.locator("#generate-message")).to_contain_text("its server does not answer", timeout=ANSWER_MS)


def test_own_labels_by_a_server_that_embeds(browser: Browser) -> None:
    with faulty() as server:
        model = remote_model(server.url, title="Vectors", tasks=("embed", "classify"), health_seconds=60)
        engine = remote_engine(model, *load_catalog())
        with served(engine) as (address, _), visitor(browser, address) as page:
            bench = open_tab(page, "classify")
            bench.get_by_label("My own labels").check()
            bench.get_by_label("Labels, separated by commas").fill("zebra zzzz, apple")
            bench.get_by_label("Text", exact=True).fill("zzz zz")
            page.locator("#classify-run").click()
            expect_done(page, "classify")
            expect(page.locator("#classify-status")).to_contain_text("Vectors · remote")
            expect(bench.locator(".results h2")).to_have_text("zebra zzzz")
