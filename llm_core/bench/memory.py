"""Resident memory with every embedded model loaded and used once."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from typing import Any

import psutil

from llm_core.bench.figures import Figure
from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import find_task

_ONE_REQUEST: dict[str, dict[str, Any]] = {
    "classify": {"text": "Shares fell."},
    "sentiment": {"text": "I like it. I do not like that."},
    "answer": {"question": "Who came?", "context": "Ada came home."},
    "entities": {"text": "Ada met Alan in London."},
    "complete": {"prefix": "def add(a, b):\n", "max_new_tokens": 8},
    "generate": {"prompt": "Say hello.", "max_new_tokens": 8},
}


def measure(settings: Settings) -> list[Figure]:
    """Megabytes of a fresh process, as the operating system counts them."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        loaded, resident = pool.apply(_resident_bytes, (settings,))
    return [Figure(f"RSS with all {loaded} embedded models loaded", resident / 1e6, "MB", "< 1600 MB")]


def _resident_bytes(settings: Settings) -> tuple[int, int]:
    with closing(create_engine(settings)) as engine:
        embedded = [spec for spec in engine.catalog.values() if spec.tier == "embedded" and spec.tasks]
        for spec in embedded:
            engine.preload(spec.id).result()
        for name, values in _ONE_REQUEST.items():
            task = find_task(name)
            engine.answer(task, task.request_type.parse(values))
        return len(engine.resident()), psutil.Process().memory_info().rss
