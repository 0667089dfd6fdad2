"""The served page from outside: endpoints, limits, headers, and what happens to work nobody waits for any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from llm_core.limits import MAX_UPLOAD_BYTES
from tests.demos.site import Site

# Gradio's queue sets a pandas option that pandas has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'")


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[Client]:
    connected = Client(site.address, verbose=False)
    yield connected
    connected.close()


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds until `condition` held; fails when it does not in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "the condition did not come true in time"
        time.sleep(0.01)
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("endpoint", "arguments", "fields"),
    [
        ("/classify", ["sports sports"], {"label", "scores"}),
        ("/sentiment", ["positive and positive"], {"label", "scores"}),
        ("/translate", ["Good morning.", "en", "zh"], {"text"}),
        ("/answer", ["what is the lighthouse", "The lighthouse stands here."], {"answer", "start", "end", "score"}),
        ("/complete", ["def add(a, b):"], {"text"}),
        ("/generate", ["one two"], {"text"}),
    ],
)
def test_endpoints_take_their_main_arguments(
    client: Client, endpoint: str, arguments: list[str], fields: set[str]
) -> None:
    record = client.predict(*arguments, api_name=endpoint)
    assert set(record) == fields | {"model", "seconds"}
    assert record["seconds"] >= 0


def test_text_streams_and_ends_in_the_record(client: Client) -> None:
    updates = list(client.submit("one two three", max_new_tokens=60, api_name="/generate"))
    texts = [update["text"] for update in updates]
    assert len(texts) > 5
    assert all(later.startswith(earlier) for earlier, later in zip(texts[:-2], texts[1:-1], strict=True))
    assert updates[-1]["model"] == "writer"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "message"),
    [
        ("/sentiment", {"text": " "}, "text: must not be empty"),
        ("/generate", {"prompt": "a", "temperature": 99.0}, "temperature: must be at most 2"),
        ("/generate", {"prompt": "a", "model": "gpt"}, "there is no 'gpt' in the catalogue"),
        ("/classify", {"text": "a", "label_set": "nothing"}, "label_set"),
    ],
)
def test_mistakes_are_named_to_the_caller(
    client: Client, endpoint: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(api_name=endpoint, **arguments)


def test_cancelling_a_job_stops_the_model(site: Site, client: Client) -> None:
    job = client.submit("one two three", max_new_tokens=1000, api_name="/generate")
    wait_for(lambda: site.backend.running == 1, 5)
    job.cancel()
    wait_for(lambda: site.backend.running == 0, 2)
    wait_for(lambda: site.engine.load == (0, 0), 1)


def test_a_client_that_drops_stops_the_model(site: Site) -> None:
    with httpx.Client(base_url=f"{site.address}/gradio_api") as http:
        started = http.post("/call/v2/generate", json={"prompt": "one two three", "max_new_tokens": 1000})
        with http.stream("GET", f"/call/generate/{started.json()['event_id']}") as stream:
            wait_for(lambda: site.backend.running == 1, 5)
            next(stream.iter_lines())
    wait_for(lambda: site.backend.running == 0, 2)


def test_direct_calls_do_not_bypass_the_queue(site: Site) -> None:
    answer = httpx.post(f"{site.address}/gradio_api/run/generate", json={"data": ["one"]})
    assert answer.status_code == 404


def test_page_is_protected_and_large_bodies_are_refused(site: Site) -> None:
    headers = httpx.get(site.address).headers
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    large = httpx.post(f"{site.address}/gradio_api/queue/join", content=b"x" * (MAX_UPLOAD_BYTES + 2_000_000))
    assert large.status_code == 413


def test_tools_are_described_for_assistants(site: Site) -> None:
    tools = {tool["name"]: tool for tool in httpx.get(f"{site.address}/gradio_api/mcp/schema").json()}
    assert set(tools) == {"classify", "sentiment", "translate", "answer", "complete", "generate"}
    for tool in tools.values():
        assert len(tool["description"]) > 20
        for name, parameter in tool["inputSchema"]["properties"].items():
            assert parameter.get("description"), f"{tool['name']}: {name} is not described"
