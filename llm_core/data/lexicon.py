"""Synonyms, from a dictionary or a thesaurus that stands among the data sets.

Two forms of rows:

- a bilingual dictionary, ``zh, en[…]`` (CC-CEDICT; the data pack ``dictionary_zh_en``): words are synonyms when they
  share several translations, in either language (pivoting: Bannard and Callison-Burch 2005,
  doi:10.3115/1219840.1219914);
- a thesaurus, ``word, synonyms[…]``, such as one made from WordNet.

The module knows nothing of sentences: a word has the same synonyms everywhere.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from llm_core.data.loaders import Row, load_rows
from llm_core.errors import InputError

Lexicon = Mapping[str, Sequence[str]]
"""Lower-case words to their synonyms, best first."""

SYNONYMS = 5
"""Most synonyms of a word; the further ones are worse."""
SHARED = 2
"""Translations two words must share: with one, "bank" would link a river to money."""
COMMON = 40
"""A translation of more words than this says too little ("surname", "place in Taiwan")."""

ASIDE = re.compile(r"\s*[(\[（].*?[)\]）]\s*")
"""A note within a gloss, such as "(idiom)"."""
_VERB = "to "
_WORD = re.compile(rf"(?:{_VERB})?([^\W\d_]+)")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+")


def load_lexicon(name: str, data_dir: Path | None = None) -> Lexicon:
    """The lexicon in a data set's train split; see the module docstring for the two forms.

    Raises:
        InputError: A row is of neither form, or holds no list of strings.
        ModelUnavailableError: There is no such data set.
    """
    rows = load_rows(name, "train", data_dir)
    if rows and "synonyms" in rows[0]:
        return {str(_field(row, "word")).lower(): _words(row, "synonyms") for row in rows}
    return from_dictionary((str(_field(row, "zh")), _words(row, "en")) for row in rows)


def _field(row: Row, name: str) -> object:
    if name not in row:
        raise InputError(name, "must be in every row of a lexicon", row)
    return row[name]


def _words(row: Row, name: str) -> list[str]:
    value = _field(row, name)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(name, "must be a list of strings", value)
    return value


def from_dictionary(entries: Iterable[tuple[str, Sequence[str]]]) -> Lexicon:
    """Synonyms of both languages from a bilingual dictionary: a headword and its translations, a sense each."""
    forward, backward = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for word, senses in entries:
        for gloss in _glosses(senses):
            forward[word].add(gloss)
            backward[gloss].add(word)
    return {**_linked(forward, backward), **_plain(_linked(backward, forward))}


def _plain(linked: Mapping[str, Sequence[str]]) -> Lexicon:
    """Without the mark of verbs: "to film" and "film" become one word, with the synonyms of both."""
    found = defaultdict[str, list[str]](list)
    for word, others in sorted(linked.items()):
        known, plain = found[word.removeprefix(_VERB)], (other.removeprefix(_VERB) for other in others)
        known += [other for other in plain if other not in (*known, word.removeprefix(_VERB))]
    return {word: others[:SYNONYMS] for word, others in found.items() if others}


def _glosses(senses: Sequence[str]) -> set[str]:
    """Single words without article and asides, verbs with "to"; explanations and words such as "by" are left out."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # heavy, and only a dictionary needs it

    parts = (part for sense in senses for part in ASIDE.sub(" ", sense).lower().split(";"))
    plain = (_ARTICLE.sub("", part.strip()) for part in parts)
    found = (_WORD.fullmatch(gloss) for gloss in plain)
    return {match[0] for match in found if match and match[1] not in ENGLISH_STOP_WORDS}


def _linked(words: Mapping[str, set[str]], translations: Mapping[str, set[str]]) -> dict[str, list[str]]:
    found = {}
    for word, meanings in words.items():
        telling = [m for m in meanings if len(translations[m]) <= COMMON]
        shared = Counter(other for m in telling for other in translations[m] if other != word)
        alike = {other: count / len(meanings | words[other]) for other, count in shared.items()}
        close = [other for other, count in shared.items() if count >= SHARED]
        if close:
            found[word] = sorted(close, key=lambda other: (-alike[other], other))[:SYNONYMS]
    return found
