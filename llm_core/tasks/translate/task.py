"""Translation: sentence by sentence, so that the first one is there early and all between sentences stays as it is.

See `layout` for what is kept, `marks` for what is never translated, `languages` for how the source is told, and `files`
for documents. The model may be any that `Translates`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

from llm_core.backends.base import Translates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import InputError, LlmCoreError, ModelUnavailableError
from llm_core.session import Session, Steps, exhaust
from llm_core.tasks.translate.back import translate_back
from llm_core.tasks.translate.glossary import Entry, Glossary, parse_glossary
from llm_core.tasks.translate.languages import AUTO, language_name, main_language, model_code, simplify
from llm_core.tasks.translate.layout import Layout, Sentence, gap_in, is_markdown, lay_out
from llm_core.tasks.translate.sentence import SentenceTranslator, Wishes
from llm_core.tasks.translate.types import BackTranslation, SentencePair, TranslateRequest, TranslateResult
from llm_core.types import Delta, Progress

SENTENCES_PER_CALL = 16
"""Translated together; the first call takes one sentence, so that something is to be read soon."""


class TranslateTask:
    """See `Task`."""

    name: ClassVar[str] = "translate"
    request_type: ClassVar[type[TranslateRequest]] = TranslateRequest

    def candidates(self, catalog: Catalog, request: TranslateRequest) -> tuple[ModelSpec, ...]:
        """Models that have the pair.

        Raises:
            InputError: Both languages are the same, or no model has the pair.
            ModelUnavailableError: The catalogue has no translator at all.
        """
        pair = _pair(request)
        if pair[0] == pair[1]:
            raise InputError("target", f"must be another language than the text's, which is {language_name(pair[0])}")
        translators = catalog.for_task("translate")
        if not translators:
            raise _no_translator()
        able = tuple(spec for spec in translators if pair in spec.language_pairs)
        if not able:
            raise InputError("target", _no_pair(pair, translators))
        return able

    def run(self, session: Session, request: TranslateRequest) -> Steps[TranslateResult]:
        """See `Task.run`."""
        model = session.open(Translates)
        back = _reverse(session, model, _pair(request)) if request.back_translation else None
        translator = _translator(session, model, request)
        layout = _layout(request)
        assembly = _Assembly(layout, request.target)
        for batch in _batches(layout.sentences):
            for sentence, translated in zip(batch, translator.translate(batch), strict=True):
                yield Delta(assembly.add(sentence, translated))
            yield Progress(len(assembly.pairs), len(layout.sentences))
        if rest := assembly.finish():
            yield Delta(rest)
        returned = None
        if back is not None:
            source = source_language(request)
            returned = translate_back(*back, assembly.pairs, source, request.target, session.cancel)
        return _result(request, assembly, returned)

    def run_many(self, session: Session, requests: Sequence[TranslateRequest]) -> list[TranslateResult]:
        """Results of many requests; the sentences of those that differ in their texts only are translated together."""
        alike: dict[tuple[TranslateRequest, bool], list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            plain = {"text": "", "units": (), "source": source_language(request), "format": "auto"}
            alike[request.model_copy(update=plain), request.source == AUTO].append(number)
        results: dict[int, TranslateResult] = {}
        for numbers in alike.values():
            some = [requests[number] for number in numbers]
            results |= zip(numbers, self._run_alike(session, some), strict=True)
        return [results[number] for number in range(len(requests))]

    def _run_alike(self, session: Session, requests: Sequence[TranslateRequest]) -> list[TranslateResult]:
        if requests[0].back_translation:
            return [exhaust(self.run(session, request)) for request in requests]
        translator = _translator(session, session.open(Translates), requests[0])
        assemblies = [_Assembly(_layout(request), request.target) for request in requests]
        sentences = [(each, sentence) for each in assemblies for sentence in each.layout.sentences]
        # Of like length, so that none waits for a longer one in its batch.
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place][1].text))
        pairs: dict[int, SentencePair] = {}
        for start in range(0, len(order), SENTENCES_PER_CALL):
            places = order[start : start + SENTENCES_PER_CALL]
            pairs |= zip(places, translator.translate([sentences[place][1] for place in places]), strict=True)
        for place, (assembly, sentence) in enumerate(sentences):
            assembly.add(sentence, pairs[place])
        for assembly in assemblies:
            assembly.finish()
        return [_result(request, assembly, None) for request, assembly in zip(requests, assemblies, strict=True)]


def _translator(session: Session, model: Translates, request: TranslateRequest) -> SentenceTranslator:
    """For the sentences of a request.

    Raises:
        InputError: The model does not have the pair.
    """
    source, pair = source_language(request), _pair(request)
    if pair not in model.language_pairs():
        raise InputError("target", f"{session.spec.title} has no translation from {pair[0]} to {pair[1]}")
    wishes = Wishes(_glossary(request, pair), request.alternatives, request.alignment, request.beam_size)
    return SentenceTranslator(model, source, request.target, wishes, session.cancel, detect=request.source == AUTO)


class _Assembly:
    """The translations of all units, as they grow."""

    def __init__(self, layout: Layout, target: str) -> None:
        self.pairs: list[SentencePair] = []
        self.units: list[str] = [""]
        self.layout = layout
        self._target = target

    def add(self, sentence: Sentence, pair: SentencePair) -> str:
        """Take the next sentence; what to show of it, with all before it that was not shown."""
        shown = self._up_to(sentence.unit)
        last = self.pairs[-1] if self.pairs and self.pairs[-1].unit == sentence.unit else None
        gap = gap_in(sentence.gap, (last.source, last.target) if last else ("", ""), self._target)
        self.pairs.append(pair.model_copy(update={"target_start": len(self.units[-1]) + len(gap)}))
        self.units[-1] += gap + pair.target
        return shown + gap + pair.target

    def finish(self) -> str:
        """What follows the last sentence."""
        shown = self._up_to(len(self.layout.tails) - 1)
        self.units[-1] += self.layout.tails[-1]
        return shown + self.layout.tails[-1]

    def _up_to(self, unit: int) -> str:
        shown = ""
        while len(self.units) <= unit:
            tail = self.layout.tails[len(self.units) - 1]
            self.units[-1] += tail
            self.units.append("")
            shown += tail + "\n"
        return shown


def source_language(request: TranslateRequest) -> str:
    """The language of a request's text.

    Raises:
        InputError: It is to be detected, and the text has no letters of a known script.
    """
    if request.source != AUTO:
        return request.source
    found = _detected(_layout(request), request.target)
    if not found:
        raise InputError("source", "cannot be detected: the text has no letters; choose the language")
    return found


@functools.lru_cache(maxsize=4)
def _detected(layout: Layout, target: str) -> str:
    return main_language([_words_of(sentence) for sentence in layout.sentences], target)


def _glossary(request: TranslateRequest, pair: tuple[str, str]) -> Glossary:
    """The request's entries, Chinese in the characters that the model reads and writes."""
    kept = [simplify if code == "zh" else str for code in pair]
    return Glossary([Entry(kept[0](e.term), kept[1](e.translation)) for e in parse_glossary(request.glossary)])


