"""The page's API under many clients, what the remote backend adds to each token, and what a second server brings.

Servers are stand-ins (`bench.standin`) in processes of their own that are limited by themselves, by slots and pace, as
a GPU is; all of it shares this machine's cores with the clients that measure.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx2
import psutil

from llm_core.bench.figures import Figure, alternate
from llm_core.bench.page import free_port, running_page
from llm_core.endpoints import load_endpoints
from llm_core.engine import Engine, create_engine
from llm_core.errors import BackendError
from llm_core.settings import Settings
from llm_core.tasks import find_task

CLIENTS = 100
TOKENS = 32
_PATIENCE_SECONDS = 20.0
_PAGE = """
import sys
from demos._page import build_page, launch_options
{engine}
page = build_page(engine)
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[-1]), **launch_options())
"""
"""Without the warm-up of `app.py`, which would load models meanwhile."""
_ECHO = """
from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.engine import Engine
from llm_core.settings import Settings
from llm_core.weights import WeightStore
echo = ModelSpec(id="far", title="Echo", summary="Repeats.", tier="embedded", tasks=("generate",), languages=("en",),
    backend="echo", head="causal_lm", licence="Apache-2.0", parameters=1, context_length=4096, memory_bytes=1,
    download_bytes=1, prompt_template="plain")
catalog, settings = Catalog({"far": echo, **load_catalog()}), Settings()
engine = Engine(catalog, WeightStore(settings, catalog), settings, {"echo": EchoBackend()})
"""
_REMOTE = """
from llm_core.engine import create_engine
engine = create_engine()
"""
_WIDE = {"LLM_CORE_OFFLINE": "1", "LLM_CORE_MAX_WAITING": "512", "LLM_CORE_MAX_WAITING_PER_CLIENT": "512"}
"""All clients of the bench have one address."""


@dataclass(frozen=True)
class _Run:
    """One client's request, in seconds from its start."""

    first: float
    """To the first piece of the answer."""
    total: float


def measure(settings: Settings) -> list[Figure]:
    """All three; the page gets settings of its own."""
    return [*_page_on_echo(), *_page_on_remote(), *_overhead(settings), *_replicas(settings)]


def _page_on_echo() -> list[Figure]:
    with running_page(("-c", _PAGE.replace("{engine}", _ECHO)), **_WIDE) as (address, _, pid):
        return _under_load("page on echo (one device, answers in turn)", address, pid)


def _page_on_remote() -> list[Figure]:
    with stand_ins(1, slots=CLIENTS, milliseconds=20) as file:
        program = ("-c", _PAGE.replace("{engine}", _REMOTE))
        with running_page(program, **_WIDE, LLM_CORE_REMOTE=str(file)) as (address, _, pid):
            return _under_load("page on remote (all at once, 20 ms a token)", address, pid)


def _under_load(what: str, address: str, pid: int) -> list[Figure]:
    asyncio.run(_ask(address, 4))  # the first requests import what the others find
    process = psutil.Process(pid)
    idle, began = process.memory_info().rss, time.monotonic()
    runs = asyncio.run(_ask(address, CLIENTS))
    seconds = time.monotonic() - began
    first = [run.first * 1000 for run in runs]
    return [
        Figure(f"{what}: {CLIENTS} streams of {TOKENS} tokens", CLIENTS / seconds, "requests/s", ""),
        Figure(f"{what}: first piece, p50", median(first), "ms", ""),
        Figure(f"{what}: first piece, p95", quantiles(first, n=20)[-1], "ms", ""),
        Figure(f"{what}: memory beyond idle", (process.memory_info().rss - idle) / 1e6, "MB", ""),
    ]


