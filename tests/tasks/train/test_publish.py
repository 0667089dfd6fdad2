"""A model goes to the Hub with the visitor's token, which is nowhere afterwards; refusals are told by field."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_core.errors import BackendError, InputError
from llm_core.tasks.train.publish import PublishRequest, push
from tests.support.hub_uploads import READ_ONLY, TOKEN, UploadHub, taking_uploads

# huggingface_hub 2.4 hands httpx2 bytes in a way that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[UploadHub]:
    """Large files go over HTTP, which the Hub takes, too: its own protocol needs servers that are no test's."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with taking_uploads() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "README.md").write_text("# mine\n", encoding="utf-8")
    (made / "config.json").write_text("{}", encoding="utf-8")
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return made


def asked(token: str = TOKEN, **fields: object) -> PublishRequest:
    return PublishRequest.parse({"repository": "ann/mine", "token": token, **fields})


@pytest.mark.parametrize("private", [True, False])
def test_a_folder_is_uploaded_whole(
    hub: UploadHub, folder: Path, private: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = push(folder, asked(private=private), hub.base_url)
    assert address.endswith("/ann/mine") and hub.private == {"ann/mine": private}
    assert hub.files == {f"ann/mine/{file.name}": file.read_bytes() for file in folder.iterdir()}
    assert TOKEN not in caplog.text and TOKEN not in repr(asked()) and TOKEN not in str(asked().model_dump())


@pytest.mark.parametrize(
    ("token", "rule"), [("hf_unknown", "not one that the Hub knows"), (READ_ONLY, "may not write")]
)
def test_a_refused_token_is_told_without_it(hub: UploadHub, folder: Path, token: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refusal:
        push(folder, asked(token), hub.base_url)
    assert refusal.value.field == "token" and token not in str(refusal.value)
    assert refusal.value.__suppress_context__ and hub.files == {}


def test_a_hub_that_is_not_there(folder: Path) -> None:
    with pytest.raises(BackendError, match="could not be reached"):
        push(folder, asked(), "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "fields", [{"token": "  "}, {"repository": " "}, {"repository": "a/b/c"}, {"repository": "../x"}]
)
def test_mistakes_name_their_field(hub: UploadHub, folder: Path, fields: dict[str, str]) -> None:
    with pytest.raises(InputError) as mistake:
        push(folder, PublishRequest.parse({"repository": "ann/mine", "token": TOKEN, **fields}), hub.base_url)
    assert mistake.value.field == next(iter(fields))
