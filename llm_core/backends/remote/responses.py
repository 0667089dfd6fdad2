"""What servers send back: an event stream, one object, or an error. Everything is bounded before it is kept.

The module knows nothing of what is said.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
from pydantic import SecretStr

from llm_core.backends.remote.failures import EndpointFailure, Full, NotForVisitor, Refused, Unreachable
from llm_core.endpoints import Endpoint

MAX_LINE_BYTES = 1 << 20
MAX_ANSWER_BYTES = 32 << 20
MAX_ERROR_BYTES = 16 << 10
_TOO_MUCH = "answered with more than an answer can be"
_RETRY_AFTER = (1.0, 30.0)
"""Shortest and longest time for which a full endpoint is left alone."""

_OF_VISITOR = {
    401: "does not take your log-in; please log in again",
    402: "has no credit left for you this month",
    403: "does not take your log-in; please log in again",
    429: "takes no more requests of yours at the moment",
}
"""What these statuses mean when the key is a visitor's own."""

Chunk = Mapping[str, Any]


async def events(response: httpx2.Response) -> AsyncIterator[Chunk]:
    """The data of server-sent events, up to ``[DONE]``.

    Raises:
        Unreachable: It is no such stream, is too long, or ends before its end.
    """
    async for line in _lines(response):
        if not line or line.startswith((b":", b"event:", b"id:", b"retry:")):
            continue
        if not line.startswith(b"data:"):
            raise Unreachable("answered with something that is no answer")
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            return
        yield _object(data)
    raise Unreachable("broke the answer off")


async def whole(response: httpx2.Response) -> AsyncIterator[Chunk]:
    """The one object that the answer is.

    Raises:
        Unreachable: It is none, or is too long.
    """
    yield _object(b"".join([piece async for piece in _bounded(response)]))


def _object(data: bytes) -> Chunk:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable("answered with something that is no answer")
    return found


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in _bounded(response):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise Unreachable(_TOO_MUCH)
        for line in lines:
            yield line.rstrip(b"\r")
    if rest:
        yield rest


async def _bounded(response: httpx2.Response) -> AsyncIterator[bytes]:
    total = 0
    async for piece in response.aiter_raw():
        total += len(piece)
        if total > MAX_ANSWER_BYTES:
            raise Unreachable(_TOO_MUCH)
        yield piece


async def failure_of(endpoint: Endpoint, key: SecretStr | None, response: httpx2.Response) -> EndpointFailure:
    """What a status other than 200 means; the server's own words are in it, if they are bounded and hold no key.

    Args:
        endpoint: Who answered.
        key: What it was asked with.
        response: Its body is not read yet.
    """
    status = response.status_code
    if key is not endpoint.key and status in _OF_VISITOR:
        return NotForVisitor(_OF_VISITOR[status])
    if status in (429, 503):
        return Full("is full", _retry_after(response))
    if status in (401, 403):
        return Unreachable("refuses the key that the owner of this page gave it")
    words = _words(await _beginning(response))
    if key is not None:
        words = words.replace(key.get_secret_value(), "…")
    too_long = status == 413 or "too large to process" in words or (400 <= status < 500 and "context" in words.lower())
    if not (400 <= status < 500 or too_long):
        return Unreachable(f"answered with an error ({status})")
    return Refused(f"refused the request ({status})" + (f": {words}" if words else ""), too_long=too_long)


def _retry_after(response: httpx2.Response) -> float:
    shortest, longest = _RETRY_AFTER
    with contextlib.suppress(ValueError):
        return min(max(float(response.headers.get("retry-after", shortest)), shortest), longest)
    return shortest


async def _beginning(response: httpx2.Response) -> bytes:
    read = b""
    async for piece in response.aiter_raw():
        read += piece
        if len(read) > MAX_ERROR_BYTES:
            break
    return read[:MAX_ERROR_BYTES]


def _words(content: bytes) -> str:
    """The message of an error, at most 200 characters; servers wrap it in one of several ways."""
    try:
        found = json.loads(content)
    except ValueError:
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return " ".join(found.split())[:200] if isinstance(found, str) else ""
