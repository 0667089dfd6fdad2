"""Answers that are the same for every visitor, kept ready and compressed: ASGI middleware.

Gradio writes its page anew for each visitor, and reads and compresses each of the page's 90 files again: more than half
a second of a slow core until anybody can type.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import OrderedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from demos._asgi import WholeAnswer, path_of, whole_answer

_KEPT_BYTES = 16_000_000
_GZIP_LEVEL = 6
_FILE = re.compile(r"/assets/[\w.-]+")
"""Gradio's files have a digest of their content in their names."""
_PAGE_VARIES = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server", "accept-language")
"""What the page's addresses, language and title are made from."""
_PERSONAL = ("cookie", "authorization")
_PARTIAL = ("range", "if-none-match", "if-modified-since")
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg")

Key = tuple[str | None, ...]


class KeptAnswers:
    """Compresses the page and its files, and keeps what is nobody's own.

    Args:
        app: What is wrapped.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[Key, WholeAnswer] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = path_of(scope)
        if not (path == "/" or _FILE.fullmatch(path)) or not _takes_compressed(scope):
            return await self.app(scope, receive, send)
        key = _key_of(scope, path)
        answer = None if key is None else self._kept.get(key)
        if answer is None:
            answer = await self._fresh(scope, receive, path)
            if answer is None:
                return
            if key is not None and answer.start["status"] == 200:
                self._keep(key, answer)
        await answer.send(send)

    async def _fresh(self, scope: Scope, receive: Receive, path: str) -> WholeAnswer | None:
        answer = await whole_answer(self.app, scope, receive)
        if answer is None:
            return None
        body, headers = answer.body, MutableHeaders(scope=answer.start)
        if headers.get("content-type", "").startswith(_COMPRESSIBLE) and "content-encoding" not in headers:
            body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL)
            headers["content-encoding"] = "gzip"
            headers["content-length"] = str(len(body))
            headers.add_vary_header("Accept-Encoding")
        if answer.start["status"] == 200 and path != "/":
            headers["cache-control"] = "public, max-age=31536000, immutable"
        return WholeAnswer(answer.start, body)

    def _keep(self, key: Key, answer: WholeAnswer) -> None:
        if "set-cookie" in Headers(scope=answer.start) or key in self._kept:
            return
        self._kept[key] = answer
        self._bytes += len(answer.body)
        while self._bytes > _KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)


def _takes_compressed(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    whole = scope["method"] == "GET" and not any(name in headers for name in _PARTIAL)
    return whole and "gzip" in headers.get("accept-encoding", "")


def _key_of(scope: Scope, path: str) -> Key | None:
    """What tells the answer from others; None: it may be a visitor's own."""
    if path != "/":
        return (path,)
    headers = Headers(scope=scope)
    if scope["query_string"] or any(name in headers for name in _PERSONAL):
        return None
    return (path, scope.get("root_path"), *(headers.get(name) for name in _PAGE_VARIES))
