"""Cancellation and what a run cost."""

from __future__ import annotations

import pytest

from llm_core.errors import CancelledError, DeadlineExceededError
from llm_core.types import CancelToken, RunStats


def test_a_fresh_token_lets_work_go_on() -> None:
    token = CancelToken()
    token.check()
    assert not token.stopped


def test_cancelling_stops_work() -> None:
    token = CancelToken()
    token.cancel()
    assert token.stopped
    with pytest.raises(CancelledError, match="stopped"):
        token.check()


def test_a_deadline_stops_work_and_says_how_long_was_allowed() -> None:
    token = CancelToken(0.0)
    assert token.stopped
    assert not token.cancelled
    with pytest.raises(DeadlineExceededError, match="0 s allowed"):
        token.check()


def test_a_new_allowance_replaces_the_old_one() -> None:
    token = CancelToken(0.0)
    token.allow(60.0)
    token.check()


def test_decoding_speed_leaves_the_first_token_out() -> None:
    stats = RunStats("m", "cpu", first_token_ms=100.0, total_ms=1100.0, tokens=101)
    assert stats.tokens_per_second == pytest.approx(100.0)


@pytest.mark.parametrize("tokens", [0, 1])
def test_no_decoding_speed_without_at_least_two_tokens(tokens: int) -> None:
    assert RunStats("m", "cpu", 5.0, 10.0, tokens=tokens).tokens_per_second is None


def test_a_child_is_withdrawn_with_its_parent_and_not_the_other_way_round() -> None:
    parent = CancelToken()
    first, second = parent.child(), parent.child()
    first.cancel()
    assert not parent.cancelled and not second.cancelled
    second.allow(0.0)
    assert second.stopped and not parent.stopped
    parent.cancel()
    assert second.cancelled and parent.child().cancelled
