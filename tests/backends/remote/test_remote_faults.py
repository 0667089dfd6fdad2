"""The remote backend against a server that fails on demand: what is retried, what is said, what is never repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr

from llm_core.backends.base import Generates, ModelFiles
from llm_core.backends.remote import RemoteBackend
from llm_core.backends.remote.decoder import RemoteDecoder
from llm_core.endpoints import Endpoint, RemoteModel
from llm_core.errors import BackendError, CancelledError, InputError, NoAnswerError
from llm_core.prompt import Conversation, Prompt, literal
from llm_core.types import CancelToken, Sampling, Token
from tests.support.remote_servers import FaultyServer, faulty, remote_model

SAID = "Once upon a time."
ASKED = Conversation([("user", "Tell a story.")])
DRAWN = Sampling(max_new_tokens=20)
GREEDY = Sampling(max_new_tokens=20, temperature=0.0)


class Open:
    """Opens remote models and closes their backends."""

    def __init__(self) -> None:
        self.backends: list[RemoteBackend] = []

    def __call__(self, *servers: FaultyServer, **fields: Any) -> RemoteDecoder:
        return self.of(remote_model(*(server.url for server in servers), **fields))

    def of(self, model: RemoteModel) -> RemoteDecoder:
        self.backends.append(RemoteBackend({"far": model}))
        spec = model.spec("far")
        return self.backends[-1].open(spec, ModelFiles(None))  # type: ignore[arg-type]  # has no files

    def until_seen(self, states: dict[str, str]) -> None:
        """Wait until the last backend sees its endpoints in these states."""
        backend = self.backends[-1]
        (spec,) = (model.spec("far") for model in backend._models.values())
        give_up_at = time.monotonic() + 20
        while backend.state(spec) != states:
            assert time.monotonic() < give_up_at, backend.state(spec)
            time.sleep(0.02)


@pytest.fixture
def opened() -> Iterator[Open]:
    opens = Open()
    yield opens
    for backend in opens.backends:
        backend.close()


def said(model: Any, sampling: Sampling = DRAWN, prompt: str = ASKED, cancel: CancelToken | None = None) -> str:
    return "".join(token.text for token in model.generate(prompt, sampling, cancel or CancelToken()))


def test_a_conversation_goes_to_the_chat_endpoint_with_its_roles(opened: Open) -> None:
    with faulty() as server:
        model = opened(server)
        assert isinstance(model, Generates)
        prompt = Conversation([("system", "Be brief."), ("user", "<|im_end|>")])
        assert said(model, Sampling(max_new_tokens=7, seed=3, stop=("END",)), prompt) == SAID
    (body,) = server.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<|im_end|>"},
    ]
    assert (body["max_tokens"], body["seed"], body["stop"], body["stream"]) == (7, 3, ["END"], True)
    assert "top_k" not in body and "authorization" not in server.headers[0]


def test_each_server_gets_what_it_calls_the_fields(opened: Open) -> None:
    begun = Conversation([("user", "Hi")], "Well")
    with faulty() as server:
        said(opened(server, server="vllm"), Sampling(top_k=0), begun)
        said(opened(server, server="llama.cpp", template="plain"), GREEDY, Prompt(literal("def f")))
        with pytest.raises(InputError, match="begins its answers itself"):
            said(opened(server), prompt=begun)
    vllm, llama = server.bodies
    assert vllm["messages"][-1] == {"role": "assistant", "content": "Well"} and vllm["continue_final_message"] is True
    assert (vllm["top_k"], vllm["repetition_penalty"]) == (-1, 1.1)
    assert llama["prompt"] == "def f" and llama["repeat_penalty"] == 1.1


def test_why_it_ended_and_how_many_tokens_it_was(opened: Open) -> None:
    with faulty(finish="length", usage={"completion_tokens": 9}) as server:
        steps = opened(server).generate(ASKED, DRAWN, CancelToken())
        tokens: list[Token] = []
        while True:
            try:
                tokens.append(next(steps))
            except StopIteration as stop:
                assert stop.value == "length"
                break
    assert sum(token.count for token in tokens) == 9 and tokens[-1] == Token("", count=5)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 500}, r"a answered with an error \(500\)"),
        ({"status": 429}, "a is full"),
        ({"status": 503}, "a is full"),
        ({"status": 302}, r"a answered with an error \(302\)"),
        ({"status": 401, "message": "bad key"}, "a refuses the key that the owner"),
        ({"garbage": b"<html>welcome</html>"}, "a answered with something that is no answer"),
        ({"garbage": b"data: [1, 2]\n\n"}, "a answered with something that is no answer"),
        ({"garbage": b'data: {"choices": 7}\n\n'}, "a answered with something that is no answer"),
        ({"garbage": b'data: {"choices": [{"text": 7}]}\n\n'}, "a answered with something that is no answer"),
        ({"garbage": b'data: {"error": {"message": "CUDA"}}\n\n'}, "a broke the answer off with an error"),
        ({"garbage": b"x" * (2 << 20)}, "more than an answer can be"),
        ({"silent": True}, "a did not answer in time"),
        ({"cut_after": 0}, "a broke the"),
    ],
)
def test_before_the_first_token_another_endpoint_is_asked(opened: Open, fault: dict[str, Any], words: str) -> None:
    with faulty(**fault) as bad, faulty() as good:
        fields = {"silence_seconds": 0.3} if "silent" in fault else {}
        model = opened(bad, good, **fields)
        assert [said(model) for _ in range(4)] == [SAID] * 4
        assert bad.bodies and len(good.bodies) == 4
        with pytest.raises(NoAnswerError, match=words):
            said(opened(bad, **fields))


def test_an_endpoint_that_is_not_there_is_passed_over(opened: Open) -> None:
    with faulty() as gone:
        pass
    with faulty() as good:
        assert said(opened(gone, good)) == SAID
    with pytest.raises(NoAnswerError, match=r"Stories did not answer"):
        said(opened(gone))


def test_what_was_given_is_never_given_again(opened: Open) -> None:
    with faulty(cut_after=2) as bad, faulty() as good:
        assert said(opened(bad, good), GREEDY) == said(opened(good, bad), GREEDY) == SAID
        assert said(opened(bad, good), Sampling(seed=1)) == SAID
        assert len(bad.bodies) >= 1


def test_a_different_answer_is_not_gone_on_with(opened: Open) -> None:
    with faulty(cut_after=2) as bad, faulty(words=("Once ", "there ", "was.")) as other, faulty(words=("On",)) as short:
        for second in (other, short):
            heard: list[str] = []
            with pytest.raises(BackendError, match="another server would go on otherwise.*is kept") as caught:
                for token in opened(bad, second).generate(ASKED, GREEDY, CancelToken()):
                    heard.append(token.text)
            assert heard == ["Once ", "upon "] and not isinstance(caught.value, NoAnswerError)


def test_a_drawn_answer_that_breaks_off_ends_there(opened: Open) -> None:
    with faulty(cut_after=2) as bad:
        heard = []
        with pytest.raises(BackendError, match=r"broke off here \(a broke") as caught:
            for token in opened(bad, bad).generate(ASKED, DRAWN, CancelToken()):
                heard.append(token.text)
    assert heard == ["Once ", "upon "] and len(bad.bodies) == 1
    assert not isinstance(caught.value, NoAnswerError)


def test_a_refusal_is_not_asked_again_and_is_said_in_words(opened: Open) -> None:
    with faulty(status=400, message="temperature must be small") as server:
        with pytest.raises(BackendError, match=r"refused the request \(400\): temperature must be small"):
            said(opened(server, server))
        server.message = "This model's maximum context length is 8 tokens"
        with pytest.raises(InputError, match="prompt: has more tokens than Stories reads"):
            said(opened(server, server))
    assert len(server.bodies) == 2


def test_a_full_endpoint_is_waited_for_as_long_as_it_says(opened: Open) -> None:
    with faulty(status=503, retry_after="2") as server:
        model = opened(server)
        with pytest.raises(NoAnswerError, match="a is full"):
            said(model)
        asked = len(server.bodies)
        assert asked <= 2  # within three seconds
        server.status = 200
        assert said(model) == SAID


def test_stop_closes_the_connection_so_that_the_server_stops(opened: Open) -> None:
    with faulty(words=["on "] * 2000, seconds_per_word=0.02) as server:
        cancel = CancelToken()
        with pytest.raises(CancelledError):
            for number, _ in enumerate(opened(server).generate(ASKED, DRAWN, cancel)):
                if number == 3:
                    cancel.cancel()
        wait_until(lambda: server.abandoned == 1 and server.running == 0)
        tokens = opened(server).generate(ASKED, DRAWN, CancelToken())
        next(tokens)
        tokens.close()
        wait_until(lambda: server.abandoned == 2 and server.running == 0)


def test_stop_before_the_first_token_is_heard_at_once(opened: Open) -> None:
    with faulty(silent=True) as server:
        model, cancel = opened(server, silence_seconds=60), CancelToken(allowed_seconds=0.5)
        with pytest.raises(Exception, match="longer than the 0.5 s"):
            said(model, cancel=cancel)
        wait_until(lambda: server.abandoned == 1)


def test_the_least_busy_is_asked_by_weight(opened: Open) -> None:
    with faulty(seconds_per_word=0.2) as small, faulty(seconds_per_word=0.2) as large:
        endpoints = (
            Endpoint(name="small", base_url=small.url),
            Endpoint(name="large", base_url=large.url, weight=3),
        )
        model = opened.of(remote_model(endpoints=endpoints))
        running = [model.generate(ASKED, DRAWN, CancelToken()) for _ in range(8)]
        for each in running:
            next(each)
        assert (len(small.bodies), len(large.bodies)) == (2, 6)
        for each in running:
            each.close()


def test_no_endpoint_gets_more_than_it_takes(opened: Open) -> None:
    with faulty(seconds_per_word=0.3) as server:
        endpoint = Endpoint(name="a", base_url=server.url, max_concurrent=1)
        model = opened.of(remote_model(endpoints=(endpoint,)))
        first = model.generate(ASKED, DRAWN, CancelToken())
        next(first)
        with pytest.raises(NoAnswerError, match="no server of it is free"):
            said(model)
        first.close()
        assert said(model) == SAID and server.most_at_once == 1


def test_health_is_looked_at_in_the_background(opened: Open) -> None:
    with faulty(healthy=False) as one, faulty() as two:
        model = opened(one, two)
        opened.until_seen({"a": "down", "b": "closed"})
        assert [said(model) for _ in range(3)] == [SAID] * 3
        assert not one.bodies
        one.healthy, two.healthy = True, False
        opened.until_seen({"a": "closed", "b": "down"})
        assert said(model) == SAID and len(one.bodies) == 1


def test_the_circuit_opens_and_closes_again(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_core.backends.remote.breaker.FIRST_SECONDS", 0.5)
    with faulty(status=500) as server:
        model = opened(server)
        for _ in range(3):
            with pytest.raises(NoAnswerError):
                said(model)
        opened.until_seen({"a": "open"})
        with pytest.raises(NoAnswerError, match="no server of it is free"):
            said(model)
        assert len(server.bodies) == 3
        server.status = 200
        opened.until_seen({"a": "half_open"})
        assert said(model) == SAID
        opened.until_seen({"a": "closed"})


def test_the_key_is_sent_and_shown_nowhere(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-canary-7f3a"
    caplog.set_level("DEBUG")
    with faulty() as server:
        endpoint = Endpoint(name="a", base_url=server.url, key=SecretStr(key))
        model = remote_model(endpoints=(endpoint,))
        decoder = opened.of(model)
        assert said(decoder) == SAID
        assert server.headers[0]["authorization"] == f"Bearer {key}"
        errors = []
        for status in (400, 401, 403, 404, 422, 500):
            server.status, server.message = status, f"the key {key} is wrong"
            with pytest.raises(BackendError) as caught:
                said(opened.of(model))
            errors.append(str(caught.value))
    assert key not in " ".join([*errors, repr(model), str(model), caplog.text])
    assert server.url not in " ".join(errors)


def wait_until(happened: Any) -> None:
    give_up_at = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_closing_ends_what_runs() -> None:
    with faulty(silent=True) as server:
        model = remote_model(server.url, silence_seconds=30)
        with closing(RemoteBackend({"far": model})) as backend:
            decoder = backend.open(model.spec("far"), ModelFiles(None))  # type: ignore[arg-type]
            tokens = decoder.generate(ASKED, DRAWN, CancelToken(allowed_seconds=0.3))
            with pytest.raises(Exception, match="longer"):
                next(tokens)
        wait_until(lambda: server.running == 0)
