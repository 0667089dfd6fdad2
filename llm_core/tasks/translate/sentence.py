"""From sentences to translated sentences: protection, glossary, scores, alternatives, alignment.

A sentence is translated as a whole when all that is protected in it survives, else piece by piece around it; a long one
of which the model is unsure is translated again, clause by clause. So a sentence costs one call of the model, rarely
two, and the calls are shared by a batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from llm_core.backends.base import Attention, Hypothesis, Translates
from llm_core.data.dictionary import wording
from llm_core.tasks.translate.alignment import word_links
from llm_core.tasks.translate.clauses import clauses, joined
from llm_core.tasks.translate.glossary import Glossary, Occurrence, enforce, has_translation, prefer
from llm_core.tasks.translate.languages import (
    TRADITIONAL,
    is_in_target,
    language_of,
    model_code,
    simplify,
    to_traditional,
)
from llm_core.tasks.translate.layout import Sentence
from llm_core.tasks.translate.literals import literals
from llm_core.tasks.translate.protect import Protected, Restored, around, protect
from llm_core.tasks.translate.types import BEAM, Alignment, Alternative, SentencePair, TermUse
from llm_core.types import CancelToken

_CANDIDATES = 4
"""Hypotheses among which one that has the glossary's terms, and the text's numbers and names, is looked for."""

_LEAST_LETTERS = 5
"""Letters of a word from which several words in capitals are taken for words, not for abbreviations."""
_WORD = re.compile(r"[^\W\d_]+")
_TITLE = re.compile(r"[A-Z][a-z]+(?: [a-z]+){0,2}:?")
"""A few words of which the first may be a name (Rose) or none (Delivery): the model is asked for both."""
_LONE_I = re.compile(r"\bi\b")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to find out about each sentence beyond its translation."""

    glossary: Glossary
    alternatives: int = 0
    alignment: bool = False
    beam_size: int = BEAM


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The translation of what the model got, and what it was chosen from."""

    best: Hypothesis
    others: tuple[Hypothesis, ...]
    terms: tuple[TermUse, ...]
    in_dictionary: bool


class SentenceTranslator:
    """Translates batches of sentences.

    Args:
        model: Who translates.
        source: Language of the sentences of which the own one is not told, or not known to the model.
        target: Language to translate into.
        wishes: What else to find out.
        cancel: Stops it.
        detect: Whether the language of each sentence counts: what is in the target language already is kept, and a
            sentence in another language that the model knows is translated from that one.
    """

    def __init__(
        self, model: Translates, source: str, target: str, wishes: Wishes, cancel: CancelToken, *, detect: bool
    ) -> None:
        self._model = model
        self._source = source
        self._target = target
        self._wishes = wishes
        self._cancel = cancel
        self._detect = detect
        self._pairs = model.language_pairs()

    def translate(self, sentences: Sequence[Sentence]) -> list[SentencePair]:
        """Translations in the order of the sentences."""
        protected = [protect(sentence.text, sentence.marks) for sentence in sentences]
        pairs = [self._kept(sentence, each) for sentence, each in zip(sentences, protected, strict=True)]
        for language in dict.fromkeys(pair.language for pair in pairs if not pair.kept):
            places = [n for n, pair in enumerate(pairs) if not pair.kept and pair.language == language]
            found = self._at_once([pairs[n] for n in places], [protected[n] for n in places], language)
            found = self._by_clauses([sentences[n] for n in places], found, language)
            for place, pair in zip(places, found, strict=True):
                pairs[place] = pair
        return [_as_it_stood(pair, sentence) for pair, sentence in zip(pairs, sentences, strict=True)]

    def _at_once(
        self, pairs: Sequence[SentencePair], protected: Sequence[Protected], language: str
    ) -> list[SentencePair]:
        """The pairs with their translations, each sentence translated as a whole if all that is protected survives."""
        chosen = self._choose([each.plain for each in protected], [bool(each.pairs) for each in protected], language)
        found, failed = list(pairs), []
        for place, (own, each) in enumerate(zip(protected, chosen, strict=True)):
            if (restored := own.restored(each.best)) is None:
                failed.append(place)
            else:
                found[place] = self._whole(pairs[place], own, each, restored)
        self._piecewise(failed, found, protected, language)
        return found

    def _by_clauses(
        self, sentences: Sequence[Sentence], pairs: Sequence[SentencePair], language: str
    ) -> list[SentencePair]:
        """The pairs, the long ones of which the model is unsure translated clause by clause."""
        cut = [clauses(each) if pair.low_confidence else [] for each, pair in zip(sentences, pairs, strict=True)]
        parts = [part for each in cut for part in each]
        blank = [SentencePair(source=p.text, target=p.text, start=p.start, language=language) for p in parts]
        found = iter(self._at_once(blank, [protect(part.text, part.marks) for part in parts], language))
        return [
            self._rejoined(pair, [next(found) for _ in each]) if each else pair
            for pair, each in zip(pairs, cut, strict=True)
        ]

    def _rejoined(self, pair: SentencePair, parts: Sequence[SentencePair]) -> SentencePair:
        whole = joined(pair, parts, self._target)
        return whole.model_copy(update=self._confidence(whole.log_probability or 0.0))

    def _kept(self, sentence: Sentence, protected: Protected) -> SentencePair:
        """A pair of which the translation is missing, or that needs none."""
        words = " ".join(text for _, _, text, _ in around(protected.pieces))
        told = language_of(words)
        base = SentencePair(
            source=sentence.text, target=sentence.text, unit=sentence.unit, start=sentence.start, language=told
        )
        if not words:
            return base.model_copy(update={"kept": "no_words"})
        if self._detect and is_in_target(told, self._source, self._target):
            return base.model_copy(update={"kept": "target_language", "target": self._rewritten(protected.pieces)})
        own = self._detect and (told, model_code(self._target)) in self._pairs
        return base.model_copy(update={"language": told if own and told != model_code(self._source) else self._source})

    def _rewritten(self, pieces: Sequence[str]) -> str:
        """A sentence in the target language in the script that was asked for."""
        return "".join(piece if number % 2 else self._written(piece) for number, piece in enumerate(pieces))

    def _choose(self, texts: Sequence[str], marked: Sequence[bool], language: str) -> list[_Chosen]:
        """The best translation of each text under the wishes, in the target language as models know it."""
        if not texts:
            return []
        plain = [_simplified(text) if model_code(language) == "zh" else text for text in texts]
        terms = [self._wishes.glossary.occurrences(text) for text in plain]
        said = [_in_small_letters(text) for text in plain]
        kept = [_apart(literals(text, model_code(language)), own) for text, own in zip(said, terms, strict=True)]
        wanted = [own + also for own, also in zip(terms, kept, strict=True)]
        count = max(1 + self._wishes.alternatives, _CANDIDATES if any(wanted) else 1)
        titles = [n for n, text in enumerate(said) if not wanted[n] and _TITLE.fullmatch(text)]
        found = self._model.hypotheses(
            [*said, *(said[n].lower() for n in titles)],
            model_code(language),
            model_code(self._target),
            self._cancel,
            beam_size=max(self._wishes.beam_size, count),
            count=count,
            attention=self._wishes.alignment or any(wanted) or any(marked),
        )
        likelier = _likelier(found[: len(said)], dict(zip(titles, found[len(said) :], strict=True)))
        known = [() if own else self._known(text, language) for text, own in zip(said, wanted, strict=True)]
        return [self._chosen(*each) for each in zip(said, likelier, known, wanted, terms, strict=True)]

    def _known(self, text: str, language: str) -> tuple[str, ...]:
        """What the model's dictionary says of a text that is an entry of it."""
        if self._model.dictionary is None:
            return ()
        return self._model.dictionary.translations(text, model_code(language), model_code(self._target))

    def _chosen(
        self,
        text: str,
        found: Sequence[Hypothesis],
        known: Sequence[str],
        wanted: Sequence[Occurrence],
        terms: Sequence[Occurrence],
    ) -> _Chosen:
        # An answer without a word would lose the sentence.
        found = [each for each in found if each.text.strip()] or [Hypothesis(text, found[0].log_probability)]
        if known:
            found = _with_dictionary(found, known)
        number = prefer(found, wanted) if wanted else 0
        best = enforce(found[number], wanted, len(text)) if wanted else found[number]
        entries = dict.fromkeys(occurrence.entry for occurrence in terms)
        uses = tuple(
            TermUse(term=e.term, translation=e.translation, applied=has_translation(e, best.text)) for e in entries
        )
        others = tuple(each for n, each in enumerate(found) if n != number)[: self._wishes.alternatives]
        return _Chosen(self._in_script(best), tuple(map(self._in_script, others)), uses, bool(known))

    def _whole(self, pair: SentencePair, protected: Protected, chosen: _Chosen, restored: Restored) -> SentencePair:
        best = chosen.best
        texts = {restored.text}
        alternatives = []
        for other in chosen.others:
            whole = protected.restored(other)
            if whole is not None and whole.text not in texts:
                texts.add(whole.text)
                alternatives.append(Alternative(text=whole.text, log_probability=other.log_probability))
        alignment = None
        if self._wishes.alignment and best.attention is not None:
            alignment = _alignment(protected, best, best.attention, restored)
        return pair.model_copy(
            update={
                "target": restored.text,
                **self._confidence(best.log_probability),
                **({"in_dictionary": True, "low_confidence": False} if chosen.in_dictionary else {}),
                "glossary": chosen.terms,
                "alternatives": tuple(alternatives),
                "alignment": alignment,
            }
        )

    def _piecewise(
        self, places: Sequence[int], pairs: list[SentencePair], protected: Sequence[Protected], language: str
    ) -> None:
        """Translate around what is protected; nothing of it can be lost."""
        jobs = [(place, *job) for place in places for job in around(protected[place].pieces)]
        chosen = self._choose([text for _, _, _, text, _ in jobs], [False] * len(jobs), language)
        for place in places:
            pieces = list(protected[place].pieces)
            own = [(job, each) for job, each in zip(jobs, chosen, strict=True) if job[0] == place]
            if not own:  # a clause without words stays as it is
                continue
            for (_, number, before, _, after), each in own:
                pieces[number] = before + each.best.text + after
            lengths = [len(job[3]) for job, _ in own]
            score = fmean((each.best.log_probability for _, each in own), weights=lengths)
            terms = tuple(term for _, each in own for term in each.terms)
            update = {"target": "".join(pieces), "glossary": terms, **self._confidence(score)}
            pairs[place] = pairs[place].model_copy(update=update)

    def _confidence(self, log_probability: float) -> dict[str, object]:
        low = self._model.low_log_probability
        return {"log_probability": log_probability, "low_confidence": low is not None and log_probability < low}

    def _written(self, text: str) -> str:
        """In the target's script."""
        if self._target == TRADITIONAL:
            return to_traditional(text)
        return simplify(text) if self._target == "zh" else text

    def _in_script(self, hypothesis: Hypothesis) -> Hypothesis:
        if self._target != TRADITIONAL:
            return hypothesis
        text = to_traditional(hypothesis.text)
        same = len(text) == len(hypothesis.text)
        return replace(hypothesis, text=text, attention=hypothesis.attention if same else None)


