"""Small models in the shapes the weight store meets, for its tests."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path
from typing import Any

from llm_core.catalog import Catalog, FileSpec, HubSource, ModelSpec, WheelSource
from llm_core.settings import Settings
from llm_core.types import ModelFiles
from llm_core.weights import Availability, WeightStore

REPO = "somebody/some-model"


class OneDirectory:
    """A weight store in which every entry has the files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._files = ModelFiles(directory)

    def availability(self, spec: ModelSpec) -> Availability:
        return Availability(True, present=True)

    def files(self, spec: ModelSpec, *_: Any, **__: Any) -> ModelFiles:
        return self._files


def payload(size: int, seed: int = 0) -> bytes:
    """A safetensors file of `size` bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    body = struct.pack("<Q", len(header)) + header
    return body + random.Random(seed).randbytes(size - len(body))


def model_files(size: int = 400_000, **others: bytes) -> dict[str, bytes]:
    """Configuration and weights."""
    return {"config.json": b'{"model_type": "bert"}', "model.safetensors": payload(size), **others}


def file_spec(name: str, content: bytes) -> FileSpec:
    """The catalogue's line about a file."""
    return FileSpec(name=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def spec(
    files: dict[str, bytes] | None = None,
    *,
    revision: str = "main",
    hub: bool = True,
    wheel: bool = False,
    **changes: Any,
) -> ModelSpec:
    """An entry; `files` are listed with digests if given, else fetched by pattern."""
    values: dict[str, Any] = {
        "id": "some-model", "title": "Some model", "summary": "For tests.", "tier": "hub", "tasks": ("embed",),
        "languages": ("en",), "backend": "transformers", "head": "embedding", "licence": "Apache-2.0", "parameters": 1,
        "context_length": 8, "memory_bytes": 1, "download_bytes": 400_000,
        "files": tuple(file_spec(*item) for item in (files or {}).items()),
        "hub": HubSource(repo=REPO, revision=revision, weights=changes.pop("weights", "revision"),
                         patterns=changes.pop("patterns", ())) if hub else None,
        "wheel": WheelSource(requirement="some-model-wheel==1.0", folder="some_model/data") if wheel else None,
    }  # fmt: skip
    return ModelSpec.model_validate(values | changes)


def store(root: Path, *specs: ModelSpec, **settings: Any) -> WeightStore:
    """A store whose cache and models folders are below `root`."""
    values = {"cache_dir": root / "cache", "models_dir": root / "models", "memory_budget_bytes": 10**9} | settings
    return WeightStore(Settings(**values), Catalog({one.id: one for one in specs}))


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()} if directory.is_dir() else {}
