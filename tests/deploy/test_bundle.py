"""What goes up on a Space: all that the page needs, nothing that is private, and one file of requirements."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from llm_core.deploy.bundle import FILES, FOLDERS, bundle
from llm_core.deploy.requirements import Gpu
from llm_core.settings import REPOSITORY_ROOT


@pytest.fixture(scope="module")
def paths() -> set[str]:
    return {file.path for file in bundle(REPOSITORY_ROOT)}


def test_every_tracked_file_of_the_page_goes_up(paths: set[str]) -> None:
    if shutil.which("git") is None or not (REPOSITORY_ROOT / ".git").exists():
        tracked = {"app.py", "demos/_page.py", "llm_core/catalog.toml", "models/qa-en/adapter_model.safetensors"}
    else:
        command = ["git", "ls-files", "-z", *FILES, *FOLDERS]
        listed = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True).stdout
        tracked = {path for path in listed.split("\0") if path and (REPOSITORY_ROOT / path).exists()}
    assert tracked <= paths


def test_nothing_private_and_nothing_of_development_goes_up(paths: set[str], tmp_path: Path) -> None:
    assert not any(path.startswith(("tests/", ".", "tools/")) or "__pycache__" in path for path in paths)
    assert "requirements-dev.txt" not in paths
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    for name in (*FILES, "requirements.txt", "constraints.txt", "demos/page.py"):
        (tmp_path / name).write_text("")
    for name in (".env", "demos/.env", "llm_core/key.pem", "models/model.pkl", "demos/page.pyc", "notes.md"):
        (tmp_path / name).write_text("secret")
    (tmp_path / "docs" / "link.md").symlink_to("/etc/hostname")
    found = {file.path for file in bundle(tmp_path)}
    assert found == {*FILES, "requirements.txt", "demos/page.py"}


@pytest.mark.parametrize(
    ("torch_index", "gpu", "torch"),
    [
        (None, "none", "==2.13.0"),
        ("https://wheels.example/cpu", "none", "==2.13.0+cpu"),
        (None, "own", "==2.13.0"),
        (None, "lent", "==2.11.0"),
    ],
)
def test_requirements_are_one_file_of_exact_pins(torch_index: str | None, gpu: Gpu, torch: str) -> None:
    files = bundle(REPOSITORY_ROOT, torch_index, gpu=gpu)
    content = next(file.content for file in files if file.path == "requirements.txt")
    assert isinstance(content, bytes)
    options = [line for line in content.decode().splitlines() if line.startswith("-")]
    assert options == ([f"--extra-index-url {torch_index}"] if torch_index else [])
    pins = [Requirement(line) for line in content.decode().splitlines() if not line.startswith("-")]
    names = [pin.name.lower() for pin in pins]
    assert len(set(names)) == len(names)
    assert all([clause.operator for clause in pin.specifier] == ["=="] for pin in pins)
    assert {pin.name: str(pin.specifier) for pin in pins}["torch"] == torch
    assert {"starlette", "numpy", "tokenizers"} <= set(names), "what others need is pinned, too"
    assert not {"pytest", "mypy", "playwright", "datasets"} & set(names), "tests do not run there"
    assert ("spaces" in names) == (gpu == "lent") and ("bitsandbytes" in names) == (gpu == "own")
    # torch 2.11 refuses a newer one
    assert gpu != "lent" or {pin.name: str(pin.specifier) for pin in pins}["setuptools"] == "==81.0.0"


def test_files_of_requirements_agree() -> None:
    pins: dict[str, set[str]] = {}
    for file in REPOSITORY_ROOT.glob("requirements*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-")):
                pins.setdefault(Requirement(line).name.lower(), set()).add(str(Requirement(line).specifier))
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}
    assert "bitsandbytes" in pins, "tests of 8 and 4 bits run where development is set up"
