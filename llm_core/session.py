"""The contract between tasks (above the engine) and the engine that runs them.

A task is pure logic: it gets a validated request and a session, asks the session for the capabilities it needs,
yields increments and returns its frozen result. Where models live, who waits, and what is batched with what is the
engine's business.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar, Protocol, TypeVar

from llm_core.catalog import Catalog, ModelSpec
from llm_core.types import CancelToken, Delta, Progress

CapabilityT = TypeVar("CapabilityT")
RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

Increment = Delta | Progress
Steps = Generator[Increment, None, ResultT]
"""What `Task.run` is: a generator of increments that returns the result."""


def exhaust(steps: Generator[Any, None, ResultT]) -> ResultT:
    """What a generator returns in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: ResultT = stop.value
            return result


class Session(Protocol):
    """What a running task may use."""

    spec: ModelSpec
    """The entry chosen for this request."""
    cancel: CancelToken

    def open(self, capability: type[CapabilityT], model_id: str | None = None) -> CapabilityT:
        """A loaded model with `capability`: the chosen one, or the entry `model_id`.

        Calls of encoders may be batched with those of other requests; loading happens here when needed.

        Raises:
            ModelUnavailableError: The entry cannot be had here.
            BackendError: The entry does not have the capability.
        """
        ...

    def companion(self, task: str, capability: type[CapabilityT]) -> CapabilityT:
        """The first available entry that does `task` (such as ``"embed"``), for tasks that need a second model."""
        ...


class Task(Protocol[RequestT_contra, ResultT_co]):
    """One thing that language models do."""

    name: ClassVar[str]
    """Also the name of the command, the endpoint and the tab."""
    request_type: ClassVar[type[Any]]

    def candidates(self, catalog: Catalog, request: RequestT_contra) -> tuple[ModelSpec, ...]:
        """Entries that could serve this very request (its language, its label set), in order of preference."""
        ...

    def run(self, session: Session, request: RequestT_contra) -> Steps[ResultT_co]:
        """Do the work.

        Raises:
            InputError: What only the model can tell, such as a prompt of too many tokens.
            CancelledError, DeadlineExceededError: As the session's token says.
        """
        ...
