"""What the README says is what is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from llm_core.catalog import load_catalog
from llm_core.cli import app

ROOT = Path(__file__).resolve().parent.parent
SPACE_KEYS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "suggested_hardware"), str
    ),
    **dict.fromkeys(("suggested_storage", "app_file", "app_build_command", "base_path", "header", "thumbnail"), str),
    **dict.fromkeys(("short_description", "startup_duration_timeout", "license"), str),
    **dict.fromkeys(("models", "datasets", "tags", "preload_from_hub", "hf_oauth_scopes"), list),
    **dict.fromkeys(("fullWidth", "pinned", "hf_oauth", "disable_embedding"), bool),
    **dict.fromkeys(("app_port", "hf_oauth_expiration_minutes"), int),
    "hf_oauth_authorized_org": (str, list),
    "custom_headers": dict,
}
"""What https://huggingface.co/docs/hub/spaces-config-reference documents, and ``license``, which cards of all kinds
have. The Hub refuses a push whose front matter has another type."""
SPACE_COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update_readme", ROOT / "tools" / "update_readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_tables_are_current(readme: str) -> None:
    assert _tool().updated(readme) == readme, "run: make docs"


def front_matter(readme: str) -> dict[str, Any]:
    values = yaml.safe_load(readme.split("---\n")[1])
    assert isinstance(values, dict)
    return values


def test_the_front_matter_has_only_keys_that_spaces_document_with_their_types(readme: str) -> None:
    for key, value in front_matter(readme).items():
        assert key in SPACE_KEYS, f"{key} is no key of a Space"
        assert isinstance(value, SPACE_KEYS[key]), f"{key}: {value!r}"
        if isinstance(value, list):
            assert all(isinstance(item, str) for item in value), key


def test_the_front_matter_has_values_that_a_space_takes(readme: str) -> None:
    front = front_matter(readme)
    pinned = re.search(r"^gradio\[mcp\]==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert (front["sdk"], front["sdk_version"], front["python_version"]) == ("gradio", pinned[1], "3.12.12")
    assert (ROOT / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    assert {front["colorFrom"], front["colorTo"]} <= SPACE_COLOURS
    assert re.fullmatch(r"\d+(m|h)", front["startup_duration_timeout"])
    assert not front["emoji"].isascii() and len(front["emoji"]) <= 2


def test_a_space_loads_in_advance_what_every_page_needs_and_names_what_it_uses(readme: str) -> None:
    front = front_matter(readme)
    used = [spec for spec in load_catalog().values() if spec.tier == "embedded" and spec.hub is not None]
    preloaded = {
        f"{spec.hub.repo} {','.join(file.name for file in spec.files)} {spec.hub.revision}" for spec in used if spec.hub
    }
    assert set(front["preload_from_hub"]) == preloaded
    assert set(front["models"]) == {spec.hub.repo for spec in used if spec.hub}


def test_every_command_it_names_exists(readme: str) -> None:
    help_text = CliRunner().invoke(app, ["--help"]).output
    for command in re.findall(r"python -m llm_core (\w+)", readme):
        assert command in help_text
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z][a-z-]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE) or target.startswith("train-"), target


def test_every_file_it_names_exists(readme: str) -> None:
    for path in re.findall(r"`((?:llm_core|demos|models|recipes|docs|app)[\w./-]*)`", readme):
        assert (ROOT / path).exists(), path
