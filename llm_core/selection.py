"""Which catalogue entry serves a request: the one asked for, or the best that can be had here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_core.catalog import DECODER_HEADS, Catalog, ModelSpec
from llm_core.errors import InputError, LlmCoreError, ModelUnavailableError
from llm_core.hardware import device_memory_bytes
from llm_core.session import Task
from llm_core.weights import Availability
from llm_core.zero_gpu import NAME as ZERO_GPU

AUTO = "auto"


class Selection:
    """Chooses entries.

    Args:
        availability: Whether an entry can be had here, and if not, why and what would help.
        device: The device models run on; asked only when it matters, because that imports torch.
    """

    def __init__(self, availability: Callable[[ModelSpec], Availability], device: Callable[[], str]) -> None:
        self._availability, self._device = availability, device

    def asked_for(self, task: Task[Any, Any], request: Any, catalog: Catalog, model_id: str) -> ModelSpec:
        """The entry of this id.

        Raises:
            UnknownModelError: No such entry.
            InputError: It does not serve this request.
            ModelUnavailableError: It cannot be had here.
        """
        candidates, spec = task.candidates(catalog, request), catalog[model_id]
        if spec not in candidates:
            if (objection := _objection(task, request, spec)) is not None:
                raise objection
            others = ", ".join(candidate.id for candidate in candidates)
            raise InputError("model", f"{model_id} does not serve this {task.name} request; these do: {others}")
        availability = self._availability(spec)
        if not availability.available:
            raise ModelUnavailableError(spec.id, availability.reason, availability.remedy)
        return spec

    def best(
        self, task: Task[Any, Any], request: Any, catalog: Catalog, *, without: frozenset[str] = frozenset()
    ) -> ModelSpec:
        """The first entry that is available: the remote tier first; then on a GPU the Hub tier, otherwise the embedded
        tier, and Hub models only when they are on this machine already. On ZeroGPU those of the Hub that write come
        before the embedded tier, the others after it: they would be no better for the wait.

        Args:
            task: What to do.
            request: Its validated request.
            catalog: What there is to choose from.
            without: Tiers that may not be chosen.

        Raises:
            InputError: What is here does not serve this request.
            ModelUnavailableError: No entry that serves it can be had here.
        """
        candidates = task.candidates(catalog, request)
        allowed = [spec for spec in candidates if spec.tier not in without]
        elsewhere = [spec for spec in allowed if spec.tier == "remote"]
        here = [spec for spec in allowed if spec.tier != "remote"]
        if found := next((spec for spec in elsewhere if self._availability(spec).available), None):
            return found
        device = self._device() if here else "cpu"
        on_gpu = device not in ("cpu", ZERO_GPU)
        for spec in sorted(here, key=lambda spec: _comes_later(spec, device)):
            availability = self._availability(spec)
            wanted = self._fits_device(spec) if on_gpu else spec.tier == "embedded" or availability.present
            if availability.available and wanted:
                return spec
        raise self._none_available(task, request, catalog, here or elsewhere)

    def _fits_device(self, spec: ModelSpec) -> bool:
        """Whether the accelerator holds the model, and a fifth of it more for what it computes."""
        memory_bytes = device_memory_bytes(self._device())
        return memory_bytes is None or spec.memory_bytes * 1.2 <= memory_bytes

    def _none_available(
        self, task: Task[Any, Any], request: Any, catalog: Catalog, candidates: list[ModelSpec]
    ) -> LlmCoreError:
        """Why no candidate can be had, and why the models that can be had do not serve the request."""
        if not candidates:
            return ModelUnavailableError(task.name, "the catalogue has no model for this request")
        first = candidates[0]
        availability = self._availability(first)
        reason = availability.reason if not availability.available else "not on this machine yet"
        remedy = availability.remedy or f"Choose {first.id}, which will be downloaded"
        for spec in catalog.for_task(task.name):
            if self._availability(spec).present and (objection := _objection(task, request, spec)) is not None:
                rule = f"{objection.rule}. {first.title} would serve, but is {reason}. {remedy}"
                return InputError(objection.field, rule)
        return ModelUnavailableError(first.id, reason, remedy)


def _comes_later(spec: ModelSpec, device: str) -> bool:
    """Whether an entry comes after those of the other tier."""
    hub_first = device != "cpu" and (device != ZERO_GPU or spec.head in DECODER_HEADS)
    return (spec.tier == "hub") != hub_first


def _objection(task: Task[Any, Any], request: Any, spec: ModelSpec) -> InputError | None:
    """What the request holds that keeps this very entry from serving it, such as a language it does not read."""
    if task.name not in spec.tasks:
        return None
    try:
        task.candidates(Catalog({spec.id: spec}), request)
    except InputError as error:
        return error
    return None
