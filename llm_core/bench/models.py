"""Every model that is on this machine, as visitors use it: those of the Hub, too, once they are pulled."""

from __future__ import annotations

from contextlib import closing

from llm_core.bench.figures import Figure
from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.speed import measure_speed


def measure(settings: Settings) -> list[Figure]:
    """Time to the first piece of an answer, and texts or tokens a second after that, of each."""
    figures = []
    with closing(create_engine(settings)) as engine:
        present = [spec for spec in engine.catalog.values() if engine.availability(spec).present]
        for spec in present:
            if (speed := measure_speed(engine, spec)) is not None:
                figures.append(Figure(f"{spec.id}: {speed.unit}", speed.per_second, f"{speed.unit}/s", ""))
                figures.append(Figure(f"{spec.id}: first", speed.first_ms, "ms", ""))
    return figures
