"""Chinese verse in a chosen form, sentence by sentence; see `task`."""

from llm_core.tasks.poem.task import TASK, PoemRequest, PoemResult

__all__ = ["TASK", "PoemRequest", "PoemResult"]
