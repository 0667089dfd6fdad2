"""Measured figures: speed, latency and memory, each against a named peer in the same run where there is one.

Machines are noisy: ratios are medians over alternating rounds (ours, theirs, ours, theirs …) and are what to trust;
absolute figures tell what this machine did today. Nothing here is a test; nothing here is timed in tests.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
ON_REQUEST = ("gpu", "scaling", "batching", "loading", "ray")
"""Only when named: these need what not every machine has."""


def run_benchmarks(names: Sequence[str], settings: Settings, **options: Any) -> Iterator[str]:
    """Run benchmarks one by one; yields a Markdown table each.

    Args:
        names: Which; all but `ON_REQUEST` by default.
        settings: For what they measure.
        options: Further arguments of each one's `measure`.

    Raises:
        InputError: There is no benchmark of a given name, or it has no such option.
    """
    for name in names:
        if name not in (*NAMES, *ON_REQUEST):
            raise InputError("bench", f"must be one of {', '.join((*NAMES, *ON_REQUEST))}", name)
    for name in names or NAMES:
        measure: Callable[..., list[Figure]] = importlib.import_module(f"llm_core.bench.{name}").measure
        for option in options.keys() - inspect.signature(measure).parameters:
            raise InputError(option, f"is no option of the bench {name}")
        yield as_markdown(name, measure(settings, **options))
