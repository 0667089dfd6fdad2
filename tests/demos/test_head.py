"""What a crawler of a shared link, and a browser, find in the head of the page."""

from __future__ import annotations

import re

import httpx
import pytest

from demos._head import language_of
from tests.demos.site import Site


def metas(page: str) -> dict[str, list[str]]:
    """Contents of the head's meta elements by name."""
    found: dict[str, list[str]] = {}
    for name, content in re.findall(
        r'<meta\s+(?:property|name)="([^"]+)"\s+content="([^"]*)"', page.split("</head>")[0]
    ):
        found.setdefault(name, []).append(content)
    return found


def test_shared_links_show_the_pages_own_title_and_picture(site: Site) -> None:
    page = httpx.get(site.address).text
    told = metas(page)
    assert told["og:title"] == told["twitter:title"] == ["Language models, shown"]
    assert told["og:image"] == told["twitter:image"] == [f"{site.address}/social.png"]
    assert told["og:url"] == [f"{site.address}/"] and told["description"] == told["og:description"]
    assert re.findall("<title>(.*)</title>", page) == ["Language models, shown"]
    assert "githubusercontent" not in page.split("<script")[0]
    picture = httpx.get(told["og:image"][0])
    assert picture.headers["content-type"] == "image/png" and len(picture.content) < 150_000
    assert "content-security-policy" in picture.headers


def test_the_title_is_in_the_visitors_language(site: Site) -> None:
    answer = httpx.get(site.address, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    told = metas(answer.text)
    assert told["og:title"] == ["看见语言模型"] == re.findall("<title>(.*)</title>", answer.text)
    assert told["description"][0].startswith("语言模型能做什么？")
    assert '<html\n\tlang="zh"' in answer.text and "Accept-Language" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("zh", "zh"),
        ("zh-Hant-TW, en;q=0.5", "zh"),
        ("en;q=0.3, zh;q=0.7", "zh"),
        ("fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("de, ZH-cn ; q=0.2", "zh"),
        ("<script>, zh;q=9", "en"),
    ],
)
def test_the_language_liked_best_is_taken(accepted: str, language: str) -> None:
    assert language_of(accepted, ("en", "zh")) == language


def test_addresses_follow_the_proxy_and_nothing_but_an_address_is_taken(site: Site) -> None:
    behind = {"X-Forwarded-Host": "demo.example", "X-Forwarded-Proto": "https"}
    assert metas(httpx.get(site.address, headers=behind).text)["og:image"] == ["https://demo.example/social.png"]
    hostile = {"X-Forwarded-Host": 'x"><script>alert(1)</script>'}
    page = httpx.get(site.address, headers=hostile).text
    assert "alert(1)" not in page.split("</head>")[0].split("window.gradio_config")[0]
    assert metas(page)["og:image"] == ["/social.png"]


def test_the_page_is_compressed_for_those_who_read_that(site: Site) -> None:
    plain = httpx.get(site.address, headers={"Accept-Encoding": "identity"})
    packed = httpx.get(site.address, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 4
    assert "window.gradio_config" in packed.text and "Accept-Encoding" in packed.headers["vary"]


def test_events_are_fixed_before_gradio_s_script_reads_them(site: Site) -> None:
    page = httpx.get(site.address).text
    places = [page.index(mark) for mark in ("window.gradio_config = ", "class FixedList", '<script type="module"')]
    assert places == sorted(places) and page.count("class FixedList") == 1


def test_the_icon_is_our_own(site: Site) -> None:
    icon = httpx.get(f"{site.address}/favicon.ico")
    assert icon.status_code == 200 and icon.content.startswith(b"\x89PNG") and len(icon.content) < 30_000
    assert httpx.get(f"{site.address}/pwa_icon/192").status_code == 200
