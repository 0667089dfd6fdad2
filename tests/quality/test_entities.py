"""A floor under the embedded taggers, so that a broken one cannot land: sentences made for this test, as served."""

from __future__ import annotations

from contextlib import closing

import pytest

from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import find_task

pytestmark = pytest.mark.real_weights

FLOOR = 0.75
"""F1 of (text, label); those of the shipped models are above."""
ENGLISH = {
    "Maria Gonzalez moved from Madrid to Berlin last year.": {
        ("Maria Gonzalez", "PER"), ("Madrid", "LOC"), ("Berlin", "LOC"),
    },
    "Microsoft bought a small company in Seattle.": {("Microsoft", "ORG"), ("Seattle", "LOC")},
    "The meeting was cancelled because of the rain.": set(),
    "John asked whether Peter had written to the United Nations.": {
        ("John", "PER"), ("Peter", "PER"), ("United Nations", "ORG"),
    },
    "Toyota will build the factory in Kentucky, said Akio Toyoda.": {
        ("Toyota", "ORG"), ("Kentucky", "LOC"), ("Akio Toyoda", "PER"),
    },
    "She studied at Oxford University before she went to India.": {("Oxford University", "ORG"), ("India", "LOC")},
    "He opened the window and made some tea.": set(),
    "President Barack Obama spoke in Cairo on Thursday.": {("Barack Obama", "PER"), ("Cairo", "LOC")},
}  # fmt: skip
CHINESE = {
    "李强上个月从成都搬到了深圳。": {("李强", "PER"), ("成都", "LOC"), ("深圳", "LOC")},
    "北京大学与复旦大学签署了合作协议。": {("北京大学", "ORG"), ("复旦大学", "ORG")},
    "因为下雨，会议取消了。": set(),
    "外交部发言人王晓梅说，中国和法国将加强合作。": {
        ("外交部", "ORG"), ("王晓梅", "PER"), ("中国", "LOC"), ("法国", "LOC"),
    },
    "张建国出生在山东省青岛市，后来在上海工作。": {
        ("张建国", "PER"), ("山东省", "LOC"), ("青岛市", "LOC"), ("上海", "LOC"),
    },
    "联合国秘书长古特雷斯昨天抵达日内瓦。": {("联合国", "ORG"), ("古特雷斯", "PER"), ("日内瓦", "LOC")},
    "他打开窗户，泡了一杯茶。": set(),
    "中国人民银行今天宣布下调利率。": {("中国人民银行", "ORG")},
}  # fmt: skip


@pytest.mark.parametrize(("model_id", "sentences"), [("entities-en", ENGLISH), ("entities-zh", CHINESE)])
def test_the_embedded_taggers_are_above_the_floor(
    model_id: str, sentences: dict[str, set[tuple[str, str]]], offline_settings: Settings
) -> None:
    task = find_task("entities")
    requests = [task.request_type.parse({"text": text}) for text in sentences]
    with closing(create_engine(offline_settings)) as engine:
        results = engine.run_many(task, requests, model_id=model_id)
    found = [{(entity.text, entity.label) for entity in result.entities} for result in results]
    right = sum(len(own & wanted) for own, wanted in zip(found, sentences.values(), strict=True))
    f1 = 2 * right / (sum(map(len, found)) + sum(map(len, sentences.values())))
    assert f1 >= FLOOR, found
    for text, result in zip(sentences, results, strict=True):
        assert all(text[entity.start : entity.end] == entity.text for entity in result.entities)
