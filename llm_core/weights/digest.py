"""Maintenance: write the entries of the models that this project trained into the catalogue.

    python -m llm_core.weights.digest [MODELS_DIR]

For each template in ``trained.toml`` whose folder is there: SHA-256 and size of its files, labels from ``config.json``,
scores from ``scores.json``, parameters from the safetensors header (what CTranslate2 and llama.cpp read does not tell:
the template does). The part of ``catalog.toml`` between its two marks
is replaced, and only if the catalogue as a whole is still valid. Nothing is loaded or fetched.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_core.catalog import CATALOG_PATH, LABELLED_HEADS, parse_catalog
from llm_core.errors import LlmCoreError, WeightsError
from llm_core.evaluation.coverage import COVERAGE_FILE
from llm_core.evaluation.scores import SCORES_FILE, read_scores
from llm_core.files import replacing
from llm_core.settings import Settings
from llm_core.weights.policy import DATA_SUFFIXES
from llm_core.weights.records import digest

TEMPLATES_PATH = Path(__file__).with_name("trained.toml")
BEGIN, END = "# begin trained", "# end trained"
CONVERTED = {"ctranslate2": ".bin", "llama_cpp": ".gguf"}
"""Weights that another runtime's own parser reads, by backend."""
MEASURED = (SCORES_FILE, COVERAGE_FILE)
"""What was measured of a model, which nobody needs to run it."""
_MAX_HEADER_BYTES = 100_000_000


def update(catalog_path: Path, templates_path: Path, models_dir: Path) -> list[str]:
    """Rewrite the catalogue's part about trained models.

    Args:
        catalog_path: The catalogue file to rewrite.
        templates_path: The templates.
        models_dir: Folder of the trained models' folders.

    Returns:
        Ids of the entries written.

    Raises:
        WeightsError: A folder lacks a file, or the resulting catalogue would break a rule; nothing was written.
        InputError: A folder's scores cannot be read; nothing was written.
    """
    templates = tomllib.loads(templates_path.read_text(encoding="utf-8"))
    present = {name: table for name, table in templates.items() if (models_dir / table["local"]).is_dir()}
    entries = {name: complete(table, models_dir / table["local"]) for name, table in present.items()}
    text = _replaced(catalog_path.read_text(encoding="utf-8"), "\n".join(_table(*entry) for entry in entries.items()))
    parse_catalog(tomllib.loads(text))
    with replacing(catalog_path) as draft:
        draft.write_text(text, encoding="utf-8")
    return list(entries)


def complete(template: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A template with what the folder holds.

    Raises:
        WeightsError: There are no weights, or a file is malformed.
    """
    suffix = CONVERTED.get(template["backend"], ".safetensors")
    paths = sorted(path for path in folder.iterdir() if _ships(path, suffix))
    weights = [path for path in paths if path.suffix == suffix]
    if not weights:
        raise WeightsError(f"{folder.name}: has no {suffix} file")
    entry = dict(template)
    if not (folder / "adapter_config.json").is_file():
        entry.pop("base", None)
    if suffix == ".safetensors":
        entry["parameters"] = sum(count_parameters(path) for path in weights)
    entry["download_bytes"] = sum(path.stat().st_size for path in paths)
    if entry["head"] in LABELLED_HEADS:
        entry["labels"] = read_labels(folder / "config.json")
    entry["files"] = [{"name": path.name, "sha256": digest(path), "size": path.stat().st_size} for path in paths]
    entry["scores"] = list(_scores(folder / SCORES_FILE))
    return entry


def _ships(path: Path, weights: str) -> bool:
    return path.name not in MEASURED and path.suffix in (*DATA_SUFFIXES, weights)


def read_labels(config: Path) -> list[str]:
    """Labels in the order of the logits.

    Raises:
        WeightsError: ``id2label`` is missing or has gaps.
    """
    names = _json(config).get("id2label", {})
    try:
        return [str(names[str(index)]) for index in range(len(names))]
    except KeyError as error:
        raise WeightsError(f"{config.parent.name}/{config.name}: id2label has no {error}") from error


def count_parameters(weights: Path) -> int:
    """Numbers in a safetensors file, from its header.

    Raises:
        WeightsError: The header is malformed.
    """
    with weights.open("rb") as stream:
        size = int(struct.unpack("<Q", stream.read(8).ljust(8, b"\xff"))[0])
        if size > _MAX_HEADER_BYTES:
            raise WeightsError(f"{weights.parent.name}/{weights.name}: is not a safetensors file")
        header = json.loads(stream.read(size))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _scores(path: Path) -> Iterator[dict[str, Any]]:
    """Scores as the catalogue has them; the file says more about each."""
    for score in read_scores(path) if path.is_file() else ():
        yield {**score.model_dump(exclude={"signature"}, exclude_none=True), "value": round(score.value, 4)}


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path.parent.name}/{path.name}: cannot be read as JSON") from error
    return content


def _replaced(catalog: str, tables: str) -> str:
    before, mark, rest = catalog.partition(BEGIN)
    line, newline, rest = rest.partition("\n")
    _, end_mark, after = rest.partition(END)
    if not (mark and end_mark):
        raise WeightsError(f"the catalogue has no lines {BEGIN!r} and {END!r}")
    return f"{before}{mark}{line}{newline}{tables}{end_mark}{after}"


def _table(name: str, entry: dict[str, Any]) -> str:
    lines = [f"[{_value(name) if '.' in name else name}]"]
    for key, value in entry.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = (", ".join(f"{field} = {_value(item)}" for field, item in row.items()) for row in value)
            lines += [f"{key} = [", *(f"  {{ {row} }}," for row in rows), "]"]
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """A string, number or list as TOML, which writes these as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def main(arguments: list[str] | None = None) -> int:
    """The command; prints what was written."""
    parser = argparse.ArgumentParser(
        prog="python -m llm_core.weights.digest", description="Update the catalogue's trained models"
    )
    parser.add_argument("models_dir", type=Path, nargs="?", default=Settings().models_dir, help="default: %(default)s")
    parser.add_argument("--catalog", type=Path, default=CATALOG_PATH, help="file to rewrite (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        written = update(options.catalog, TEMPLATES_PATH, options.models_dir)
    except LlmCoreError as error:
        parser.exit(1, f"{error}\n")
    print(f"{options.catalog.name}: {', '.join(written) or 'no trained models found'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
