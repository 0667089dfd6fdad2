"""One streamed completion of a llama.cpp server as an iterator of chunks.

The server pushes chunks into a callback while its call blocks, so the call runs on a thread of its own and a queue
carries the chunks over; the model waits when its reader is far behind. The callback answers "stop" as soon as the
reader has left or its token says so; llama.cpp calls it for each generated token and, with `return_progress`, after
each batch of the prompt.

The module knows nothing of what chunks hold.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from llm_core.types import CancelToken

_QUEUED_CHUNKS = 64
_POLL_SECONDS = 0.02
"""How soon a reader that waits for a chunk notices its token; a chunk itself wakes it at once."""
_GRACE_SECONDS = 0.1
"""How long leaving waits for the model: a token takes less, a batch of a prompt may take longer on a busy machine."""

Chunk = dict[str, Any]


class ChunkStream:
    """Context manager and iterator; leaving it stops the model, which then ends the token or prompt batch it is in.

    Args:
        server: A `xllamacpp.Server`.
        body: The completion request.
        cancel: Ends the iteration with its error.
    """

    def __init__(self, server: Any, body: Mapping[str, Any], cancel: CancelToken) -> None:
        self._server = server
        self._body = dict(body)
        self._cancel = cancel
        self._left = threading.Event()
        # Handing a chunk over by `queue.Queue` takes a quarter of the time in which a small model writes one.
        self._chunks: queue.SimpleQueue[Chunk | Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._call, name="llama-completion", daemon=True)

    def __enter__(self) -> ChunkStream:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join(_GRACE_SECONDS)

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks as they come.

        Raises:
            CancelledError, DeadlineExceededError: As the token says.
            Exception: Whatever the call raised.
        """
        while True:
            self._cancel.check()
            try:
                chunk = self._chunks.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if chunk is None:
                self._cancel.check()
                return
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def _call(self) -> None:
        try:
            self._server.handle_completions(self._body, self._put)
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, chunk: Chunk | Exception | None) -> bool:
        """Hand a chunk over; true means "stop"."""
        while not (self._left.is_set() or self._cancel.stopped):
            if self._chunks.qsize() < _QUEUED_CHUNKS:
                self._chunks.put(chunk)
                return False
            self._left.wait(_POLL_SECONDS)
        return True
