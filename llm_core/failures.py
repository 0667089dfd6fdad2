"""What a runtime throws, as the package's own errors."""

from __future__ import annotations

import logging

from llm_core.batching import is_out_of_memory
from llm_core.errors import BackendError, OutOfMemoryError

logger = logging.getLogger(__name__)


def as_backend_error(error: Exception) -> BackendError:
    """What a visitor is told; the log gets the rest. Call it while the error is being handled."""
    logger.exception("a runtime failed")
    if is_out_of_memory(error):
        return OutOfMemoryError("the device ran out of memory; try a shorter text or a smaller model")
    return BackendError(f"the model's runtime failed ({type(error).__name__}); the log has the details")
