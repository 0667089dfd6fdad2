"""Measured figures: speed, latency and memory, each against a named peer in the same run where there is one.

Machines are noisy: ratios are medians over alternating rounds (ours, theirs, ours, theirs …) and are what to trust;
absolute figures tell what this machine did today. Nothing here is a test; nothing here is timed in tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence

from llm_core.bench.figures import Figure, as_markdown
from llm_core.errors import InputError
from llm_core.settings import Settings

NAMES = (
    "startup",
    "decoding",
    "writing",
    "own_decoding",
    "encoding",
    "translation",
    "models",
    "training",
    "cancel",
    "memory",
    "serving",
)
ON_REQUEST = ("gpu", "scaling")
"""Only when named: these need what not every machine has."""


def run_benchmarks(names: Sequence[str], settings: Settings) -> Iterator[str]:
    """Run benchmarks one by one; yields a Markdown table each.

    Raises:
        InputError: There is no benchmark of a given name.
    """
    for name in names:
        if name not in (*NAMES, *ON_REQUEST):
            raise InputError("bench", f"must be one of {', '.join((*NAMES, *ON_REQUEST))}", name)
    for name in names or NAMES:
        figures: list[Figure] = importlib.import_module(f"llm_core.bench.{name}").measure(settings)
        yield as_markdown(name, figures)
