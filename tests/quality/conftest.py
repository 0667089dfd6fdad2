"""What the floors stand on: the embedded models as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from llm_core.engine import Engine, create_engine
from llm_core.settings import Settings


@pytest.fixture(scope="module")
def engine(offline_settings: Settings) -> Iterator[Engine]:
    with closing(create_engine(offline_settings)) as engine:
        yield engine
