"""glibc told to keep what it has: by default large tensors are given back to the system and fetched anew each step.

A page that is fetched anew has to be zeroed and mapped by the kernel, which costs more than what is computed on it. The
setting holds for the whole process, so it is for commands that train, not for the page. Where the C library is another
one nothing happens.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""
KEPT_BYTES = 2**31 - 1
"""The largest value that mallopt takes."""
STEP_BYTES = 2**28
"""By how much the heap grows at once."""


def keep_freed_memory() -> bool:
    """Serves large blocks from the heap, and keeps the heap when they are freed; whether the C library can do that."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    wanted = {_M_MMAP_THRESHOLD: KEPT_BYTES, _M_TRIM_THRESHOLD: KEPT_BYTES, _M_TOP_PAD: STEP_BYTES}
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted.items())
