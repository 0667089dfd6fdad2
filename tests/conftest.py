"""Fixtures that every test may use, and the rule that no test reaches the network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from llm_core.backends.base import ModelFiles
from llm_core.catalog import load_catalog
from llm_core.settings import Settings
from llm_core.weights import WeightStore
from tests.support.precision import full_float32_products  # noqa: F401

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def _refuse_other_machines(host: Any) -> None:
    if host in ("", None, "localhost") or isinstance(host, int):
        return
    try:
        loopback = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise OSError(f"tests have no network: {host!r} was asked for")


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Only this machine can be reached, by name or by address."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_other_machines(address[0])
        return connect(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        _refuse_other_machines(host)
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session")
def offline_settings() -> Settings:
    """Settings that see only what set-up fetched (`make setup`)."""
    return Settings(offline=True)


@pytest.fixture(scope="session")
def embedded_files(offline_settings: Settings) -> WeightStore:
    """Files of the embedded models."""
    return WeightStore(offline_settings, load_catalog())


@pytest.fixture(scope="session")
def minilm_files(embedded_files: WeightStore) -> ModelFiles:
    """The real all-MiniLM-L6-v2."""
    return embedded_files.files(load_catalog()["minilm"])


@pytest.fixture(scope="session")
def smollm2_files(embedded_files: WeightStore) -> ModelFiles:
    """The real SmolLM2-135M-Instruct."""
    return embedded_files.files(load_catalog()["smollm2-135m-instruct"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright's synchronous API leaves an event loop running in the main thread."""
    items.sort(key=lambda item: "browser" in item.path.parts)
