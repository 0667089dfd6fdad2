"""Visible strings: read from ``i18n/{en,zh}.toml``, translated by the visitor's browser.

Python never knows the language a visitor chose, so what a handler returns may hold at most one marker, which the
browser replaces by the string of its language (see `say`). The module knows nothing of tasks.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

_FOLDER = Path(__file__).with_name("i18n")
LANGUAGES = ("en", "zh")
"""Those that the page speaks; the first where a visitor speaks none of them. ``zh`` serves zh-CN and zh-TW, too."""
_TABLE = "table_"
"""Begins the key of a whole table."""
_MODELS = ("absent", "measured", "metric", "model_summary", "model_title", "terms")
_ALSO = {
    "compare": (
        *("error", "labels", "measured", "metric", "model_title", "remote", "rule", "status", "terms", "zero_gpu"),
    ),
    "dial": ("labels", "measured"),
    "history": ("model_title",),
    "status": ("facts", "model_title", "remote", "status", "zero_gpu"),
    "learning": ("measured", "metric", "model_limits", "model_title"),
    "card": (*_MODELS, "model_limits"),
    **dict.fromkeys(("board", "note"), _MODELS),
    **dict.fromkeys(("explain", "labels", "marked", "mentions", "stress"), ("labels",)),
}
"""Tables that hold the strings of others as well, under their whole keys."""


@functools.cache
def strings(language: str) -> Mapping[str, str]:
    """All strings of one language by dotted key."""
    return dict(_flattened(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))))


def translations(*further: Callable[[str], Mapping[str, str]]) -> gr.I18n:
    """What `launch` needs to translate the page.

    Args:
        further: Strings of others than the page in a language, by key, such as the owner's; see `own_string`.
    """
    known = {}
    for language in LANGUAGES:
        own = {key: text for strings_of in further for key, text in strings_of(language).items()}
        known[language] = _with_tables({**strings(language), **own})
    return gr.I18n(**known)


def own_string(key: str) -> I18nData:
    """A string that is not the page's, such as one that its owner wrote, and `translations` was given."""
    return I18nData(key)


def t(key: str) -> I18nData:
    """The string `key`, for labels and other properties set while the page is built.

    Raises:
        KeyError: There is no such string; a page with holes is not built.
    """
    if key not in strings("en"):
        raise KeyError(f"i18n: there is no string {key!r}")
    return I18nData(key)


def words(table: str) -> I18nData:
    """All strings of a table in one, for a component that the browser draws: ``key, tab, string`` in lines.

    Raises:
        KeyError: There is no such table.
    """
    if not any(key.startswith(f"{table}.") for key in strings("en")):
        raise KeyError(f"i18n: there is no table {table!r}")
    return I18nData(_TABLE + table)


def say(key: str, detail: str = "") -> str:
    """The string `key` followed by language-neutral `detail`, for values that handlers return."""
    return f"{t(key)}{' ' + detail if detail else ''}"


def _with_tables(known: Mapping[str, str]) -> dict[str, str]:
    """The strings, and those of each table together for `words`."""
    tables: dict[str, list[str]] = {}
    for key, text in known.items():
        table, _, name = key.partition(".")
        tables.setdefault(_TABLE + table, []).append(f"{name}\t{text}")
        for other in (name for name, others in _ALSO.items() if table in others):
            tables.setdefault(_TABLE + other, []).append(f"{key}\t{text}")
    return {**known, **{name: "\n".join(lines) for name, lines in tables.items()}}


def _flattened(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tables.items():
        if isinstance(value, str):
            yield prefix + name, value
        else:
            yield from _flattened(value, f"{prefix}{name}.")
