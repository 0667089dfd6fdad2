"""Each twin is made and saved once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core.model.convert import hub
from tests.model.twins import TWINS

TwinMaker = Callable[[str], tuple[Any, Path]]


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> TwinMaker:
    """The model of transformers by name, and the directory where it is saved; not to be changed."""
    made: dict[str, tuple[Any, Path]] = {}

    def make(name: str) -> tuple[Any, Path]:
        if name not in made:
            directory = tmp_path_factory.mktemp(name)
            made[name] = TWINS[name].save(directory), directory
        return made[name]

    return make


@pytest.fixture
def pair(twin: TwinMaker) -> Callable[[str], tuple[Any, Any]]:
    """The model of transformers (not to be changed), and a fresh one of ours with its weights."""

    def load(name: str) -> tuple[Any, Any]:
        theirs, directory = twin(name)
        return theirs, hub.load(directory, TWINS[name].build)

    return load


@pytest.fixture(autouse=True)
def seed() -> None:
    """The same random numbers whichever tests run."""
    torch.manual_seed(0)
