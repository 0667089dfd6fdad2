"""Checks on a checkpoint directory before anything of it is loaded, and one kind of error for whatever loading
throws.

Refused: directories without safetensors (pickles can run code) and configurations that name code of their own
(``auto_map``). The module knows nothing of heads or tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from llm_core.errors import BackendError, LlmCoreError, OutOfMemoryError, WeightsError

LOCAL_ONLY: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Options of `from_pretrained`: of a directory nothing but its files, and no code of theirs."""
_CODE_KEYS = ("auto_map", "custom_pipelines")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def check_checkpoint(directory: Path) -> None:
    """Accept a Hub-layout directory of a whole model.

    Raises:
        WeightsError: A file is missing, is not JSON, or names code.
    """
    for name in ("config.json", "tokenizer_config.json"):
        if name == "config.json" or (directory / name).exists():
            read_json(directory / name)
    if not any((directory / name).is_file() for name in _WEIGHTS):
        raise WeightsError(f"{directory.name}: model.safetensors is missing; other weight formats are not read")


def read_json(file: Path) -> dict[str, Any]:
    """A configuration file of a checkpoint.

    Raises:
        WeightsError: It is missing, is not a JSON object, or names code.
    """
    place = f"{file.parent.name}/{file.name}"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{place} is missing") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{place} is not readable JSON: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{place} must hold a JSON object")
    for key in _CODE_KEYS:
        if key in content:
            raise WeightsError(f"{place} names code to run ({key}); checkpoints that bring code are refused")
    return content


@contextmanager
def loading(model_id: str) -> Iterator[None]:
    """Turn what torch, transformers and safetensors throw while loading into the package's errors."""
    try:
        yield
    except LlmCoreError:
        raise
    except MemoryError:
        raise OutOfMemoryError(f"{model_id} does not fit into memory") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if "out of memory" in str(error).lower() or "allocate memory" in str(error):
            raise OutOfMemoryError(f"{model_id} does not fit into the device's memory") from None
        raise WeightsError(f"{model_id}: the files cannot be loaded ({type(error).__name__}: {error})") from error


@contextmanager
def computing(model_id: str) -> Iterator[None]:
    """Turn what torch throws while a model runs into the package's errors."""
    try:
        yield
    except LlmCoreError:
        raise
    except MemoryError:
        raise OutOfMemoryError(f"{model_id}: the batch does not fit into memory") from None
    except RuntimeError as error:
        if "out of memory" in str(error).lower() or "allocate memory" in str(error):
            raise OutOfMemoryError(f"{model_id}: the batch does not fit into the device's memory") from None
        raise BackendError(f"{model_id}: the model failed on this input ({type(error).__name__})") from error
