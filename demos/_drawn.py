"""Views that the browser draws from data: a constant template, a script in ``assets/`` and a value in JSON.

The scripts stand in the page's head, once; a component only names its own. Written out in each component they were a
third of the page.

Text of visitors and models reaches the browser as JSON in which no ``<`` or ``>`` is left, and the scripts make text
nodes of it. So nothing of it can become markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from demos._assets import names, script
from demos._i18n import words

_SHARED = ("drawn", "bars", "catalogue", "chart", "inspection", "matrix")
"""Scripts whose functions the views use."""
_OF_THE_PAGE = ("first", "page", "restore")
"""Scripts that are neither shared by views nor a view's."""
VIEWS = tuple(name for name in names("js") if name not in (*_SHARED, *_OF_THE_PAGE))
"""Scripts of a view each."""
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "`": "\\u0060", "$": "\\u0024"})


def drawn_view(name: str, elem_id: str, value: str = "", classes: Sequence[str] = (), render: bool = True) -> gr.HTML:
    """The component; its value is what `encoded` gives, or empty.

    Args:
        name: Of the script, of the table of strings it may show, and of its class of styles.
        elem_id: Unique on the page.
        value: What it shows from the first.
        classes: Further classes of styles.
        render: Whether it stands here; otherwise it is rendered later.
    """
    return gr.HTML(
        value,
        html_template=f'<div class="{name}-root"></div>',
        js_on_load=f"drawnViews.{name}(element, props, trigger, watch)",
        apply_default_css=False,
        label=words(name),
        elem_id=elem_id,
        elem_classes=[name, *classes],
        render=render,
    )


def view_scripts() -> str:
    """The scripts of all views, for the page's head: ``drawnViews`` holds a function for each."""
    views = (f"{name}(element, props, trigger, watch) {{\n{script(name)}}}" for name in VIEWS)
    return "".join([*map(script, _SHARED), "window.drawnViews = {\n", ",\n".join(views), "};\n"])


def encoded(value: dict[str, Any]) -> str:
    """JSON that stays data wherever it lands: no markup, template or marker of a translated string is left in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES).replace("__i18n__", "\\u005f_i18n__")
