"""Encoder throughput through the task, against `transformers.pipeline` in float32; and what micro-batching gives."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from llm_core.bench.corpus import english_sentences
from llm_core.bench.figures import Figure, alternate
from llm_core.engine import Engine, create_engine
from llm_core.hardware import available_cores
from llm_core.settings import Settings
from llm_core.tasks import find_task

_MODEL = "topics-ag-news"
_BATCH, _SINGLE, _CLIENTS, _ROUNDS_A_CLIENT = 256, 48, 8, 8


def measure(settings: Settings) -> list[Figure]:
    """Sentences per second of both, their ratio, and the gain of eight concurrent clients over one after the other."""
    with closing(create_engine(settings)) as engine:
        sentences = english_sentences(_BATCH)
        singles = sentences[:_SINGLE]

        def ours() -> float:
            return _rate(lambda: engine.run_many(_task(), _requests(sentences), model_id=_MODEL), _BATCH)

        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _open_peer, _peer_files(engine)) as peer:
            fast, slow, ratio = alternate(ours, lambda: peer.submit(_peer_rate, sentences, 32).result(), rounds=3)
            single, single_slow, single_ratio = alternate(
                lambda: _serial_rate(engine, _requests(singles)),
                lambda: max(peer.submit(_peer_rate, singles, 1, threads).result() for threads in (None, 1)),
                rounds=5,
            )
        short = _requests(english_sentences(_CLIENTS * _ROUNDS_A_CLIENT))
        together, alone, gain = alternate(lambda: _concurrent_rate(engine, short), lambda: _serial_rate(engine, short))
    return [
        Figure("256 sentences through the task", fast, "sentences/s", ""),
        Figure("transformers.pipeline, float32, batches of 32", slow, "sentences/s", ""),
        Figure("ratio, pair by pair", ratio, "", "≥ 2.5"),
        Figure("one sentence at a time through the task", single, "sentences/s", ""),
        Figure("transformers.pipeline, float32, one at a time, all threads or one", single_slow, "sentences/s", ""),
        Figure("ratio, pair by pair", single_ratio, "", "≥ 2"),
        Figure("8 concurrent clients, single requests", together, "requests/s", ""),
        Figure("the same requests one by one", alone, "requests/s", ""),
        Figure("gain of micro-batching, pair by pair", gain, "", "≥ 2"),
    ]


def _task() -> Any:
    return find_task("classify")


def _requests(sentences: list[str]) -> list[Any]:
    return [_task().request_type.parse({"text": text, "label_set": "ag_news"}) for text in sentences]


def _rate(work: Any, count: int) -> float:
    started = time.monotonic()
    work()
    return count / (time.monotonic() - started)


def _concurrent_rate(engine: Engine, requests: list[Any]) -> float:
    def client(number: int) -> None:
        for request in requests[number::_CLIENTS]:
            engine.answer(_task(), request, model_id=_MODEL, client=str(number))

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return _rate(lambda: list(pool.map(client, range(_CLIENTS))), len(requests))


def _serial_rate(engine: Engine, requests: list[Any]) -> float:
    def one_by_one() -> None:
        for request in requests:
            engine.answer(_task(), request, model_id=_MODEL)

    return _rate(one_by_one, len(requests))


def _peer_files(engine: Engine) -> tuple[Path, Path, int]:
    spec = engine.catalog[_MODEL]
    files = engine.files(spec)
    assert files.base is not None
    return files.base.directory, files.directory, len(spec.labels)


_peer: Any = None
"""In the peer's own process, so that the threads of the two do not share cores while one of them waits."""


def _open_peer(base_dir: Path, adapter_dir: Path, labels: int) -> None:
    """The same classifier as plain transformers and peft run it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    global _peer
    base = AutoModelForSequenceClassification.from_pretrained(
        base_dir, num_labels=labels, dtype=torch.float32, local_files_only=True
    )
    model = PeftModel.from_pretrained(base, adapter_dir).merge_and_unload().eval()
    tokenizer = AutoTokenizer.from_pretrained(base_dir, local_files_only=True)
    _peer = pipeline("text-classification", model=model, tokenizer=tokenizer, truncation=True)


def _peer_rate(sentences: list[str], batch_size: int, threads: int | None = None) -> float:
    import torch

    torch.set_num_threads(threads or available_cores())
    calls = [sentences] if batch_size > 1 else [[sentence] for sentence in sentences]
    return _rate(lambda: [_peer(call, batch_size=batch_size, top_k=None) for call in calls], len(sentences))
