"""How long until the page is there."""

from __future__ import annotations

from statistics import median

from llm_core.bench.figures import Figure
from llm_core.bench.page import running_page
from llm_core.settings import Settings


def measure(settings: Settings, rounds: int = 3) -> list[Figure]:
    """Seconds from the start of the process to the page served."""
    seconds = []
    for _ in range(rounds):
        with running_page() as (_, elapsed, _):
            seconds.append(elapsed)
    return [Figure("process start to page served", median(seconds), "s", "< 6 s")]
