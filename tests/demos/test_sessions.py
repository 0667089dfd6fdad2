"""What Gradio keeps of a visitor: values, but no description of the whole page."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gradio as gr
import pytest
from gradio.blocks import Block
from gradio.state_holder import SessionState

from tests.demos.site import Site


def test_a_new_session_describes_no_component(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[Block] = []
    monkeypatch.setattr(Block, "get_config", lambda self, *_: described.append(self))
    session = SessionState(site.page)
    assert described == [] and list(session.components) == []
    assert session.blocks_config.blocks == site.page.blocks and session.blocks_config.fns == site.page.fns


def test_sessions_keep_values_of_their_own(site: Site) -> None:
    state = next(block for block in site.page.blocks.values() if isinstance(block, gr.State))
    one, two = SessionState(site.page), SessionState(site.page)
    before: Any = deepcopy(two[state._id])
    one[state._id] = "mine"
    assert one[state._id] == "mine" and two[state._id] == before


def test_the_page_itself_is_described(site: Site) -> None:
    described = site.page.get_config_file()
    assert {component["id"] for component in described["components"]} >= set(site.page.blocks) - {site.page._id}
