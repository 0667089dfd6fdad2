"""Fair admission: order between clients, shared and exclusive tickets, bounds."""

from __future__ import annotations

import threading

import pytest

from llm_core.admission import Admission
from llm_core.errors import BusyError


def admission(**bounds: int) -> Admission:
    return Admission(**{"max_waiting": 300, "max_waiting_per_client": 250, **bounds})


def test_a_lone_ticket_is_granted_at_once() -> None:
    ticket = admission().join("ada", exclusive=True)
    assert ticket.granted
    assert ticket.ahead == 0


def test_exclusive_tickets_run_one_after_the_other() -> None:
    queue = admission()
    first, second = queue.join("ada", exclusive=True), queue.join("bob", exclusive=True)
    assert (second.granted, second.ahead) == (False, 1)
    first.release()
    assert second.granted


def test_shared_tickets_run_together_up_to_the_bound() -> None:
    queue = admission(max_shared=2)
    tickets = [queue.join(f"client {number}", exclusive=False) for number in range(3)]
    assert [ticket.granted for ticket in tickets] == [True, True, False]
    tickets[0].release()
    assert tickets[2].granted


def test_an_exclusive_ticket_is_not_overtaken_by_later_shared_ones() -> None:
    queue = admission()
    running = queue.join("ada", exclusive=False)
    exclusive = queue.join("bob", exclusive=True)
    later = queue.join("cyd", exclusive=False)
    assert (exclusive.granted, later.granted) == (False, False)
    running.release()
    assert (exclusive.granted, later.granted) == (True, False)


def test_one_greedy_client_delays_nobody_by_more_than_two_rounds() -> None:
    queue = admission()
    greedy = [queue.join("greedy", exclusive=True) for _ in range(200)]
    others = [queue.join(f"client {number}", exclusive=True) for number in range(9)]
    served = []
    for _ in range(2 + len(others)):
        current = next(ticket for ticket in greedy + others if ticket.granted and ticket not in served)
        served.append(current)
        current.release()
    assert all(ticket in served for ticket in others)


def test_a_client_s_own_tickets_keep_their_order() -> None:
    queue = admission()
    tickets = [queue.join("ada", exclusive=True) for _ in range(4)]
    for position, ticket in enumerate(tickets):
        assert [other.granted for other in tickets[position:]] == [True] + [False] * (3 - position)
        ticket.release()


def test_leaving_the_queue_makes_room_and_releasing_twice_is_harmless() -> None:
    queue = admission()
    running, left, waiting = (queue.join("ada", exclusive=True) for _ in range(3))
    left.release()
    assert waiting.ahead == 1
    running.release()
    running.release()
    assert waiting.granted
    assert queue.load == (1, 0)


def test_a_full_queue_is_refused_with_a_time_to_come_back() -> None:
    queue = admission(max_waiting=2)
    for number in range(3):
        queue.join(f"client {number}", exclusive=True)
    with pytest.raises(BusyError, match="2 requests are waiting") as caught:
        queue.join("late", exclusive=True)
    assert caught.value.retry_after > 0


def test_one_client_s_share_of_the_queue_is_bounded() -> None:
    queue = admission(max_waiting_per_client=2)
    for _ in range(3):
        queue.join("ada", exclusive=True)
    with pytest.raises(BusyError, match="2 of your requests are waiting"):
        queue.join("ada", exclusive=True)
    assert not queue.join("bob", exclusive=True).granted


def test_waiting_ends_the_moment_the_device_is_free() -> None:
    queue = admission()
    running, waiting = queue.join("ada", exclusive=True), queue.join("bob", exclusive=True)
    threading.Timer(0.05, running.release).start()
    assert waiting.wait(5.0)


def test_idle_clients_are_forgotten() -> None:
    queue = admission()
    for number in range(50):
        queue.join(f"client {number}", exclusive=True).release()
    assert queue._last_round == {}
