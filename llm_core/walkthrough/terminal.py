"""Steps of the worked example as text for a terminal; columns stay aligned with wide characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

from llm_core.walkthrough.steps import Step, Table


def rendered(steps: Sequence[Step], language: str) -> Iterator[RenderableType]:
    """What to print for each step, in ``"en"`` or ``"zh"``."""
    for number, step in enumerate(steps, start=1):
        yield Text(f"{number}. {step.title[language]}", style="bold")
        yield Text(step.explanation[language])
        yield Text(step.formula, style="dim")
        for name, table in step.tensors.items():
            yield Padding(_grid(name, table), (0, 0, 0, 2), expand=False)
        yield Text()


def print_steps(steps: Sequence[Step], language: str, console: Console) -> None:
    """All steps, never wider than they need."""
    for part in rendered(steps, language):
        console.print(part)


def _grid(name: str, table: Table) -> Grid:
    columns = [Column(Text(label), justify="right", min_width=cell_len(label), no_wrap=True) for label in table.columns]
    grid = Grid(Column(Text(name), no_wrap=True), *columns, box=None, pad_edge=False)
    whole = all(cell is not None and cell.is_integer() for row in table.values for cell in row)
    for label, row in zip(table.rows, table.values, strict=True):
        grid.add_row(Text(label), *(Text(_number(cell, 0 if whole else 3)) for cell in row))
    return grid


def _number(cell: float | None, digits: int) -> str:
    return "−∞" if cell is None else f"{cell:.{digits}f}"