def _words_of(sentence: Sentence) -> str:
    """The sentence without code, addresses and the like."""
    words, cursor = "", 0
    for mark in sentence.marks:
        words += sentence.text[cursor : mark.start]
        cursor = mark.end
    return words + sentence.text[cursor:]


def _pair(request: TranslateRequest) -> tuple[str, str]:
    return model_code(source_language(request)), model_code(request.target)


def _layout(request: TranslateRequest) -> Layout:
    markdown = request.format == "markdown" or (request.format == "auto" and is_markdown(request.text))
    return lay_out(request.texts, markdown)


def _batches(sentences: Sequence[Sentence]) -> Iterator[Sequence[Sentence]]:
    yield sentences[:1]
    for start in range(1, len(sentences), SENTENCES_PER_CALL):
        yield sentences[start : start + SENTENCES_PER_CALL]


def _reverse(session: Session, model: Translates, pair: tuple[str, str]) -> tuple[Translates, str]:
    """A model for the way back, with its id: the same one, or the first translator that is available.

    Raises:
        InputError: Neither has the reverse pair.
    """
    back = pair[1], pair[0]
    if back in model.language_pairs():
        return model, session.spec.id
    try:
        other = session.companion("translate", Translates)
    except LlmCoreError:
        other = model
    if back not in other.language_pairs():
        raise InputError(
            "back_translation",
            f"needs a model that translates from {language_name(back[0])} into {language_name(back[1])}; none is here",
        )
    return other, str(getattr(getattr(other, "spec", None), "id", ""))


def _result(request: TranslateRequest, assembly: _Assembly, returned: BackTranslation | None) -> TranslateResult:
    return TranslateResult(
        text="\n".join(assembly.units),
        units=tuple(assembly.units) if request.units else (),
        source=source_language(request),
        target=request.target,
        sentences=tuple(assembly.pairs),
        kept_sentences=sum(pair.kept == "target_language" for pair in assembly.pairs),
        back_translation=returned,
        detailed=bool(request.glossary or request.alternatives or request.alignment or request.back_translation),
    )


def _no_translator() -> ModelUnavailableError:
    return ModelUnavailableError(
        "translate",
        "the catalogue has no translation model",
        "Use the catalogue that comes with this project: its translate-en-zh needs no network",
    )


def _no_pair(pair: tuple[str, str], translators: Sequence[ModelSpec]) -> str:
    targets = sorted({target for spec in translators for source, target in spec.language_pairs if source == pair[0]})
    offered = ", ".join(language_name(target) for target in targets) or "nothing"
    source, target = map(language_name, pair)
    return f"no model translates from {source} into {target}; from {source} there is {offered}"


TASK = TranslateTask()
