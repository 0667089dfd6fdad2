"""What error messages say."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from llm_core import errors

ONE_OF_EACH: dict[type[errors.LlmCoreError], tuple[Any, ...]] = {
    errors.InputError: ("seed", "must be at least 0", -1),
    errors.UnknownModelError: ("minilmm", ("minilm",)),
    errors.ModelUnavailableError: ("nllb", "no network", "Connect"),
    errors.DigestMismatchError: ("model.safetensors", "a" * 64, "b" * 64),
    errors.BusyError: ("9 requests are waiting", 3.5),
    errors.DeadlineExceededError: (120.0,),
    errors.CancelledError: (),
    errors.StorageFullError: (1_000,),
    errors.GpuRefusedError: ("quota", "0:12:30"),
}
"""What each kind is made of; the others have a message only."""


def kinds() -> list[type[errors.LlmCoreError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.InputError("seed", "must be at least 0", -1), "seed: must be at least 0 (got -1)"),
        (errors.InputError("text", "must not be empty"), "text: must not be empty"),
        (
            errors.UnknownModelError("minilmm", ("minilm",)),
            "there is no 'minilmm' in the catalogue; did you mean minilm?",
        ),
        (errors.UnknownModelError("x" * 500), "…"),
        (errors.ModelUnavailableError("nllb", "no network", "Connect"), "nllb is not available: no network. Connect"),
        (
            errors.DigestMismatchError("model.safetensors", "a" * 64, "b" * 64),
            "SHA-256 is bbbbbbbbbbbb…, expected aaaa",
        ),
        (errors.BusyError("9 requests are waiting", 0.2), "try again in 1 s"),
        (errors.DeadlineExceededError(120.0), "longer than the 120 s allowed"),
    ],
)
def test_messages_say_what_and_what_next(error: errors.LlmCoreError, message: str) -> None:
    assert message in str(error)


def test_every_error_is_of_the_one_family() -> None:
    assert len(kinds()) >= 10
    assert all(issubclass(kind, errors.LlmCoreError) for kind in kinds())


@pytest.mark.parametrize("kind", kinds())
def test_every_error_comes_back_from_another_process_as_it_was(kind: type[errors.LlmCoreError]) -> None:
    error = kind(*ONE_OF_EACH.get(kind, ("the model failed",)))
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind and str(back) == str(error) and vars(back) == vars(error)


def test_an_input_error_keeps_field_rule_and_value() -> None:
    back = pickle.loads(pickle.dumps(errors.InputError("seed", "must be at least 0", -1)))
    assert (back.field, back.rule, back.value) == ("seed", "must be at least 0", -1)
