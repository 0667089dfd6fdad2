"""What votes come down to: how many thumbs point up, by task and model, each share with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llm_core.evaluation.bootstrap import wilson
from llm_core.feedback.vote import Vote

ALL = ""
"""In place of a task or a model: all of them."""


@dataclass(frozen=True)
class Tally:
    """Votes on the answers of one model to one task, or of several."""

    task: str
    model: str
    up: int
    down: int
    comments: int

    @property
    def share(self) -> float:
        """Of the votes, how many are thumbs up."""
        return self.up / (self.up + self.down)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson 1927)."""
        low, high = wilson(np.array(self.up), np.array(self.up + self.down))
        return float(low), float(high)


def tallied(votes: Iterable[Vote]) -> list[Tally]:
    """All together, then task by task: the task, and its models, those with most votes first; empty without votes."""
    votes = list(votes)
    if not votes:
        return []
    tallies = [_tally(ALL, ALL, votes)]
    for task, of_task in _by_most(votes, lambda vote: vote.task):
        tallies.append(_tally(task, ALL, of_task))
        tallies += [_tally(task, model, each) for model, each in _by_most(of_task, lambda vote: vote.model)]
    return tallies


def _by_most(votes: Sequence[Vote], name: Callable[[Vote], str]) -> list[tuple[str, list[Vote]]]:
    groups: dict[str, list[Vote]] = {}
    for vote in votes:
        groups.setdefault(name(vote), []).append(vote)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))


def _tally(task: str, model: str, votes: Sequence[Vote]) -> Tally:
    up = sum(vote.thumbs == "up" for vote in votes)
    return Tally(task, model, up, len(votes) - up, sum(bool(vote.comment) for vote in votes))
