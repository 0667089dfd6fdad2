"""What answers in place of a model elsewhere that does not: the best of the tiers that are left, and it says so.

A model that only helps (its vectors rank passages, say) is replaced without a word: nothing that it made is shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.base import Embeds
from llm_core.catalog import ModelSpec
from llm_core.errors import NoAnswerError
from llm_core.types import CancelToken, Completed, Delta, Event

logger = logging.getLogger(__name__)

Events = Generator[Event, None, None]


def with_fallback(
    serve: Callable[..., Events],
    spec: ModelSpec,
    is_elsewhere: Callable[[ModelSpec], bool],
    next_best: Callable[[frozenset[str]], ModelSpec | None],
    cancel: CancelToken,
    failed: frozenset[str] = frozenset(),
) -> Events:
    """The answer of an entry or, if it is elsewhere, gives none and nothing was given yet, that of the next best.

    Args:
        serve: Serves the request by an entry, with a token of its own.
        spec: The entry to try first.
        is_elsewhere: Whether an entry may also not answer.
        next_best: What to take without the tiers that failed.
        cancel: Withdraws the request.
        failed: Tiers that failed already.

    Raises:
        NoAnswerError: There is no answer, and nothing else to ask.
        LlmCoreError: What serving raises.
    """
    if not is_elsewhere(spec):
        yield from serve(spec, cancel=cancel)
        return
    begun, failed = False, failed | {spec.tier}
    try:
        with contextlib.closing(serve(spec, cancel=cancel.child())) as events:
            for event in events:
                begun = begun or isinstance(event, Delta)
                yield event
        return
    except NoAnswerError as error:
        if begun or (other := next_best(failed)) is None:
            raise
        logger.warning("%s; %s is asked instead", error, other.id)
    with contextlib.closing(with_fallback(serve, other, is_elsewhere, next_best, cancel, failed)) as events:
        for event in events:
            yield _instead_of(spec, event)


def _instead_of(spec: ModelSpec, event: Event) -> Event:
    """The event of a request that another model was to serve."""
    if not isinstance(event, Completed):
        return event
    return dataclasses.replace(event, stats=dataclasses.replace(event.stats, instead_of=spec.id))


class FirstToEmbed:
    """Embeds by the first of several models that answers; see `backends.base.Embeds`.

    Args:
        model: The one to try first.
        openers: Open the others, in order of preference.
    """

    def __init__(self, model: Embeds, openers: Iterator[Callable[[], Embeds]]) -> None:
        self._model, self._openers = model, openers

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """See `Embeds.embed`. All vectors of a call are of one model.

        Raises:
            NoAnswerError: None answered.
        """
        while True:
            try:
                return self._model.embed(texts, cancel)
            except NoAnswerError as error:
                if (opener := next(self._openers, None)) is None:
                    raise
                logger.warning("%s; another model embeds instead", error)
                self._model = opener()
