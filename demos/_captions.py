"""What Gradio itself cannot translate: the names of examples, and those of its own buttons that are English only.

A view without anything to see, whose script writes them in the visitor's language; see ``captions.js``. The strings are
by what stands there in English, in ``i18n/captions_zh.toml``.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

from demos._drawn import drawn_view

_FILE = Path(__file__).with_name("i18n") / "captions_zh.toml"


@functools.cache
def chinese_captions() -> Mapping[str, str]:
    """What stands there in English, and in Chinese."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {english: text for table in tables.values() for english, text in table.items()}


def caption_strings(language: str) -> dict[str, str]:
    """What `translations` needs of them in a language, by key."""
    return {f"captions.{english}": text for english, text in chinese_captions().items()} if language == "zh" else {}


def captions_view() -> None:
    """Adds the view to the page that is being built."""
    drawn_view("captions", "captions", classes=["unseen"])
