"""Writes the README's generated tables (models, settings); a test checks that they are current."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from llm_core.catalog import ModelSpec, load_catalog  # noqa: E402
from llm_core.evaluation.scores import read_scores  # noqa: E402
from llm_core.settings import Settings  # noqa: E402

README = ROOT / "README.md"
EARLY_STEP = 64
"""Of the samples shown beside the last ones."""


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


def showcases_table() -> str:
    """The models trained from scratch, with what they made of one input early and at the end."""
    lines = ["| model | weights | measured (validation) | input | early on | at the end |", "|---|--:|---|---|---|---|"]
    lines += [_showcase_row(folder) for folder in sorted((ROOT / "models").glob("showcase-*"))]
    return "\n".join(lines)


def _showcase_row(folder: Path) -> str:
    score = read_scores(folder / "scores.json")[0]
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").split("\n") if line]
    shown = [sample for sample in samples if sample["input"] == samples[0]["input"]]
    early = next(sample for sample in shown if sample["step"] >= EARLY_STEP)
    cells = (
        f"[`{folder.name}`]({folder.relative_to(ROOT)}/README.md)",
        f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f} MB",
        f"{score.title}: {score.metric.replace('_', ' ')} {score.value:.3g}",
        samples[0]["input"],
        *(f"step {sample['step']:,}: {_said(sample['output'])}" for sample in (early, shown[-1])),
    )
    return f"| {' | '.join(cells)} |"


def _said(output: Any) -> str:
    """A text's beginning; of guesses, the likeliest for each mask."""
    if isinstance(output, str):
        return textwrap.shorten(output, 60, placeholder=" …") or "(nothing)"
    return " ".join(f"{guesses[0][0]} ({guesses[0][1]:.0%})" for guesses in output)


TABLES = {"models": models_table, "settings": settings_table, "showcases": showcases_table}


def updated(text: str) -> str:
    """The README with current tables."""
    for name, build in TABLES.items():
        table = build()
        # Backslashes of a table are no references to groups.
        kept = table.replace("\\", r"\\")
        text = re.sub(rf"(<!-- {name}[^>]*-->\n).*?(<!-- /{name} -->)", rf"\g<1>{kept}\n\g<2>", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
