"""A guided tour as its owner writes it: a TOML file, read and checked. Knows no component."""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks import TASK_NAMES, find_task

KEY = "own_tour"
"""Begins the keys of a tour's strings."""
DEFAULT_TOUR = Path(__file__).with_name("tours") / "default.toml"
MAX_LOGO_BYTES = 200_000
_IMAGES = {".svg": "svg+xml", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
Phrase = Annotated[str, Field(min_length=1, max_length=600)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wording(_Part):
    """The same in the languages of the page."""

    en: Phrase
    zh: Phrase | None = None

    def in_language(self, language: str) -> str:
        """Its words in ``"en"`` or ``"zh"``; English where there are no others."""
        return (self.zh if language == "zh" else None) or self.en


class TourStep(_Part):
    """One example that is run live."""

    task: str
    title: Wording
    notes: Wording
    """For the speaker."""
    fields: dict[str, Any]
    """Of the task's request."""

    @model_validator(mode="after")
    def _is_a_request(self) -> TourStep:
        try:
            find_task(self.task).request_type.parse(self.fields)
        except InputError as error:
            raise ValueError(str(error)) from error
        if self.task not in TASK_NAMES:
            raise ValueError(f"task: must have a tab; these have: {', '.join(TASK_NAMES)}")
        if not isinstance(self.fields.get(self.edited), str):
            raise ValueError("fields must have a text")
        return self

    @property
    def edited(self) -> str:
        """Name of the field that can be changed while presenting: the first text."""
        return next((name for name, value in self.fields.items() if isinstance(value, str)), "")


class Tour(_Part):
    """What is shown, in order."""

    title: Wording
    lead: Wording
    logo: str | None = None
    """Name of an image beside the file."""
    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    step: Annotated[tuple[TourStep, ...], Field(min_length=1, max_length=20)]

    def wordings(self) -> dict[str, Wording]:
        """Everything that is said, by a name that is unique in the tour."""
        own = {"title": self.title, "lead": self.lead}
        for number, step in enumerate(self.step, start=1):
            own |= {f"title_{number}": step.title, f"notes_{number}": step.notes}
        return own


def tour_file() -> Path:
    """The owner's, or the one that comes with the page."""
    return Settings().tour or DEFAULT_TOUR


def tour_strings(language: str) -> dict[str, str]:
    """What the tour says in a language, by key; as Markdown, titles as headings.

    Raises:
        InputError: See `read_tour`.
    """
    said = {name: wording.in_language(language) for name, wording in read_tour(tour_file()).wordings().items()}
    return {f"{KEY}.{name}": f"## {text}" if name.startswith("title") else text for name, text in said.items()}


def read_tour(file: Path) -> Tour:
    """The tour of a file.

    Raises:
        InputError: It cannot be read, is no TOML, or a value is not what it must be; names the value.
    """
    try:
        return Tour.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError("tour", f"{file.name} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("tour", f"{file.name} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError("tour", f"{file.name}: {place}: {first['msg']}") from error


def logo_source(tour: Tour, file: Path) -> str:
    """The logo as a ``data:`` address, so that the page needs no further file; empty without one.

    Raises:
        InputError: It is no image of a known kind beside the file, or too large.
    """
    if tour.logo is None:
        return ""
    image = file.parent / tour.logo
    kind = _IMAGES.get(image.suffix.lower())
    if kind is None or image.parent != file.parent or not image.is_file():
        raise InputError("tour", f"logo must be one of {', '.join(_IMAGES)} beside {file.name}", tour.logo)
    if image.stat().st_size > MAX_LOGO_BYTES:
        raise InputError("tour", f"logo must be at most {MAX_LOGO_BYTES:,} bytes", image.stat().st_size)
    return f"data:image/{kind};base64,{base64.b64encode(image.read_bytes()).decode()}"
