"""Progressive depth: the lower blocks learn alone, then the others join (progressive stacking, Gong et al., ICML 2019).

A deep network whose norms stand after its residuals learns slowly at first, and each of its steps costs all its blocks.
Here blocks that join hand on what enters them, so that nothing learnt is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from transformers import TrainerCallback

from llm_core.errors import InputError
from llm_core.model.blocks import pass_through
from llm_core.model.heads import Model
from llm_core.model.transformer import Stack


class Deepening(TrainerCallback):
    """Runs the lowest blocks of each stack alone for the first steps.

    Args:
        model: What is trained.
        steps: So many at the beginning are shallow.
        blocks: So many of each stack run then; a stack that has no more runs whole.
    """

    def __init__(self, model: Model, steps: int, blocks: int) -> None:
        self.stacks, self.steps, self.blocks = list(_stacks(model)), steps, blocks

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """A resumed run is as deep as its checkpoint was; at the step where blocks join, they have not yet."""
        for stack in self.stacks:
            stack.depth = self.blocks if state.global_step <= self.steps else None

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Lets the other blocks join when their time has come."""
        if state.global_step != self.steps:
            return
        for stack in self.stacks:
            join(stack)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Refuses a run that ended before its upper blocks learnt anything."""
        if state.global_step <= self.steps:
            raise InputError(
                "optim.shallow_first", f"must be less than the run's {state.global_step} steps", self.steps
            )


def join(stack: Stack) -> None:
    """Makes all blocks run; those that did not so far begin as the identity.

    Args:
        stack: With a `depth`, which it loses.
    """
    blocks: list[Any] = list(stack.blocks)
    for below, block in list(pairwise(blocks))[(stack.depth or len(blocks)) - 1 :]:
        pass_through(block, below)
    stack.depth = None


def _stacks(model: Model) -> Iterator[Stack]:
    return (stack for stack in (model.transformer.encoder, model.transformer.decoder) if stack is not None)