async def _ask(address: str, clients: int) -> list[_Run]:
    """So many clients at once, each with one request to the page's API."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=address, timeout=300, limits=limits) as client:
        return await asyncio.gather(*(_ask_once(client, number) for number in range(clients)))


async def _ask_once(client: httpx2.AsyncClient, number: int) -> _Run:
    began, first = time.monotonic(), None
    call = {"prompt": f"Client {number} asks for a story.", "max_new_tokens": TOKENS, "model": "far"}
    joined = await client.post("gradio_api/call/v2/generate", json=call)
    url = f"gradio_api/call/generate/{joined.json()['event_id']}"
    async with client.stream("GET", url) as events:
        async for line in events.aiter_lines():
            if line.startswith("event: error"):
                raise BackendError("a request of the bench failed")
            if first is None and line.startswith("data: [") and json.loads(line[6:])[0].get("text"):
                first = time.monotonic() - began
            if line.startswith("event: complete"):
                break
    total = time.monotonic() - began
    return _Run(total if first is None else first, total)


def _overhead(settings: Settings, tokens: int = 400) -> list[Figure]:
    """Milliseconds a chunk: through the remote backend, and read from the same server by httpx2 as it comes."""
    figures = []
    for pace in (0.0, 5.0):
        with stand_ins(1, slots=4, milliseconds=pace) as file, closing(_engine(settings, file)) as engine:
            url = load_endpoints(file).models["far"].endpoints[0].base_url
            ours = functools.partial(_generate, engine, tokens)
            through, direct, _ = alternate(ours, functools.partial(_directly, url, tokens))
            what = f"remote backend, {pace:g} ms a token" if pace else "remote backend, server without pause"
            figures.append(
                Figure(f"{what}: more than httpx2 directly", (through - direct) * 1000 / tokens, "ms a chunk", "≤ 5 ms")
            )
    return figures


def _generate(engine: Engine, tokens: int) -> float:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": "Tell a story.", "max_new_tokens": tokens})
    began = time.monotonic()
    engine.answer(task, request, model_id="far")
    return time.monotonic() - began


def _directly(url: str, tokens: int) -> float:
    body = {
        "model": "far",
        "messages": [{"role": "user", "content": "Tell a story."}],
        "max_tokens": tokens,
        "stream": True,
    }
    began = time.monotonic()
    with httpx2.Client() as client, client.stream("POST", f"{url}/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                json.loads(line[6:])
    return time.monotonic() - began


def _replicas(settings: Settings, clients: int = 32, slots: int = 8) -> list[Figure]:
    """Tokens/s of many requests at once on two servers, and on one, of `slots` answers at once and 20 ms a token."""
    with ExitStack() as stack:
        engines = []
        for count in (2, 1):
            file = stack.enter_context(stand_ins(count, slots=slots, milliseconds=20))
            engines.append(stack.enter_context(closing(_engine(settings, file))))
        on_two, on_one = (functools.partial(_rate, engine, clients) for engine in engines)
        two, one, ratio = alternate(on_two, on_one, rounds=3)
    return [
        Figure(f"one server, {clients} requests at once", one, "tokens/s", ""),
        Figure("two servers", two, "tokens/s", ""),
        Figure("two servers / one", ratio, "×", "≥ 1.8 ×"),
    ]


def _rate(engine: Engine, clients: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: _generate(engine, TOKENS), range(clients)))
    return clients * TOKENS / (time.monotonic() - began)


def _engine(settings: Settings, file: Path) -> Engine:
    wide = {"remote": file, "offline": True, "max_waiting_per_client": settings.max_waiting}
    engine = create_engine(settings.model_copy(update=wide))
    engine.availability(engine.catalog["far"])  # waits for the first look
    return engine


@contextmanager
def stand_ins(count: int, *, slots: int, milliseconds: float) -> Iterator[Path]:
    """The owner's file of a model ``far`` on so many stand-ins, which run meanwhile."""
    with ExitStack() as stack:
        ports = [free_port() for _ in range(count)]
        for port in ports:
            command = [sys.executable, "-m", "llm_core.bench.standin", str(port), str(slots), str(milliseconds)]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.terminate)
            _wait_for(port, process)
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "remote.toml"
        file.write_text(_described(ports, slots), encoding="utf-8")
        yield file


def _described(ports: Sequence[int], slots: int) -> str:
    model = '[models.far]\nmodel = "far"\ncontext_length = 4096\n'
    endpoint = '[[models.far.endpoints]]\nname = "{0}"\nbase_url = "http://127.0.0.1:{0}/v1"\nmax_concurrent = {1}\n'
    return model + "".join(endpoint.format(port, slots) for port in ports)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            httpx2.get(f"http://127.0.0.1:{port}/health")
            return
        time.sleep(0.05)
    raise BackendError("a stand-in for a server did not start")
