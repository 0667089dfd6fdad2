"""Engines that workers of Ray make: functions that other processes can import."""

from __future__ import annotations

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import BackendError
from tests.support.echo import echo_encoder, echo_engine

LABELS = ("positive", "neutral", "negative")


def feelings(threads: int) -> Engine:
    """A classifier of feelings that never fails."""
    return _engine(EchoBackend())


def shaky(threads: int) -> Engine:
    """The same, whose first call fails."""
    return _engine(EchoBackend(failures=lambda call: BackendError("out of luck") if call < 9 else None))


def broken(threads: int) -> Engine:
    """The same, whose calls all fail."""
    return _engine(EchoBackend(failures=lambda call: BackendError("out of luck")))


def _engine(backend: EchoBackend) -> Engine:
    spec = echo_encoder("feelings", head="sequence_classification", tasks=("sentiment",), labels=LABELS)
    return echo_engine(spec, backend=backend)
