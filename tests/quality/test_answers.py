"""A floor under the embedded readers, so that a broken one cannot land: passages and questions made for this test."""

from __future__ import annotations

import pytest

from llm_core.engine import Engine
from llm_core.tasks import find_task

pytestmark = pytest.mark.real_weights

PASSAGES = {
    "qa-en": (
        "The lighthouse on Gull Island was built in 1871 by the engineer Ada Merrow. It is 42 metres tall, and its "
        "lamp can be seen from a distance of 30 kilometres. Since 1988 nobody has lived there: the lamp is controlled "
        "from the harbour office in Port Ellis.",
        {
            "When was the lighthouse built?": "1871",
            "Who built the lighthouse?": "Ada Merrow",
            "How tall is it?": "42 metres",
            "Where is the lamp controlled from?": "Port Ellis",
        },
    ),
    "qa-zh": (
        "青石桥位于云溪镇东部，由工匠林远山于1762年主持修建。桥长86米，宽5米，全部用当地的青石砌成。1998年，该桥被列为省级文物保护单位。"
        "每年五月，镇上的居民都会在桥上举行灯会。",
        {
            "青石桥位于哪里？": "云溪镇",
            "青石桥是由谁主持修建的？": "林远山",
            "青石桥有多长？": "86米",
            "该桥哪一年被列为文物保护单位？": "1998年",
            "居民每年什么时候举行灯会？": "五月",
        },
    ),
}


@pytest.mark.parametrize("model", PASSAGES)
def test_embedded_readers_find_most_answers(model: str, engine: Engine) -> None:
    task = find_task("answer")
    passage, asked = PASSAGES[model]
    requests = [task.request_type.parse({"question": question, "context": passage}) for question in asked]
    found = [result.answer for result in engine.run_many(task, requests, model_id=model)]
    right = [
        wanted in answer and len(answer) <= 3 * len(wanted) + 10
        for answer, wanted in zip(found, asked.values(), strict=True)
    ]
    assert sum(right) >= len(asked) - 1, dict(zip(asked, found, strict=True))


def test_the_language_of_the_question_chooses(engine: Engine) -> None:
    passage, asked = PASSAGES["qa-zh"]
    task = find_task("answer")
    (found,) = engine.run_many(task, [task.request_type.parse({"question": next(iter(asked)), "context": passage})])
    assert found.answer
