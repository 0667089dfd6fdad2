"""What SmolLM2 writes with the page's own settings on 200 prompts: no loops, and whole sentences."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from llm_core.engine import create_engine
from llm_core.evaluation.repetition import repetition_scores
from llm_core.settings import Settings
from llm_core.tasks import find_task

pytestmark = [pytest.mark.real_weights, pytest.mark.slow]

PROMPTS = [line.split("\t") for line in (Path(__file__).parent / "prompts_en.tsv").read_text("utf-8").splitlines()]


def test_two_hundred_texts() -> None:
    task = find_task("generate")
    values = [
        {"prompt": prompt, "seed": seed, **({} if template == "free" else {"template": template})}
        for seed, (template, prompt) in enumerate(PROMPTS)
    ]
    with closing(create_engine(Settings())) as engine:
        results = engine.run_many(
            task, [task.request_type.parse(value) for value in values], model_id="smollm2-135m-instruct"
        )
    texts = [result.text for result in results]
    measured = repetition_scores(texts)
    print({name: (round(found.value, 3), found.rows) for name, found in measured.items()})
    for template in dict.fromkeys(template for template, _ in PROMPTS):
        chosen = [text for text, (its, _) in zip(texts, PROMPTS, strict=True) if its == template]
        print(
            template,
            {name: round(found.value, 3) for name, found in repetition_scores(chosen).items()},
            "words",
            round(sum(len(text.split()) for text in chosen) / len(chosen)),
        )
    assert len(texts) == 200 and all(len(text.split()) >= 5 for text in texts)
    assert measured["no_loop"].value >= 0.98 and measured["distinct_3"].value >= 0.9
    assert sum(text[-1] in '.!?"\u201d)]:' or "\n" in text for text in texts) >= 0.95 * len(texts)
