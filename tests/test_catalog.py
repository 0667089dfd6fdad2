"""The shipped catalogue entry by entry, and the rules that any catalogue must keep."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from llm_core.catalog import ModelSpec, load_catalog, parse_catalog
from llm_core.errors import UnknownModelError, WeightsError
from llm_core.settings import REPOSITORY_ROOT
from llm_core.weights.policy import select

CATALOG = load_catalog()
ENTRIES = pytest.mark.parametrize("spec", CATALOG.values(), ids=list(CATALOG))
MODELS = REPOSITORY_ROOT / "models"
MINIMAL: dict[str, Any] = {
    "title": "A model", "summary": "For tests.", "tier": "hub", "tasks": ["embed"], "languages": ["en"],
    "backend": "transformers", "head": "embedding", "licence": "MIT", "parameters": 1, "context_length": 1,
    "memory_bytes": 1, "download_bytes": 1, "hub": {"repo": "a/b", "revision": "0" * 40},
}  # fmt: skip


@ENTRIES
def test_entry_can_be_read_by_visitors(spec: ModelSpec) -> None:
    assert spec.summary.endswith(".") and len(spec.summary) <= 130
    assert len(spec.title) <= 50
    assert all(re.fullmatch("[a-z]{2}|code", language) for language in spec.languages)


@ENTRIES
def test_local_files_are_there_with_their_digests(spec: ModelSpec) -> None:
    if spec.local is None:
        return
    for file in spec.files:
        content = (MODELS / spec.local / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256), file.name


@ENTRIES
def test_hub_revision_is_a_commit(spec: ModelSpec) -> None:
    assert spec.hub is None or re.fullmatch("[0-9a-f]{40}", spec.hub.revision)


@ENTRIES
def test_hub_entry_asks_for_safe_formats_or_has_digests(spec: ModelSpec) -> None:
    if spec.hub is not None and not spec.files:
        assert select([], spec.hub.patterns, spec.id) == []
        assert any(pattern.endswith(".safetensors") for pattern in spec.hub.patterns)


@ENTRIES
def test_sizes_add_up(spec: ModelSpec) -> None:
    if spec.files:
        assert spec.download_bytes == sum(file.size for file in spec.files)


@ENTRIES
def test_embedded_entry_needs_no_hub(spec: ModelSpec) -> None:
    if spec.tier == "embedded":
        assert spec.local or spec.wheel
        assert spec.base is None or CATALOG[spec.base].tier == "embedded"


@ENTRIES
def test_translator_says_which_pairs(spec: ModelSpec) -> None:
    if "translate" in spec.tasks:
        assert spec.language_pairs
        assert {language for pair in spec.language_pairs for language in pair} == set(spec.languages)
        assert len(set(spec.language_pairs)) == len(spec.language_pairs)


def test_models_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 90_000_000


def test_every_task_has_an_entry() -> None:
    tasks = {task for spec in CATALOG.values() for task in spec.tasks}
    assert tasks >= {
        "embed",
        "classify",
        "sentiment",
        "translate",
        "answer",
        "entities",
        "complete",
        "generate",
        "poem",
        "under_the_hood",
    }


def test_unknown_id_gets_suggestions() -> None:
    with pytest.raises(UnknownModelError, match="did you mean minilm"):
        CATALOG["mini-lm"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hub": {"repo": "a/b", "revision": "latest"}}, "entry x: hub.revision: String should match pattern"),
        ({"hub": {"repo": "../b/c", "revision": "main"}}, "entry x: hub.repo"),
        ({"hub": None}, "needs a source: local, hub or wheel"),
        ({"local": "x"}, "local and wheel sources need files with SHA-256"),
        ({"head": "sequence_classification"}, "a classifier or tagger needs its labels"),
        ({"base": "y"}, "base: there is no entry 'y'"),
        ({"tasks": []}, "tasks: must not be empty, as no entry adapts it"),
        ({"speed": 3}, "entry x: speed: Extra inputs are not permitted"),
        ({"wheel": {"requirement": "a>=1", "folder": "a"}}, "wheel.requirement"),
    ],
)
def test_broken_rule_is_named_with_its_entry_and_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(message) if "String" not in message else message):
        parse_catalog({"x": MINIMAL | change})


@pytest.mark.parametrize("revision", ["0" * 40, "main", "refs/pr/26"])
def test_revisions_that_the_lock_file_can_pin_are_accepted(revision: str) -> None:
    entry = parse_catalog({"x": MINIMAL | {"hub": {"repo": "a/b", "revision": revision}}})["x"]
    assert entry.hub is not None and entry.hub.revision == revision
