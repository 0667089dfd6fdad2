"""The button to log in with Hugging Face, on a Space that has log-in; see `_visitor`."""

from __future__ import annotations

import gradio as gr

from demos._demo import DemoContext
from demos._i18n import say, t
from demos._visitor import has_login


def login_view(ctx: DemoContext) -> None:
    """Adds it to the page that is being built, or nothing."""
    if not has_login():
        return
    # Gradio compares the first text with what the button shows, and takes the other for a format.
    leave = say("login.leave").replace("{", "{{").replace("}", "}}")
    with gr.Row(elem_id="login"):
        gr.LoginButton(say("login.enter"), leave + " ({})", size="sm", scale=0, min_width=240, elem_id="login-button")
        remote = any(spec.tier == "remote" for spec in ctx.catalog.values())
        gr.Markdown(t("login.remote" if remote else "login.none"), elem_classes=["note"])
