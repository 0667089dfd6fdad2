"""A decoder that runs on servers of the owner; see `backends.base.Generates`.

An endpoint that fails before its first token is replaced by another. After that the answer goes on elsewhere only if it
can be shown to be the same: for greedy or seeded sampling another endpoint writes it anew, what was given to the reader
already is held against it and dropped, and the first difference ends the request. Nothing is ever given twice.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random_exponential

from llm_core.backends.remote.channel import Channel
from llm_core.backends.remote.failures import EndpointFailure, Full, Refused
from llm_core.backends.remote.replicas import Replica, Replicas
from llm_core.backends.remote.wire import Reading, request_of
from llm_core.catalog import ModelSpec
from llm_core.endpoints import RemoteModel
from llm_core.errors import BackendError, InputError, NoAnswerError
from llm_core.prompt import Conversation
from llm_core.types import CancelToken, Sampling, Token

_PATIENCE_SECONDS = 3.0
"""How long a request waits for endpoints that are full before it gives up."""
_CHARACTERS_PER_TOKEN = 3.5
"""Of text in the Latin alphabet; a low estimate, so that prompts rather lose a line than be refused."""


class RemoteDecoder:
    """See the module.

    Args:
        spec: Its entry.
        model: What the owner said of it.
        replicas: Its endpoints.
        channel: Carries the requests.
    """

    device = "remote"
    memory_bytes = 0

    def __init__(self, spec: ModelSpec, model: RemoteModel, replicas: Replicas, channel: Channel) -> None:
        self.spec = spec
        self.context_length = spec.context_length
        self._model, self._replicas, self._channel = model, replicas, channel

    def close(self) -> None:
        """Nothing is held here."""

    def count_tokens(self, text: str) -> int:
        """An estimate: servers do not have to say how they cut a text."""
        if not text:
            return 0
        narrow = sum(character.isascii() for character in text)
        return 1 + round(narrow / _CHARACTERS_PER_TOKEN) + (len(text) - narrow)

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
        tried = [replica for replica in self._replicas.members if replica.endpoint.lacks_visitor]
        failures: dict[str, str] = {}
        while True:
            replica = self._next(tried, failures, given, cancel)
            try:
                with self._replicas.leased(replica):
                    return (yield from self._answer(replica, prompt, sampling, cancel, given))
            except Refused as refusal:
                raise self._input_error(refusal) from refusal
            except EndpointFailure as failure:
                failures[replica.endpoint.name] = str(failure)
                if not isinstance(failure, Full):
                    tried.append(replica)

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

    def _next(self, tried: list[Replica], failures: dict[str, str], given: _Given, cancel: CancelToken) -> Replica:
        """The endpoint to ask, leased.

        Raises:
            NoAnswerError, BackendError: There is none, or none that may go on.
        """
        if given.text and not given.repeatable:
            raise BackendError(self._broken_off(failures))
        waiting = Retrying(
            retry=retry_if_result(lambda found: found is None and self._replicas.may_become_free(tried)),
            stop=stop_after_delay(max(0.0, given.began_at + _PATIENCE_SECONDS - time.monotonic())),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            sleep=functools.partial(_pause, cancel),
            retry_error_callback=lambda state: None,
        )
        replica: Replica | None = waiting(self._replicas.take, tried)
        if replica is not None:
            return replica
        if given.text:
            raise BackendError(self._broken_off(failures))
        down = {name: "cannot be reached" for name, state in self._replicas.state().items() if state == "down"}
        words = "; ".join(f"{name} {what}" for name, what in {**down, **failures}.items()) or "no server of it is free"
        raise NoAnswerError(f"{self.spec.title} did not answer: {words}")

    def _broken_off(self, failures: dict[str, str]) -> str:
        words = "; ".join(f"{name} {what}" for name, what in failures.items()) or "another server would go on otherwise"
        return f"the answer of {self.spec.title} broke off here ({words}); what had arrived is kept"

    def _input_error(self, refusal: Refused) -> InputError | BackendError:
        if refusal.too_long:
            return InputError("prompt", f"has more tokens than {self.spec.title} reads; it {refusal}")
        return BackendError(f"the server of {self.spec.title} {refusal}")


class _OtherAnswerError(Exception):
    """An endpoint that was to repeat an answer wrote another one."""


@dataclass
class _Given:
    """What the reader has got so far."""

    repeatable: bool
    """Whether asking again can give the same text."""
    text: str = ""
    began_at: float = field(default_factory=time.monotonic)

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


def _pause(cancel: CancelToken, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        cancel.check()
        time.sleep(min(left, 0.05))
