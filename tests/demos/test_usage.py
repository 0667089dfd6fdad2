"""The examples that a visitor copies do what they say: each is run as it is shown, against a page on echo models."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demos._demo import DemoContext, discover
from demos._usage import (
    ADDRESS,
    MAX_CHARS,
    MAX_LINK_CHARS,
    Place,
    describe_usage,
    endpoint_parameters,
    examples,
    link,
)
from llm_core.engine import Engine
from llm_core.tasks import find_task
from llm_core.tasks.classify import OWN_LABEL_SET
from tests.demos.site import Site

GIVEN = {"prompt": 'it\'s "one" $HOME `two` \\ 三\nfour', "max_new_tokens": 4}
"""With all that a shell, Python or JSON could stumble over."""
ANSWER = 'it\'s "one" $HOME `two`'


@pytest.fixture
def engine(site: Site) -> Engine:
    return site.engine


@pytest.fixture
def shown(engine: Engine, site: Site) -> dict[str, str]:
    """The examples for `GIVEN`, with the site's address as the browser puts it in."""
    parameters = endpoint_parameters(DemoContext(engine), "generate")
    found = examples("generate", GIVEN, "auto", parameters)
    return {name: text.replace(ADDRESS, site.address) for name, text in found.items()}


def ran(*command: str, **environment: str) -> str:
    finished = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_python_over_http(shown: dict[str, str]) -> None:
    assert ANSWER in ran(sys.executable, "-c", shown["Python"]).replace("\\'", "'")


def test_curl(shown: dict[str, str]) -> None:
    events = ran("bash", "-c", shown["curl"]).strip().split("\n")
    assert events[-2] == "event: complete"
    [record] = json.loads(events[-1].removeprefix("data: "))
    assert record["text"].startswith(ANSWER)


def test_python_in_process_and_the_command_line_read_the_same_request(shown: dict[str, str]) -> None:
    core: dict[str, Any] = {}
    exec(shown["llm_core"].split("\nprint(")[0].replace("create_engine(), ", "None, "), core)  # no model is loaded
    assert core["fields"] == GIVEN and core["request"].prompt == GIVEN["prompt"]
    piped = ran("bash", "-c", shown["Shell"].split(" | ")[0])
    assert json.loads(piped) == GIVEN


def test_mcp_configuration_and_call_are_json(shown: dict[str, str], site: Site) -> None:
    server, call = shown["MCP"].split("\n\n")
    assert json.loads(server)["mcpServers"]["language-models"]["url"].startswith(site.address)
    assert json.loads(call) == {"name": "generate", "arguments": GIVEN}


def test_what_is_as_by_default_is_left_out_and_what_the_endpoint_lacks_is_named(engine: Engine) -> None:
    fields = {"prompt": "Hi", "temperature": 0.7, "top_p": 0.5, "template": "story", "fields": ""}
    told = json.loads(describe_usage(DemoContext(engine), find_task("generate"), fields, "echo"))
    assert told["left_out"] == ["template", "top_p"]
    by_name = dict(told["examples"])
    assert "temperature" not in by_name["Python"] and "model='echo'" in by_name["Python"]
    assert "'template': 'story'" in by_name["llm_core"] and "model_id='echo'" in by_name["llm_core"]
    assert "--model echo" in by_name["Shell"]


def test_a_long_request_shows_nothing(engine: Engine) -> None:
    assert describe_usage(DemoContext(engine), find_task("generate"), {"prompt": "x" * MAX_CHARS}, "auto") == ""


@pytest.mark.parametrize("demo", [demo for demo in discover() if demo.task], ids=lambda demo: demo.slug)
def test_every_tab_has_examples(demo: Any, engine: Engine) -> None:
    parameters = endpoint_parameters(DemoContext(engine), demo.task.name)
    required = next(iter(parameters))
    found = examples(demo.task.name, {required: "春"}, "auto", parameters)
    for name, text in found.items():
        assert "春" in text, name
    compile(found["Python"], "Python", "exec")
    compile(found["llm_core"], "llm_core", "exec")


def test_a_link_holds_the_frame_its_tabs_and_its_values() -> None:
    values = ["auto", "it's <b>春</b>", None, 3, True]
    address = link(Place("poem", ("generate", "poem")), values)
    assert address.startswith(f"{ADDRESS}/?state=") and address.isascii()
    state = base64.urlsafe_b64decode(address.partition("=")[2])
    assert json.loads(state) == ["poem", ["generate", "poem"], values]
    assert link(Place("poem", ()), ["x" * MAX_LINK_CHARS]) == ""


def test_a_model_of_ones_own_is_asked_from_nowhere_else(engine: Engine) -> None:
    fields = {"text": "late again", "label_set": OWN_LABEL_SET}
    described = describe_usage(DemoContext(engine), find_task("classify"), fields, "auto", f"{ADDRESS}/?state=x")
    assert json.loads(described) == {"only_here": True}
