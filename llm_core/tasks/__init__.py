"""What language models do here: one module a task, each with a request, a result and the logic between them."""

from __future__ import annotations

import difflib
import importlib
from typing import Any, get_args

from llm_core.catalog import TaskName
from llm_core.errors import InputError
from llm_core.session import Task

TASK_NAMES: tuple[str, ...] = tuple(name for name in get_args(TaskName) if name != "embed")
"""Each has a tab of its own."""
ABOUT_ANSWERS = ("explain",)
"""Tasks about what the others answer."""


def find_task(name: str) -> Task[Any, Any]:
    """The task of that name; its module is imported only now.

    Raises:
        InputError: There is none; suggests the nearest.
    """
    known = TASK_NAMES + ABOUT_ANSWERS
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError("task", f"must be one of {', '.join(known)}{hint}")
    task: Task[Any, Any] = importlib.import_module(f"llm_core.tasks.{name}").TASK
    return task
