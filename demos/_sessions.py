"""What Gradio keeps of each visitor, without what this page never asks for.

For deep links, which this page does not use (its links hold the values themselves, see `_usage`), Gradio 6.31 describes
every component anew for each new session: a quarter of a second and 2 MB for a page of this size, in the event loop,
so that all other visitors' answers stand still meanwhile.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig


class _PageConfig(BlocksConfig):
    """The configuration of the page; a session's copy of it describes nothing."""

    def __copy__(self) -> BlocksConfig:
        """What a session gets."""
        copied: Any = super().__copy__()  # type: ignore[no-untyped-call]
        copied.config_for_block = lambda *_: {}
        return copied  # type: ignore[no-any-return]


def keep_sessions_small(page: gr.Blocks) -> None:
    """Call it before anything is added to the page."""
    page.default_config = _PageConfig(page)
