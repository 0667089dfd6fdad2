"""What the page's ASGI middlewares share: the path below which the page stands, and answers taken as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class WholeAnswer:
    """An answer all of which is here."""

    start: Message
    """With status and headers."""
    body: bytes

    async def send(self, send: Send) -> None:
        """Give it out; what others add to its headers on the way is not added here."""
        await send({**self.start, "headers": list(self.start["headers"])})
        await send({"type": "http.response.body", "body": self.body})


async def whole_answer(app: ASGIApp, scope: Scope, receive: Receive) -> WholeAnswer | None:
    """What an application answers, once all of it has come; None: the visitor left before, and it stopped half-way."""
    start: Message = {}
    parts: list[bytes] = []
    more = True

    async def hold(message: Message) -> None:
        nonlocal more
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)

    await app(scope, receive, hold)
    return None if more else WholeAnswer(start, b"".join(parts))


def path_of(scope: Scope) -> str:
    """The path of a request below where the page is mounted; empty for what is no HTTP request."""
    if scope["type"] != "http":
        return ""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
