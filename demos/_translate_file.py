"""The file view of translation: a document in, the same document in another language out.

An upload is checked when it arrives, and again when it is run; both times outside the event loop. The translation goes
to Gradio's own cache, from which it is served and, after a while, deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from demos._demo import DemoContext
from demos._handler import Updates
from demos._i18n import say
from demos._languages import follow_model, language_menus, turned
from demos._messages import explain
from demos._pairs import describe_pairs, pairs_view
from demos._stream import View
from demos._translate_parts import facts_of, facts_view, glossary_field
from demos._workbench import PRIVATE, Workbench
from llm_core.errors import InputError
from llm_core.tasks.translate import TASK, SentencePair, TranslateResult
from llm_core.tasks.translate.files import SUFFIXES, TranslatableFile, open_file, translated_name

NAME = "translate-file"
SHOWN_CHARS = 3_000
"""Of the translation, how much is shown."""
_TAG = re.compile(r"</?g\d+>")
"""How Word's formatting stands in the texts of a document."""


def build_file_view(ctx: DemoContext) -> None:
    """Create the view's components and events."""
    bench = Workbench(ctx, NAME, TASK)
    with bench.frame():
        with bench.fields():
            menus = language_menus(ctx, NAME)
            file = gr.File(
                label=ctx.t("translate.file"), file_types=list(SUFFIXES), height=150, elem_id=f"{NAME}-upload"
            )
            found = gr.Markdown("", elem_classes=["verdict"])
            with gr.Accordion(ctx.t("translate.options"), open=False):
                glossary = glossary_field(ctx, NAME)
        with bench.results():
            done = gr.File(label=ctx.t("translate.file_done"), interactive=False, height=110, elem_id=f"{NAME}-done")
            preview = gr.Textbox(
                lines=9, max_lines=9, label=ctx.t("translate.preview"), interactive=False, elem_id=f"{NAME}-preview"
            )
            facts = facts_view(NAME)
        with bench.details():
            view = pairs_view(f"{NAME}-pairs")

    def render(seen: View, path: str, source: str, target: str, *_: Any) -> Updates:
        if seen.result is None:
            return {preview: _shown(seen.text), done: None, view: "", facts: ""}
        return {
            preview: _shown(seen.result.text),
            done: _written(Path(path), seen.result, done.GRADIO_CACHE),
            view: _doubtful(Path(path), seen.result),
            facts: facts_of(seen.result, source),
        }

    bench.connect(
        inputs=[file, menus.source, menus.target, glossary],
        outputs=[done, preview, view, facts],
        to_request=to_request,
        render=render,
    )
    follow_model(bench, menus)
    chosen = [bench.model, menus.source, menus.target]
    menus.swap.click(
        lambda model_id, source, target: turned(ctx, model_id, source, target),
        chosen,
        chosen,
        queue=False,
        **PRIVATE,
    )
    gr.on([file.upload, file.clear], check_upload, file, [found, bench.message], queue=False, **PRIVATE)


def to_request(path: str | None, source: str, target: str, glossary: str | None) -> Mapping[str, Any]:
    """Fields of the request for a file.

    Raises:
        InputError: There is no file, or it cannot be used.
    """
    if path is None:
        raise InputError("document", "must not be empty")
    file = opened(Path(path))
    return {
        "units": [unit.text for unit in file.units],
        "format": file.format,
        "source": source,
        "target": target,
        "glossary": glossary or "",
    }


def check_upload(path: str | None) -> tuple[str, str]:
    """What was found in an upload, or what is wrong with it."""
    if path is None:
        return "", ""
    try:
        characters = sum(len(_TAG.sub("", unit.text)) for unit in opened(Path(path)).units)
        return say("translate.file_ready", f"{characters:,}"), ""
    except InputError as error:
        return "", explain(error)


def opened(path: Path) -> TranslatableFile:
    """The file that Gradio stored; it has cleaned the name that the visitor gave it."""
    return open_file(path, path.name)


def _written(path: Path, result: TranslateResult, folder: str) -> str:
    data = opened(path).rebuild(result.units, result.target)
    return str(save_bytes_to_cache(data, translated_name(path.name, result.target), folder))


def _doubtful(path: Path, result: TranslateResult) -> str:
    """The sentences that somebody should look at."""
    if not any(map(_needs_a_look, result.sentences)):
        return ""
    places = [unit.context for unit in opened(path).units]
    untagged = tuple(
        pair.model_copy(update={"source": _TAG.sub("", pair.source), "target": _TAG.sub("", pair.target)})
        for pair in result.sentences
    )
    result = result.model_copy(update={"sentences": untagged})
    return describe_pairs(result, title="look", only=_needs_a_look, places=places)


def _needs_a_look(pair: SentencePair) -> bool:
    return pair.low_confidence or not all(use.applied for use in pair.glossary)


def _shown(text: str) -> str:
    beginning = _TAG.sub("", text[:SHOWN_CHARS])
    return beginning + ("…" if len(text) > SHOWN_CHARS else "")
