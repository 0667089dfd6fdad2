"""A measured figure and its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of a table."""

    what: str
    value: float
    unit: str
    goal: str
    """What the project aims at, such as ``"≥ 0.9"``."""


def as_markdown(title: str, figures: Sequence[Figure]) -> str:
    """A Markdown table of figures."""
    lines = [f"### {title}", "", "| figure | measured | goal |", "|---|--:|--:|"]
    lines += [f"| {figure.what} | {figure.value:.4g} {figure.unit} | {figure.goal} |" for figure in figures]
    return "\n".join([*lines, ""])


def alternate(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = 5) -> tuple[float, float, float]:
    """Median of ours, of theirs, and of ours / theirs pair by pair, after one round to warm up."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)
