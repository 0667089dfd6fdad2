"""Bounds on what a request may hold, as annotated types for the request models of the tasks.

Pages and clients may send anything (a slider's NaN, a million characters, a list for a string): the checks here are the
ones that count. A breach becomes an `InputError` that names the field and the rule (see `tasks.base.Request.parse`).
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

MAX_TEXT_CHARS = 20_000
"""One text of a classifier, prompt or translation."""
MAX_DOCUMENT_CHARS = 400_000
"""One uploaded or pasted document to be searched."""
MAX_LABEL_CHARS = 80
MAX_LABELS = 32
MAX_EXAMPLES = 200
MAX_NEW_TOKENS = 1024
MAX_UPLOAD_BYTES = 10_000_000
MAX_COMBINING_RUN = 16
"""Longest run of combining marks on one letter; more is an attack on renderers, in no known script."""


def check_text(text: str) -> str:
    """Reject text no tokenizer should see; return it otherwise unchanged (offsets stay valid).

    Raises:
        ValueError: It is blank, or holds NUL or a long run of combining marks. (Pydantic itself refuses lone
        surrogates.)
    """
    if not text.strip():
        raise ValueError("must not be empty")
    return check_characters(text)


def check_characters(text: str) -> str:
    """As `check_text`, but blank text is fine."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    if not text.isascii() and _longest_combining_run(text) > MAX_COMBINING_RUN:
        raise ValueError(f"must not stack more than {MAX_COMBINING_RUN} combining marks on one character")
    return text


def _longest_combining_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest


def _whole_number(value: Any) -> Any:
    """JSON from a browser may write 64 as 64.0; nothing else is coerced."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(check_text)]
OptionalText = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(check_characters)]
Document = Annotated[str, Field(max_length=MAX_DOCUMENT_CHARS), AfterValidator(check_text)]
Label = Annotated[str, Field(max_length=MAX_LABEL_CHARS), AfterValidator(check_text)]
NewTokens = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=MAX_NEW_TOKENS)]
Temperature = Annotated[float, Field(ge=0.0, le=2.0, allow_inf_nan=False)]
TopP = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
RepeatPenalty = Annotated[float, Field(ge=1.0, le=2.0, allow_inf_nan=False)]
Alternatives = Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=4)]
"""How many translations to give beside the best one."""
Seed = Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=2**32 - 1)]
Count = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=8)]
