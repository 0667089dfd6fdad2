"""A served page on echo models: everything is real but the weights."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from demos._page import build_page, launch_options
from llm_core.backends.echo import EchoBackend
from tests.demos.site import Site, inside_a_loop
from tests.support.echo import echo_encoder, echo_engine, echo_spec

SENTIMENTS = ("positive", "neutral", "negative")
TAGS = ("O", "B-PER", "I-PER")
TOPICS = ("sports", "business")


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The page on echo models that write 100 tokens a second."""
    backend = EchoBackend(seconds_per_token=0.01)
    head = {"head": "sequence_classification", "tasks": ("classify",)}
    engine = echo_engine(
        echo_spec("writer"),
        echo_spec("poet", tasks=("poem",)),
        echo_encoder("embedder"),
        echo_encoder("feelings", **{**head, "tasks": ("sentiment",)}, labels=SENTIMENTS),
        echo_encoder("topics", **head, labels=TOPICS, label_set="ag_news"),
        echo_encoder("reader", head="span_extraction", tasks=("answer",)),
        echo_encoder("tagger", head="token_classification", tasks=("entities",), labels=TAGS),
        echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
        backend=backend,
    )
    page = inside_a_loop(lambda: build_page(engine))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = {"server_name": "127.0.0.1", "server_port": port}
    inside_a_loop(lambda: page.launch(**address, prevent_thread_lock=True, quiet=True, **launch_options()))
    yield Site(f"http://127.0.0.1:{port}", page, engine, backend)
    page.close(verbose=False)
    engine.close()
