r"""The learning rate over a run, and a number of steps that fits a time.

The rate is the peak times a factor: a linear warm-up over the first steps, then by the share :math:`p \in [0, 1]` of
what is left that has passed, all ending at zero:

- cosine: :math:`(1 + \cos \pi p) / 2` (arXiv:1608.03983);
- linear: :math:`1 - p`;
- wsd: 1, and over the last `decay` of the run linearly down (arXiv:2404.06395).

With a budget of minutes the last step is not known when a run starts: it is estimated after the first steps, and again
while it runs; each estimate bends `p` so that it goes on from where it is, and reaches 1 when the time is up. The
estimates are stored, so a resumed run keeps them. The module knows no trainer and no clock.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from llm_core.files import write_json

UNKNOWN_LAST = 10**9
"""Stands for the last step while a budget's is not known."""


@dataclass
class Plan:
    """How far a run has come at each step."""

    warmup: int
    """Steps."""
    last: int | None = None
    """The last step, or None while it is not known yet."""
    bends: list[tuple[int, float, int]] = field(default_factory=list)
    """(step, share passed there, last step): an estimate and where it was made."""
    seconds: float = 0.0
    """Time spent before this process, for a budget."""

    def share(self, step: int) -> float:
        """The share of the run that has passed after `step` steps, in [0, 1]; the warm-up does not count."""
        start, passed, last = self.warmup, 0.0, self.last
        for bend in self.bends:
            if bend[0] <= step:
                start, passed, last = bend
        if last is None or step <= start:
            return passed
        return min(1.0, passed + (1 - passed) * (step - start) / max(1, last - start))

    def factor(self, step: int, schedule: str, decay: float = 1.0) -> float:
        """What the peak learning rate is multiplied with for the step after `step` steps.

        Args:
            step: Steps done.
            schedule: ``"cosine"``, ``"linear"`` or ``"wsd"``.
            decay: wsd: share of the run over which the rate falls.
        """
        if step < self.warmup:
            return step / self.warmup
        left = 1 - self.share(step)
        if schedule == "cosine":
            return (1 - math.cos(math.pi * left)) / 2
        return left if schedule == "linear" else min(1.0, left / decay if decay else float(left > 0))

    def bend(self, step: int, last: int) -> None:
        """From `step` on, the run ends at `last`."""
        self.bends.append((step, self.share(step), max(last, step)))
        self.last = max(last, step)

    def save(self, file: Path) -> None:
        """Writes the plan in one step."""
        write_json(file, vars(self))

    @classmethod
    def load(cls, file: Path) -> Plan:
        """Reads what `save` wrote."""
        values = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{**values, "bends": [tuple(bend) for bend in values["bends"]]})
