"""The weight store without a network: local folder and cache, what is remembered, what is available and why not."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_core.catalog import ModelSpec
from llm_core.errors import DigestMismatchError, ModelUnavailableError, WeightsError
from llm_core.weights import records
from llm_core.weights.availability import Availability, Probe, size_in_words
from llm_core.weights.policy import refuse_remote_code, select
from llm_core.weights.progress import reporting
from tests.support.hub_server import COMMIT, HubServer, serving
from tests.support.weights import REPO, contents, model_files, payload, spec, store

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with serving() as server:
        yield server


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read to be hashed."""
    names: list[str] = []
    digest = records.digest
    monkeypatch.setattr(records, "digest", lambda path: (names.append(path.name), digest(path))[1])
    return names


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def cached(root: Path, files: dict[str, bytes]) -> Path:
    return put(root / "cache" / "models" / "some-model", files)


# -- files ------------------------------------------------------------------------------------------------------------


def test_local_folder_comes_before_the_cache(tmp_path: Path) -> None:
    files = model_files()
    cached(tmp_path, files)
    local = put(tmp_path / "models" / "here", files)
    entry = spec(files, local="here")
    assert store(tmp_path, entry).files(entry).directory == local


def test_local_file_that_differs_is_refused(tmp_path: Path) -> None:
    files = model_files()
    put(tmp_path / "models" / "here", files | {"model.safetensors": payload(400_000, seed=1)})
    entry = spec(files, hub=False, local="here")
    with pytest.raises(DigestMismatchError, match="^model.safetensors: SHA-256 is"):
        store(tmp_path, entry).files(entry)


def test_local_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    entry = spec(model_files(), hub=False, local="here")
    with pytest.raises(ModelUnavailableError, match="its files are not in models/here"):
        store(tmp_path, entry).files(entry)


def test_verified_files_are_not_read_again_until_they_change(tmp_path: Path, hashed: list[str]) -> None:
    files = model_files()
    folder = cached(tmp_path, files)
    entry = spec(files)
    for _ in range(2):
        store(tmp_path, entry, offline=True).files(entry)
    assert sorted(hashed) == ["config.json", "model.safetensors"]
    status = (folder / "model.safetensors").stat()
    (folder / "model.safetensors").write_bytes(payload(400_000, seed=5))
    os.utime(folder / "model.safetensors", ns=(status.st_atime_ns, status.st_mtime_ns))  # size and time as before
    with pytest.raises(DigestMismatchError, match="model.safetensors"):
        store(tmp_path, entry, offline=True).files(entry)


