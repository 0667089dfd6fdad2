"""Who may use a device next: one slot, shared fairly between clients.

A request takes a ticket and waits until it is granted. Tickets are exclusive (a decoder keeps the device for its
whole answer) or shared (encoder requests run together, because they are batched). Order is start-time fair queuing
(Goyal et al. 1996): each ticket belongs to a round, a client has one ticket a round, earlier rounds come first; so a
client with many requests never delays another client's first one by more than a round. Tickets are granted strictly
in that order, so exclusive ones do not starve.

The module knows nothing of models; a client is any string.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

from llm_core.errors import BusyError
from llm_core.types import CancelToken, Waiting

_SMOOTHING = 0.2
"""Weight of the newest request in the running mean of service times."""


class Ticket:
    """A place in the queue, then the device itself. Release it whatever happens."""

    def __init__(self, admission: Admission, client: str, exclusive: bool, order: tuple[int, int]) -> None:
        self.client = client
        self.exclusive = exclusive
        self.order = order
        self.granted_at = 0.0
        self._admission = admission
        self._granted = threading.Event()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; whether the device was granted."""
        return self._granted.wait(timeout)

    def until_granted(self, cancel: CancelToken, poll_seconds: float) -> Iterator[Waiting]:
        """Wait for the device; says how many come before whenever that changes.

        Args:
            cancel: Withdraws the wait.
            poll_seconds: Longest time until it is asked.

        Raises:
            CancelledError, DeadlineExceededError: As the token says.
        """
        shown = -1
        while not self.wait(poll_seconds):
            cancel.check()
            if (ahead := self.ahead) != shown:
                shown = ahead
                yield Waiting(ahead)

    @property
    def granted(self) -> bool:
        """Whether the device was granted."""
        return self._granted.is_set()

    @property
    def ahead(self) -> int:
        """Tickets that come before this one."""
        return self._admission.count_ahead(self)

    def grant(self) -> None:
        """Hand the device over; called by `Admission` only."""
        self.granted_at = time.monotonic()
        self._granted.set()

    def release(self) -> None:
        """Give the place or the device back; further calls do nothing."""
        self._admission.release(self)


class Admission:
    """The queue of one device.

    Args:
        max_waiting: Tickets that may wait in all.
        max_waiting_per_client: Tickets of one client that may wait.
        max_shared: Shared tickets that may hold the device together.
    """

    def __init__(self, *, max_waiting: int, max_waiting_per_client: int, max_shared: int = 32) -> None:
        self._max_waiting = max_waiting
        self._max_waiting_per_client = max_waiting_per_client
        self._max_shared = max_shared
        self._lock = threading.Lock()
        self._waiting: list[Ticket] = []
        self._active: set[Ticket] = set()
        self._round = 0
        self._last_round: dict[str, int] = {}
        self._arrivals = 0
        self._mean_seconds = 1.0

    def join(self, client: str, *, exclusive: bool) -> Ticket:
        """Queue up.

        Raises:
            BusyError: The queue is full, or this client's share of it.
        """
        with self._lock:
            self._check_room(client)
            place = max(self._round, self._last_round.get(client, -1) + 1)
            self._last_round[client] = place
            self._arrivals += 1
            ticket = Ticket(self, client, exclusive, (place, self._arrivals))
            self._waiting.append(ticket)
            self._waiting.sort(key=lambda waiting: waiting.order)
            self._grant_next()
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Take a ticket out of the queue or off the device; unknown tickets are ignored."""
        with self._lock:
            if ticket in self._active:
                self._active.remove(ticket)
                seconds = time.monotonic() - ticket.granted_at
                self._mean_seconds += _SMOOTHING * (seconds - self._mean_seconds)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            self._forget_idle_clients()
            self._grant_next()

    def count_ahead(self, ticket: Ticket) -> int:
        """Tickets before `ticket`, the ones on the device included; 0 once granted."""
        with self._lock:
            if ticket not in self._waiting:
                return 0
            return self._waiting.index(ticket) + len(self._active)

    @property
    def load(self) -> tuple[int, int]:
        """How many tickets (are active, wait)."""
        with self._lock:
            return len(self._active), len(self._waiting)

    def _check_room(self, client: str) -> None:
        if len(self._waiting) >= self._max_waiting:
            raise BusyError(f"{len(self._waiting)} requests are waiting", self._mean_seconds * len(self._waiting))
        own = Counter(ticket.client for ticket in self._waiting)[client]
        if own >= self._max_waiting_per_client:
            raise BusyError(f"{own} of your requests are waiting already", self._mean_seconds * own)

    def _grant_next(self) -> None:
        while self._waiting and self._fits(self._waiting[0]):
            ticket = self._waiting.pop(0)
            self._round = ticket.order[0]
            self._active.add(ticket)
            ticket.grant()

    def _fits(self, ticket: Ticket) -> bool:
        if not self._active:
            return True
        if ticket.exclusive or any(active.exclusive for active in self._active):
            return False
        return len(self._active) < self._max_shared

    def _forget_idle_clients(self) -> None:
        present = {ticket.client for ticket in self._waiting} | {ticket.client for ticket in self._active}
        self._last_round = {client: place for client, place in self._last_round.items() if client in present}
