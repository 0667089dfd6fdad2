"""Which models Classify offers for each kind of labels."""

from __future__ import annotations

from contextlib import closing

import pytest

from demos._demo import DemoContext
from demos.classify import OWN_EXAMPLES, OWN_LABELS, OWN_MODEL, READY, ready_sets, serving
from tests.support.echo import echo_encoder, echo_engine, echo_spec

NEWS = echo_spec("news", tasks=("classify",), head="sequence_classification", label_set="ag_news", labels=("a", "b"))
CHINESE_NEWS = NEWS.model_copy(update={"id": "news-zh", "label_set": "thucnews", "languages": ("zh",)})
JUDGE = echo_spec("judge", tasks=("classify",), head="entailment", labels=("entailment", "other"))
MEANING = echo_encoder("meaning")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(READY, ["news", "news-zh"]), (OWN_LABELS, ["judge", "meaning"]), (OWN_EXAMPLES, ["meaning"]), (OWN_MODEL, [])],
)
def test_models_for_each_kind_of_labels(mode: str, expected: list[str]) -> None:
    with closing(echo_engine(NEWS, CHINESE_NEWS, JUDGE, MEANING)) as engine:
        assert [spec.id for spec in serving(DemoContext(engine), mode, "ag_news")] == expected
        assert ready_sets(DemoContext(engine)) == ["ag_news"], "news topics are one choice, whatever the language"
