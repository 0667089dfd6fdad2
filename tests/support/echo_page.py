"""The page on echo models as a process of its own: ``python -m tests.support.echo_page PORT``, a replica for tests."""

from __future__ import annotations

import sys

from demos._operations import operation_routes
from demos._page import build_page, launch_options
from llm_core.backends.echo import EchoBackend
from llm_core.operations.metrics import Metrics
from llm_core.operations.warm_up import WarmUp
from tests.support.echo import echo_encoder, echo_engine, echo_spec

PAIRS = (("en", "zh"), ("zh", "en"))


def main(port: int) -> None:
    """Serve until terminated; it writes 50 tokens a second."""
    engine = echo_engine(
        echo_spec("writer"),
        echo_encoder("embedder"),
        echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=PAIRS),
        backend=EchoBackend(seconds_per_token=0.02),
    )
    engine.device = "cpu"  # asking would import torch
    warm_up = WarmUp(engine, fetch=False)
    routes = operation_routes(engine, warm_up, Metrics(engine).exposition)
    page = build_page(engine)
    address = {"server_name": "127.0.0.1", "server_port": port}
    page.launch(**address, prevent_thread_lock=True, quiet=True, **launch_options(routes))
    warm_up.start()
    page.block_thread()


if __name__ == "__main__":
    main(int(sys.argv[1]))
