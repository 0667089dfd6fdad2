"""Embeddings of remote models: against a server that fails on demand, and against llama.cpp's own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.backends.base import Embeds, ModelFiles
from llm_core.backends.remote import RemoteBackend
from llm_core.backends.remote.embedder import BATCH_TEXTS, Vectors
from llm_core.backends.remote.lengths import estimated_tokens, parts_of
from llm_core.endpoints import RemoteModel
from llm_core.errors import BackendError, CancelledError, InputError, NoAnswerError
from llm_core.settings import REPOSITORY_ROOT
from llm_core.tasks import find_task
from llm_core.types import CancelToken
from tests.support.echo import echo_encoder, echo_spec
from tests.support.remote_servers import (
    FaultyServer,
    Running,
    faulty,
    letter_counts,
    llama_server,
    remote_engine,
    remote_model,
)

STORIES = REPOSITORY_ROOT / "models" / "stories-en" / "stories-en.gguf"
TEXTS = ["The cat sat on the mat.", "A dog ran.", "Stocks fell sharply in Tokyo.", ""]


def embedding(*urls: str, **fields: Any) -> RemoteModel:
    return remote_model(*urls, **{"tasks": ("embed", "classify"), "context_length": 256, **fields})


@contextmanager
def opened(*servers: FaultyServer | Running, **fields: Any) -> Iterator[Any]:
    model = embedding(*(server.url for server in servers), **fields)
    with closing(RemoteBackend({"far": model})) as backend:
        yield backend.open(model.spec("far"), ModelFiles(None))  # type: ignore[arg-type]  # has no files


def unit(rows: Sequence[Sequence[float]]) -> Vectors:
    vectors = np.array(rows, np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_vectors_come_in_the_order_of_the_texts_in_batches() -> None:
    texts = [f"text {number} of {chr(97 + number % 26) * number}" for number in range(2 * BATCH_TEXTS + 1)]
    with faulty() as server, opened(server, context_length=4096) as model:
        assert isinstance(model, Embeds)
        np.testing.assert_allclose(model.embed(texts, CancelToken()), unit([*map(letter_counts, texts)]), atol=1e-6)
        assert model.embed([], CancelToken()).shape == (0, 0)
    assert [len(body["input"]) for body in server.bodies] == [BATCH_TEXTS, BATCH_TEXTS, 1]
    assert {(body["model"], body["encoding_format"]) for body in server.bodies} == {("stories", "float")}
    assert "authorization" not in server.headers[0]


def test_texts_longer_than_the_model_reads_are_averaged_by_length() -> None:
    long = "z" * 60 + " " + "a" * 30
    with faulty() as server, opened(server, context_length=24) as model:
        found = model.embed([long, "b"], CancelToken())
    (body,) = server.bodies
    assert body["input"] == ["z" * 60 + " ", "a" * 30, "b"]
    mean = np.array([61, 30], np.float32) @ unit([letter_counts("z" * 60), letter_counts("a" * 30)])
    np.testing.assert_allclose(found, np.concatenate([unit([mean]), unit([letter_counts("b")])]), atol=1e-6)


@given(st.text(max_size=400), st.integers(4, 64))
def test_parts_are_the_text_and_fit(text: str, context_length: int) -> None:
    parts = parts_of(text, context_length)
    assert "".join(parts) == text and (len(parts) == 1 or all(parts))
    assert all(estimated_tokens(part) <= context_length + 1 for part in parts)


def _of(*vectors: Any) -> bytes:
    return json.dumps({"data": [{"index": place, "embedding": each} for place, each in enumerate(vectors)]}).encode()


NO_ANSWER = "a answered with something that is no answer"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 500}, r"a answered with an error \(500\)"),
        ({"status": 429}, "a is full"),
        ({"status": 401}, "a refuses the key that the owner"),
        ({"silent": True}, "a did not answer in time"),
        ({"garbage": b"<html>welcome</html>"}, NO_ANSWER),
        ({"garbage": b'{"error": {"message": "CUDA"}}'}, "a answered with an error"),
        ({"garbage": b"[]"}, NO_ANSWER),
        ({"garbage": _of([1.0, 2.0])}, NO_ANSWER),  # one vector of two
        ({"garbage": _of([1.0], [2.0], [3.0])}, NO_ANSWER),
        ({"garbage": _of([1.0, 2.0], [1.0])}, NO_ANSWER),
        ({"garbage": _of([], [])}, NO_ANSWER),
        ({"garbage": _of([1.0, 2.0], [0.0, 0.0])}, NO_ANSWER),
        ({"garbage": _of([1.0, 2.0], [float("nan"), 1.0])}, NO_ANSWER),
        ({"garbage": _of([1e300, 2.0], [1.0, 1.0])}, NO_ANSWER),
        ({"garbage": _of("AAAA", "BBBB")}, NO_ANSWER),
        ({"garbage": b'{"data": [{"index": 0}]}'}, NO_ANSWER),
    ],
)
def test_another_endpoint_is_asked_in_place_of_one_that_fails(fault: dict[str, Any], words: str) -> None:
    fields = {"silence_seconds": 0.3} if "silent" in fault else {}
    texts = ["some text", "another"]
    with faulty(**fault) as bad, faulty() as good:
        with opened(bad, good, **fields) as model:
            for _ in range(4):
                np.testing.assert_allclose(
                    model.embed(texts, CancelToken()), unit([*map(letter_counts, texts)]), atol=1e-6
                )
        assert bad.bodies and len(good.bodies) == 4
        with opened(bad, **fields) as model, pytest.raises(NoAnswerError, match=words):
            model.embed(texts, CancelToken())


def test_what_the_server_refuses() -> None:
    with faulty(status=400, message="maximum context length is 256") as server, opened(server) as model:
        with pytest.raises(InputError, match="text: has more tokens than Stories reads"):
            model.embed(["some text"], CancelToken())
        server.message = "no such model"
        with pytest.raises(BackendError, match=r"refused the request \(400\): no such model"):
            model.embed(["some text"], CancelToken())


def test_servers_of_different_models_are_found_out() -> None:
    with faulty(dimensions=8) as one, faulty() as two, opened(one, two, context_length=4096) as model:
        with pytest.raises(BackendError, match="serve different models: their vectors differ in size"):
            model.embed(["text"] * 2 * BATCH_TEXTS, CancelToken())


def test_stop_closes_the_connection() -> None:
    with faulty(silent=True) as server, opened(server, silence_seconds=30) as model:
        cancel = CancelToken()
        threading.Timer(0.2, cancel.cancel).start()
        began = time.monotonic()
        with pytest.raises(CancelledError):
            model.embed(["some text"], cancel)
        assert time.monotonic() - began < 5
        give_up_at = time.monotonic() + 10
        while not server.abandoned:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)


class TestInTheEngine:
    def test_labels_of_a_visitor_and_what_stands_in(self) -> None:
        task = find_task("classify")
        request = task.request_type.parse({"text": "zzz zz", "labels": ["zebra zzzz", "apple"]})
        with faulty() as server, closing(remote_engine(embedding(server.url), echo_encoder())) as engine:
            completed = engine.answer(task, request)
            assert completed.result.label == "zebra zzzz" and completed.result.method == "zero_shot"
            assert (completed.stats.model_id, completed.stats.device) == ("far", "remote")
            server.status = 500
            stats = engine.answer(task, request).stats
            assert (stats.model_id, stats.instead_of) == ("echo-embed", "far")

    def test_passages_of_long_texts_are_ranked_by_what_answers(self) -> None:
        reader = echo_spec("reader", tasks=("answer",), head="span_extraction", languages=("en",))
        filler = "Nothing of interest happens in this sentence at all. " * 100
        task = find_task("answer")
        request = task.request_type.parse(
            {"question": "Where was the submarine?", "context": f"{filler}The submarine surfaced near Lisbon. {filler}"}
        )
        with faulty() as server, closing(remote_engine(embedding(server.url), reader, echo_encoder())) as engine:
            remote = engine.answer(task, request).result
            assert "Where was the submarine?" in server.bodies[0]["input"] and remote.passages[0].similarity is not None
            server.status = 500
            near = engine.answer(task, request).result
            assert near.answer == "submarine" and near.passages[0].similarity != remote.passages[0].similarity
            assert len(server.bodies) > 1

    def test_embedding_does_not_wait_for_the_device(self) -> None:
        task = find_task("classify")
        request = task.request_type.parse({"text": "zzz", "labels": ["zebra", "apple"]})
        with faulty(seconds_per_word=0.3) as server, closing(remote_engine(embedding(server.url))) as engine:
            threads = [threading.Thread(target=engine.answer, args=(task, request)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert server.most_at_once > 2


@pytest.fixture(scope="module")
def llama() -> Iterator[Running]:
    with llama_server(STORIES, "embeddings") as server:
        yield server


class TestLlamaCpp:
    def test_gives_the_vectors_that_the_server_gives(self, llama: Running) -> None:
        direct = [
            httpx2.post(f"{llama.url}/embeddings", json={"input": [text or " "]}, timeout=30).json()["data"][0]
            for text in TEXTS
        ]
        with opened(llama, server="llama.cpp", silence_seconds=30) as model:
            found = model.embed(TEXTS, CancelToken())
        np.testing.assert_allclose(found, unit([each["embedding"] for each in direct]), atol=2e-3)
        assert (found @ found.T)[0, 1] > (found @ found.T)[0, 2]  # animals are liker than stocks

    def test_texts_of_any_length(self, llama: Running) -> None:
        with opened(llama, server="llama.cpp", silence_seconds=30) as model:
            long = model.embed(["the cat sat on the mat " * 300, "stocks fell"], CancelToken())
            assert (long @ model.embed(["the cat sat on the mat"], CancelToken()).T).argmax() == 0
        with opened(llama, server="llama.cpp", context_length=8192, silence_seconds=30) as model:
            for _ in range(4):  # a visitor's long text does not open the circuit
                with pytest.raises(InputError, match="text: has more tokens than Stories reads"):
                    model.embed(["the cat sat on the mat " * 300], CancelToken())
            assert model.embed(["the cat"], CancelToken()).shape[0] == 1

    def test_a_server_that_is_killed_is_replaced(self, llama: Running) -> None:
        with llama_server(STORIES, "embeddings") as dying, opened(dying, llama, silence_seconds=30) as model:
            expected = model.embed(TEXTS, CancelToken())
            dying.process.kill()
            for _ in range(3):
                np.testing.assert_allclose(model.embed(TEXTS, CancelToken()), expected, atol=2e-3)
