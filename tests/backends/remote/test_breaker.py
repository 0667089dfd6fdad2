"""The circuit breaker, by a clock of the test."""

from __future__ import annotations

from llm_core.backends.remote.breaker import FAILURES, FIRST_SECONDS, LONGEST_SECONDS, CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failed(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.begin()
        breaker.fail()


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = CircuitBreaker(Clock())
    failed(breaker, FAILURES - 1)
    breaker.succeed()
    failed(breaker, FAILURES - 1)
    assert breaker.state == "closed" and breaker.passes
    failed(breaker, 1)
    assert breaker.state == "open" and not breaker.passes


def test_half_open_lets_one_trial_through() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    failed(breaker, FAILURES)
    clock.now = FIRST_SECONDS
    assert breaker.state == "half_open" and breaker.passes
    breaker.begin()
    assert not breaker.passes
    breaker.abandon()  # the visitor pressed Stop
    assert breaker.passes
    breaker.begin()
    breaker.succeed()
    assert breaker.state == "closed" and breaker.passes


def test_each_failed_trial_doubles_the_wait_up_to_a_minute() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    failed(breaker, FAILURES)
    wait = FIRST_SECONDS
    for _ in range(6):
        clock.now += wait
        assert breaker.state == "half_open"
        failed(breaker, 1)
        wait = min(2 * wait, LONGEST_SECONDS)
        clock.now += wait - 0.1
        assert breaker.state == "open"
        clock.now += 0.1 - wait  # the same moment again
    assert wait == LONGEST_SECONDS
