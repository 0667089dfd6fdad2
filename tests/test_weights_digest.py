"""The command that writes the trained models' entries into the catalogue."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from llm_core.catalog import CATALOG_PATH, parse_catalog
from llm_core.errors import WeightsError
from llm_core.weights.digest import CONVERTED, TEMPLATES_PATH, main, update
from tests.support.weights import payload


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return Path(shutil.copy(CATALOG_PATH, tmp_path / "catalog.toml"))


def write_model(folder: Path, labels: list[str], seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    id2label = {str(index): label for index, label in enumerate(labels)}
    scores = [
        {"data": "sms_spam", "split": "validation", "title": "SMS", "metric": "f1", "value": 0.98123, "rows": 300}
    ]
    (folder / "config.json").write_text(json.dumps({"id2label": id2label}))
    (folder / "adapter_config.json").write_text('{"r": 8}')
    (folder / "calibration.json").write_text('{"temperature": 1.1}')
    (folder / "scores.json").write_text(json.dumps({"model": folder.name, "scores": scores}))
    (folder / "README.md").write_text("card")
    (folder / "adapter_model.safetensors").write_bytes(payload(1000, seed))


def test_entry_is_completed_from_its_folder(tmp_path: Path, catalog: Path) -> None:
    write_model(tmp_path / "models" / "spam-en", ["ham", 'spam "it\'s"'])
    assert update(catalog, TEMPLATES_PATH, tmp_path / "models") == ["spam-en"]
    entry = parse_catalog(tomllib.loads(catalog.read_text()))["spam-en"]
    assert entry.labels == ("ham", 'spam "it\'s"')
    assert (entry.base, entry.label_set, entry.parameters) == ("minilm", "spam", 1000)
    names = [file.name for file in entry.files]
    assert names == ["adapter_config.json", "adapter_model.safetensors", "calibration.json", "config.json"]
    assert entry.download_bytes == sum(file.size for file in entry.files)
    assert [(score.data, score.metric, score.value) for score in entry.scores] == [("sms_spam", "f1", 0.9812)]


def test_a_translator_for_ctranslate2_is_its_arrays_and_its_pieces(tmp_path: Path, catalog: Path) -> None:
    folder = tmp_path / "models" / "translate-en-zh"
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "shared_vocabulary.json", "source.spm", "target.spm", "README.md"):
        (folder / name).write_bytes(payload(100, 1))
    assert update(catalog, TEMPLATES_PATH, tmp_path / "models") == ["translate-en-zh"]
    entry = parse_catalog(tomllib.loads(catalog.read_text()))["translate-en-zh"]
    assert len(entry.files) == 5 and "model.bin" in {file.name for file in entry.files}
    assert entry.parameters > 1_000_000, "as the template says"
    (folder / "model.bin").unlink()
    with pytest.raises(WeightsError, match="has no .bin file"):
        update(catalog, TEMPLATES_PATH, tmp_path / "models")


def test_running_twice_changes_nothing_and_new_weights_change_the_digest(tmp_path: Path, catalog: Path) -> None:
    write_model(tmp_path / "models" / "spam-en", ["ham", "spam"])
    write_model(tmp_path / "models" / "qa-en", [])
    update(catalog, TEMPLATES_PATH, tmp_path / "models")
    first = catalog.read_text()
    update(catalog, TEMPLATES_PATH, tmp_path / "models")
    assert catalog.read_text() == first
    write_model(tmp_path / "models" / "spam-en", ["ham", "spam"], seed=1)
    update(catalog, TEMPLATES_PATH, tmp_path / "models")
    assert catalog.read_text() != first
    ids = list(parse_catalog(tomllib.loads(catalog.read_text())))
    assert ids.index("spam-en") < ids.index("minilm")  # what was trained for a task is preferred


def test_without_folders_the_part_is_empty(tmp_path: Path, catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere"), "--catalog", str(catalog)]) == 0
    assert "no trained models found" in capsys.readouterr().out
    assert "minilm" in parse_catalog(tomllib.loads(catalog.read_text()))


def test_broken_folder_leaves_the_catalogue_alone(tmp_path: Path, catalog: Path) -> None:
    before = catalog.read_text()
    write_model(tmp_path / "models" / "spam-en", ["only one"])
    with pytest.raises(WeightsError, match="spam-en: .*a classifier or tagger needs its labels"):
        update(catalog, TEMPLATES_PATH, tmp_path / "models")
    (tmp_path / "models" / "spam-en" / "adapter_model.safetensors").write_bytes(b"\x80\x02pickle")
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        update(catalog, TEMPLATES_PATH, tmp_path / "models")
    (tmp_path / "models" / "spam-en" / "adapter_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="spam-en: has no .safetensors file"):
        update(catalog, TEMPLATES_PATH, tmp_path / "models")
    assert catalog.read_text() == before


def test_every_template_is_a_valid_entry(tmp_path: Path, catalog: Path) -> None:
    templates = tomllib.loads(TEMPLATES_PATH.read_text())
    for table in templates.values():
        write_model(tmp_path / "models" / table["local"], ["a", "b"])
        if suffix := CONVERTED.get(table["backend"]):
            (tmp_path / "models" / table["local"] / f"model{suffix}").write_bytes(payload(100, 1))
    assert update(catalog, TEMPLATES_PATH, tmp_path / "models") == list(templates)
