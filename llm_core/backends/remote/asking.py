"""One request on its way to an endpoint that answers: whom to ask next, how long to wait, and what was wrong with each.

The module knows nothing of what is asked.
"""

from __future__ import annotations

import time

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random_exponential

from llm_core.backends.remote.failures import EndpointFailure, Full
from llm_core.backends.remote.replicas import Replica, Replicas
from llm_core.errors import NoAnswerError
from llm_core.types import CancelToken

_PATIENCE_SECONDS = 3.0
"""How long a request waits for endpoints that are full before it gives up."""


class Asking:
    """See the module; endpoints that this visitor may not ask are never taken.

    Args:
        title: Of the model.
        replicas: Its endpoints.
        cancel: Withdraws the request.
    """

    def __init__(self, title: str, replicas: Replicas, cancel: CancelToken) -> None:
        self.failures: dict[str, str] = {}
        """What each endpoint did in place of answering, in words."""
        self._title, self._replicas, self._cancel = title, replicas, cancel
        self._tried = [replica for replica in replicas.members if replica.endpoint.lacks_visitor]
        self._give_up_at = time.monotonic() + _PATIENCE_SECONDS

    def take(self) -> Replica | None:
        """The next endpoint, for `Replicas.leased`; waits while all that are left are full. ``None``: there is none.

        Raises:
            CancelledError, DeadlineExceededError: As the token says.
        """
        waiting = Retrying(
            retry=retry_if_result(lambda found: found is None and self._replicas.may_become_free(self._tried)),
            stop=stop_after_delay(max(0.0, self._give_up_at - time.monotonic())),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            sleep=self._cancel.pause,
            retry_error_callback=lambda state: None,
        )
        replica: Replica | None = waiting(self._replicas.take, self._tried)
        return replica

    def failed(self, replica: Replica, failure: EndpointFailure) -> None:
        """Remember that an endpoint did not answer; one that was full may be asked again."""
        self.failures[replica.endpoint.name] = str(failure)
        if not isinstance(failure, Full):
            self._tried.append(replica)

    def no_answer(self) -> NoAnswerError:
        """What is said when there is no endpoint left."""
        down = {name: "cannot be reached" for name, state in self._replicas.state().items() if state == "down"}
        told = {**down, **self.failures}
        words = "; ".join(f"{name} {what}" for name, what in told.items()) or "no server of it is free"
        return NoAnswerError(f"{self._title} did not answer: {words}")