def test_changed_file_is_fetched_again_where_that_is_possible(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    folder = cached(tmp_path, files | {"model.safetensors": payload(400_000, seed=5)})
    entry = spec(files)
    assert store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory == folder
    assert contents(folder) == files
    assert hub.gets("config.json") == 0


def test_cut_short_file_counts_as_missing(tmp_path: Path) -> None:
    files = model_files()
    cached(tmp_path, files | {"model.safetensors": files["model.safetensors"][:1000]})
    entry = spec(files)
    with pytest.raises(ModelUnavailableError, match="not downloaded yet, and the network is switched off"):
        store(tmp_path, entry, offline=True).files(entry)


def test_offline_asks_nobody(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO, model_files())
    entry = spec(wheel=False)
    here = store(tmp_path, entry, offline=True, hub_endpoint=hub.base_url)
    with pytest.raises(ModelUnavailableError, match="LLM_CORE_OFFLINE.*Unset LLM_CORE_OFFLINE.*pull some-model"):
        here.files(entry)
    assert not here.availability(entry).available
    assert not hub.requests


def test_read_only_cache_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files()
    folder = cached(tmp_path, files)
    entry = spec(files)

    def refuse(self: records.Records, key: str, record: records.Record) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(records.Records, "save", refuse)
    assert store(tmp_path, entry, offline=True).files(entry).directory == folder


def test_unreadable_record_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = model_files()
    folder = cached(tmp_path, files)
    entry = spec(files)
    here = store(tmp_path, entry, offline=True)
    put(here.lock_file(entry).parent, {"some-model.json": b"{"})
    assert here.files(entry).directory == folder
    assert "ignoring the unreadable record some-model.json" in caplog.text


# -- availability -----------------------------------------------------------------------------------------------------


def test_present_is_answered_without_hashing(tmp_path: Path, hashed: list[str]) -> None:
    files = model_files()
    cached(tmp_path, files)
    entry = spec(files)
    availability = store(tmp_path, entry, hub_endpoint=UNREACHABLE).availability(entry)
    assert availability.available and availability.present and availability.reason == ""
    assert hashed == []


def test_fetchable_says_how_much(tmp_path: Path, hub: HubServer) -> None:
    entry = spec(download_bytes=90_400_000)
    availability = store(tmp_path, entry, hub_endpoint=hub.base_url).availability(entry)
    assert (availability.available, availability.present) == (True, False)
    assert availability.reason == "will be downloaded, 90 MB"


def test_hub_is_asked_once_a_minute_for_all_models(tmp_path: Path, hub: HubServer) -> None:
    entries = [spec(id=f"model-{number}") for number in range(5)]
    here = store(tmp_path, *entries, hub_endpoint=hub.base_url)
    assert all(here.availability(entry).available for entry in entries)
    assert sum(hub.requests.values()) == 1


def test_unreachable_hub_is_said_and_remedied(tmp_path: Path) -> None:
    entry = spec()
    availability = store(tmp_path, entry, hub_endpoint=UNREACHABLE).availability(entry)
    assert not availability.available
    assert availability.reason == "not downloaded yet, and the Hugging Face Hub cannot be reached"
    assert "python -m llm_core pull some-model" in availability.remedy


def test_hub_that_does_not_answer_takes_two_seconds_at_most(tmp_path: Path, hub: HubServer) -> None:
    began = time.monotonic()
    assert Probe(lambda: time.sleep(3) is None).answer(0.2) is None
    assert time.monotonic() - began < 1


def test_memory_and_packages_are_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files()
    cached(tmp_path, files)
    big = spec(files, memory_bytes=3_200_000_000)
    availability = store(tmp_path, big).availability(big)
    assert not availability.available
    assert availability.reason == "needs 3.2 GB of memory; models may use 1.0 GB here"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    entry = spec(files)
    assert store(tmp_path, entry).availability(entry).reason == "needs the Python package torch"


def adapted(files: dict[str, bytes]) -> tuple[ModelSpec, ModelSpec]:
    return spec(files, download_bytes=5_000_000), spec(
        files, id="adapter", local="adapter", hub=False, base="some-model"
    )


def test_model_without_its_base_is_not_available(tmp_path: Path) -> None:
    files = model_files()
    base, adapter = adapted(files)
    put(tmp_path / "models" / "adapter", files)
    availability = store(tmp_path, base, adapter, offline=True).availability(adapter)
    assert not availability.available
    assert availability.reason.startswith("builds on some-model, which cannot be had: not downloaded yet")


def test_base_that_is_still_to_come_is_said(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    base, adapter = adapted(files)
    put(tmp_path / "models" / "adapter", files)
    availability = store(tmp_path, base, adapter, hub_endpoint=hub.base_url).availability(adapter)
    assert (availability.available, availability.present) == (True, False)
    assert availability.reason == "some-model will be downloaded, 5 MB"


def test_probe_asks_again_when_its_answer_is_old() -> None:
    answers = iter([True, False])
    may_answer, answered = threading.Event(), threading.Event()

    def ask() -> bool:
        may_answer.wait(5)
        answered.set()
        return next(answers)

    probe = Probe(ask, lifetime=0.0)
    may_answer.set()
    assert probe.answer(5) is True
    may_answer.clear()
    answered.clear()
    assert probe.answer(5) is True  # old, but at once
    may_answer.set()
    assert answered.wait(5)


def test_probe_that_fails_is_a_no() -> None:
    def fail() -> bool:
        raise RuntimeError("unforeseen")

    assert Probe(fail).answer(1) is False


# -- progress ---------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_bars_are_for_terminals(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, shown: bool) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    with reporting(None) as report:
        report("model.safetensors", 50, 100)
        report("model.safetensors", 100, 100)
    assert ("model.safetensors" in stream.getvalue() and "100%" in stream.getvalue()) is shown


# -- policy -----------------------------------------------------------------------------------------------------------


def test_select_takes_the_top_folder_only() -> None:
    names = ["config.json", "1_Pooling/config.json", "model.safetensors", "README.md", "../x.json"]
    names += ["..\\x.json", "C:x.json", ".hidden.json", "a\nb.json"]
    assert select(names, (), "m") == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 200_000])
def test_malformed_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WeightsError, match="config.json: is not valid JSON"):
        refuse_remote_code("config.json", tmp_path / "config.json")


@pytest.mark.parametrize(("size", "words"), [(1, "1 MB"), (90_868_376, "91 MB"), (1_100_000_000, "1.1 GB")])
def test_sizes_are_for_people(size: int, words: str) -> None:
    assert size_in_words(size) == words


def test_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    entry = spec(model_files())
    with pytest.raises(ModelUnavailableError, match="the cache folder cannot be written .*LLM_CORE_CACHE_DIR"):
        store(tmp_path, entry, hub_endpoint=UNREACHABLE).files(entry)


def in_the_hub_cache(root: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts files where huggingface_hub, and with it a Space's ``preload_from_hub``, keeps them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root / "hub"))
    put(root / "hub" / f"models--{REPO.replace('/', '--')}" / "snapshots" / COMMIT, files)


def test_files_that_a_space_preloaded_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files()
    in_the_hub_cache(tmp_path, files, monkeypatch)
    entry = spec(files, revision=COMMIT)
    weights = store(tmp_path, entry, offline=True)
    assert weights.availability(entry) == Availability(True, present=True)
    found = weights.files(entry).directory
    assert contents(found) == files and found.is_relative_to(tmp_path / "cache")


def test_preloaded_files_that_differ_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files()
    swapped = {name: bytes(len(content)) for name, content in files.items()}
    in_the_hub_cache(tmp_path, swapped, monkeypatch)
    entry = spec(files, revision=COMMIT)
    with pytest.raises(ModelUnavailableError):
        store(tmp_path, entry, offline=True).files(entry)
    assert not set(contents(tmp_path / "cache" / "models" / entry.id)) & set(files)


def test_a_part_of_the_files_is_not_preloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files()
    in_the_hub_cache(tmp_path, dict(list(files.items())[:1]), monkeypatch)
    entry = spec(files, revision=COMMIT)
    assert not store(tmp_path, entry, offline=True).availability(entry).available
