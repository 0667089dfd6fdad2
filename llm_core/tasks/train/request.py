"""What a training is asked for: labelled texts, the model to begin with, and which weights move."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import InputError
from llm_core.tasks.base import Request, pairs_of
from llm_core.tasks.language import check_language
from llm_core.training.jobs.examples import check_examples
from llm_core.training.jobs.job import TuningKind

DEFAULT_TUNING: TuningKind = "lora"


Examples = Annotated[tuple[tuple[str, str], ...], BeforeValidator(pairs_of), AfterValidator(check_examples)]


class TrainRequest(Request):
    """A new training."""

    examples: Examples
    """(text, label) pairs; see `examples.check_examples` for the bounds."""
    tuning: TuningKind = DEFAULT_TUNING


class ResumeRequest(Request):
    """The visitor's stopped training is to go on."""

    resume: Literal[True] = True


class TrainTask:
    """See `session.Task`; `run.Trainings` runs it.

    Args:
        resumes: Whether its requests are to go on with a stopped training.
    """

    name: ClassVar[str] = "train"

    def __init__(self, resumes: bool = False) -> None:
        self.request_type: type[Request] = ResumeRequest if resumes else TrainRequest


def bases(catalog: Catalog) -> tuple[ModelSpec, ...]:
    """Entries that can be trained further here: embedded encoders that embed, then those that learnt to fill gaps."""
    embedded = [spec for spec in catalog.values() if spec.tier == "embedded"]
    return tuple(spec for head in ("embedding", "masked_lm") for spec in embedded if spec.head == head)


def base_of(catalog: Catalog, model_id: str, request: TrainRequest) -> ModelSpec:
    """The entry to begin with.

    Args:
        catalog: What models exist.
        model_id: Its id, or ``"auto"`` for the first that reads the texts.
        request: Whose texts it is to read.

    Raises:
        InputError: It is none that can be trained, or does not read the texts' language.
    """
    offered = {spec.id: spec for spec in bases(catalog)}
    text = "\n".join(text for text, _ in request.examples)
    if model_id != "auto":
        if model_id not in offered:
            raise InputError("model", f"must be one of {', '.join(offered)}", model_id)
        check_language(offered[model_id], "examples", text)
        return offered[model_id]
    error = InputError("model", "there is none that can be trained")
    for spec in offered.values():
        try:
            check_language(spec, "examples", text)
            return spec
        except InputError as objection:
            error = objection
    raise error
