"""Resident memory with every embedded model loaded and used once, and how much of it the encoders are."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psutil

from llm_core.bench.figures import Figure
from llm_core.catalog import LABELLED_HEADS, ModelSpec
from llm_core.engine import Engine, create_engine
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


_ENCODER_HEADS = ("embedding", *LABELLED_HEADS, "span_extraction")


def measure(settings: Settings) -> list[Figure]:
    """Megabytes of a fresh process, as the operating system counts them."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        encoders, grown, loaded, resident = pool.apply(_resident_bytes, (settings,))
    return [
        Figure(
            f"RSS of {encoders} encoders together, over the process with their runtime", grown / 1e6, "MB", "≤ 500 MB"
        ),
        Figure(f"RSS with all {loaded} embedded models loaded", resident / 1e6, "MB", "< 1600 MB"),
    ]


def _resident_bytes(settings: Settings) -> tuple[int, int, int, int]:
    """How many encoders, by how much they grew the process; how many models, and what the process has with all."""
    with closing(create_engine(settings)) as engine:
        _import_runtime()
        before = _rss()
        embedded = [spec for spec in engine.catalog.values() if spec.tier == "embedded" and spec.tasks]
        encoders = [spec for spec in embedded if spec.head in _ENCODER_HEADS and spec.backend == "transformers"]
        _load_and_use(engine, encoders)
        grown = _rss() - before
        _load_and_use(engine, [spec for spec in embedded if spec not in encoders])
        return len(encoders), grown, len(engine.resident()), _rss()


def _import_runtime() -> None:
    import torch  # noqa: F401
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertModel  # noqa: F401

    import llm_core.backends.transformers.encoder  # noqa: F401


def _rss() -> int:
    return int(psutil.Process().memory_info().rss)


def _load_and_use(engine: Engine, specs: Sequence[ModelSpec]) -> None:
    for spec in specs:
        engine.preload(spec.id).result()
    for name, values in _ONE_REQUEST.items():
        if any(name in spec.tasks for spec in specs):
            task = find_task(name)
            engine.answer(task, task.request_type.parse(values))
