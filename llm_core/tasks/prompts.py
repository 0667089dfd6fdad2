"""How text becomes a decoder's prompt: chat templates by name, the page's kinds of text, and prompts for code.

A catalogue entry names its template (`ModelSpec.prompt_template`); templates are code here, or come with a model's
tokenizer. Whatever people or models wrote goes in as literal text, so that special tokens typed by a visitor stay
ordinary characters (`llm_core.prompt`).
The module knows no model and no sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_core.endpoints import MESSAGES
from llm_core.errors import BackendError
from llm_core.prompt import Conversation, Prompt, Segment, literal, markup, segments_of

Role = Literal["user", "assistant"]
OwnTemplate = Callable[[Sequence[tuple[str, str]]], Prompt]
CONTINUE = "continue"
"""Template name of models that follow no instructions: they go on from the text they are given."""
OWN = "tokenizer"
"""Template name of models whose tokenizer brings a chat template."""
FIM_MARKS: dict[str, tuple[str, str, str]] = {
    "qwen_fim": ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    "smollm_fim": ("<issue_start>", "<issue_comment>", "<issue_closed>"),
}
"""Special tokens before the prefix, the suffix and the middle, by template, of models trained to fill in the middle
(Bavarian et al. 2022, arXiv:2207.14255): Qwen2.5-Coder, and ours on SmolLM2, which lends tokens that it has no other
use for."""
DEFAULT_SYSTEM = "You are a helpful AI assistant."
JSON_INSTRUCTION = "Answer with a JSON object that has these fields:"
LANGUAGE_INSTRUCTIONS = {"en": "Answer in English.", "zh": "请用中文回答。"}
"""What a model is told that is to answer in a language, by ISO 639-1 code."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Writing:
    """One kind of text that the page offers."""

    system: str
    instruction: str
    """Holds the visitor's text at ``{}``."""
    instruction_zh: str
    opening: str = ""
    """How an English answer begins, which keeps small models to the point; may hold the text's first line at ``{}``."""

    def begin(self, text: str, *, chinese: bool) -> str:
        """The beginning of the answer."""
        return "" if chinese else self.opening.replace("{}", text.strip().split("\n")[0])

    def wrap(self, text: str, *, chinese: bool) -> str:
        """The request to the model, in the language of the text."""
        return (self.instruction_zh if chinese else self.instruction).replace("{}", text)


WRITINGS: dict[str, Writing] = {
    "story": Writing(
        "You are a storyteller. You write short, vivid stories with a beginning, a turn and an end.",
        "Write a short story about this: {}",
        "请写一个短篇故事，主题：{}",
    ),
    "email": Writing(
        "You write short, polite and clear e-mails. Begin with a subject line and a greeting; end with a closing.",
        "Write an e-mail for this purpose: {}",
        "请写一封邮件，目的：{}",
    ),
    "product": Writing(
        "You write product descriptions for an online shop: concrete, friendly, without exaggeration.",
        "Write a product description for: {}",
        "请为以下产品写一段商品介绍：{}",
    ),
    "summary": Writing(
        "You summarize texts. Say only what the text says, in at most three sentences.",
        "Summarize this text:\n\n{}",
        "请用不超过三句话概括以下内容：\n\n{}",
    ),
    "explanation": Writing(
        "You explain things in simple words, step by step, with one everyday example.",
        "Explain this in simple words: {}",
        "请用简单易懂的话解释：{}",
    ),
}


