"""Whose request an event is: the key of a visitor who has logged in to this Space with Hugging Face.

Gradio keeps it in the visitor's own cookie. Here it is read for each request anew, and kept in that request's context
only; it goes to nobody but the Hub's router (`llm_core.endpoints`).
"""

from __future__ import annotations

import os
import time
from contextvars import Context, copy_context
from typing import Any

from gradio.context import LocalContext
from gradio.utils import get_space
from pydantic import SecretStr

from llm_core.visitor import visitor_key


def has_login() -> bool:
    """Whether this Space was given log-in (``hf_oauth: true``). Anywhere else Gradio would play one, with the account
    of this machine: never here."""
    return get_space() is not None and bool(os.environ.get("OAUTH_CLIENT_ID"))


def of_visitor() -> Context:
    """A copy of the current context that knows the key of the visitor whose event this is."""
    context = copy_context()
    context.run(visitor_key.set, _key(LocalContext.request.get(None)) if has_login() else None)
    return context


def _key(request: Any) -> SecretStr | None:
    """From the session that Gradio's log-in signs; ``None`` when it is over."""
    scope = getattr(getattr(request, "request", None), "scope", {})
    info = scope.get("session", {}).get("oauth_info") or {}
    token, expires_at = info.get("access_token"), info.get("expires_at")
    if not isinstance(token, str) or not token or (expires_at is not None and expires_at < time.time()):
        return None
    return SecretStr(token)
