"""The visitor's own key, for what is charged to it: known while a request of that visitor runs, and nowhere kept."""

from __future__ import annotations

from contextvars import ContextVar

from pydantic import SecretStr

visitor_key: ContextVar[SecretStr | None] = ContextVar("visitor_key", default=None)
"""Set in the context of one request; ``None``: the visitor is not logged in, or this page has no log-in."""
