"""Two small tasks for tests of what is above the engine's tasks and below the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_core.backends.base import Embeds
from llm_core.catalog import Catalog, ModelSpec
from llm_core.limits import Text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result


class MeasureRequest(Request):
    """A text to measure."""

    text: Text


class MeasureResult(Result):
    """Its length."""

    record_fields: ClassVar[tuple[str, ...]] = ("length",)
    length: int
    note: str = "for the page only"


class Measure:
    """Counts characters, through an embedding model, so that batches are real."""

    name: ClassVar[str] = "embed"
    request_type: ClassVar[type[Any]] = MeasureRequest

    def candidates(self, catalog: Catalog, request: MeasureRequest) -> tuple[ModelSpec, ...]:
        """All embedding models."""
        return catalog.for_task("embed")

    def run(self, session: Session, request: MeasureRequest) -> Steps[MeasureResult]:
        """One request."""
        yield from ()
        return self.run_many(session, [request])[0]

    def run_many(self, session: Session, requests: Sequence[MeasureRequest]) -> list[MeasureResult]:
        """Many requests in one call."""
        session.open(Embeds).embed([request.text for request in requests], session.cancel)
        return [MeasureResult(length=len(request.text)) for request in requests]
