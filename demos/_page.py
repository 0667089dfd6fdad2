"""Assembles the page: header, one tab a demo, endpoints; and says how it is served.

Building it loads no model and imports no runtime.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from demos._api import FURTHER, publish
from demos._arrival import arrival_view
from demos._assets import names, script, style
from demos._captions import caption_strings, captions_view
from demos._demo import DemoContext, discover
from demos._drawn import view_scripts
from demos._head import ICON, PageHead
from demos._history import history_view
from demos._i18n import LANGUAGES, strings, t, translations
from demos._kept import KeptAnswers
from demos._login import login_view
from demos._model_words import model_strings
from demos._security import BodyLimit, SecurityHeaders
from demos._sessions import keep_sessions_small
from demos._tour import tour_strings
from demos._workbench import PRIVATE
from llm_core.engine import Engine
from llm_core.limits import MAX_UPLOAD_BYTES
from llm_core.operations.warm_up import WarmUp
from llm_core.speed import Speedometer

_FIRST = "first"
"""Styles and script that the page comes with; the others are added by Gradio's script."""
_STYLES = ("page", *(name for name in names("css") if name not in ("page", _FIRST)))
"""The page's own first: each view's may differ from it."""
_FONTS = (
    "Inter",
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")
_BODY_MARGIN_BYTES = 1_000_000
"""What a request may hold beside an upload of the largest size."""
_SWEEP_SECONDS, _KEPT_SECONDS = 600, 3600
"""How often visitors' files are looked at, and the age at which they are deleted."""


def build_page(engine: Engine, speeds: Speedometer | None = None, warm_up: WarmUp | None = None) -> gr.Blocks:
    """The whole page on an engine; launch it with `launch_options`.

    Args:
        engine: What answers.
        speeds: Measures how fast it is, once it is started.
        warm_up: Loads models in advance; the page says how far it is.
    """
    page: gr.Blocks = gr.Blocks(
        title=strings("en")["page.name"], analytics_enabled=False, delete_cache=(_SWEEP_SECONDS, _KEPT_SECONDS)
    )
    keep_sessions_small(page)
    with page:
        ctx = DemoContext(engine, speeds, history=history_view())
        gr.Markdown(f"[{t('access.skip')}](#tabs)", elem_classes=["skip"])
        gr.Markdown(t("page.title"), elem_id="title")
        remote = any(spec.tier == "remote" for spec in engine.catalog.values())
        gr.Markdown(t("remote.pitch" if remote else "page.pitch"), elem_id="pitch")
        login_view(ctx)
        if warm_up is not None:
            arrival_view(ctx, warm_up)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            for demo in (demo for demo in discover() if not demo.within):
                demo.show(ctx, f"{demo.icon} {t(f'{demo.slug}.title')}")
        for demo in (demo for demo in discover() if demo.endpoint is not None):
            publish(ctx, demo.slug)
        for name in FURTHER:
            publish(ctx, name)
        if ctx.history is not None:
            ctx.history.render()  # type: ignore[no-untyped-call]
        captions_view()
        gr.Markdown(t("page.footer"), elem_id="foot")
        _refresh_on_load(page, ctx)
    _spare_searches(page)
    _spare_statistics()
    # The engine holds the real limits: Gradio's own would make one visitor wait for another's tab.
    page.queue(api_open=False, max_size=512, default_concurrency_limit=None)
    return page


def _spare_searches(page: gr.Blocks) -> None:
    """An event that follows another names no component of its own.

    Gradio has it begin at the component None, for which the browser searches the whole tree of components when the page
    is opened; that it follows is told elsewhere (`trigger_after`).
    """
    for event in page.fns.values():
        event.targets = [(target, name) for target, name in event.targets if target is not None]


def _spare_statistics() -> None:
    """Gradio's queue, made after this, sums up nothing.

    After each answer it would make a table of the latest ten thousand and compute percentiles of each event: 25 ms of a
    core, for a page of its own that is switched off (`launch_options`).
    """
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(sys.maxsize)


def _refresh_on_load(page: gr.Blocks, ctx: DemoContext) -> None:
    """What depends on the time, or on fields that hold something again."""

    def refreshed(*values: Any) -> tuple[Any, ...]:
        left = iter(values)
        return tuple(
            new for update in ctx.on_load for new in update.values(*itertools.islice(left, len(update.inputs)))
        )

    inputs = [component for update in ctx.on_load for component in update.inputs]
    outputs = [component for update in ctx.on_load for component in update.outputs]
    restored = _restore_on_load(page, ctx)
    restored.then(refreshed, inputs, outputs, queue=False, preprocess=False, **PRIVATE)


def _restore_on_load(page: gr.Blocks, ctx: DemoContext) -> Dependency:
    """Fields hold what a link says, or what they held before the page was loaded anew."""
    restore = "\n".join(line for line in script("restore").splitlines() if not line.startswith("//"))
    frames = json.dumps([[name, len(fields)] for name, fields in ctx.restorable])
    all_fields = [each for _, fields in ctx.restorable for each in fields]
    restored: Dependency = page.load(None, None, all_fields, js=f"() => ({restore})({frames})", **PRIVATE)
    for name, fields in ctx.restorable:
        keep = f"(...values) => window.keepFields?.({name!r}, values) ?? []"
        changes: list[Any] = [each.change for each in fields]  # type: ignore[attr-defined]  # Gradio adds events later
        gr.on(changes, None, list(fields), None, js=keep, queue=False, **PRIVATE)
    return restored


def launch_options(routes: Sequence[BaseRoute] = ()) -> dict[str, Any]:
    """Keyword arguments for `launch`: looks, languages, and what is not let in or out.

    Args:
        routes: Served beside the page; see `_operations`.
    """
    return {
        "theme": _theme(),
        "css": "\n".join(style(name) for name in _STYLES),
        "js": script("page"),
        "favicon_path": ICON,
        "i18n": translations(caption_strings, model_strings, tour_strings),
        "footer_links": ["api", "settings"],
        "run_history": False,
        "share": False,
        "show_error": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "mcp_server": True,
        "max_file_size": MAX_UPLOAD_BYTES,
        "app_kwargs": {
            "middleware": [
                Middleware(SecurityHeaders),
                Middleware(KeptAnswers),
                Middleware(PageHead, told=_told(), style=style(_FIRST), script=script(_FIRST) + view_scripts()),
                Middleware(BodyLimit, max_bytes=MAX_UPLOAD_BYTES + _BODY_MARGIN_BYTES),
            ],
            "routes": list(routes),
            "docs_url": None,
            "redoc_url": None,
        },
    }


def _told() -> dict[str, tuple[str, str]]:
    """What the page is called, and what is said of it where a link is shared, by language."""
    return {each: (strings(each)["page.name"], strings(each)["page.description"]) for each in LANGUAGES}


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONTS,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        # 4.5 : 1 at least on the backgrounds above (WCAG 2.2 AA).
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        input_placeholder_color="*neutral_500",
        color_accent="*primary_700",
        link_text_color="*primary_700",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        button_large_radius="*radius_md",
    )
