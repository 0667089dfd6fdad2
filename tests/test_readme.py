"""What the README says is what is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from llm_core.cli import app

ROOT = Path(__file__).resolve().parent.parent


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


def test_the_front_matter_holds_what_spaces_document(readme: str) -> None:
    front = readme.split("---\n")[1]
    pinned = re.search(r"^gradio\[mcp\]==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    keys = dict(line.split(": ", 1) for line in front.splitlines() if ": " in line)
    assert keys["sdk"] == "gradio"
    assert keys["sdk_version"].strip('"') == pinned[1]
    assert keys["app_file"] == "app.py"
    assert len(keys["short_description"]) <= 60


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
