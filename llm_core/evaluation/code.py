"""pass@k: the chance that at least one of k programs passes its problem's tests (Chen et al. 2021, arXiv:2107.03374).

With n samples a problem, c of them right, the unbiased estimate is ``1 - C(n - c, k) / C(n, k)``; the figure is its
mean over problems, and the interval resamples problems. Programs run in `llm_core.sandbox`, whose limits are the
judge: what is killed, refused or runs out of memory has failed.

A program that ends before its tests do not pass: the last line of each run prints a word drawn for it. A program that
sets out to deceive can still find that word in its own memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Estimate, mean_interval
from llm_core.sandbox import DEFAULT_LIMITS, Limits, run_python


@dataclass(frozen=True, slots=True)
class Problem:
    """A programming problem with its candidates."""

    programs: tuple[str, ...]
    """Whole Python programs, prompt included, each a sample of the model."""
    tests: str
    """Python that runs after a program and raises where it is wrong, such as ``assert add(1, 2) == 3``."""


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Unbiased estimate from `samples` programs of which `right` pass.

    Raises:
        InputError: Not ``0 <= right <= samples`` or not ``1 <= k <= samples``.
    """
    if not 0 <= right <= samples:
        raise InputError("right", f"must be between 0 and {samples}", right)
    if not 1 <= k <= samples:
        raise InputError("k", f"must be between 1 and the {samples} samples of a problem", k)
    if samples - right < k:
        return 1.0
    # the product form of the paper: binomials of large n overflow
    return float(1.0 - np.prod(1.0 - k / np.arange(samples - right + 1, samples + 1)))


def passes(program: str, tests: str, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether a program and then its tests run to their end inside the sandbox."""
    word = secrets.token_hex(16)
    result = run_python(f"{program}\n\n{tests}\n\nprint('\\n{word}')\n", limits)
    # only the end of the output may have been cut
    return result.status == "passed" and result.stdout.rstrip("\n").endswith(word)


def code_scores(
    problems: Sequence[Problem], ks: Sequence[int] = (1,), *, limits: Limits = DEFAULT_LIMITS, workers: int = 1
) -> dict[str, Estimate]:
    """``pass@k`` for each k, a share in [0, 1].

    Args:
        problems: Each with at least ``max(ks)`` programs.
        ks: Which k.
        limits: Of each run.
        workers: Programs run at once; each takes a core.

    Raises:
        InputError: There are no problems, or one has too few programs.
    """
    if not problems:
        raise InputError("data", "must have at least one problem")
    for problem in problems:
        for k in ks:
            pass_at_k(len(problem.programs), 0, k)  # before minutes of running
    with ThreadPoolExecutor(workers) as pool:
        verdicts = [[pool.submit(passes, text, p.tests, limits) for text in p.programs] for p in problems]
        right = [sum(verdict.result() for verdict in own) for own in verdicts]
    counts = [(len(problem.programs), passed) for problem, passed in zip(problems, right, strict=True)]
    return {f"pass@{k}": mean_interval(np.array([pass_at_k(n, c, k) for n, c in counts])) for k in ks}
