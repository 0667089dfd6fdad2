"""The two language menus of translation: what the chosen model has, and a pair that always fits together.

The model decides what the menus offer. With "automatic" that is what the models that are on this machine have. Of two
choices that do not fit together the newer one stays, and the other menu moves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from demos._demo import DemoContext, LoadUpdate
from demos._i18n import t
from demos._models import is_ready
from demos._workbench import PRIVATE, Workbench
from llm_core.catalog import ModelSpec
from llm_core.selection import AUTO as AUTO_MODEL
from llm_core.tasks.translate import AUTO, TRADITIONAL
from llm_core.tasks.translate.languages import main_language, model_code

NAMES = {
    "en": "English",
    "zh": "简体中文",
    TRADITIONAL: "繁體中文",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "it": "Italiano",
    "pt": "Português",
    "cs": "Čeština",
    "nl": "Nederlands",
    "pl": "Polski",
    "ru": "Русский",
    "ja": "日本語",
    "ko": "한국어",
    "ar": "العربية",
}
"""Languages by what their speakers call them, in the order of the menus."""
DEFAULT_TARGET = "zh"

Pairs = Set[tuple[str, str]]
"""(from, to) as models know them."""


@dataclass(frozen=True)
class LanguageMenus:
    """From and To."""

    source: gr.Dropdown
    target: gr.Dropdown
    swap: gr.Button


def language_menus(ctx: DemoContext, name: str) -> LanguageMenus:
    """Build both menus, with all there is, and the button between them; `follow_model` brings them to life.

    Args:
        ctx: What the tab is built with.
        name: Prefix of the element ids.
    """
    pairs = _pairs(ctx.catalog.for_task("translate"))
    options: dict[str, Any] = {"filterable": False, "min_width": 110}
    with gr.Row(elem_classes=["pair"]):
        source = gr.Dropdown(
            source_choices(pairs), value=AUTO, label=ctx.t("translate.source"), elem_id=f"{name}-source", **options
        )
        swap = gr.Button(
            ctx.t("translate.swap"), size="sm", min_width=60, elem_id=f"{name}-swap", elem_classes=["swap"]
        )
        target = gr.Dropdown(
            target_choices(pairs), value=DEFAULT_TARGET, label=ctx.t("translate.target"), elem_id=f"{name}-target",
            **options,
        )  # fmt: skip
    return LanguageMenus(source, target, swap)


def offer(pairs: Pairs, source: str, target: str) -> tuple[Any, Any]:
    """Updates of both menus: what there is, and, where a choice is not possible, what comes closest to it."""
    near = fitted(pairs, source, target)
    # A choice that stays is not sent: it could undo a newer one that the visitor has just made.
    sent: list[dict[str, Any]] = [
        {"value": new} if new != old else {} for new, old in zip(near, (source, target), strict=True)
    ]
    return gr.update(choices=source_choices(pairs), **sent[0]), gr.update(choices=target_choices(pairs), **sent[1])


def follow_model(bench: Workbench, menus: LanguageMenus) -> None:
    """Let the menus offer what the model has, and keep their two choices possible."""
    ctx, both = bench.ctx, [menus.source, menus.target]
    given = [bench.model, *both]

    def offered(model_id: str, source: str, target: str) -> tuple[Any, Any]:
        return offer(pairs_of(ctx, model_id), source, target)

    def moved(keep: str) -> Callable[[str, str, str], tuple[str, str]]:
        return lambda model_id, source, target: fitted(pairs_of(ctx, model_id), source, target, keep=keep)

    bench.model.change(offered, given, both, queue=False, preprocess=False, **PRIVATE)
    menus.source.input(moved("source"), given, both, queue=False, **PRIVATE)
    menus.target.input(moved("target"), given, both, queue=False, **PRIVATE)
    ctx.on_load.append(LoadUpdate(tuple(both), offered, tuple(given)))


def pairs_of(ctx: DemoContext, model_id: str) -> Pairs:
    """Pairs of one model, or, where there is none of that name, of all that "automatic" may take.

    It may ask the network for a moment.
    """
    specs = ctx.catalog.for_task("translate")
    chosen = [spec for spec in specs if spec.id == model_id]
    return _pairs(chosen or [spec for spec in specs if is_ready(ctx, spec)] or specs)


def model_for(ctx: DemoContext, model_id: str, source: str, target: str) -> str:
    """The chosen model if it has the pair, else "automatic"."""
    return model_id if is_possible(pairs_of(ctx, model_id), source, target) else AUTO_MODEL


def is_possible(pairs: Pairs, source: str, target: str) -> bool:
    """Whether one of the pairs serves the two menus."""
    if source == AUTO:
        return any(model_code(target) == written for _, written in pairs)
    return (model_code(source), model_code(target)) in pairs


def fitted(pairs: Pairs, source: str, target: str, *, keep: str = "source") -> tuple[str, str]:
    """The choices, or what comes closest to them among the pairs.

    Args:
        pairs: What there is.
        source: Chosen language of the text.
        target: Chosen language of the translation.
        keep: Which of the two, ``source`` or ``target``, stays when only one can.
    """
    sources, targets = _codes(read for read, _ in pairs), _codes(written for _, written in pairs)
    if source not in sources:
        source = AUTO
    if keep == "source" or target not in targets:
        able = [code for code in targets if is_possible(pairs, source, code)] or targets
        return source, target if target in able else next(iter(able), target)
    able = [code for code in sources if is_possible(pairs, code, target)]
    return source if is_possible(pairs, source, target) else next(iter(able), AUTO), target


def source_choices(pairs: Pairs) -> list[tuple[str | I18nData, str]]:
    """Entries of the From menu."""
    return [(t("translate.auto"), AUTO), *_entries(read for read, _ in pairs)]


def target_choices(pairs: Pairs) -> list[tuple[str | I18nData, str]]:
    """Entries of the To menu."""
    return _entries(written for _, written in pairs)


def turned(ctx: DemoContext, model_id: str, source: str, target: str, text: str = "") -> tuple[str, Any, Any]:
    """Updates of the model menu and of both language menus for the other direction.

    Args:
        ctx: What the tab is built with.
        model_id: The chosen model; "automatic" comes in its place if it has no way back.
        source: Chosen language of the text; one that was to be detected is told from `text`.
        target: Chosen language of the translation.
        text: What is to be translated.
    """
    if source == AUTO:
        source = main_language([text], target) or ("en" if target != "en" else "zh")
    model_id = model_for(ctx, model_id, target, source)
    pairs = pairs_of(ctx, model_id)
    source, target = fitted(pairs, target, source)
    return (
        model_id,
        gr.update(choices=source_choices(pairs), value=source),
        gr.update(choices=target_choices(pairs), value=target),
    )


def _pairs(specs: Sequence[ModelSpec]) -> Pairs:
    return frozenset(pair for spec in specs for pair in spec.language_pairs)


def _entries(codes: Any) -> list[tuple[str | I18nData, str]]:
    return [(NAMES.get(code, code), code) for code in _codes(codes)]


def _codes(codes: Any) -> list[str]:
    """In the order of the menus; where there is Chinese, both its scripts."""
    found: Collection[str] = set(codes)
    found = {*found, TRADITIONAL} if "zh" in found else found  # converted, so that any model of Chinese does
    return [*(code for code in NAMES if code in found), *sorted(set(found) - set(NAMES))]
