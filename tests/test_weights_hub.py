"""The weight store against a server that speaks the Hub's protocol: no bad file is usable, come what may."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from llm_core.errors import (
    CancelledError,
    DigestMismatchError,
    ModelUnavailableError,
    WeightsError,
)
from llm_core.types import CancelToken
from llm_core.weights import hub as hub_module
from tests.support.hub_server import COMMIT, HubServer, serving
from tests.support.weights import REPO, contents, model_files, payload, spec, store

OTHER_COMMIT = "beef" + "0" * 36


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TIMEOUT", httpx2.Timeout(0.5, connect=0.5))
    monkeypatch.setattr(hub_module, "RETRY_SECONDS", 0.01)


def cache(root: Path) -> Path:
    return root / "cache" / "models" / "some-model"


def assert_nothing_usable(root: Path, entry_files: dict[str, bytes]) -> None:
    """No file in place that is not right, and none at all to be had without the network."""
    for name, content in contents(cache(root)).items():
        assert content == entry_files[name]


def test_listed_files_are_fetched_verified_and_then_found_without_network(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    entry = spec(files, revision=COMMIT)
    seen: list[tuple[str, int, int]] = []
    found = store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry, progress=lambda *report: seen.append(report))
    assert contents(found.directory) == files
    assert ("model.safetensors", 400_000, 400_000) in seen
    assert store(tmp_path, entry, offline=True).files(entry).directory == found.directory
    assert not (tmp_path / "cache" / "partial" / "some-model").exists()


def test_ten_broken_connections_are_resumed_where_they_broke(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.drop_at["model.safetensors"] = [1, *range(40_000, 400_000, 40_000)]
    entry = spec(files)
    found = store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert contents(found.directory) == files
    starts = [int(value.removeprefix("bytes=").removesuffix("-")) for value in hub.ranges]
    assert hub.gets("model.safetensors") == 11
    assert starts == sorted(starts) and len(starts) == 10  # each goes on at or after the previous break


def test_a_download_given_up_is_resumed_by_the_next_process(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.drop_at["model.safetensors"] = [200_000, 200_000, 200_000, 200_000, 200_000, 200_000]
    entry = spec(files)
    with pytest.raises(ModelUnavailableError, match="broke off again and again.*pull some-model"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert_nothing_usable(tmp_path, files)
    hub.drop_at.clear()
    hub.ranges.clear()
    assert contents(store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory) == files
    assert hub.ranges == ["bytes=200000-"]


def test_redirect_to_another_store_is_followed_and_resumed_without_the_token(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    entry = spec(files)
    with serving() as elsewhere:
        elsewhere.add(REPO, files)
        elsewhere.drop_at["model.safetensors"] = [150_000]
        hub.store_url = elsewhere.base_url
        found = store(tmp_path, entry, hub_endpoint=hub.base_url, hub_token="hf_canary").files(entry)
        assert contents(found.directory) == files
        assert (hub.tokens, elsewhere.tokens) == ({"Bearer hf_canary"}, set())
        assert elsewhere.ranges and int(elsewhere.ranges[0].strip("bytes=-")) > 0


def test_busy_server_is_asked_again(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.fail["model.safetensors"] = [503, 429]
    entry = spec(files)
    assert contents(store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory) == files
    assert hub.gets("model.safetensors") == 3


def test_server_that_stays_broken_is_named(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.fail["config.json"] = [503] * 20
    entry = spec(files)
    with pytest.raises(ModelUnavailableError, match=r"the Hub answers with an error \(503\)"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)


def test_silent_server_is_a_time_out(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TIMEOUT", httpx2.Timeout(0.1))
    monkeypatch.setattr(hub_module, "FRUITLESS_ATTEMPTS", 2)
    files = model_files()
    hub.add(REPO, files)
    hub.stall.add("model.safetensors")
    entry = spec(files)
    with pytest.raises(ModelUnavailableError, match="did not answer in time"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert_nothing_usable(tmp_path, files)


def test_unreachable_hub_fails_fast_and_says_what_to_do(tmp_path: Path) -> None:
    entry = spec(model_files())
    began = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="cannot be reached.*python -m llm_core pull some-model"):
        store(tmp_path, entry, hub_endpoint="http://127.0.0.1:9").files(entry)
    assert time.monotonic() - began < 2


def test_an_address_that_is_no_hub_is_named(tmp_path: Path, hub: HubServer) -> None:
    entry = spec()
    with pytest.raises(ModelUnavailableError, match="is not a Hub"):
        store(tmp_path, entry, hub_endpoint=hub.base_url + "/portal").files(entry)


def test_wrong_bytes_of_the_right_size_leave_nothing_behind(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files | {"model.safetensors": payload(400_000, seed=1)})
    entry = spec(files)
    with pytest.raises(DigestMismatchError, match="model.safetensors: SHA-256 is .*the file was not used"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert not list((tmp_path / "cache").rglob("*.safetensors")) and not list((tmp_path / "cache").rglob("*.part"))
    with pytest.raises(ModelUnavailableError):
        store(tmp_path, entry, offline=True).files(entry)


@pytest.mark.parametrize("size", [399_999, 400_001])
def test_wrong_size_is_refused(tmp_path: Path, hub: HubServer, size: int) -> None:
    files = model_files()
    hub.add(REPO, files | {"model.safetensors": payload(size)})
    entry = spec(files)
    with pytest.raises(WeightsError, match="the server's file has not the 400000 bytes expected"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert_nothing_usable(tmp_path, files)


def test_stop_leaves_the_part_for_next_time(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.pause = 0.02
    entry = spec(files)
    cancel = CancelToken()

    def stop_half_way(name: str, done: int, total: int) -> None:
        if done > 200_000:
            cancel.cancel()

    with pytest.raises(CancelledError):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry, progress=stop_half_way, cancel=cancel)
    hub.pause = 0.0
    assert contents(store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory) == files
    assert int(hub.ranges[-1].removeprefix("bytes=").removesuffix("-")) > 200_000


FETCH = """
import sys
from pathlib import Path
from tests.support.weights import model_files, spec, store
entry = spec(model_files())
store(Path(sys.argv[1]), entry, hub_endpoint=sys.argv[2]).files(entry)
"""


def start_process(root: Path, hub: HubServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, str(root), hub.base_url], cwd=Path(__file__).parents[1])


def wait_for_part(root: Path, size: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        if sum(path.stat().st_size for path in (root / "cache").rglob("*.part")) >= size:
            return
        time.sleep(0.01)


def test_killed_mid_write_again_and_again_never_leaves_a_bad_file(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.pause = 0.01
    entry = spec(files)
    for size in (1, 70_000, 140_000, 210_000, 280_000, 380_000):
        process = start_process(tmp_path, hub)
        wait_for_part(tmp_path, size, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_nothing_usable(tmp_path, files)
        with pytest.raises(ModelUnavailableError):
            store(tmp_path, entry, offline=True).files(entry)
    hub.pause = 0.0
    assert contents(store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory) == files


def test_two_processes_fetch_once(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.pause = 0.02
    processes = [start_process(tmp_path, hub) for _ in range(2)]
    assert [process.wait(30) for process in processes] == [0, 0]
    assert {name: hub.gets(name) for name in files} == dict.fromkeys(files, 1)
    assert contents(cache(tmp_path)) == files


def test_two_threads_fetch_once(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    hub.pause = 0.01
    entry = spec(files)
    shared = store(tmp_path, entry, hub_endpoint=hub.base_url)
    threads = [threading.Thread(target=shared.files, args=(entry,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hub.gets("model.safetensors") == 1


def test_base_comes_along(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    base = spec(files)
    adapter = spec(files, hub=False, id="adapter", base="some-model", local="adapter")
    (tmp_path / "models" / "adapter").mkdir(parents=True)
    for name, content in files.items():
        (tmp_path / "models" / "adapter" / name).write_bytes(content)
    found = store(tmp_path, base, adapter, hub_endpoint=hub.base_url).files(adapter)
    assert found.directory == tmp_path / "models" / "adapter"
    assert found.base is not None and contents(found.base.directory) == files


# -- entries without digests ------------------------------------------------------------------------------------------


def test_pattern_entries_take_data_files_only_and_never_ask_for_pickles(tmp_path: Path, hub: HubServer) -> None:
    wanted = model_files(**{"vocab.txt": b"a\nb", "source.spm": b"spm"})
    refused = {"pytorch_model.bin": b"p", "model.pt": b"p", "x.pkl": b"p", "modeling.py": b"raise", "m.gguf": b"g"}
    hub.add(REPO, wanted | refused | {"onnx/model.safetensors": b"o"})
    entry = spec()
    found = store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert contents(found.directory) == wanted
    assert not any(path.endswith(name) for name in refused for _, path in hub.requests)


@pytest.mark.parametrize("pattern", ["*.bin", "*", "*.py", "pytorch_model*", "*.gguf"])
def test_pattern_that_could_match_code_is_refused(tmp_path: Path, hub: HubServer, pattern: str) -> None:
    hub.add(REPO, model_files())
    entry = spec(patterns=(pattern,))
    with pytest.raises(WeightsError, match="pattern .* is refused"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_auto_map_is_refused_before_the_weights_are_fetched(tmp_path: Path, hub: HubServer, name: str) -> None:
    hub.add(REPO, model_files() | {name: b'{"nested": {"auto_map": {"AutoModel": "evil.Model"}}}'})
    entry = spec()
    with pytest.raises(WeightsError, match=f"^{name}: asks to run code of the repository"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert hub.gets("model.safetensors") == 0
    with pytest.raises(ModelUnavailableError):
        store(tmp_path, entry, offline=True).files(entry)


def test_first_download_is_recorded_and_stays_what_it_was(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    entry = spec()
    first = store(tmp_path, entry, hub_endpoint=hub.base_url)
    first.files(entry)
    assert COMMIT in first.lock_file(entry).read_text()
    hub.add(REPO, model_files(500_000), commit=OTHER_COMMIT)  # `main` is another commit now
    (cache(tmp_path) / "model.safetensors").unlink()
    again = store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert contents(again.directory) == files


def test_files_put_in_place_before_a_kill_are_kept(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    entry = spec()
    first = store(tmp_path, entry, hub_endpoint=hub.base_url)
    first.files(entry)
    first.lock_file(entry).unlink()  # as after a kill before the record was written
    assert not store(tmp_path, entry, offline=True).availability(entry).available
    assert contents(store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry).directory) == files
    assert hub.gets("model.safetensors") == 1


def test_changed_upstream_is_refused(tmp_path: Path, hub: HubServer) -> None:
    files = model_files()
    hub.add(REPO, files)
    entry = spec()
    store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    hub.add(REPO, files | {"model.safetensors": payload(400_000, seed=9)})  # the same commit, other bytes
    (cache(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no longer serves the files recorded .* delete state/some-model.json"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert not (cache(tmp_path) / "model.safetensors").exists()


def test_record_names_a_vanished_commit(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO, model_files())
    entry = spec()
    store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    (cache(tmp_path) / "config.json").unlink()
    hub.repositories.clear()
    hub.add(REPO, model_files(), commit=OTHER_COMMIT)
    with pytest.raises(ModelUnavailableError, match="the Hub no longer has the recorded files"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)


def test_catalogue_that_moves_to_another_revision_is_followed(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO, model_files(**{"old.txt": b"old"}))
    before = spec(revision=COMMIT)
    store(tmp_path, before, hub_endpoint=hub.base_url).files(before)
    newer = model_files(500_000)
    hub.add(REPO, newer, commit=OTHER_COMMIT)
    after = spec(revision=OTHER_COMMIT)
    assert contents(store(tmp_path, after, hub_endpoint=hub.base_url).files(after).directory) == newer


def test_repository_with_pickles_only_is_refused_with_a_remedy(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO, {"config.json": b"{}", "pytorch_model.bin": b"p"})
    entry = spec()
    with pytest.raises(ModelUnavailableError, match="has no safetensors.*safetensors/convert"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert hub.gets("pytorch_model.bin") == 0


def pull_request(number: int, author: str = "SFconvertbot", status: str = "open", title: str = "") -> dict[str, object]:
    title = title or hub_module.CONVERSION_TITLE
    return {"num": number, "title": title, "author": {"name": author}, "status": status, "isPullRequest": True}


def test_conversion_takes_weights_from_the_bots_pull_request(tmp_path: Path, hub: HubServer) -> None:
    weights = payload(300_000)
    repository = hub.add(REPO, {"config.json": b"{}", "pytorch_model.bin": b"p"})
    repository.pull_requests = [
        pull_request(9, author="somebody"),
        pull_request(8, status="closed"),
        pull_request(7, title="Other"),
        pull_request(5),
    ]
    hub.add(REPO, {"config.json": b'{"changed": 1}', "model.safetensors": weights}, OTHER_COMMIT, "refs/pr/5")
    entry = spec(weights="conversion")
    found = store(tmp_path, entry, hub_endpoint=hub.base_url)
    assert contents(found.files(entry).directory) == {"config.json": b"{}", "model.safetensors": weights}
    record = found.lock_file(entry).read_text()
    assert COMMIT in record and OTHER_COMMIT in record


def test_conversion_by_somebody_else_is_not_taken(tmp_path: Path, hub: HubServer) -> None:
    repository = hub.add(REPO, {"config.json": b"{}", "pytorch_model.bin": b"p"})
    repository.pull_requests = [pull_request(9, author="somebody")]
    entry = spec(weights="conversion")
    with pytest.raises(ModelUnavailableError, match="has pickled weights only"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)


def test_gated_repository_asks_for_a_token_and_never_shows_one(tmp_path: Path, hub: HubServer) -> None:
    hub.add(REPO, model_files()).gated = True
    entry = spec()
    with pytest.raises(ModelUnavailableError, match="gives no access.*LLM_CORE_HUB_TOKEN") as caught:
        store(tmp_path, entry, hub_endpoint=hub.base_url, hub_token="hf_canary").files(entry)
    assert hub.tokens == {"Bearer hf_canary"}
    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)


def test_full_disk_is_noticed_before_the_download(
    tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = model_files()
    hub.add(REPO, files)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    entry = spec(files)
    with pytest.raises(ModelUnavailableError, match="50 MB of free disk space"):
        store(tmp_path, entry, hub_endpoint=hub.base_url).files(entry)
    assert hub.gets("model.safetensors") == 0
