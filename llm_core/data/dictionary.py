"""A bilingual dictionary small enough to ship beside a translator: what whole words and set phrases mean.

Neural translators of a few million weights know few of the greetings, idioms and lone words that a dictionary lists,
and compose them from their parts ("goodbye" from 再见, "see again"). The file has a line for each Chinese word, the
commonest first: the word, and its English meanings in the dictionary's order, with tabs between. A meaning that ends in
``*`` holds in some uses only, those that the dictionary's note on it names.
"""

from __future__ import annotations

import lzma
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

from llm_core.data.files import Row
from llm_core.data.words import HAN, word_ranges
from llm_core.errors import WeightsError

FILE = "dictionary.tsv.xz"
LANGUAGES = ("zh", "en")
MEANINGS = 6
"""Of a word; the dictionary gives the further ones to be complete."""

_IN_SOME_USES = "*"
_LONGEST_TEXT = 80
"""Characters of a text that may be an entry."""
_LONGEST_LOOKED_UP = 3
"""Words of an English text; translators do better on longer ones."""
_LONGEST_PHRASE = 8
"""Words of a meaning; longer ones explain instead of translating."""
_PHRASE_COUNT = 5
"""What being a set phrase is worth beside how often a word is counted: translators know these least."""
_SHORT_PART = 3
"""Words between commas up to which these part meanings, not clauses."""
_LONGEST_WORD = 12
"""Characters of a Chinese headword."""
_ASIDE = re.compile(r"\s*[(\[（][^()\[\]（）]*[)\]）]\s*")
_OPEN_PLACE = re.compile(r" \((?:idiom|loanword|do sth|sb|sth|to sb|with sb|for sb|of sb|of sth)\)")
"""An aside that does not restrict the meaning."""
_SET_PHRASE = re.compile(r"(.)\1(.)\2|.*!|.*\b(?:you|your|you're|I'm)\b.*")
"""Reduplicated words such as 马马虎虎, and, among meanings, what one says to somebody."""
_SPEAKS_OF = re.compile(
    r"^(?:CL:|surname |classifier |see |abbr\.|used |also |lit\. |(?:\w+ )?variant of |(?:Taiwan|old) pr)|[|\[\]()]|"
    rf"[{HAN}]"
)
"""About the word, its measure words or its characters; not a meaning."""
_FIGURATIVE = re.compile(r"^(?:fig\. |\((?:fig\.|idiom|loanword)\) )")
_ENDING = " !?.…！？。"
_NAME = re.compile(r"[A-Z][^\s,]*(?: (?:of |the )*[A-Z][^\s,]*)*")
"""What an explanation after a comma is of."""
_LEADING_WORDS = ("to ", "a ", "an ", "the ")
_LEADING = re.compile(rf"^(?:{'|'.join(_LEADING_WORDS)})")
_SMALL_LETTERS = str.maketrans(ascii_uppercase, ascii_lowercase)
_REST = re.compile(rf"[{_ENDING}]*(?P<some>\*?)[\t\n]")


