"""The curve of a run: what was logged as CSV, and drawn as a PNG.

One row a log: ``step, tokens, loss, learning_rate, tokens_per_second, seconds``, and the validation figures where they
were measured. Rows that a killed run wrote after its last checkpoint are dropped when it goes on.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_core.files import replacing

FILE = "curve.csv"
COLUMNS = ("step", "tokens", "loss", "learning_rate", "tokens_per_second", "seconds", "eval_loss", "eval_accuracy")
Row = dict[str, float]


class Curve:
    """A CSV file that grows."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def begin(self, step: int) -> float:
        """Keeps the rows up to `step`, where a run goes on; gives the seconds it had taken."""
        rows = [row for row in read_curve(self.file) if row["step"] <= step] if step else []
        with replacing(self.file) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return max((row["seconds"] for row in rows), default=0.0)

    def add(self, row: Mapping[str, Any]) -> None:
        """Appends what is known of a step."""
        with self.file.open("a", encoding="utf-8", newline="") as stream:
            csv.DictWriter(stream, COLUMNS, extrasaction="ignore").writerow(row)


def read_curve(file: Path) -> list[Row]:
    """The rows; a last row that a killed process did not finish is left out."""
    if not file.is_file():
        return []
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    rows = csv.DictReader(whole.split("\n"))
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def draw(rows: Sequence[Row], file: Path) -> None:
    """The losses over the steps, as a PNG; nothing when there is nothing to draw."""
    from matplotlib.figure import Figure  # takes a second, and only the end of a run needs it

    lines = {name: [(row["step"], row[name]) for row in rows if name in row] for name in ("loss", "eval_loss")}
    if not any(lines.values()):
        return
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for name, points in lines.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=name, marker="." if name == "eval_loss" else "")
    axes.set(xlabel="step", ylabel="cross-entropy (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=110)
