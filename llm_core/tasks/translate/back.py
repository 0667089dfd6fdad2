"""The way back: a translation translated into its source language, and how alike the two are.

A low chrF says that something was lost on one of the two ways, not on which; a high one does not prove a translation
right.
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_core.backends.base import Translates
from llm_core.tasks.translate.glossary import Glossary
from llm_core.tasks.translate.languages import UNSPACED
from llm_core.tasks.translate.layout import Sentence
from llm_core.tasks.translate.marks import find_marks
from llm_core.tasks.translate.sentence import SentenceTranslator, Wishes
from llm_core.tasks.translate.types import BackTranslation, SentencePair
from llm_core.types import CancelToken

_SENTENCES_PER_CALL = 16


def translate_back(
    model: Translates, model_id: str, pairs: Sequence[SentencePair], source: str, target: str, cancel: CancelToken
) -> BackTranslation:
    """Translate the translations of sentences back.

    Args:
        model: Has the reverse pair.
        model_id: Its catalogue id.
        pairs: Sentences and translations; those that were kept are not looked at.
        source: Language of the source, and of what comes out.
        target: Language of the translations.
        cancel: Stops it.
    """
    from sacrebleu.metrics.chrf import CHRF

    translator = SentenceTranslator(model, target, source, Wishes(Glossary(())), cancel, detect=False)
    returned = [pair.source for pair in pairs]
    places = [number for number, pair in enumerate(pairs) if not pair.kept]
    for start in range(0, len(places), _SENTENCES_PER_CALL):
        some = places[start : start + _SENTENCES_PER_CALL]
        for place, back in zip(some, translator.translate([_sentence(pairs[n].target) for n in some]), strict=True):
            returned[place] = back.target
    metric = CHRF()
    scores = {n: float(metric.sentence_score(returned[n], [pairs[n].source]).score) for n in places}
    whole = metric.corpus_score([returned[n] for n in places], [[pairs[n].source for n in places]]) if places else None
    return BackTranslation(
        text=("" if source in UNSPACED else " ").join(returned),
        sentences=tuple(returned),
        chrf=float(whole.score) if whole else 100.0,
        sentence_chrf=tuple(scores.get(number) for number in range(len(pairs))),
        model=model_id,
    )


def _sentence(text: str) -> Sentence:
    marks = tuple(find_marks(text, markdown=False))
    return Sentence(0, 0, len(text), text, text, marks, "")
