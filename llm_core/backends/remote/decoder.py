"""A decoder that runs on servers of the owner; see `backends.base.Generates`.

An endpoint that fails before its first token is replaced by another. After that the answer goes on elsewhere only if it
can be shown to be the same: for greedy or seeded sampling another endpoint writes it anew, what was given to the reader
already is held against it and dropped, and the first difference ends the request. Nothing is ever given twice.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from llm_core.backends.remote.asking import Asking
from llm_core.backends.remote.failures import EndpointFailure, Refused
from llm_core.backends.remote.lengths import estimated_tokens
from llm_core.backends.remote.replicas import Replica
from llm_core.backends.remote.served import Served
from llm_core.backends.remote.wire import Reading, request_of
from llm_core.errors import BackendError, InputError
from llm_core.prompt import Conversation
from llm_core.types import CancelToken, Sampling, Token


class RemoteDecoder(Served):
    """See the module."""

    def count_tokens(self, text: str) -> int:
        """See `lengths`."""
        return estimated_tokens(text)

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Generator[Token, None, str]:
        """Tokens one by one, or as many as a server sends at once; the generator returns ``"stop"`` or ``"length"``.

        Raises:
            InputError: The servers find the prompt too long, or refuse what it asks for.
            NoAnswerError: No endpoint answered; nothing was given.
            BackendError: The answer broke off and could not be gone on with.
            CancelledError, DeadlineExceededError: As the token says.
        """
        cancel.check()
        if isinstance(prompt, Conversation) and prompt.beginning and not self.spec.continues:
            raise InputError("beginning", f"must be empty: the server of {self.spec.title} begins its answers itself")
        given = _Given(repeatable=sampling.temperature == 0 or sampling.seed is not None)
        asking = Asking(self.spec.title, self._replicas, cancel)
        while True:
            replica = self._next(asking, given)
            try:
                with self._replicas.leased(replica):
                    return (yield from self._answer(replica, prompt, sampling, cancel, given))
            except Refused as refusal:
                raise self._error(refusal, "prompt") from refusal
            except EndpointFailure as failure:
                asking.failed(replica, failure)

    def _answer(
        self, replica: Replica, prompt: str, sampling: Sampling, cancel: CancelToken, given: _Given
    ) -> Generator[Token, None, str]:
        path, body = request_of(self._model, prompt, sampling)
        reading = Reading()
        with self._channel.stream(replica.endpoint, path, body, self._model.silence_seconds, cancel) as chunks:
            try:
                yield from given.further(token for chunk in chunks for token in reading.tokens(chunk))
            except EndpointFailure:
                if not reading.finish:  # else it had said all
                    raise
            except _OtherAnswerError as error:
                raise BackendError(self._broken_off({})) from error
        return reading.finish or "stop"

    def _next(self, asking: Asking, given: _Given) -> Replica:
        """The endpoint to ask, leased.

        Raises:
            NoAnswerError, BackendError: There is none, or none that may go on.
        """
        if given.text and not given.repeatable:
            raise BackendError(self._broken_off(asking.failures))
        if (replica := asking.take()) is not None:
            return replica
        raise BackendError(self._broken_off(asking.failures)) if given.text else asking.no_answer()

    def _broken_off(self, failures: dict[str, str]) -> str:
        words = "; ".join(f"{name} {what}" for name, what in failures.items()) or "another server would go on otherwise"
        return f"the answer of {self.spec.title} broke off here ({words}); what had arrived is kept"


class _OtherAnswerError(Exception):
    """An endpoint that was to repeat an answer wrote another one."""


@dataclass
class _Given:
    """What the reader has got so far."""

    repeatable: bool
    """Whether asking again can give the same text."""
    text: str = ""

    def further(self, tokens: Iterator[Token]) -> Iterator[Token]:
        """The tokens of an answer from its beginning, without what was given already.

        Raises:
            _OtherAnswerError: It does not begin with that.
        """
        place = 0
        for token in tokens:
            known = self.text[place : place + len(token.text)]
            place += len(token.text)
            if not token.text.startswith(known):
                raise _OtherAnswerError
            if known and known == token.text:
                continue
            self.text += token.text[len(known) :]
            yield replace(token, text=token.text[len(known) :])
        if place < len(self.text):
            raise _OtherAnswerError
