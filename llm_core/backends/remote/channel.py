"""HTTP to endpoints: one event loop in a thread of its own carries all requests and health checks of the process.

A request is a task of the loop, so that withdrawing it closes its connection at once, whatever it waits for; that is
how servers notice that nobody listens any more. Readers are ordinary threads and get what arrived through a queue.

Not `huggingface_hub.InferenceClient`, though it speaks the same protocol over the same `httpx2`: it has no
``/completions``; its ``feature_extraction`` sends an address of one's own what Hugging Face's own servers take
(``{"inputs": …}``), not ``/embeddings``; where no key is given it sends the machine's own Hub token to whatever address
it is told; it follows redirects; it keeps every streamed response open until the whole client is closed; and its lines
have no bound.
The module knows nothing of models or of what bodies hold.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any

import httpx2
from pydantic import SecretStr

from llm_core.backends.remote.failures import EndpointFailure, Unreachable
from llm_core.backends.remote.responses import Chunk, events, failure_of
from llm_core.endpoints import Endpoint
from llm_core.types import CancelToken

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.05
"""How soon a reader notices its token; what arrives wakes it at once."""

Arrival = Chunk | EndpointFailure | None
Read = Callable[[httpx2.Response], AsyncIterator[Chunk]]


class Channel:
    """Carries requests until it is closed; the thread starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx2.AsyncClient | None = None

    def start(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run a coroutine in the loop."""
        with self._lock:  # what is handed over before `close` is there to be withdrawn by it
            return asyncio.run_coroutine_threadsafe(work, self._running())

    def stream(
        self,
        endpoint: Endpoint,
        path: str,
        body: Mapping[str, Any],
        seconds: float,
        cancel: CancelToken,
        read: Read = events,
    ) -> EventStream:
        """The answer to a POST request as it arrives, as a context manager; leaving it closes the connection.

        Args:
            endpoint: Where to.
            path: Below its `base_url`.
            body: Sent as JSON.
            seconds: Longest silence.
            cancel: Ends the iteration with its error.
            read: Makes objects of what arrives.
        """
        key = endpoint.key_now  # known in the request's own thread only
        return EventStream(self, lambda put: self._produce(endpoint, key, path, body, seconds, read, put), cancel)

    async def ask_status(self, endpoint: Endpoint, url: str, seconds: float) -> int:
        """The status of a GET request; the answer's body is not read.

        Raises:
            httpx2.HTTPError: There is none.
        """
        assert self._client is not None
        async with self._client.stream("GET", url, headers=_headers(endpoint.key), timeout=seconds) as response:
            return response.status_code

    def close(self) -> None:
        """Withdraw everything and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(5.0)
            loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), name="remote", daemon=True).start()
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32)
            self._client = httpx2.AsyncClient(follow_redirects=False, limits=limits)
        return self._loop

    async def _end(self) -> None:
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        await asyncio.sleep(0)  # all have begun: anyio forgets the coroutine of a task that is cancelled before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _produce(
        self,
        endpoint: Endpoint,
        key: SecretStr | None,
        path: str,
        body: Mapping[str, Any],
        seconds: float,
        read: Read,
        put: Callable[[Arrival], None],
    ) -> None:
        assert self._client is not None
        timeout = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        try:
            async with self._client.stream(
                "POST", endpoint.base_url + path, json=dict(body), headers=_headers(key), timeout=timeout
            ) as response:
                if response.status_code != httpx2.codes.OK:
                    raise await failure_of(endpoint, key, response)
                async for chunk in read(response):
                    put(chunk)
            put(None)
        except EndpointFailure as failure:
            put(failure)
        except httpx2.TimeoutException:
            put(Unreachable("did not answer in time"))
        except httpx2.ConnectError:
            put(Unreachable("cannot be reached"))
        except Exception as error:  # whatever it is: a reader who waits for ever is worse
            put(Unreachable(f"broke the connection off ({type(error).__name__})"))


class EventStream:
    """Iterator over the JSON objects of an answer; see `Channel.stream`."""

    def __init__(
        self,
        channel: Channel,
        produce: Callable[[Callable[[Arrival], None]], Coroutine[Any, Any, None]],
        cancel: CancelToken,
    ) -> None:
        self._channel, self._produce, self._cancel = channel, produce, cancel
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def __enter__(self) -> EventStream:
        self._task = self._channel.start(self._produce(self._arrivals.put))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._task.cancel()

    def __iter__(self) -> Iterator[Chunk]:
        """Objects as they come.

        Raises:
            EndpointFailure: There is no answer, or no more of it.
            CancelledError, DeadlineExceededError: As the token says.
        """
        while True:
            self._cancel.check()
            try:
                arrival = self._arrivals.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._task.done() and self._arrivals.empty():
                    raise Unreachable("is not asked any more") from None
                continue
            if arrival is None:
                return
            if isinstance(arrival, EndpointFailure):
                raise arrival
            yield arrival


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _headers(key: SecretStr | None) -> dict[str, str]:
    headers = {"accept-encoding": "identity"}  # nothing to unpack: what is counted is what is there
    if key is not None:
        headers["authorization"] = f"Bearer {key.get_secret_value()}"
    return headers
