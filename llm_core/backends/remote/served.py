"""What every model on servers of the owner has, whatever it computes."""

from __future__ import annotations

from llm_core.backends.remote.channel import Channel
from llm_core.backends.remote.failures import Refused
from llm_core.backends.remote.replicas import Replicas
from llm_core.catalog import ModelSpec
from llm_core.endpoints import RemoteModel
from llm_core.errors import BackendError, InputError


class Served:
    """See the module.

    Args:
        spec: Its entry.
        model: What the owner said of it.
        replicas: Its endpoints.
        channel: Carries the requests.
    """

    device = "remote"
    memory_bytes = 0

    def __init__(self, spec: ModelSpec, model: RemoteModel, replicas: Replicas, channel: Channel) -> None:
        self.spec = spec
        self.context_length = spec.context_length
        self._model, self._replicas, self._channel = model, replicas, channel

    def close(self) -> None:
        """Nothing is held here."""

    def _error(self, refusal: Refused, field: str) -> InputError | BackendError:
        """What is told of a refusal; `field` is the request's that may be too long."""
        if refusal.too_long:
            return InputError(field, f"has more tokens than {self.spec.title} reads; it {refusal}")
        return BackendError(f"the server of {self.spec.title} {refusal}")
