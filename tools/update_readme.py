"""Writes the README's generated tables (models, settings); a test checks that they are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from llm_core.catalog import ModelSpec, load_catalog  # noqa: E402
from llm_core.settings import Settings  # noqa: E402

README = ROOT / "README.md"


def models_table() -> str:
    """All catalogue entries, embedded ones first."""
    lines = [
        "| model | tasks | languages | parameters | own files | licence | measured (validation) |",
        "|---|---|---|--:|--:|---|---|",
    ]
    lines += [_model_row(spec) for spec in sorted(load_catalog().values(), key=lambda spec: spec.tier)]
    return "\n".join(lines)


def _model_row(spec: ModelSpec) -> str:
    scores = str(spec.scores[0]) if spec.scores else ""
    languages = " ".join(spec.languages[:3]) + (" …" if len(spec.languages) > 3 else "")
    size = f"{spec.download_bytes / 1e6:.1f} MB"
    cells = (
        f"`{spec.id}`",
        ", ".join(spec.tasks),
        languages,
        f"{spec.parameters / 1e6:.1f}M",
        size,
        spec.licence,
        scores,
    )
    return f"| {' | '.join(cells)} |"


def settings_table() -> str:
    """All settings with their meaning."""
    lines = ["| variable | meaning |", "|---|---|"]
    for name, field in Settings.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("`", "")
        lines.append(f"| `LLM_CORE_{name.upper()}` | {meaning} |")
    return "\n".join(lines)


def updated(text: str) -> str:
    """The README with current tables."""
    for name, table in (("models", models_table()), ("settings", settings_table())):
        pattern = rf"(<!-- {name}[^>]*-->\n).*?(<!-- /{name} -->)"
        text = re.sub(pattern, lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
