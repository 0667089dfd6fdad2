"""Classification in its three ways: what requests hold, which models serve them, what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llm_core.backends.base import ModelFiles
from llm_core.backends.echo import EchoBackend
from llm_core.backends.transformers.encoder import open_encoder
from llm_core.catalog import Catalog, load_catalog
from llm_core.errors import InputError
from llm_core.evaluation.calibration import expected_calibration_error
from llm_core.tasks.classify import TASK, ClassifyRequest, label_sets
from llm_core.tasks.few_shot import parse_examples
from llm_core.tasks.zero_shot import TEMPLATES, label_sentences, readable, zero_shot_probabilities
from llm_core.tasks.zero_shot_fit import Measured, fit_scale
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, finish

NEWS = echo_spec(
    "news", tasks=("classify",), head="sequence_classification", label_set="ag_news", labels=("World", "Sports"),
    languages=("en",),
)  # fmt: skip
SPAM = echo_spec(
    "spam",
    tasks=("classify",),
    head="sequence_classification",
    label_set="spam",
    labels=("ham", "spam"),
    languages=("en",),
)
EMBED = echo_spec("embed", tasks=("embed", "classify"), head="embedding", languages=("en",))
CHINESE = echo_spec("embed-zh", tasks=("embed", "classify"), head="embedding", languages=("zh", "en"))
CATALOG = Catalog({spec.id: spec for spec in (NEWS, SPAM, EMBED, CHINESE)})
EXAMPLES = [["great fun", "good"], ["lovely fun", "good"], ["awful bore", "bad"], ["dull bore", "bad"]]


def request(**fields: Any) -> ClassifyRequest:
    return ClassifyRequest.parse({"text": "Sports sports today", **fields})


def session(spec: Any) -> tuple[MemorySession, EchoBackend]:
    backend = EchoBackend()
    return MemorySession(backend.open(spec, None)), backend  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ["a"]}, "labels: must have at least 2 entries"),
        ({"labels": ["a", " a "]}, "labels: must differ from one another, but 'a' is there twice"),
        ({"labels": [str(n) for n in range(33)]}, "labels: must have at most 32 entries"),
        ({"labels": ["a", ""]}, "labels.1: must not be empty"),
        ({"labels": ["a", "b" * 81]}, "labels.1: must have at most 80 characters"),
        ({"labels": "a,b"}, "labels: must be a list"),
        ({"labels": [1, 2]}, "labels.0: must be a string"),
        ({"labels": ["a", "b"], "label_set": "spam"}, "must have only one of labels, label_set and examples"),
        ({"examples": [["x", "a"], ["y", "a"]]}, "examples: must have examples of at least 2 different labels"),
        ({"examples": [["x", "a"], ["", "b"]]}, "examples.1.0: must not be empty"),
        ({"examples": [["x", "a"], ["y" * 2001, "b"]]}, "examples.1.0: must have at most 2000 characters"),
        ({"examples": [["x", "a"], ["y"]]}, "examples.1.1: is required"),
        ({"text": " "}, "text: must not be empty"),
        ({"topic": "x"}, "topic: is not a field of this task"),
    ],
)
def test_requests_that_break_a_rule(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        request(**fields)


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, ["news"]),
        ({"label_set": "spam"}, ["spam"]),
        ({"labels": ["a", "b"]}, ["embed", "embed-zh"]),
        ({"examples": EXAMPLES}, ["embed", "embed-zh"]),
        ({"labels": ["好", "坏"], "text": "今天天气很好"}, ["embed-zh"]),
    ],
)
def test_candidates(fields: dict[str, Any], ids: list[str]) -> None:
    assert [spec.id for spec in TASK.candidates(CATALOG, request(**fields))] == ids


def test_without_labels_the_language_picks_the_news_topics() -> None:
    chinese = NEWS.model_copy(update={"id": "news-zh", "label_set": "thucnews", "languages": ("zh",)})
    catalog = Catalog({spec.id: spec for spec in (NEWS, SPAM, chinese)})
    assert [spec.id for spec in TASK.candidates(catalog, request())] == ["news"]
    assert [spec.id for spec in TASK.candidates(catalog, request(text="国足昨晚输了比赛"))] == ["news-zh"]
    for name in ("ag_news", "thucnews"):
        chosen = request(text="国足昨晚输了比赛", label_set=name), request(label_set=name)
        assert [[spec.id for spec in TASK.candidates(catalog, each)] for each in chosen] == [["news-zh"], ["news"]]
    with pytest.raises(InputError, match="text: is mostly written in Chinese characters"):
        TASK.candidates(catalog, request(text="国足昨晚输了比赛", label_set="spam"))


def test_label_sets_come_from_the_catalogue() -> None:
    assert label_sets(CATALOG) == ("ag_news", "spam")
    with pytest.raises(
        InputError, match=r"label_set: must be one of ag_news, spam; did you mean spam\? \(got 'spma'\)"
    ):
        TASK.candidates(CATALOG, request(label_set="spma"))
    assert TASK.candidates(Catalog({EMBED.id: EMBED}), request(label_set="spam")) == ()
    with pytest.raises(InputError, match="text: is mostly written in Chinese characters"):
        TASK.candidates(CATALOG, request(text="今天天气很好"))


def test_fine_tuned() -> None:
    result = finish(TASK.run(session(NEWS)[0], request()))
    assert result.record() == {"label": "Sports", "scores": result.scores}
    assert list(result.scores) == ["Sports", "World"] and sum(result.scores.values()) == pytest.approx(1)
    assert (result.method, result.windows) == ("fine_tuned", 1)


def test_long_texts_are_averaged_by_length() -> None:
    text = "World affairs. " * 50 + "Sports. " * 100
    result = finish(TASK.run(session(NEWS)[0], request(text=text)))
    assert result.windows == 2 and 0.4 < result.scores["World"] < 0.6


def test_zero_shot_and_examples_need_one_call() -> None:
    some, backend = session(EMBED)
    results = TASK.run_many(
        some,
        [
            request(labels=["sports", "cooking"]),
            request(examples=EXAMPLES, text="great fun"),
            request(labels=["sports", "cooking"]),
        ],
    )
    assert [result.label for result in results] == ["sports", "good", "sports"]
    assert [result.method for result in results] == ["zero_shot", "examples", "zero_shot"]
    assert backend.batch_sizes == [3 + 2 * len(TEMPLATES) + len(EXAMPLES)]
    assert results[1].left_out_accuracy == 1 and results[1].training_seconds > 0
    assert results[0].left_out_accuracy is None and results[0] == results[2]


def test_many_fine_tuned_need_one_call() -> None:
    some, backend = session(SPAM)
    texts = ["spam spam", "ham", "A. " * 600]
    results = TASK.run_many(some, [request(text=text, label_set="spam") for text in texts])
    assert backend.batch_sizes == [sum(result.windows for result in results)]
    assert [result.label for result in results[:2]] == ["spam", "ham"]


def test_an_embedding_model_needs_labels() -> None:
    with pytest.raises(InputError, match="labels: are needed by this model, or examples"):
        finish(TASK.run(session(EMBED)[0], request()))


@pytest.mark.parametrize(
    ("label", "spoken"),
    [("MeanOfTransportation", "mean of transportation"), ("Sci/Tech", "sci and tech"), ("non_irony", "non irony")],
)
def test_labels_are_spoken(label: str, spoken: str) -> None:
    assert readable(label) == spoken


def test_zero_shot_probabilities() -> None:
    sentences = np.repeat(np.eye(3, dtype=np.float32), len(TEMPLATES), axis=0)
    assert len(label_sentences(["a", "b", "c"])) == len(sentences)
    probabilities = zero_shot_probabilities(np.array([[0.0, 0.8, 0.6]], np.float32), sentences, scale=5.0)
    np.testing.assert_allclose(probabilities, np.exp([[0, 4.0, 3.0]]) / np.exp([0, 4.0, 3.0]).sum(), atol=1e-6)


def test_the_fitted_scale_is_honest() -> None:
    draw = np.random.default_rng(0)
    likeness = draw.normal(0, 0.1, (4000, 3))
    probabilities = np.exp(20 * likeness) / np.exp(20 * likeness).sum(axis=1, keepdims=True)
    gold = np.array([draw.choice(3, p=row) for row in probabilities])
    assert fit_scale([Measured(likeness, gold)]) == pytest.approx(20, abs=2)
    assert expected_calibration_error(probabilities, gold) < 0.03


@pytest.mark.real_weights
def test_minilm_tells_topics_and_moods_apart(minilm_files: ModelFiles) -> None:
    model = open_encoder(load_catalog()["minilm"], minilm_files, "cpu")
    some = MemorySession(model)
    topics = ["sports", "politics", "cooking", "technology"]
    texts = {
        "The striker scored twice in the final minutes of the match.": "sports",
        "Parliament will vote on the new election law next week.": "politics",
        "Simmer the onions in butter, then add the stock and the rice.": "cooking",
        "The new laptop has a faster processor and twice the memory.": "technology",
    }
    results = TASK.run_many(some, [request(text=text, labels=topics) for text in texts])
    assert [result.label for result in results] == list(texts.values())
    for result in results:
        assert 0.5 < max(result.scores.values()) < 0.999 and sum(result.scores.values()) == pytest.approx(1)
    unclear = finish(TASK.run(some, request(text="Thank you, see you on Tuesday.", labels=topics)))
    assert max(unclear.scores.values()) < 0.6

    examples = parse_examples(
        "My parcel has not arrived\tdelivery\nWhere is my order?\tdelivery\nThe courier left it outside\tdelivery\n"
        "I was charged twice\tbilling\nPlease send me an invoice\tbilling\nMy card was declined\tbilling"
    )
    learned = finish(
        TASK.run(some, request(text="The package is still on its way", examples=[list(e) for e in examples]))
    )
    assert learned.label == "delivery" and learned.scores["delivery"] > 0.6
    assert learned.left_out_accuracy is not None and learned.left_out_accuracy >= 0.5
    model.close()
