"""Starting the page: what is not imported, how fast it is served, and what a taken port looks like."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from llm_core.bench.page import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVED_SECONDS = 6.0
BUSY_MACHINE_FACTOR = 3.0
"""Test machines are shared; the figure itself is measured by ``bench``."""


def test_no_runtime_is_imported_to_build_the_page() -> None:
    script = (
        "import sys; from demos._page import build_page, launch_options; from llm_core.engine import create_engine;"
        "build_page(create_engine()); launch_options();"
        "print(sorted({'torch', 'transformers', 'xllamacpp', 'ctranslate2', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_taken_port_is_one_line_and_status_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"cannot serve on 127.0.0.1:{port}" in done.stderr


def test_a_wrong_file_of_remote_models_is_one_line_and_status_1() -> None:
    done = subprocess.run(
        [sys.executable, "app.py", "--port", str(free_port())], cwd=ROOT,
        env={**os.environ, "LLM_CORE_REMOTE": "nowhere.toml"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "error: LLM_CORE_REMOTE: nowhere.toml cannot be read: FileNotFoundError"


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_the_page_is_served_soon_on_the_port_asked_for(how: str) -> None:
    port = free_port()
    arguments = ["--port", str(port)] if how == "argument" else []
    environment = dict(os.environ, **({} if arguments else {"GRADIO_SERVER_PORT": str(port)}))
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert _seconds_until_served(port, started) < SERVED_SECONDS * BUSY_MACHINE_FACTOR
    finally:
        process.terminate()
        process.communicate(timeout=5)


def _seconds_until_served(port: int, started: float) -> float:
    while time.monotonic() - started < SERVED_SECONDS * BUSY_MACHINE_FACTOR:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                assert b"gradio" in answer.read()
                return time.monotonic() - started
        except OSError:
            time.sleep(0.05)
    pytest.fail("the page was not served in time")