def _apart(some: Sequence[Occurrence], others: Sequence[Occurrence]) -> list[Occurrence]:
    """Those that overlap none of the others."""
    return [one for one in some if all(one.end <= other.start or other.end <= one.start for other in others)]


def _likelier(
    found: Sequence[Sequence[Hypothesis]], others: Mapping[int, Sequence[Hypothesis]]
) -> list[Sequence[Hypothesis]]:
    """Of the translations of a text and those of its other spelling, by number, the ones with the likelier first."""
    return [max(each, others.get(n, each), key=lambda some: some[0].log_probability) for n, each in enumerate(found)]


def _with_dictionary(found: Sequence[Hypothesis], known: Sequence[str]) -> Sequence[Hypothesis]:
    """First what both the model and the dictionary say, then what the dictionary says alone, then the model's rest."""
    entries, said = set(map(wording, known)), {wording(each.text) for each in found}
    agreed = [each for each in found if wording(each.text) in entries]
    own = [Hypothesis(text, 0.0) for text in known if wording(text) not in said]
    return [*agreed, *own, *(each for each in found if wording(each.text) not in entries)]


def _in_small_letters(text: str) -> str:
    """Words in capitals, such as a heading, as a sentence, each letter in its place; other text as it is.

    Translators cut words in capitals into letters, and know few of them. A lone word, or several that are all short,
    may be abbreviations, and so may be those within a text in letters that have no case, such as Chinese.
    """
    words = _WORD.findall(text)
    if len(words) < 2 or max(map(len, words)) < _LEAST_LETTERS or text != text.upper():
        return text
    if any(letter.lower() == letter for word in words for letter in word):
        return text
    first = next((place for place, letter in enumerate(text) if letter.isupper()), len(text))
    small = _LONE_I.sub("I", text[: first + 1] + text[first + 1 :].lower())
    return small if len(small) == len(text) else text


def _simplified(text: str) -> str:
    """Simplified characters, each in the place of its own; else the text itself."""
    simplified = simplify(text)
    return simplified if len(simplified) == len(text) else text


def _alignment(protected: Protected, best: Hypothesis, attention: Attention, restored: Restored) -> Alignment:
    links = word_links(protected.plain, best.text, attention)
    found = ((links.best(number), number) for number in range(len(links.target)))
    return Alignment(
        source=tuple((protected.places[a][0], protected.places[b - 1][1]) for a, b in links.source),
        target=tuple((restored.places[a][0], restored.places[b - 1][1]) for a, b in links.target),
        weights=tuple(tuple(round(float(weight), 4) for weight in row) for row in links.weights),
        links=tuple((source, target) for source, target in found if source is not None),
    )


def _as_it_stood(pair: SentencePair, sentence: Sentence) -> SentencePair:
    """With the source as in the text; what came back unchanged keeps its line breaks."""
    unchanged = {"target": sentence.raw} if pair.target == sentence.text else {}
    alignment = {"alignment": None} if sentence.raw != sentence.text and len(sentence.raw) != len(sentence.text) else {}
    return pair.model_copy(update={"source": sentence.raw, **unchanged, **alignment})
