"""What a sentence of a poem may be, as a grammar for the decoder (llama.cpp's GBNF).

Each line has the length of its form, Chinese characters alone, its given first character if there is one, and a last
character that rhymes with the lines before. The decoder then cannot leave the form (Willard & Louf 2023,
arXiv:2307.09702). The module knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llm_core.data.prosody import rhyming_characters
from llm_core.data.verse_forms import COMMA, STOP, Line

HAN = "[一-龥]"
_MARKS = {COMMA: "[，；：！？]", STOP: "[。！？；]", "、": "[、，]"}
"""What may stand for a mark of the form."""


def sentence_grammar(
    lines: Sequence[Line],
    heads: Sequence[str] = (),
    rhymes: Mapping[str, str] | None = None,
    *,
    taken: str = "",
    level: bool = False,
) -> str:
    """The grammar of a sentence.

    Args:
        lines: Of the form.
        heads: First character of each line, empty where it is free (藏头).
        rhymes: The rhyme of each of the form's rhyme letters that is decided already.
        taken: Characters that rhymed before: a character does not rhyme with itself.
        level: Rhyming characters have level tones, as in regulated verse.
    """
    parts = []
    for place, line in enumerate(lines):
        head = heads[place] if place < len(heads) else ""
        rhyme = (rhymes or {}).get(line.rhyme, "")
        characters = [HAN] * line.length
        if rhyme:
            fitting = rhyming_characters(rhyme, level=level or None)
            characters[-1] = f"[{''.join(each for each in fitting if each not in taken) or fitting}]"
        if head:
            characters[0] = f'"{head}"'
        parts += [*characters, _MARKS[line.mark]]
    return f"root ::= {' '.join(parts)}\n"
