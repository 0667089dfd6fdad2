"""A served page on echo models: everything is real but the weights."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from demos._page import build_page, launch_options
from llm_core.backends.echo import EchoBackend
from tests.demos.site import Site, inside_a_loop
from tests.support.echo import echo_page_engine


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The page on echo models that write 100 tokens a second."""
    backend = EchoBackend(seconds_per_token=0.01)
    engine = echo_page_engine(backend)
    page = inside_a_loop(lambda: build_page(engine))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = {"server_name": "127.0.0.1", "server_port": port}
    inside_a_loop(lambda: page.launch(**address, prevent_thread_lock=True, quiet=True, **launch_options()))
    yield Site(f"http://127.0.0.1:{port}", page, engine, backend)
    page.close(verbose=False)
    engine.close()
