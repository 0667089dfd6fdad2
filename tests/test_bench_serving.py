"""The benchmark of serving, at a tiny size: its stand-ins answer, and requests reach all of them."""

from __future__ import annotations

from contextlib import closing

from llm_core.bench import serving
from llm_core.settings import Settings
from llm_core.tasks import find_task


def test_a_stand_in_answers_through_the_remote_backend() -> None:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": "Go on.", "max_new_tokens": 3})
    with serving.stand_ins(2, slots=1, milliseconds=1) as file, closing(serving._engine(Settings(), file)) as engine:
        completed = engine.answer(task, request, model_id="far")
        assert (completed.result.text, completed.stats.tokens) == ("word0 word1 word2", 3)
        assert serving._rate(engine, 4) > 0
        backend = engine._remote
        assert set(backend.state(engine.catalog["far"]).values()) == {"closed"}  # type: ignore[attr-defined]
