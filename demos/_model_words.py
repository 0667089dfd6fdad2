"""What the catalogue says of models, in the languages of the page.

The catalogue is English. ``i18n/models_zh.toml`` has the same in Chinese: titles, summaries and limits by the model's
id, and what scores and terms are called by what the catalogue calls them. What is not there, such as a remote model
that the owner of the page named, stays as it is.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

from demos._i18n import own_string, say, strings
from llm_core.catalog import load_catalog
from llm_core.tasks.train.run import OWN_PREFIX

_FILE = Path(__file__).with_name("i18n") / "models_zh.toml"
_TABLES = {
    "title": "model_title",
    "summary": "model_summary",
    "limits": "model_limits",
    "measured": "measured",
    "metric": "metric",
    "terms": "terms",
}
"""Tables of the file, and of the page's strings."""
_OWN = "own"
"""In place of the id of a model that a visitor trained."""


@functools.cache
def chinese() -> Mapping[str, Mapping[str, str]]:
    """The file, table by table."""
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def model_strings(language: str) -> dict[str, str]:
    """What `translations` needs of models in a language, by key."""
    english = {model_id: spec.title for model_id, spec in load_catalog().items()}
    told = chinese() if language == "zh" else {"title": english}
    found = {f"{_TABLES[table]}.{name}": text for table, texts in told.items() for name, text in texts.items()}
    asked = strings(language)["compare.asked"]
    titles = {**english, **told["title"]}
    return {
        **found,
        **{f"model_asked.{model_id}": f"{asked} {title}" for model_id, title in titles.items()},
        f"model_title.{_OWN}": strings(language)["classify.mode_model"],
    }


def titled(model_id: str, title: str, *, asked: bool = False) -> str:
    """What visitors call a model, with a marker that the browser translates if there is anything to translate.

    Args:
        model_id: Its id.
        title: What it is called in English.
        asked: Whether it is to be said that it is asked in words.
    """
    known = chinese()["title"].get(model_id)
    if asked:
        return _marker("model_asked", model_id) if known else say("compare.asked", title)
    if model_id.startswith(OWN_PREFIX):
        return _marker("model_title", _OWN)
    return title if known in (None, title) else _marker("model_title", model_id)


def title_in(language: str, model_id: str, title: str) -> str:
    """What a model is called in a language, for what is written once and for all."""
    return model_strings(language).get(f"model_title.{_own_or(model_id)}", title)


def _own_or(model_id: str) -> str:
    return _OWN if model_id.startswith(OWN_PREFIX) else model_id


def _marker(table: str, name: str) -> str:
    return str(own_string(f"{table}.{name}"))
