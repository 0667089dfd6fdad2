"""Three replicas behind the nginx.conf that ships: visitors stay with one, and survive the end of one."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client
from prometheus_client.parser import text_string_to_metric_families

from llm_core.bench.page import free_port
from llm_core.settings import REPOSITORY_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VISITORS = 9


@dataclass
class Replica:
    port: int
    process: subprocess.Popen[bytes]

    def figure(self, name: str) -> float:
        """The sum of a figure over its labels."""
        text = httpx2.get(f"http://127.0.0.1:{self.port}/metrics").text
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name)


@dataclass
class Cluster:
    address: str
    replicas: list[Replica]

    def served(self) -> Counter[int]:
        """Answered requests by port, of the replicas that live."""
        living = [replica for replica in self.replicas if replica.process.poll() is None]
        return Counter({replica.port: int(replica.figure("llm_requests_total")) for replica in living})


def start_proxy(folder: Path, port: int, ports: list[int]) -> subprocess.Popen[bytes]:
    text = (REPOSITORY_ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for number, replica in enumerate(ports, 1):
        text = text.replace(f"page-{number}:7860", f"127.0.0.1:{replica}")
    text = text.replace("/tmp/", f"{folder}/").replace("listen 8080", f"listen 127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    return subprocess.Popen([*command, "-g", "daemon off;"])


def start_replica(port: int) -> Replica:
    """A replica that is ready; begun anew when a busy machine made Gradio give its own page up."""
    until = time.monotonic() + 300
    command = [sys.executable, "-m", "tests.support.echo_page", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY_ROOT)
    while time.monotonic() < until:
        if process.poll() is not None:
            process = subprocess.Popen(command, cwd=REPOSITORY_ROOT)
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return Replica(port, process)
        time.sleep(0.3)
    process.kill()
    pytest.fail(f"no replica came up on port {port}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tmp_path = tmp_path_factory.mktemp("proxy")
    ports = [free_port() for _ in range(3)]
    own, replicas = free_port(), list[Replica]()
    proxy = start_proxy(tmp_path, own, ports)
    try:
        for port in ports:  # one after the other: each start takes all of a core
            replicas.append(start_replica(port))
        yield Cluster(f"http://127.0.0.1:{own}", replicas)
    finally:
        for process in (proxy, *(replica.process for replica in replicas)):
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def visit(cluster: Cluster) -> Iterator[Callable[[], httpx2.Client]]:
    """Makes browsers that have opened the page."""
    with contextlib.ExitStack() as opened:

        def one() -> httpx2.Client:
            visitor = opened.enter_context(httpx2.Client(base_url=cluster.address, timeout=60))
            page = visitor.get("/")
            assert page.status_code == 200 and "replica" in visitor.cookies
            return visitor

        yield one


def ask(visitor: httpx2.Client, prompt: str) -> str:
    """An answer as a browser gets it: one request begins it, another follows it."""
    begun = visitor.post("/gradio_api/call/v2/generate", json={"prompt": prompt})
    with visitor.stream("GET", f"/gradio_api/call/generate/{begun.json()['event_id']}") as stream:
        lines = list(stream.iter_lines())
    assert "event: complete" in lines, lines[-4:]
    end = lines.index("event: complete")
    answer: str = json.loads(lines[end + 1].removeprefix("data: "))[0]["text"]
    return answer


def test_answers_come_as_they_are_written_and_figures_stay_inside(
    cluster: Cluster, visit: Callable[[], httpx2.Client]
) -> None:
    visitor = visit()
    long = {"prompt": "many words " * 600, "max_new_tokens": 1000}  # for 20 s
    begun = visitor.post("/gradio_api/call/v2/generate", json=long)
    with visitor.stream("GET", f"/gradio_api/call/generate/{begun.json()['event_id']}") as stream:
        lines = stream.iter_lines()
        assert any(re.search(r'"text": "\w', line) for line in lines), "no word came"
        running = sum(replica.figure("llm_requests_running") for replica in cluster.replicas)
        assert running == 1, "the first words are here while the rest is being written"
    assert [visitor.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]


def test_the_python_client_works_through_the_proxy(cluster: Cluster) -> None:
    client = Client(cluster.address, verbose=False)
    assert "parrot" in client.predict("parrot", api_name="/generate")["text"]


def test_visitors_stay_with_a_replica_and_survive_its_end(cluster: Cluster, visit: Callable[[], httpx2.Client]) -> None:
    visitors, homes = [visit() for _ in range(VISITORS)], []
    for number, visitor in enumerate(visitors):
        before = cluster.served()
        for _ in range(2):
            assert f"visitor{number}" in ask(visitor, f"visitor{number}")
        gained = cluster.served() - before
        assert len(gained) == 1 and gained.total() == 2, "both requests reach the same replica"
        homes += list(gained)
    assert len(set(homes)) > 1, "the visitors are spread"
    lost = next(replica for replica in cluster.replicas if replica.port == homes[0])
    lost.process.kill()
    lost.process.wait()
    for number, visitor in enumerate(visitors):
        assert f"again{number}" in ask(visitor, f"again{number}")
    assert set(cluster.served()) == {replica.port for replica in cluster.replicas} - {lost.port}
