"""The middleware between the network and Gradio."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from demos._security import BodyLimit, SecurityHeaders


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the whole body and answers with its length."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def post(app: object, chunks: list[bytes], declared: int | None) -> list[Message]:
    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    pending = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pending.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[operator]
    return sent


def test_bodies_within_the_limit_pass() -> None:
    sent = post(BodyLimit(measure, 10), [b"12345", b"67890"], 10)
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"10")


def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    sent = post(BodyLimit(measure, 10), [b"unread"], 11)
    assert sent[0]["status"] == 413
    assert b"at most 10 bytes" in sent[1]["body"]


def test_a_body_that_grows_above_the_limit_is_refused() -> None:
    assert post(BodyLimit(measure, 10), [b"123456", b"7890", b"1"], None)[0]["status"] == 413


def test_headers_are_on_every_response_and_forbid_other_origins() -> None:
    headers = {name.decode(): value.decode() for name, value in post(SecurityHeaders(measure), [b""], 0)[0]["headers"]}
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == "'self' https://huggingface.co https://*.hf.space"
    assert policy["default-src"] == "'self'" and policy["object-src"] == "'none'"
