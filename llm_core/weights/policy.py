"""Which files may come from a repository: formats that hold data and cannot hold code.

Pickles run code when they are read (CVE-2025-32434), Python files and ``auto_map`` when transformers is told to
trust them. A GGUF file is read by a C++ parser, so it is taken only with a SHA-256 from the catalogue. The module
knows nothing of networks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from llm_core.errors import WeightsError

DATA_SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".spm", ".model", ".jinja"})
DEFAULT_PATTERNS = ("*.json", "*.txt", "*.model", "*.spm", "*.jinja", "*.safetensors")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""No folder, drive or upward step, under the rules of any operating system."""


def select(names: Iterable[str], patterns: Iterable[str], model_id: str) -> list[str]:
    """The files of a repository's top folder that match `patterns`.

    Raises:
        WeightsError: A pattern asks for a format that may hold code.
    """
    patterns = tuple(patterns) or DEFAULT_PATTERNS
    for pattern in patterns:
        if Path(pattern).suffix not in DATA_SUFFIXES:
            raise WeightsError(
                f"{model_id}: pattern {pattern!r} is refused; without digests only {_allowed()} are fetched"
            )
    return [
        name for name in names if _PLAIN_NAME.fullmatch(name) and any(fnmatch(name, pattern) for pattern in patterns)
    ]


def is_weights(name: str) -> bool:
    """Whether the file holds a model's parameters, or says which file holds which, in a safe format."""
    return name.endswith((".safetensors", ".safetensors.index.json"))


def refuse_remote_code(name: str, path: Path) -> None:
    """Reject a JSON file that asks for code of the repository to be run.

    Raises:
        WeightsError: It has ``auto_map``, at any depth, or is not JSON.
    """
    if not name.endswith(".json"):
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{name}: is not valid JSON; the file was not used") from error
    if name.endswith("config.json") and _has_key(content, "auto_map"):
        raise WeightsError(f"{name}: asks to run code of the repository (auto_map), which is refused")


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(child, key) for child in value.values())
    return isinstance(value, list) and any(_has_key(child, key) for child in value)


def _allowed() -> str:
    return ", ".join(sorted(DATA_SUFFIXES))
