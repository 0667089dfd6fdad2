"""The baseline of language models: an interpolated character n-gram model with Kneser-Ney smoothing.

Absolute discounting of 0.75; lower orders count in how many contexts a character occurs (Kneser & Ney 1995; Chen &
Goodman 1999). Only what the measured texts can ask for is counted, so that ten million characters fit into memory.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from llm_core.evaluation.language_model import TextLikelihood

ORDER = 5
_DISCOUNT = 0.75
_START, _END = "\x02", "\x03"

_Counts = dict[str, dict[str, int]]
"""Context → next character → how often, or after how many different characters."""


def ngram_likelihoods(training: Iterable[str], texts: Sequence[str], order: int = ORDER) -> Iterator[TextLikelihood]:
    """What an n-gram model of the training texts makes of each text; its tokens are characters and one end.

    Args:
        training: Texts to count.
        texts: Texts to measure.
        order: Characters of an n-gram.
    """
    asked = [{context for text in texts for context, _ in _places(text, order, length)} for length in range(order)]
    model = _NgramModel(order, asked)
    for text in training:
        model.count(text)
    for text in texts:
        nats = -sum(math.log(model.probability(context, nxt)) for context, nxt in _places(text, order, order - 1))
        yield TextLikelihood(nats, len(text) + 1, len(text.encode("utf-8")))


def _places(text: str, order: int, length: int) -> Iterator[tuple[str, str]]:
    """Each character, and the end, with the `length` characters before it."""
    whole = _START * (order - 1) + text + _END
    for place in range(order - 1, len(whole)):
        yield whole[place - length : place], whole[place]


class _NgramModel:
    def __init__(self, order: int, asked: Sequence[set[str]]) -> None:
        self.order, self.asked = order, asked
        self.counts: list[_Counts] = [defaultdict(lambda: defaultdict(int)) for _ in range(order)]
        self.seen: list[set[str]] = [set() for _ in range(order)]
        self.characters: set[str] = set()

    def count(self, text: str) -> None:
        self.characters.update(text)
        longest = self.order - 1
        for context, following in _places(text, self.order, longest):
            if context in self.asked[longest]:
                self.counts[longest][context][following] += 1
            for length in range(longest):
                shorter = context[longest - length :]
                if shorter in self.asked[length]:
                    longer = context[longest - length - 1 :] + following
                    if longer not in self.seen[length]:
                        self.seen[length].add(longer)
                        self.counts[length][shorter][following] += 1

    def probability(self, context: str, following: str) -> float:
        """Of `following` after `context`, which may be shorter than the order."""
        chance = 1 / (len(self.characters) + 2)  # of characters never seen, and of the end
        for length in range(len(context) + 1):
            found = self.counts[length].get(context[len(context) - length :])
            if found:
                total = sum(found.values())
                discounted = max(0.0, found.get(following, 0) - _DISCOUNT)
                chance = (discounted + _DISCOUNT * len(found) * chance) / total
        return chance
