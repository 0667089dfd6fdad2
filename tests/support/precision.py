"""The precision tests start from; a plugin of its own, so that tests of models run where the project's other packages
are not: ``pytest --noconftest -p tests.support.precision tests/backends/transformers/…``."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def full_float32_products() -> None:
    """Each test starts from torch's own choice: engines and training let the whole process round, which costs the
    parity tests their digits on processors that multiply bfloat16."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_float32_matmul_precision("highest")
