"""The endpoints of one model: which are there, which is the least busy, which is left alone for a while.

The module knows nothing of prompts or tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2

from llm_core.backends.remote.breaker import CircuitBreaker
from llm_core.backends.remote.channel import Channel
from llm_core.backends.remote.failures import EndpointFailure, Full, NotForVisitor, Refused
from llm_core.endpoints import Endpoint, RemoteModel

logger = logging.getLogger(__name__)

_HEALTH_TIMEOUT_SECONDS = 5.0
_DOWN_SECONDS = 2.0
"""Time between two looks at an endpoint that is not there, if it is shorter."""
_FIRST_LOOK_SECONDS = 2.0


class Replica:
    """One endpoint and what is known of it; changed under the lock of its `Replicas` only."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.breaker = CircuitBreaker()
        self.in_flight = 0
        self.healthy: bool | None = None
        """As of the last look; ``None`` before the first."""
        self.aside_until = 0.0
        """It said that it is full."""

    @property
    def usable(self) -> bool:
        """Whether it is there, as far as is known; it may be full."""
        return self.healthy is not False and self.breaker.state != "open"

    @property
    def free(self) -> bool:
        """Whether it may be asked now."""
        room = self.in_flight < self.endpoint.max_concurrent and time.monotonic() >= self.aside_until
        return self.usable and self.breaker.passes and room

    @property
    def load(self) -> float:
        """Requests under way, by its weight."""
        return (self.in_flight + 1) / self.endpoint.weight


class Replicas:
    """Endpoints of one model, looked at in the background from `watch` on.

    Args:
        model: Whose.
        channel: Carries the looks.
    """

    def __init__(self, model: RemoteModel, channel: Channel) -> None:
        self.members = tuple(Replica(endpoint) for endpoint in model.endpoints)
        self._model, self._channel = model, channel
        self._lock = threading.Lock()
        self._watching = False
        self._looked = threading.Event()
        self._turn = -1

    @property
    def slots(self) -> int:
        """Requests that all endpoints together are given at once."""
        return sum(replica.endpoint.max_concurrent for replica in self.members)

    def watch(self) -> None:
        """Start looking; further calls do nothing."""
        with self._lock:
            begun, self._watching = self._watching, True
        if not begun:
            self._channel.start(self._look_for_ever())

    def usable(self) -> bool:
        """Whether any endpoint is there; the first look is waited for, two seconds at most."""
        self.watch()
        self._looked.wait(_FIRST_LOOK_SECONDS)
        with self._lock:
            return any(replica.usable for replica in self.members)

    def state(self) -> dict[str, str]:
        """What is known of each endpoint, by name."""
        with self._lock:
            return {replica.endpoint.name: _state(replica) for replica in self.members}

    def may_become_free(self, tried: Sequence[Replica]) -> bool:
        """Whether an endpoint that was not tried is there, though it may be full now."""
        with self._lock:
            return any(replica.usable for replica in self.members if replica not in tried)

    @contextmanager
    def leased(self, replica: Replica) -> Iterator[None]:
        """What `take` gave, while it is used.

        What the block raises decides what becomes of it: `Full` sets it aside, other failures count in its breaker.
        """
        try:
            yield
        except Full as failure:
            self._give_back(replica, aside=failure.retry_after)
            raise
        except (NotForVisitor, Refused):
            self._give_back(replica, succeeded=True)
            raise
        except EndpointFailure:
            self._give_back(replica, succeeded=False)
            raise
        except BaseException:  # Stop, a reader who left: nothing that tells about the server
            self._give_back(replica)
            raise
        else:
            self._give_back(replica, succeeded=True)

    def take(self, tried: Sequence[Replica] = ()) -> Replica | None:
        """The least busy endpoint that is free and was not tried; ``None`` if there is none. Use it with `leased`."""
        with self._lock:
            free = [replica for replica in self.members if replica not in tried and replica.free]
            if not free:
                return None
            self._turn += 1  # of those that are equally busy, each in turn
            start = self._turn % len(free)
            chosen = min(free[start:] + free[:start], key=lambda replica: replica.load)
            chosen.in_flight += 1
            chosen.breaker.begin()
            return chosen

    def _give_back(self, replica: Replica, *, succeeded: bool | None = None, aside: float = 0.0) -> None:
        with self._lock:
            replica.in_flight -= 1
            if aside:
                replica.aside_until = time.monotonic() + aside
            if succeeded is None:
                replica.breaker.abandon()
            elif succeeded:
                replica.breaker.succeed()
            else:
                replica.breaker.fail()
                logger.warning("%s failed; its circuit is %s", replica.endpoint.name, replica.breaker.state)

    async def _look_for_ever(self) -> None:
        await asyncio.gather(*(self._watch(replica) for replica in self.members))

    async def _watch(self, replica: Replica) -> None:
        while True:
            healthy = await self._look(replica.endpoint)
            with self._lock:
                changed, replica.healthy = replica.healthy != healthy, healthy
                if healthy or all(member.healthy is not None for member in self.members):
                    self._looked.set()
            if changed:
                logger.info("%s %s", replica.endpoint.name, "is there" if healthy else "is not there")
            seconds = self._model.health_seconds
            await asyncio.sleep(seconds if healthy else min(seconds, _DOWN_SECONDS))

    async def _look(self, endpoint: Endpoint) -> bool:
        """Whether it answers, and takes the key; a server without such an address is there all the same."""
        base = endpoint.base_url
        url = f"{base}/models" if self._model.server == "openai" else f"{base.removesuffix('/v1')}/health"
        with contextlib.suppress(httpx2.HTTPError, OSError):
            status = await self._channel.ask_status(endpoint, url, _HEALTH_TIMEOUT_SECONDS)
            return status < 500 and status not in (401, 403)
        return False


def _state(replica: Replica) -> str:
    if replica.healthy is False:
        return "down"
    return "full" if time.monotonic() < replica.aside_until else replica.breaker.state
