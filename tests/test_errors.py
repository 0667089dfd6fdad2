"""What error messages say."""

from __future__ import annotations

import pytest

from llm_core import errors


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
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 10
    assert all(issubclass(kind, errors.LlmCoreError) for kind in kinds)
