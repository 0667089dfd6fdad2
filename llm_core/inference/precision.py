"""Float32 products in full, for as long as a token is read.

A process may let torch round the factors of float32 products to bfloat16 (`torch.set_float32_matmul_precision`). Many
rows are multiplied faster so. One row is not: its time is that of reading the weights, to which rounding them adds.
"""

from __future__ import annotations

from threading import Lock

import torch


class FullFloat32:
    """Inside ``with``, float32 products are not rounded; outside, the process's own choice holds again.

    Torch knows one choice for all threads: what others multiply meanwhile is not rounded either. The last to leave
    restores the choice, so threads may be inside at the same time.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._outside = Lock(), 0, ""

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._outside = torch.get_float32_matmul_precision()
                torch.set_float32_matmul_precision("highest")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.set_float32_matmul_precision(self._outside)


full_float32 = FullFloat32()
"""The only one there should be: it speaks for the process."""
