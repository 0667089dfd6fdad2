"""Requests through the engine to a decoder that writes many answers at once."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from llm_core.catalog import Catalog
from llm_core.engine import Engine
from llm_core.runtimes import LazyRuntimes
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.types import Delta, Loading
from tests.support.decoders import entry, save_llama
from tests.support.weights import OneDirectory


def test_visitors_of_one_model_do_not_wait_for_each_other(tmp_path: Path) -> None:
    spec, settings = entry(prompt_template="plain"), Settings(offline=True, streams=2)
    catalog, weights = Catalog({"tiny": spec}), cast(Any, OneDirectory(save_llama(tmp_path)))
    task = find_task("generate")
    request = task.request_type.parse({"prompt": "the cat", "max_new_tokens": 80, "temperature": 0})
    with closing(Engine(catalog, weights, settings, LazyRuntimes(settings, catalog, weights))) as engine:
        visitors = [engine.run(task, request, model_id="tiny", client=name) for name in ("ann", "bob")]
        for events in visitors:
            before = list(itertools.takewhile(lambda event: not isinstance(event, Delta), events))
            assert all(isinstance(event, Loading) for event in before), "nobody waits, though none has ended"
        assert engine.load == (2, 0)
        assert len({list(events)[-1].result.text for events in visitors}) == 1
