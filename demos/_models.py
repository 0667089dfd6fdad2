"""The model menu's words: what each entry is called, costs and scores, and why some cannot be had here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from demos._absence import Said, absence
from demos._demo import DemoContext
from demos._drawn import drawn_view, encoded
from demos._i18n import say, t
from demos._model_words import titled
from llm_core.catalog import DECODER_HEADS, ModelSpec
from llm_core.selection import AUTO
from llm_core.weights import Availability

Choice = tuple[str | I18nData, str]
_ELSEWHERE = "☁"


def menu_choices(
    specs: Sequence[ModelSpec], absent: Mapping[str, Availability] | None = None, asked: Collection[str] = ()
) -> list[Choice]:
    """``auto`` and every entry.

    Args:
        specs: The entries.
        absent: Those that cannot be had, by id; they are marked.
        asked: Ids of those that are asked in words.
    """
    states = absent or {}
    labels = [_menu_label(spec, states.get(spec.id), spec.id in asked) for spec in specs]
    return [(t("model.auto"), AUTO), *zip(labels, (spec.id for spec in specs), strict=True)]


def unavailable(ctx: DemoContext, specs: Sequence[ModelSpec]) -> dict[str, Availability]:
    """What of the entries cannot be had here, by id; may ask the network for a moment."""
    states = {spec.id: ctx.engine.availability(spec) for spec in specs}
    return {model_id: state for model_id, state in states.items() if not state.available}


def note_view(elem_id: str, value: str = "") -> gr.HTML:
    """The line below the menu; its value is what `describe_choice` gives, or `own_note`."""
    return drawn_view("note", elem_id, value=value)


def describe_choice(ctx: DemoContext, specs: Sequence[ModelSpec], model_id: str) -> str:
    """Value of the view: what the chosen entry is, or why it cannot be had here."""
    if model_id == AUTO:
        return _chosen(ctx, _preferred(ctx, specs)) or encoded({"kind": "none", "absent": _remedy(ctx, specs)})
    spec = ctx.catalog[model_id]
    state = ctx.engine.availability(spec)
    if not state.available:
        return encoded({"kind": "unavailable", "absent": absence(state)})
    return encoded({"kind": "about", "models": [_described(ctx, spec)]})


def describe_embedded(ctx: DemoContext, specs: Sequence[ModelSpec]) -> str:
    """The same for the automatic choice among what is embedded, empty where none is here; asks no network."""
    return _chosen(ctx, _preferred(ctx, [spec for spec in specs if spec.tier == "embedded"]))


def own_note() -> str:
    """The same for the visitor's own model."""
    return encoded({"kind": "own"})


def is_ready(ctx: DemoContext, spec: ModelSpec) -> bool:
    """Whether ``auto`` may take an entry on a machine without a GPU; may ask the network for a moment."""
    state = ctx.engine.availability(spec)
    return state.available and (spec.tier == "embedded" or state.present)


def size_of(spec: ModelSpec) -> str:
    """Download size of an entry in decimal units; a dash for one that is nowhere here."""
    return in_bytes(spec.download_bytes) if spec.has_files or spec.download_bytes else "–"


def price_of(spec: ModelSpec) -> str:
    """What the owner pays for a million tokens, read and written; empty where nothing was said."""
    price = spec.price
    return f"{price.read:g} / {price.written:g} {price.currency}" if price else ""


def cost_of(spec: ModelSpec, tokens: int) -> str:
    """What writing so many tokens costs; empty where there is no price."""
    price = spec.price
    if price is None:
        return ""
    cost = Decimal(f"{price.written * tokens / 1e6:.2g}")
    return f"{cost:f} {price.currency}"


def in_bytes(count: int) -> str:
    """A number of bytes in decimal units."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def disk_bytes(ctx: DemoContext, spec: ModelSpec) -> int:
    """What an entry takes on the disk, with the entry that it adapts."""
    return spec.download_bytes + (ctx.catalog[spec.base].download_bytes if spec.base else 0)


def measured(spec: ModelSpec) -> list[list[Any]]:
    """Its scores, one of each data set: what it was measured on, metric, value."""
    first_of_each = {score.title or score.data: score for score in reversed(spec.scores)}
    return [[title, score.metric, round(score.value, 3)] for title, score in reversed(first_of_each.items())]


def parameters_of(ctx: DemoContext, spec: ModelSpec) -> tuple[int, str]:
    """How many parameters answer, those of the model that an entry adapts included; and in words."""
    number = spec.parameters + (ctx.catalog[spec.base].parameters if spec.base else 0)
    if not number:
        return 0, "–"
    return number, f"{number / 1e9:.1f} B" if number >= 1e9 else f"{number / 1e6:.0f} M"


def _menu_label(spec: ModelSpec, state: Availability | None, asked: bool) -> str:
    """Title, size and licence. One part of it can be translated: where that is the title, the note gives the reason."""
    title = titled(spec.id, spec.title, asked=asked)
    size = _ELSEWHERE if spec.tier == "remote" else size_of(spec)
    label = f"{title} · {size} · {spec.licence}"
    if state is None:
        return label
    return f"✕ {label} ({_reason(state)})" if title == spec.title else f"✕ {label}"


def _reason(state: Availability) -> str:
    name, detail = absence(state)[0]
    return say(f"absent.{name}", detail) if name else detail


def _chosen(ctx: DemoContext, preferred: Sequence[ModelSpec]) -> str:
    """What the automatic choice takes; empty for nothing."""
    if not preferred:
        return ""
    kind = "chosen" if len(preferred) == 1 else "chosen_by_language"
    return encoded({"kind": kind, "models": [_described(ctx, spec) for spec in preferred]})


def _described(ctx: DemoContext, spec: ModelSpec) -> dict[str, Any]:
    return {
        "id": spec.id,
        "title": spec.title,
        "summary": spec.summary,
        "parameters": parameters_of(ctx, spec)[1] if spec.parameters else "",
        "elsewhere": spec.tier == "remote",
        "licence": spec.licence,
        "scores": measured(spec)[:2],
        "terms": spec.training_data_licence,
    }


def _preferred(ctx: DemoContext, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """What ``auto`` takes on a machine without a GPU, or with ZeroGPU; for each language that those before do not read.

    Asking for the device would import torch, and for the Hub's models, once one is found, take time for nothing.
    """
    found: list[ModelSpec] = []
    lent = ctx.engine.zero_gpu
    for spec in sorted(specs, key=lambda spec: lent is None or spec not in lent or spec.head not in DECODER_HEADS):
        known = {language for other in found for language in other.languages}
        is_wanted = spec.tier == "embedded" or not found
        if is_wanted and not known.issuperset(spec.languages) and is_ready(ctx, spec):
            found.append(spec)
    return found


def _remedy(ctx: DemoContext, specs: Sequence[ModelSpec]) -> Said:
    return absence(ctx.engine.availability(specs[0])) if specs else []
