"""The model menu's words: what each entry is called, costs and scores, and why some cannot be had here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gradio.i18n import I18nData

from demos._demo import DemoContext
from demos._i18n import say, t
from demos._messages import plain
from llm_core.catalog import ModelSpec
from llm_core.selection import AUTO

Choice = tuple[str | I18nData, str]
_ELSEWHERE = "☁"


def menu_choices(specs: Sequence[ModelSpec], reasons: Mapping[str, str] | None = None) -> list[Choice]:
    """``auto`` and every entry; those with a reason (by id) why they cannot be had are marked."""
    return [
        (t("model.auto"), AUTO),
        *((_menu_label(spec, (reasons or {}).get(spec.id, "")), spec.id) for spec in specs),
    ]


def unavailable(ctx: DemoContext, specs: Sequence[ModelSpec]) -> dict[str, str]:
    """Why entries cannot be had here, by id; may ask the network for a moment."""
    states = {spec.id: ctx.engine.availability(spec) for spec in specs}
    return {model_id: state.reason for model_id, state in states.items() if not state.available}


def describe_choice(ctx: DemoContext, specs: Sequence[ModelSpec], model_id: str) -> str:
    """The line below the menu: what the chosen entry is, or why it cannot be had here."""
    if model_id == AUTO:
        return _chosen(ctx, _preferred(ctx, specs)) or say("model.none", plain(_remedy(ctx, specs)))
    spec = ctx.catalog[model_id]
    availability = ctx.engine.availability(spec)
    if not availability.available:
        return say("model.unavailable", plain(f"{availability.reason}. {availability.remedy}".strip(". ") + "."))
    return f"{plain(spec.summary)} {_facts(ctx, spec)}"


def describe_embedded(ctx: DemoContext, specs: Sequence[ModelSpec]) -> str:
    """The same for the automatic choice among what is embedded, empty where none is here; asks no network."""
    return _chosen(ctx, _preferred(ctx, [spec for spec in specs if spec.tier == "embedded"]))


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


def measured(spec: ModelSpec) -> list[str]:
    """Its scores in words, one of each data set."""
    first_of_each = {score.title or score.data: score for score in reversed(spec.scores)}
    return [str(score) for score in reversed(first_of_each.values())]


def parameters_of(ctx: DemoContext, spec: ModelSpec) -> tuple[int, str]:
    """How many parameters answer, those of the model that an entry adapts included; and in words."""
    number = spec.parameters + (ctx.catalog[spec.base].parameters if spec.base else 0)
    if not number:
        return 0, "–"
    return number, f"{number / 1e9:.1f} B" if number >= 1e9 else f"{number / 1e6:.0f} M"


def _menu_label(spec: ModelSpec, reason: str) -> str:
    size = _ELSEWHERE if spec.tier == "remote" else size_of(spec)
    label = f"{spec.title} · {size} · {spec.licence}"
    return f"✕ {label} ({reason})" if reason else label


def _chosen(ctx: DemoContext, preferred: Sequence[ModelSpec]) -> str:
    """What the automatic choice takes; empty for nothing."""
    if not preferred:
        return ""
    if len(preferred) > 1:
        return say("model.chosen_by_language", "; ".join(_named(ctx, spec) for spec in preferred))
    return say("model.chosen", f"**{plain(preferred[0].title)}** · {_facts(ctx, preferred[0])}")


def _facts(ctx: DemoContext, spec: ModelSpec) -> str:
    size = [f"{parameters_of(ctx, spec)[1]} parameters"] if spec.parameters else []
    facts = [*size, spec.licence, *measured(spec)[:2]]
    if spec.training_data_licence:
        facts.append(spec.training_data_licence)
    return " · ".join(plain(fact) for fact in facts)


def _named(ctx: DemoContext, spec: ModelSpec) -> str:
    size = _ELSEWHERE if spec.tier == "remote" else f"{parameters_of(ctx, spec)[1]} parameters"
    return " · ".join((f"**{plain(spec.title)}**", size, *(plain(str(score)) for score in spec.scores[:1])))


def _preferred(ctx: DemoContext, specs: Sequence[ModelSpec]) -> list[ModelSpec]:
    """What ``auto`` takes on a machine without a GPU, a model for each language that those before it do not read.

    Asking for the device would import torch, and for the Hub's models, once one is found, take time for nothing.
    """
    found: list[ModelSpec] = []
    for spec in specs:
        known = {language for other in found for language in other.languages}
        is_wanted = spec.tier == "embedded" or not found
        if is_wanted and not known.issuperset(spec.languages) and is_ready(ctx, spec):
            found.append(spec)
    return found


def _remedy(ctx: DemoContext, specs: Sequence[ModelSpec]) -> str:
    if not specs:
        return ""
    first = ctx.engine.availability(specs[0])
    return ". ".join(part for part in (first.reason, first.remedy) if part)
