"""Whether Chinese verse keeps its form, its rhymes and its tones, and says something new.

- ``form_kept``: share of the poems whose lines are as many and as long as the form says;
- ``rhymes_kept``, ``tones_kept``: share of the rules that are kept, over all poems in form (`data.prosody`);
- ``new``: share of the poems that have no run of nine characters, across lines, in common with a poem that was learnt
  from. Poets quote each other, so that the poets' own share, on the same rows, is what to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from llm_core.data.poetry import lines_of
from llm_core.data.prosody import rhymes_kept, tones_kept
from llm_core.data.verse_forms import fits, verse_forms
from llm_core.evaluation.bootstrap import Estimate, interval, mean_interval, ratio

LONGEST_SHARED = 8
"""Characters in a row that a new poem may share with one that was learnt from."""


def poem_scores(poems: Sequence[tuple[str, str]], learnt: Iterable[str] = (), *, who: str = "") -> dict[str, Estimate]:
    """The figures of the module's docstring.

    Args:
        poems: Name of the form, and text.
        learnt: Texts that the model learnt from; without any, ``new`` is not measured.
        who: Put behind each figure's name in brackets.
    """
    statistics = np.array([_statistics(*poem) for poem in poems], dtype=float).reshape(-1, 5)
    measured = {"form_kept": mean_interval(statistics[:, 0])}
    for name, columns in {"rhymes_kept": statistics[:, 1:3], "tones_kept": statistics[:, 3:5]}.items():
        if columns[:, 1].any():
            measured[name] = interval(columns, ratio)
    known = {run for text in learnt for run in _runs(text)}
    if known:
        measured["new"] = mean_interval(np.array([known.isdisjoint(_runs(text)) for _, text in poems]))
    return {f"{name}[{who}]" if who else name: estimate for name, estimate in measured.items()}


def _statistics(name: str, text: str) -> tuple[int, int, int, int, int]:
    lines, form = lines_of(text), verse_forms()[name]
    if not fits(lines, form.lines):
        return 0, 0, 0, 0, 0
    tones = tones_kept(lines) if form.regulated else (0, 0)
    return 1, *rhymes_kept(lines, form.lines), *tones


def _runs(text: str) -> set[str]:
    characters, length = "".join(lines_of(text)), LONGEST_SHARED + 1
    return {characters[start : start + length] for start in range(len(characters) - length + 1)}
