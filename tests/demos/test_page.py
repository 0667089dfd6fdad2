"""The served page from outside: endpoints, limits, headers, and what happens to work nobody waits for any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from llm_core.catalog import load_catalog
from llm_core.limits import MAX_UPLOAD_BYTES
from tests.demos.site import Site

EXAMPLES = [[f"text {number}", "ab"[number % 2]] for number in range(8)]


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


def test_no_statistics_are_made_of_answers(client: Client, site: Site) -> None:
    client.predict("positive", api_name="/sentiment")
    queue = site.page._queue
    assert queue.event_analytics
    assert queue.cached_event_analytics_summary == {"functions": {}}


@pytest.mark.parametrize(
    ("endpoint", "arguments", "fields"),
    [
        ("/classify", ["sports sports"], {"label", "scores"}),
        ("/sentiment", ["positive and positive"], {"label", "scores"}),
        ("/translate", ["Good morning.", "en", "zh"], {"text"}),
        ("/answer", ["what is the lighthouse", "The lighthouse stands here."], {"answer", "start", "end", "score"}),
        ("/entities", ["Ada met Alan."], {"entities"}),
        ("/complete", ["def add(a, b):"], {"text"}),
        ("/generate", ["one two"], {"text"}),
        ("/poem", ["五绝"], {"text", "title", "form", "in_form", "rhymes_kept", "tones_kept"}),
    ],
)
def test_endpoints_take_their_main_arguments(
    client: Client, endpoint: str, arguments: list[str], fields: set[str]
) -> None:
    record = client.predict(*arguments, api_name=endpoint)
    assert set(record) == fields | {"model", "seconds"}
    assert record["seconds"] >= 0


def test_translation_takes_what_the_command_line_takes(client: Client) -> None:
    asked = {"glossary": "two → zwei", "alternatives": 1, "alignment": True, "back_translation": True}
    record = client.predict("One two.", "en", "zh", format="plain", **asked, api_name="/translate")
    assert (record["text"], record["source"], record["target"]) == ("zwei One", "en", "zh")
    (sentence,) = record["sentences"]
    assert sentence["glossary"] == [{"term": "two", "translation": "zwei", "applied": True}]
    assert [each["text"] for each in sentence["alternatives"]] == [".two. One"]
    assert sentence["alignment"]["links"] == [[1, 0], [0, 1]]
    assert record["back_translation"]["sentences"] == ["One zwei"]


def test_text_streams_and_ends_in_the_record(client: Client) -> None:
    updates = list(client.submit("one two three", max_new_tokens=60, api_name="/generate"))
    texts = [update["text"] for update in updates]
    assert len(texts) > 5
    assert all(later.startswith(earlier) for earlier, later in zip(texts[:-2], texts[1:-1], strict=True))
    assert updates[-1]["model"] == "writer"


def test_a_model_that_is_null_is_left_out(client: Client) -> None:
    assert client.predict("positive", None, api_name="/sentiment")["label"] == "positive"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "message"),
    [
        ("/sentiment", {"text": " "}, "text: must not be empty"),
        ("/generate", {"prompt": "a", "temperature": 99.0}, "temperature: must be at most 2"),
        ("/generate", {"prompt": "a", "model": "gpt"}, "there is no 'gpt' in the catalogue"),
        ("/generate", {"prompt": "a", "model": ["gpt"]}, "model: must be a string"),
        ("/sentiment", {"text": "a", "model": True}, "model: must be a string"),
        ("/train", {"examples": EXAMPLES, "texts": "ab"}, "texts: must be a list"),
        ("/train", {"examples": EXAMPLES, "model": ["minilm"]}, "model: must be a string"),
        ("/train", {"examples": EXAMPLES, "texts": ["a"] * 201}, "texts: must have at most 200 entries"),
        ("/classify", {"text": "a", "label_set": "nothing"}, "label_set"),
        ("/translate", {"text": "a", "alternatives": 9}, "alternatives: must be at most 4"),
        ("/translate", {"text": "a", "format": "html"}, "format"),
        ("/translate", {"text": "a", "target": "zh", "glossary": "lonely"}, "glossary: line 1 must be a term"),
    ],
)
def test_mistakes_are_named_to_the_caller(
    client: Client, endpoint: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(api_name=endpoint, **arguments)


def test_cancelling_a_job_stops_the_model(site: Site, client: Client) -> None:
    job = client.submit("one two three", max_new_tokens=1000, api_name="/generate")
    wait_for(lambda: bool(job.outputs()), 5)  # Before its first answer the client may not know which job to name.
    assert site.backend.running == 1
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
    assert set(tools) == {
        "classify",
        "sentiment",
        "translate",
        "answer",
        "entities",
        "complete",
        "generate",
        "poem",
        "under_the_hood",
        "explain",
        "models",
        "train",
    }
    for tool in tools.values():
        assert len(tool["description"]) > 20 and tool["description"].endswith(".")
        assert ",," not in tool["description"], "the lines of a docstring are no items of a list"
        for name, parameter in tool["inputSchema"]["properties"].items():
            assert parameter.get("description", "").endswith("."), f"{tool['name']}: {name} is not described to its end"
    sets = tools["classify"]["inputSchema"]["properties"]["label_set"]["description"]
    assert [spec.label_set for spec in load_catalog().values() if spec.label_set and spec.label_set not in sets] == []


@pytest.mark.parametrize("path", ["/etc/passwd", "README.md", "../../etc/passwd", "https://127.0.0.1/x.txt"])
def test_only_what_was_uploaded_can_be_named_as_a_file(site: Site, tmp_path: Path, path: str) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text("canary canary", encoding="utf-8")
    check = next(fn for fn in site.page.fns.values() if fn.name == "check_upload")
    for named in (path, str(canary)):
        file = {"path": named, "meta": {"_type": "gradio.FileData"}}
        body = {"fn_index": check._id, "data": [file], "session_hash": "visitor"}
        answer = httpx.post(f"{site.address}/gradio_api/run/predict", json=body)
        assert answer.status_code >= 400 and "file_ready" not in answer.text and "canary canary" not in answer.text


def test_an_upload_is_checked(site: Site) -> None:
    """The request that the test above sees refused, with a file that was uploaded."""
    with httpx.Client(base_url=f"{site.address}/gradio_api") as http:
        (path,) = http.post("/upload", files={"files": ("../../good night.txt", b"Good night.")}).json()
        assert path.endswith("/good night.txt") and ".." not in path
        check = next(fn for fn in site.page.fns.values() if fn.name == "check_upload")
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"fn_index": check._id, "data": [file], "session_hash": "visitor"}
        answer = http.post("/run/predict", json=body)
    assert "translate.file_ready" in answer.text


def test_events_show_no_progress_on_components(site: Site) -> None:
    """Where they may, each message of a run makes the browser look for each of these components."""
    events = [event for event in site.page.config["dependencies"] if event["backend_fn"]]
    private = [event for event in events if event["api_visibility"] == "private"]
    # `gr.Examples` leaves no choice.
    ours = [event for event in private if not event["api_name"].startswith("load_example")]
    assert len(ours) > 100
    assert [event["api_name"] for event in ours if event["show_progress_on"] != []] == []


def test_following_events_name_no_component(site: Site) -> None:
    """Each target of an event is searched for in the tree of components when the page is opened."""
    following = [event for event in site.page.config["dependencies"] if event["trigger_after"] is not None]
    assert len(following) > 20
    assert [event["api_name"] for event in following if event["targets"]] == []
