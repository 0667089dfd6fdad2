"""A model's card: facts and learning curve as data for the browser (see `_drawn`), and the card's text."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from demos._absence import absence
from demos._board import figure, speed_of
from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._models import parameters_of, price_of, size_of
from llm_core.catalog import ModelSpec
from llm_core.training import curve

POINTS = 250
"""Of a learning curve are drawn, at most."""
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LIMITS = re.compile(r"^## Limits\n(.+?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def card_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_card` gives."""
    return drawn_view("card", elem_id)


def describe_card(ctx: DemoContext, spec: ModelSpec) -> str:
    """Value of the view; may ask the network for a moment."""
    state = ctx.engine.availability(spec)
    return encoded(
        {
            "id": spec.id,
            "title": spec.title,
            "summary": spec.summary,
            "absent": [] if state.available else absence(state),
            "tier": spec.tier,
            "facts": [[name, value] for name, value in _facts(ctx, spec) if value],
            "terms": spec.training_data_licence,
            "speed": speed_of(ctx, spec),
            "scores": [[each.title or each.data, each.metric, *figure(each)] for each in spec.scores],
            "limits": limits_in(card_text(ctx, spec)),
            "hub": f"https://huggingface.co/{spec.hub.repo}" if spec.hub else "",
            "curve": _curve(ctx, spec),
        }
    )


def card_text(ctx: DemoContext, spec: ModelSpec) -> str:
    """The model's card as Markdown, without the front matter; empty for a model that has no folder here."""
    file = _folder(ctx, spec) / "README.md"
    return _FRONT_MATTER.sub("", file.read_text(encoding="utf-8")).strip() if spec.local and file.is_file() else ""


def limits_in(card: str) -> str:
    """What a card says about its limits, in one line."""
    found = _LIMITS.search(card)
    return " ".join(found[1].replace("`", "").split()) if found else ""


def _facts(ctx: DemoContext, spec: ModelSpec) -> list[tuple[str, str]]:
    base = ctx.catalog[spec.base] if spec.base else None
    size = size_of(spec) + (f" + {size_of(base)} ({base.title})" if base else "")
    return [
        ("id", spec.id),
        ("languages", " ".join(spec.languages)),
        ("parameters", parameters_of(ctx, spec)[1]),
        ("size", size),
        ("memory", f"{spec.memory_bytes / 1e6:.0f} MB" if spec.memory_bytes else "–"),
        ("context", f"{spec.context_length:,}"),
        ("labels", ", ".join(spec.labels) if spec.head == "sequence_classification" else ""),
        ("licence", spec.licence),
        ("runtime", spec.backend),
        ("price", price_of(spec)),
        ("revision", spec.hub.revision[:12] if spec.hub else ""),
    ]


def _curve(ctx: DemoContext, spec: ModelSpec) -> dict[str, list[list[float]]]:
    """Steps and losses in nats: of training, and of validation where it was measured."""
    rows = curve.read_curve(_folder(ctx, spec) / curve.FILE) if spec.local else []
    found: dict[str, list[list[float]]] = {}
    for name, column in (("training", "loss"), ("validation", "eval_loss")):
        points: list[list[Any]] = [[int(row["step"]), round(row[column], 4)] for row in rows if column in row]
        found[name] = list(islice(points, 0, None, len(points) // POINTS + 1))
    return found if found["training"] else {}


def _folder(ctx: DemoContext, spec: ModelSpec) -> Path:
    return ctx.settings.models_dir / (spec.local or "")
