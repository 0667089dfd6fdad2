"""Requests and results: frozen, validated values that every way in (page, API, command line, Python) shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_core.errors import InputError


class Request(BaseModel):
    """Base of the request types. Strict: no value is coerced from another type, no unknown field is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build a request from untrusted values.

        Raises:
            InputError: Naming the first offending field and the rule it broke.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _input_error(error) from None


def tuple_of(value: Any) -> Any:
    """A list as the tuple that strict fields want (JSON has lists only), anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def pairs_of(value: Any) -> Any:
    """The same for a list of lists."""
    return tuple(tuple_of(pair) for pair in value) if isinstance(value, list | tuple) else value


class Result(BaseModel):
    """Base of the result types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_fields: ClassVar[tuple[str, ...]]
    """The fields of the documented output record; others serve the page."""

    def record(self) -> dict[str, Any]:
        """The documented output fields as JSON values."""
        return self.model_dump(mode="json", include=set(self.record_fields))


def _input_error(error: ValidationError) -> InputError:
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"]) or "request"
    rule = problem["msg"]
    if problem["type"] in _RULES:
        rule = _RULES[problem["type"]].format(**problem.get("ctx", {}))
    return InputError(field, rule.removeprefix("Value error, "), _worth_showing(problem))


_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this task",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "value_error": "{error}",
}


def _worth_showing(problem: Any) -> object:
    """The offending value, unless it is a text (long, or private) or a container."""
    value = problem.get("input")
    return value if isinstance(value, bool | int | float) else None
