"""How to ask for what is on the screen from elsewhere: what the browser draws, as data; see `_drawn`.

The examples are whole programs. The browser puts the page's own address in the place of `ADDRESS`.
"""

from __future__ import annotations

import base64
import inspect
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from demos._drawn import drawn_view, encoded
from llm_core.selection import AUTO
from llm_core.session import Task
from llm_core.tasks.classify import OWN_LABEL_SET

if TYPE_CHECKING:
    from demos._demo import DemoContext

ADDRESS = "http://127.0.0.1:7860"
MAX_CHARS = 20_000
"""Of a request, as JSON; longer ones are better sent from a file."""
MAX_LINK_CHARS = 6_000
"""Proxies refuse much longer addresses."""
LINK = "Link"
_CLIENT = """\
from gradio_client import Client

client = Client("{address}")
print(client.predict({arguments}api_name="/{task}"))
"""
_CORE = """\
from llm_core.engine import create_engine
from llm_core.tasks import find_task

engine, task = create_engine(), find_task("{task}")
fields = {{
{fields}}}
request = task.request_type.parse(fields)
print(engine.answer(task, request{model}).result.record())
"""
_CURL = """\
url={address}/gradio_api/call/{task}
event=$(curl -s $url -H 'Content-Type: application/json' -d {data} | sed 's/.*"event_id" *: *"\\([^"]*\\)".*/\\1/')
curl -sN $url/$event
"""
_JAVASCRIPT = """\
const url = "{address}/gradio_api/call/{task}";
const request = {{ method: "POST", headers: {{ "Content-Type": "application/json" }}, body: JSON.stringify({data}) }};
const {{ event_id }} = await (await fetch(url, request)).json();
const events = await (await fetch(`${{url}}/${{event_id}}`)).text();
const [answer] = JSON.parse(events.trim().split("\\n").at(-1).replace("data: ", ""));
console.log(answer);
"""


def usage_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_usage` gives, or empty."""
    return drawn_view("usage", elem_id)


@dataclass(frozen=True)
class Place:
    """A frame of the page."""

    name: str
    tabs: tuple[str, ...]
    """Ids of the tabs that lead to it, outermost first."""


def link(place: Place, values: Sequence[Any]) -> str:
    """An address that opens the page with these values in the frame's fields; empty if they are too long for one.

    Args:
        place: The frame.
        values: Of its components, as ``restore.js`` puts them back: model first, then the inputs.
    """
    state = json.dumps([place.name, place.tabs, values], ensure_ascii=False, separators=(",", ":"))
    written = base64.urlsafe_b64encode(state.encode()).decode()
    return f"{ADDRESS}/?state={written}" if len(written) <= MAX_LINK_CHARS else ""


def describe_usage(
    ctx: DemoContext, task: Task[Any, Any], fields: Mapping[str, Any], model_id: str, address: str = ""
) -> str:
    """Value of the view; a model that the visitor has trained answers in their window only, and nowhere else.

    Args:
        ctx: What the page is built with.
        task: What was asked for.
        fields: Of the request, as the page sent them.
        model_id: The chosen model, or ``"auto"``.
        address: From `link`.
    """
    if fields.get("label_set") == OWN_LABEL_SET:
        return encoded({"only_here": True})
    told = given(task, fields)
    if len(json.dumps(told, ensure_ascii=False, default=str)) > MAX_CHARS:
        return ""
    parameters = endpoint_parameters(ctx, task.name)
    shown = examples(task.name, told, model_id, parameters)
    return encoded(
        {
            "examples": [*([[LINK, address]] if address else []), *map(list, shown.items())],
            "left_out": sorted(told.keys() - parameters.keys()),
        }
    )


def examples(task_name: str, given: Mapping[str, Any], model_id: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """A program for each way in, by the name of the way.

    Args:
        task_name: Of the task, its endpoint and its command.
        given: Fields of the request that are not as they are by default.
        model_id: The chosen model, or ``"auto"``.
        parameters: Defaults of the endpoint's parameters, in its order.
    """
    named = {name: value for name, value in {**given, "model": model_id}.items() if name in parameters}
    told = {name: value for name, value in named.items() if value != parameters[name]}
    data = {"data": [named.get(name, default) for name, default in parameters.items()]}
    places = {"address": ADDRESS, "task": task_name}
    line = json.dumps(given, ensure_ascii=False)
    chosen = "" if model_id == AUTO else f" --model {model_id}"
    call = {"name": task_name, "arguments": told}
    server = {"mcpServers": {"language-models": {"url": f"{ADDRESS}/gradio_api/mcp/"}}}
    return {
        "Python": _CLIENT.format(arguments="".join(f"{name}={value!r}, " for name, value in told.items()), **places),
        "llm_core": _CORE.format(
            fields="".join(f"    {name!r}: {value!r},\n" for name, value in given.items()),
            model="" if model_id == AUTO else f", model_id={model_id!r}",
            **places,
        ),
        "Shell": f"echo {shlex.quote(line)} | python -m llm_core run {task_name}{chosen}\n",
        "curl": _CURL.format(data=shlex.quote(json.dumps(data, ensure_ascii=False)), **places),
        "JavaScript": _JAVASCRIPT.format(data=json.dumps(data, ensure_ascii=False), **places),
        "MCP": f"{json.dumps(server, indent=2)}\n\n{json.dumps(call, indent=2, ensure_ascii=False)}\n",
    }


def endpoint_parameters(ctx: DemoContext, task_name: str) -> Mapping[str, Any]:
    """Defaults of the parameters of a task's endpoint, in order; ``None`` for those that must be given."""
    from demos._api import endpoint  # which needs this module's way of showing requests

    return {
        name: None if each.default is inspect.Parameter.empty else each.default
        for name, each in inspect.signature(endpoint(ctx, task_name)).parameters.items()
        if name != "request"
    }


def given(task: Task[Any, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a request without what is as it is by default."""
    known = task.request_type.model_fields
    return {name: value for name, value in fields.items() if name in known and value != known[name].default}
