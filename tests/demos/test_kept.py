"""Which answers are kept for the next visitor, and which are nobody else's."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from demos import _kept
from demos._head import PageHead
from demos._kept import KeptAnswers
from tests.demos.site import Site

FILE = "/assets/Index-B0rFgO7A.js"


class Counting:
    """Says who asked, and counts how often it had to; behind `KeptAnswers`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        routes = [Route("/{path:path}", self._answer)]
        self.app = KeptAnswers(Starlette(routes=routes))

    def _answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if "missing" in request.url.path:
            return PlainTextResponse("none", 404)
        seen = [request.headers.get(name) for name in ("host", "accept-language", "cookie")]
        answer = PlainTextResponse(f"{request.url} {seen} " + "x" * 1000)
        if "x-greet" in request.headers:
            answer.set_cookie("session", "1")
        return answer

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """The answer to one visitor."""

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://here") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/", FILE])
def test_what_is_the_same_for_all_is_made_once(path: str) -> None:
    made = Counting()
    first, second = made.get(path), made.get(path)
    assert made.asked == [path] and first.text == second.text
    assert first.headers == second.headers and second.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in second.headers["vary"]
    assert ("immutable" in second.headers.get("cache-control", "")) == (path == FILE)


@pytest.mark.parametrize("path", ["/", FILE])
def test_what_a_visitor_did_not_wait_for_is_nobody_s_answer(path: str) -> None:
    left, told = [True, False], list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Stops after the headers where the visitor has left, as Gradio does."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        if not left.pop(0):
            await send({"type": "http.response.body", "body": b"<head>", "more_body": True})
            await send({"type": "http.response.body", "body": b"</head>"})

    async def tell(message: Message) -> None:
        told.append(message)

    kept = KeptAnswers(PageHead(app, {"en": ("title", "description")}))
    accepted = [(b"accept-encoding", b"gzip")]
    asked = {"type": "http", "method": "GET", "scheme": "http", "path": path, "query_string": b""}
    for _ in range(3):
        asyncio.run(kept({**asked, "headers": accepted}, asyncio.Queue[Message]().get, tell))
    assert [message.get("status") for message in told] == [200, None, 200, None]
    assert all(b"</head>" in gzip.decompress(message["body"]) for message in told[1::2])


@pytest.mark.parametrize(
    "other",
    [{"Host": "there"}, {"X-Forwarded-Host": "there"}, {"X-Forwarded-Proto": "https"}, {"Accept-Language": "zh"}],
)
def test_the_page_is_made_for_each_address_and_language(other: dict[str, str]) -> None:
    made = Counting()
    texts = [made.get("/", headers).text for headers in ({}, other, {}, other)]
    assert len(made.asked) == 2 and texts[:2] == texts[2:]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Cookie": "a=b"}),
        ("/", {"Authorization": "Bearer a"}),
        ("/?deep_link=a", {}),
        ("/", {"X-Greet": "1"}),
        ("/", {"Range": "bytes=0-1"}),
        ("/", {"Accept-Encoding": "identity"}),
        ("/assets/missing.js", {}),
        ("/config", {}),
        ("/assets/../config", {}),
    ],
)
def test_what_may_be_one_visitors_own_is_not_kept(path: str, headers: dict[str, str]) -> None:
    made = Counting()
    for _ in range(2):
        made.get(path, headers)
    assert len(made.asked) == 2
    made.get("/")
    assert len(made.asked) == 3, "what was made for one visitor is given to another"


def test_the_oldest_go_when_the_room_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Counting()
    size = int(made.get(FILE).headers["content-length"])
    monkeypatch.setattr(_kept, "_KEPT_BYTES", 2 * size + size // 2)
    for name in ("b", "c", "a"):
        made.get(f"/assets/{name}.js")
    made.get("/assets/c.js")
    assert made.asked == [FILE, *(f"/assets/{name}.js" for name in ("b", "c", "a"))]
    made.get(FILE)
    assert made.asked[-1] == FILE and len(made.asked) == 5


def test_gradio_s_page_and_files_come_ready_the_second_time(site: Site) -> None:
    name = httpx.get(site.address).text.partition('src="./assets/')[2].partition('"')[0]
    for path in ("", f"assets/{name}"):
        first, second = (httpx.get(f"{site.address}/{path}", headers={"Accept-Encoding": "gzip, br"}) for _ in range(2))
        assert first.status_code == 200 and first.content == second.content and len(first.content) > 1000
        for answer in (first, second):
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers.get_list("content-security-policy")[0].count("default-src") == 1
