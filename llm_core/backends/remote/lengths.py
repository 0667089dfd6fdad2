"""How long texts are for models whose tokenizer is elsewhere: servers do not have to say how they cut a text."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 3.5
"""Of text in the Latin alphabet; a low estimate, so that prompts rather lose a line than be refused."""
_SPARE = 0.8
"""Of what a model reads, the share that a part is cut for: names and code have more tokens than the estimate."""


def estimated_tokens(text: str) -> int:
    """Tokens of a text: a character outside ASCII is one."""
    if not text:
        return 0
    narrow = sum(character.isascii() for character in text)
    return 1 + round(narrow / CHARACTERS_PER_TOKEN) + (len(text) - narrow)


def parts_of(text: str, context_length: int) -> list[str]:
    """A text in parts that a model of so many tokens reads, cut between words where there are any; never empty."""
    room, parts, start, spent, blank = _SPARE * context_length, [], 0, 0.0, 0
    for place, character in enumerate(text):
        spent += 1 / CHARACTERS_PER_TOKEN if character.isascii() else 1
        if spent > room and place > start:
            end = blank if blank > start else place
            parts.append(text[start:end])
            start, spent = end, sum(1 / CHARACTERS_PER_TOKEN if c.isascii() else 1 for c in text[end : place + 1])
        if character.isspace():
            blank = place + 1
    return [*parts, text[start:]]
