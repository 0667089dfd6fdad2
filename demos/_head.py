"""What the page says of itself to browsers, and to sites on which a link to it is shared: ASGI middleware.

Gradio's page names Gradio and a picture of Gradio's there, and crawlers run no script that could change it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demos._asgi import WholeAnswer, path_of, whole_answer

IMAGES = Path(__file__).with_name("images")
ICON = IMAGES / "icon.png"
PICTURE = "/social.png"
"""Path at which the picture is served; 1200 × 630 pixels, as Open Graph recommends."""
_OTHERS = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^"]*"[^>]*>')
_HOST = re.compile(r"[\w.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?")
_LANGUAGE = re.compile(r"(?:^|,)\s*([A-Za-z]{2,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*(?=,|$)")
_GRADIO_S_SCRIPT = b'<script type="module"'


class PageHead:
    """Gives the page its title, description and picture in place of Gradio's, in the visitor's language, and the styles
    that must hold before Gradio's script adds the others, and what must be done before that runs.

    Args:
        app: What is wrapped.
        told: Title and description by language; for those who speak none of them, and for crawlers, the first.
        style: CSS for the head.
        script: JavaScript that runs once the page's configuration is there, in a scope of its own.
    """

    def __init__(self, app: ASGIApp, told: Mapping[str, tuple[str, str]], style: str = "", script: str = "") -> None:
        self.app, self.told, self.style = app, told, style
        self.script = f"<script>(() => {{\n{script}}})();</script>\n".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = path_of(scope)
        if path == PICTURE:
            return await FileResponse(IMAGES / "social.png")(scope, receive, send)
        if path != "/" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        answer = await whole_answer(self.app, scope, receive)
        if answer is not None:
            await WholeAnswer(answer.start, self._written(scope, answer)).send(send)

    def _written(self, scope: Scope, answer: WholeAnswer) -> bytes:
        """The body as it is sent; adapts the headers."""
        headers, body = MutableHeaders(scope=answer.start), answer.body
        if not headers.get("content-type", "").startswith("text/html") or "content-encoding" in headers:
            return body
        head, script, rest = body.partition(b"<script")
        language = language_of(Headers(scope=scope).get("accept-language", ""), tuple(self.told))
        head = head.replace(b'lang="en"', f'lang="{language}"'.encode(), 1)
        rest = rest.replace(_GRADIO_S_SCRIPT, self.script + _GRADIO_S_SCRIPT, 1)
        body = _OTHERS.sub(b"", head) + self._tags(scope, *self.told[language]).encode() + script + rest
        headers.add_vary_header("Accept-Language")
        headers["content-length"] = str(len(body))
        return body

    def _tags(self, scope: Scope, title: str, description: str) -> str:
        address = address_of(scope)
        named = {
            "description": description,
            "og:title": title,
            "og:description": description,
            "og:type": "website",
            "og:url": f"{address}/",
            "og:image": f"{address}{PICTURE}",
            "og:image:width": "1200",
            "og:image:height": "630",
            "og:image:alt": title,
            "twitter:card": "summary_large_image",
            "twitter:title": title,
            "twitter:description": description,
            "twitter:image": f"{address}{PICTURE}",
        }
        lines = [
            f"<title>{html.escape(title)}</title>",
            '<link rel="icon" type="image/png" href="favicon.ico">',
            f"<style>{self.style}</style>",
        ]
        lines += [
            f'<meta {"property" if name.startswith("og:") else "name"}="{name}" content="{html.escape(value)}">'
            for name, value in named.items()
        ]
        return "\n".join([*lines, ""])


def language_of(accepted: str, known: Sequence[str]) -> str:
    """The first of the `known` languages that a visitor likes best, or else the first of all.

    Args:
        accepted: The header ``Accept-Language`` (RFC 9110), such as ``zh-CN,zh;q=0.9,en;q=0.8``.
        known: Primary subtags, such as ``en``.
    """
    wanted = [(float(weight or 1), tag.lower()) for tag, weight in _LANGUAGE.findall(accepted)]
    liked = [tag for weight, tag in sorted(wanted, key=lambda each: -each[0]) if weight and tag in known]
    return liked[0] if liked else known[0]


def address_of(scope: Scope) -> str:
    """Where the visitor found the page, without a slash at the end; crawlers want whole addresses."""
    headers = Headers(scope=scope)
    host = headers.get("x-forwarded-host") or headers.get("host", "")
    scheme = headers.get("x-forwarded-proto", scope["scheme"]).partition(",")[0].strip()
    known = _HOST.fullmatch(host) and scheme in ("http", "https")
    return f"{scheme}://{host}{scope.get('root_path', '')}" if known else ""