class Dictionary:
    """Looks words and phrases up; the file is read at the first question.

    Args:
        file: What `write_dictionary` wrote.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def translations(self, text: str, source: str, target: str) -> tuple[str, ...]:
        """Of a text that is a headword or one of the meanings, but for case, article, "to" and the mark at its end.

        Args:
            text: A word or phrase.
            source: Its language; there are translations between those of `LANGUAGES`.
            target: Language to translate into.

        Returns:
            The best first, with the mark of `text` at their ends; none if the dictionary does not have it.

        Raises:
            WeightsError: The file is damaged.
        """
        word = text.strip().rstrip(_ENDING)
        if not word or len(word) > _LONGEST_TEXT or not word.isprintable() or {source, target} != set(LANGUAGES):
            return ()
        if source == "en" and len(wording(word).split()) > _LONGEST_LOOKED_UP:
            return ()
        found = self._meanings(word) if source == "zh" else self._words(word)
        mark = text.strip()[len(word) :].strip()
        return tuple(_ended(each, mark, target) for each in found)

    def _meanings(self, word: str) -> list[str]:
        """Of a Chinese word; those of all its uses first."""
        place = self._lines.find(f"\n{word}\t")
        if place < 0:
            return []
        found = self._lines[place + 1 : self._lines.index("\n", place + 1)].split("\t")[1:]
        return [meaning.removesuffix(_IN_SOME_USES) for meaning in sorted(found, key=lambda m: m[-1] == _IN_SOME_USES)]

    def _words(self, meaning: str) -> list[str]:
        """Chinese words of an English meaning: those that always have it first, then the common and the direct ones."""
        found: dict[str, tuple[bool, float]] = {}
        for place, restricted in self._places(wording(meaning)):
            start = self._lines.rindex("\n", 0, place) + 1
            word, *before = self._lines[start:place].split("\t")
            # By Zipf's law what stands twice as far down is half as common.
            found.setdefault(word, (restricted, math.log(start + 500) + 0.8 * len(before)))
        return sorted(found, key=lambda word: found[word])

    def _places(self, plain: str) -> Iterator[tuple[int, bool]]:
        """The tabs before a meaning, and whether it holds in some uses only."""
        for leading in ("", *_LEADING_WORDS):
            wanted, place = f"\t{leading}{plain}", -1
            while (place := self._small.find(wanted, place + 1)) >= 0:
                rest = _REST.match(self._small, place + len(wanted))
                if rest:
                    yield place, bool(rest["some"])

    @cached_property
    def _small(self) -> str:
        """The lines in small letters, each in its place: `str.lower` makes two of some letters."""
        return self._lines.translate(_SMALL_LETTERS)

    @cached_property
    def _lines(self) -> str:
        try:
            return "\n" + lzma.decompress(self._file.read_bytes()).decode("utf-8")
        except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise WeightsError(f"{self._file.parent.name}/{self._file.name} cannot be read: {error}") from error


def wording(text: str) -> str:
    """What two ways to write a translation have in common: no capitals, article, "to" or mark at the end."""
    return _LEADING.sub("", text.strip().lower()).rstrip(_ENDING)


def write_dictionary(rows: Iterable[Row], counts: Mapping[str, int], size: int, file: Path) -> int:
    """Write the entries of a dictionary that are worth their place: common words, then set phrases, then the rest.

    Args:
        rows: The dictionary, ``zh, en[…]``; CC-CEDICT is one.
        counts: How often Chinese words stand in running text.
        size: Most entries.
        file: Where to.

    Returns:
        How many there are.
    """
    meanings: dict[str, dict[str, None]] = {}
    phrases = set()
    for row in rows:
        word, senses = row["zh"], row["en"]
        if re.fullmatch(rf"[{HAN}，]{{1,{_LONGEST_WORD}}}", word):
            meanings.setdefault(word, {}).update(dict.fromkeys(_plain_meanings(senses)))
            if any("(idiom)" in sense or _SET_PHRASE.fullmatch(_ASIDE.sub("", sense)) for sense in (word, *senses)):
                phrases.add(word)
    words = [word for word, found in meanings.items() if found]
    words.sort(key=lambda word: (-counts.get(word, 0) - _PHRASE_COUNT * (word in phrases), len(word)))
    lines = ["\t".join([word, *_without_doubles(meanings[word])]) + "\n" for word in words[:size]]
    file.write_bytes(lzma.compress("".join(lines).encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))
    return len(lines)


def word_counts(texts: Iterable[str], words: Collection[str]) -> Counter[str]:
    """How often each of some Chinese words stands in texts: longer ones anywhere, a lone character as a word."""
    counts: Counter[str] = Counter()
    longest = max(map(len, words), default=0)
    for text in texts:
        counts.update(text[start:end] for start, end in word_ranges(text) if end == start + 1)
        for size in range(2, min(longest, len(text)) + 1):
            counts.update(
                part for start in range(len(text) - size + 1) if (part := text[start : start + size]) in words
            )
    return counts


def _plain_meanings(senses: Sequence[str]) -> Iterator[str]:
    for sense in senses:
        for gloss in sense.split(";"):
            yield from _parts(gloss.strip())


def _parts(gloss: str) -> Iterator[str]:
    """A gloss without its asides; of several words in a row, each; of a name that is explained, the name."""
    gloss = _OPEN_PLACE.sub("", _FIGURATIVE.sub("", gloss)).strip(" ,.")
    plain = _ASIDE.sub(" ", gloss).strip(" ,.")
    if not plain or gloss.startswith(("(", "[")):
        return
    parts = plain.split(", ")
    if len(parts) > 1 and (name := _NAME.match(plain)):
        parts = [name[0]]
    elif max(len(part.split()) for part in parts) > _SHORT_PART:
        parts = [plain]
    some = _IN_SOME_USES if plain != gloss else ""
    for part in parts:
        if len(part.split()) <= _LONGEST_PHRASE and not _SPEAKS_OF.search(part):
            yield part + some


def _without_doubles(meanings: Iterable[str]) -> list[str]:
    """At most `MEANINGS`; what holds always is not said once more of some uses."""
    found = dict.fromkeys(meanings)
    return [m for m in found if m.removesuffix(_IN_SOME_USES) == m or m[:-1] not in found][:MEANINGS]


def _ended(text: str, mark: str, language: str) -> str:
    """With the mark that ends a sentence; English begins with a capital then."""
    if not mark:
        return text
    wide = language == "zh"
    own = mark.replace("...", "…").translate(str.maketrans("!?.", "！？。") if wide else str.maketrans("！？。", "!?."))
    plain = text.rstrip(_ENDING)
    return (plain if wide else plain[:1].upper() + plain[1:]) + own
