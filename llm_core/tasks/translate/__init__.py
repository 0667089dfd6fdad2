"""Translation of texts and documents; see `task`, and `files` for what goes in and out as a file."""

from llm_core.tasks.translate.languages import AUTO, TRADITIONAL
from llm_core.tasks.translate.task import TASK, TranslateTask
from llm_core.tasks.translate.types import (
    Alignment,
    Alternative,
    BackTranslation,
    SentencePair,
    TermUse,
    TranslateRequest,
    TranslateResult,
)

__all__ = [
    "AUTO", "TASK", "TRADITIONAL", "Alignment", "Alternative", "BackTranslation", "SentencePair", "TermUse",
    "TranslateRequest", "TranslateResult", "TranslateTask",
]  # fmt: skip
