"""A conversation in the words of a tokenizer's own chat template, with what people wrote kept literal.

A template is a Jinja program that comes with a checkpoint; transformers runs it in a sandbox. It sees a mark in place
of each message, so that afterwards it is known which text is the template's and which is a visitor's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from llm_core.errors import BackendError
from llm_core.prompt import Prompt, literal, markup

Message = tuple[str, str]
"""Role (``system``, ``user`` or ``assistant``) and content."""
_MARK = re.compile("\ue000([0-9]+)\ue001")
"""Private-use characters, which no template contains."""


def chat_prompt(tokenizer: Any, messages: Sequence[Message]) -> Prompt:
    """A prompt whose continuation is the assistant's next message; a model that can think aloud first is told not to.

    Args:
        tokenizer: transformers' own.
        messages: The conversation so far. Instructions of role ``system`` stand first; where a template knows no such
            role they are put before the first message.

    Raises:
        BackendError: The tokenizer has no template, or its template fails or leaves a message out.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise BackendError("the tokenizer has no chat template")
    roles = [(role, _mark(number)) for number, (role, _) in enumerate(messages)]
    try:
        text = _rendered(tokenizer, roles)
    except TemplateError as error:
        if len(roles) < 2 or roles[0][0] != "system":
            raise BackendError(f"the tokenizer's chat template fails: {error}") from error
        text = _without_system(tokenizer, roles)
    parts = _MARK.split(text)
    if parts[1::2] != [str(number) for number in range(len(messages))]:
        raise BackendError("the tokenizer's chat template leaves out a message")
    contents = [content for _, content in messages]
    return Prompt(*(literal(contents[int(part)]) if i % 2 else markup(part) for i, part in enumerate(parts)))


def _mark(number: int) -> str:
    return f"\ue000{number}\ue001"


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> str:
    asked = [{"role": role, "content": content} for role, content in messages]
    text: str = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    return text


def _without_system(tokenizer: Any, roles: Sequence[Message]) -> str:
    (_, system), (role, first), *others = roles
    try:
        return _rendered(tokenizer, [(role, f"{system}\n\n{first}"), *others])
    except TemplateError as error:
        raise BackendError(f"the tokenizer's chat template fails: {error}") from error