_PROGRAMMER = "You are an experienced Python programmer and a patient teacher. You are brief and exact."
CODE_WRITINGS: dict[str, Writing] = {
    "explain_code": Writing(
        _PROGRAMMER,
        "Explain what this Python code does, step by step, in plain words:\n\n```python\n{}\n```",
        "请用简单的话逐步解释这段 Python 代码：\n\n```python\n{}\n```",
        "This code",
    ),
    "add_docstring": Writing(
        _PROGRAMMER,
        "Repeat this Python code with a docstring that says what it does, its arguments and what it returns:\n\n"
        "```python\n{}\n```",
        "请为这段 Python 代码加上文档字符串，说明功能、参数与返回值，并给出完整代码：\n\n```python\n{}\n```",
        '```python\n{}\n    """',
    ),
    "add_type_hints": Writing(
        _PROGRAMMER,
        "Repeat this Python code with type hints for all arguments and results:\n\n```python\n{}\n```",
        "请为这段 Python 代码的所有参数与返回值加上类型标注，并给出完整代码：\n\n```python\n{}\n```",
        "```python\n",
    ),
    "write_tests": Writing(
        _PROGRAMMER,
        "Write pytest tests for this Python code, with ordinary and unusual input:\n\n```python\n{}\n```",
        "请为这段 Python 代码编写 pytest 测试，包含常见与特殊输入：\n\n```python\n{}\n```",
        "```python\nimport pytest\n\n\ndef test_",
    ),
}
"""What can be asked about a piece of code."""


def chat_prompt(
    template: str | None, system: str, turns: Sequence[Turn], prefill: str = "", own: OwnTemplate | None = None
) -> Prompt:
    """A prompt whose continuation is the assistant's next message.

    Args:
        template: Name of a chat template; ``None`` means ``"plain"``, `OWN` the one that comes with the model,
            `MESSAGES` that of a server: the prompt is then a `Conversation`.
        system: Instructions that stand before the conversation; may be empty.
        turns: The conversation so far, ending with a user's turn.
        prefill: The beginning of the assistant's message, which the model then continues.
        own: What `OWN` stands for: a prompt of roles and contents.

    Raises:
        BackendError: There is no such template.
    """
    name = template or "plain"
    if name == MESSAGES:
        first = [("system", system)] if system else []
        return Conversation([*first, *((turn.role, turn.content) for turn in turns)], prefill)
    if name == OWN and own is not None:
        messages = [("system", system or DEFAULT_SYSTEM), *((turn.role, turn.content) for turn in turns)]
        return Prompt(*segments_of(own(messages)), literal(prefill))
    if name not in _CHAT_TEMPLATES:
        raise BackendError(f"there is no chat template {name!r}; there are {', '.join(_CHAT_TEMPLATES)}")
    return Prompt(*_CHAT_TEMPLATES[name](system, turns), literal(prefill))


def fill_in_the_middle_prompt(template: str, prefix: str, suffix: str) -> Prompt:
    """A prompt whose continuation stands between `prefix` and `suffix`.

    Args:
        template: A key of `FIM_MARKS`.
        prefix: Code before the cursor.
        suffix: Code after it.
    """
    before, after, middle = map(markup, FIM_MARKS[template])
    return Prompt(before, literal(prefix), after, literal(suffix), middle)


def _chatml(system: str, turns: Sequence[Turn]) -> list[Segment]:
    segments: list[Segment] = []
    for role, content in (("system", system or DEFAULT_SYSTEM), *((turn.role, turn.content) for turn in turns)):
        segments += [markup(f"<|im_start|>{role}\n"), literal(content), markup("<|im_end|>\n")]
    return [*segments, markup("<|im_start|>assistant\n")]


def _plain(system: str, turns: Sequence[Turn]) -> list[Segment]:
    """For models without chat markup: paragraphs; the model continues the last one."""
    return [literal("\n\n".join(text for text in (system, *(turn.content for turn in turns)) if text))]


def _continued(system: str, turns: Sequence[Turn]) -> list[Segment]:
    """What was said, in paragraphs; the text to go on from is the beginning of the answer."""
    return [literal("".join(f"{turn.content}\n\n" for turn in turns))]


_CHAT_TEMPLATES: dict[str, Callable[[str, Sequence[Turn]], list[Segment]]] = {
    "chatml": _chatml,
    "plain": _plain,
    CONTINUE: _continued,
}
