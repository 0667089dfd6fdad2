"""The loop that carries requests: what is on its way when it closes is withdrawn, and nothing of it is left behind."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest

from llm_core.backends.remote.channel import Channel
from llm_core.endpoints import Endpoint
from tests.support.remote_servers import faulty

ROUNDS = 25


def test_requests_that_begin_while_it_closes_are_withdrawn_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """anyio leaves a coroutine unawaited whose task is cancelled before its first step; Python then warns somewhere."""
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    async def ask_for_ever(channel: Channel, endpoint: Endpoint) -> None:
        while True:
            await channel.ask_status(endpoint, f"{endpoint.base_url}/models", 2.0)

    with faulty() as server:
        endpoint = Endpoint(name="a", base_url=server.url)
        for _ in range(ROUNDS):
            channel = Channel()
            first = channel.start(ask_for_ever(channel, endpoint))
            asking = threading.Thread(target=lambda c=channel: c.start(ask_for_ever(c, endpoint)))
            asking.start()
            channel.close()
            asking.join()
            channel.close()  # begun just after: it runs again
            with pytest.raises(CancelledError):
                first.result(5.0)
    gc.collect()
    assert [str(found.exc_value) for found in unraisable] == []
