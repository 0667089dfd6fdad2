"""How an endpoint can fail to answer, and what follows from each way. Words are for visitors: no address, no key."""

from __future__ import annotations


class EndpointFailure(Exception):
    """Base: `str(failure)` says in words what the endpoint did."""


class Unreachable(EndpointFailure):
    """No connection, no answer in time, a server error, or something that is no answer: another endpoint may do."""


class Full(EndpointFailure):
    """Alive, but it takes no request now (429, 503).

    Args:
        words: See the base.
        retry_after: Seconds for which it is left alone.
    """

    def __init__(self, words: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(words)


class NotForVisitor(EndpointFailure):
    """It takes no request on this visitor's own key; that says nothing of other visitors, or of the endpoint."""


class Refused(EndpointFailure):
    """It understood, and says no: another endpoint would say the same.

    Args:
        words: See the base.
        too_long: Whether the prompt is longer than the model reads.
    """

    def __init__(self, words: str, *, too_long: bool = False) -> None:
        self.too_long = too_long
        super().__init__(words)
