"""How much an answer hangs on how a text is written: the same request, written otherwise, and what becomes of it.

Slips, letters, punctuation, emoji, other names and a paraphrase (the translation into another language and back) keep
what a text says, so that another answer is a weakness of the model. A negation changes it.
"""

from __future__ import annotations

from llm_core.tasks.stress.forms import NAMES, other_forms
from llm_core.tasks.stress.task import MAX_ALIGNED_CHARS, NEAR_CHRF, Outcome, StressResult, StressTask

__all__ = ["MAX_ALIGNED_CHARS", "NAMES", "NEAR_CHRF", "Outcome", "StressResult", "StressTask", "other_forms"]
