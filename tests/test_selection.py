"""What `auto` takes on GPUs of several sizes, from the catalogue that ships; nothing is fetched or loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_core.catalog import load_catalog
from llm_core.selection import Selection
from llm_core.tasks import find_task
from llm_core.weights import Availability

GIGABYTES = (8, 16, 24, 48, 80)
STORY, CODE = {"prompt": "Tell a story."}, {"prefix": "def area(r):\n    return "}
TEXT, CHINESE = "The cat sat on the mat.", "今天天气很好，我们去公园。"


def same(model_id: str) -> tuple[str, ...]:
    return (model_id,) * len(GIGABYTES)


@pytest.fixture
def best_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The entry for a request on a GPU with so many gigabytes, where everything can be downloaded."""

    def best(gigabytes: int, task_name: str, fields: dict[str, Any]) -> str:
        monkeypatch.setattr("llm_core.selection.device_memory_bytes", lambda device: gigabytes << 30)
        task = find_task(task_name)
        selection = Selection(lambda spec: Availability(True, present=spec.tier == "embedded"), lambda: "cuda")
        return selection.best(task, task.request_type.parse(fields), load_catalog()).id

    return best


@pytest.mark.parametrize(
    ("task", "fields", "expected"),
    [
        ("generate", STORY, ("smollm3-3b", *("qwen3-4b-instruct",) * 4)),
        ("generate", {"prompt": "讲一个故事。"}, ("qwen3-1.7b", *("qwen3-4b-instruct",) * 4)),
        ("complete", CODE, ("qwen2.5-coder-1.5b",) * 2 + ("qwen2.5-coder-7b",) * 3),
        ("classify", {"text": TEXT, "labels": ["pets", "sport"]}, same("deberta-zeroshot")),
        ("classify", {"text": CHINESE, "labels": ["天气", "体育"]}, same("multilingual-zeroshot")),
        ("classify", {"text": TEXT, "examples": [["a", "x"], ["b", "y"]]}, same("multilingual-minilm")),
        ("classify", {"text": TEXT}, same("topics-ag-news")),
        ("sentiment", {"text": CHINESE}, same("multilingual-sentiment")),
        ("translate", {"text": TEXT, "source": "en", "target": "zh"}, same("opus-mt-en-zh")),
        ("translate", {"text": TEXT, "source": "en", "target": "de"}, same("nllb-200-distilled-600m")),
        ("answer", {"question": "Who sat?", "context": TEXT}, same("multilingual-qa")),
        ("entities", {"text": "Ann lives in Paris."}, same("bert-base-ner")),
    ],
)
def test_the_best_that_the_gpu_holds(
    best_on: Callable[..., str], task: str, fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert tuple(best_on(size, task, fields) for size in GIGABYTES) == expected


def test_every_hub_model_fits_the_largest_and_says_what_it_may_be_used_for() -> None:
    for spec in load_catalog().values():
        if spec.tier == "hub":
            assert spec.memory_bytes * 1.2 <= GIGABYTES[-1] << 30
            assert spec.memory_bytes >= spec.parameters, "at least a byte a parameter"
            assert spec.licence and spec.hub is not None
