"""Starts the page: ``python app.py --host 127.0.0.1 --port 7860``; also the entry of a Hugging Face Space.

No model is loaded and no runtime imported before the page is up.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demos._operations import Exposition
    from llm_core.engine import Engine


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted; a taken port or a wrong setting is one line on standard error and exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        _require_free(options.host, options.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"error: cannot serve on {options.host}:{options.port}: {error}; choose another --port")

    from demos._zero_gpu import on_zero_gpu

    on_gpu = on_zero_gpu()  # before anything imports torch

    from demos._operations import operation_routes
    from demos._page import build_page, launch_options
    from llm_core.engine import create_engine
    from llm_core.errors import ConfigurationError
    from llm_core.operations.logs import configure_logging, log_request
    from llm_core.operations.warm_up import WarmUp
    from llm_core.settings import Settings
    from llm_core.speed import Speedometer

    settings = Settings()
    configure_logging(settings)
    try:
        created = create_engine(settings, on_gpu)
        created.move_to_zero_gpu()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    with contextlib.closing(created) as engine, contextlib.closing(Speedometer(engine)) as speeds:
        engine.observers.append(log_request)
        warm_up = WarmUp(engine, settings.fetch_at_start)
        routes = operation_routes(engine, warm_up, _exposition(engine) if settings.metrics else None)
        page = build_page(engine, speeds, warm_up)
        address = {"server_name": options.host, "server_port": options.port}
        page.launch(**address, prevent_thread_lock=True, **launch_options(routes))
        speeds.start(warm_up.start())
        page.block_thread()


def _exposition(engine: Engine) -> Exposition:
    from llm_core.operations.metrics import Metrics

    return Metrics(engine).exposition


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Serve the demo page.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    return parser


def _require_free(host: str, port: int) -> None:
    """Raise OSError unless `port` can be had; Gradio would look at the loopback address only, and show a traceback."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), port))


if __name__ == "__main__":
    main()
else:  # `gradio app.py` and tests import the module and look for `demo`
    from demos._page import build_page
    from llm_core.engine import create_engine

    demo = build_page(create_engine())
