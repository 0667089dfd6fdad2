"""What can go wrong when the Hub is asked to change something, in plain words and without the token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llm_core.errors import BackendError, InputError, LlmCoreError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what huggingface_hub raises inside into the package's own errors.

    Raises:
        InputError: The Hub refuses name or token.
        BackendError: The Hub cannot be reached, or fails.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except LlmCoreError:
        raise
    except HFValidationError:
        raise InputError("repository", "must be a name, or an owner and a name: letters, digits, - _ .") from None
    except HfHubHTTPError as error:
        raise _refused(error.response.status_code if error.response is not None else 0) from None
    except Exception as error:  # of the HTTP client; it may quote the request, and with it the token
        kind = type(error.__cause__ or error).__name__
        raise BackendError(f"the Hub could not be reached, or the connection broke off ({kind})") from None


def _refused(status: int) -> InputError | BackendError:
    if status == 401:
        return InputError("token", "is not one that the Hub knows")
    if status == 402:
        return BackendError("the Hub asks for payment: the account's plan does not cover this")
    if status == 403:
        return InputError("token", "may not write there: make one with write access to this repository")
    return BackendError(f"the Hub answered with status {status}")
