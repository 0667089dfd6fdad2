"""The remote backend against real servers in processes of their own: llama.cpp's and ``transformers serve``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from llm_core.backends.base import ModelFiles
from llm_core.backends.remote import RemoteBackend
from llm_core.backends.remote.decoder import RemoteDecoder
from llm_core.catalog import load_catalog
from llm_core.endpoints import RemoteModel
from llm_core.errors import BackendError, CancelledError, InputError, NoAnswerError
from llm_core.prompt import Conversation, Prompt, literal
from llm_core.settings import REPOSITORY_ROOT
from llm_core.tasks import find_task
from llm_core.types import CancelToken, Sampling, Token
from tests.support.decoders import save_decoder
from tests.support.remote_servers import Running, faulty, llama_server, remote_engine, remote_model, transformers_serve
from tests.support.sessions import generated, text_of

STORIES = REPOSITORY_ROOT / "models" / "stories-en" / "stories-en.gguf"
GREEDY = Sampling(max_new_tokens=24, temperature=0.0, repeat_penalty=1.0)
BEGINNING = Prompt(literal("Once upon a time"))
CHAT_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


@pytest.fixture(scope="module")
def stories() -> Iterator[Running]:
    with llama_server(STORIES) as server:
        yield server


@contextmanager
def opened(model: RemoteModel) -> Iterator[RemoteDecoder]:
    with closing(RemoteBackend({"far": model})) as backend:
        yield backend.open(model.spec("far"), ModelFiles(None))  # type: ignore[arg-type]  # has no files


def llama(*urls: str, **fields: Any) -> RemoteModel:
    defaults = {"server": "llama.cpp", "template": "continue", "tasks": ("generate", "complete"), "silence_seconds": 10}
    return remote_model(*urls, **{**defaults, **fields})


def run(model: RemoteDecoder, prompt: str, sampling: Sampling = GREEDY) -> tuple[list[Token], str]:
    return generated(model, prompt, sampling)


def directly(server: Running, **body: Any) -> Any:
    """The answer of the server to a request that goes around our code."""
    return httpx2.post(f"{server.url}/completions", json=body, timeout=30).json()


class TestLlamaCpp:
    def test_writes_what_the_server_writes(self, stories: Running) -> None:
        same = {"max_tokens": 24, "temperature": 0, "repeat_penalty": 1.0, "top_p": 0.95, "top_k": 40}
        direct = directly(stories, prompt="Once upon a time", **same)
        with opened(llama(stories.url)) as model:
            tokens, finish = run(model, BEGINNING)
        assert text_of(tokens) == direct["choices"][0]["text"] and finish == "length"
        assert sum(token.count for token in tokens) == direct["usage"]["completion_tokens"] == 24

    @pytest.mark.parametrize("prompt", [BEGINNING, Conversation([("user", "Tell a story.")])])
    def test_gives_probabilities(self, stories: Running, prompt: Prompt) -> None:
        with opened(llama(stories.url)) as model:
            tokens, _ = run(model, prompt, Sampling(max_new_tokens=6, temperature=0.0, top_alternatives=3))
        for token in tokens:
            assert token.probability is not None and 0 < token.probability <= 1
            assert len(token.alternatives) == 3 and sum(chance for _, chance in token.alternatives) < 1.001
            assert math.isclose(max(chance for _, chance in token.alternatives), token.alternatives[0][1])

    def test_goes_on_from_a_begun_answer_and_keeps_to_a_schema(self, stories: Running) -> None:
        with opened(llama(stories.url, template="messages")) as model:
            begun = Conversation([("user", "Tell a story.")], "The little dog")
            assert model.spec.continues and text_of(run(model, begun)[0])
            schema = (
                '{"type": "object", "properties": {"age": {"type": "integer", "maximum": 99}}, "required": ["age"]}'
            )
            held = Sampling(max_new_tokens=60, temperature=0.0, json_schema=schema)
            said = text_of(run(model, Conversation([("user", "Age?")]), held)[0])
            assert said.replace(" ", "").startswith('{"age":')
            one_of = Sampling(max_new_tokens=20, temperature=0.0, grammar='root ::= "yes" | "no"')
            assert text_of(run(model, Conversation([("user", "Yes or no?")]), one_of)[0]) in ("yes", "no")

    def test_a_prompt_that_is_too_long_is_the_visitors_to_shorten(self, stories: Running) -> None:
        with opened(llama(stories.url)) as model, pytest.raises(InputError, match="prompt: has more tokens than"):
            run(model, Prompt(literal("the cat " * 2000)))

    def test_stop_frees_the_slot(self, stories: Running) -> None:
        with opened(llama(stories.url)) as model:
            for _ in range(4):  # the server has two
                cancel = CancelToken()
                with pytest.raises(CancelledError):
                    for _ in model.generate(BEGINNING, Sampling(max_new_tokens=900), cancel):
                        cancel.cancel()
            assert len(run(model, BEGINNING, Sampling(max_new_tokens=4, temperature=0.0))[0]) == 4

    def test_killed_in_the_middle_of_an_answer(self, stories: Running) -> None:
        whole = directly(stories, prompt="Once upon a time", max_tokens=200, temperature=0, repeat_penalty=1.0)
        expected = whole["choices"][0]["text"]
        greedy = Sampling(max_new_tokens=200, temperature=0.0, repeat_penalty=1.0)
        with llama_server(STORIES) as dying:
            with opened(llama(dying.url, stories.url)) as model:
                heard = []
                for number, token in enumerate(model.generate(BEGINNING, greedy, CancelToken())):
                    heard.append(token.text)
                    if number == 3:
                        dying.process.kill()
                assert "".join(heard) == expected
            with opened(llama(dying.url)) as model, pytest.raises(NoAnswerError, match="a cannot be reached"):
                run(model, BEGINNING)
        with llama_server(STORIES) as dying, opened(llama(dying.url, stories.url)) as model:
            heard = []
            with pytest.raises(BackendError, match=r"broke off here \(a .*what had arrived is kept"):
                for token in model.generate(BEGINNING, Sampling(max_new_tokens=900, temperature=1.0), CancelToken()):
                    heard.append(token.text)
                    dying.process.kill()
            assert heard

    def test_serves_the_page_s_tasks(self, stories: Running) -> None:
        with closing(remote_engine(llama(stories.url))) as engine:
            for name, fields in (("generate", {"prompt": "Once upon a time"}), ("complete", {"prefix": "One day, "})):
                task = find_task(name)
                request = task.request_type.parse({**fields, "max_new_tokens": 12, "temperature": 0.0})
                completed = engine.answer(task, request)
                assert completed.result.text.strip() and completed.stats.model_id == "far"
                assert completed.stats.device == "remote" and completed.stats.tokens

    def test_a_broken_replica_is_passed_over(self, stories: Running) -> None:
        with faulty(status=500) as broken, opened(llama(broken.url, stories.url)) as model:
            assert len({text_of(run(model, BEGINNING)[0]) for _ in range(4)}) == 1
            assert broken.bodies


@pytest.mark.slow
@pytest.mark.real_weights
def test_smollm2_answers_through_its_own_template(smollm2_files: ModelFiles) -> None:
    spec = load_catalog()["smollm2-135m-instruct"]
    with llama_server(next(smollm2_files.directory.glob("*.gguf"))) as server:
        with closing(remote_engine(llama(server.url, template="messages"), spec.id)) as engine:
            task = find_task("generate")
            request = task.request_type.parse(
                {"prompt": "What is the capital of France?", "temperature": 0.0, "max_new_tokens": 24}
            )
            far, near = (engine.answer(task, request, model_id=model_id) for model_id in ("far", spec.id))
            assert "Paris" in far.result.text and "Paris" in near.result.text


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig

    return save_decoder(tmp_path_factory.mktemp("tiny") / "tiny", LlamaConfig, chat_template=CHAT_TEMPLATE)


def served(directory: Path, *urls: str, **fields: Any) -> RemoteModel:
    return remote_model(
        *urls, model=str(directory), server="transformers", silence_seconds=30, logprobs=False, **fields
    )


def test_transformers_serve(tiny: Path) -> None:
    short = Sampling(max_new_tokens=8, temperature=0.0)
    with transformers_serve(tiny) as server:
        with opened(served(tiny, server.url)) as model:
            tokens, finish = run(model, Conversation([("user", "the cat")]), short)
            assert text_of(tokens) and finish in ("stop", "length")
        with opened(served(tiny, server.url, template="plain")) as model:
            assert text_of(run(model, Prompt(literal("the cat sat")), short)[0])


@pytest.mark.slow
def test_one_of_two_transformers_serve_is_killed_in_the_middle(tiny: Path) -> None:
    prompt, greedy = Conversation([("user", "the cat")]), Sampling(max_new_tokens=80, temperature=0.0)
    with transformers_serve(tiny) as one, transformers_serve(tiny) as two:
        with opened(served(tiny, two.url)) as model:
            expected = text_of(run(model, prompt, greedy)[0])
        with opened(served(tiny, one.url, two.url)) as model:
            heard = []
            for token in model.generate(prompt, greedy, CancelToken()):
                heard.append(token.text)
                one.process.kill()
            assert "".join(heard) == expected
            assert text_of(run(model, prompt, greedy)[0]) == expected
