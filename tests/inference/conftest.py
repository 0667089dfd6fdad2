"""Twins of the three families, shared with the tests of the model."""

from __future__ import annotations

from tests.model.conftest import pair, seed, twin

__all__ = ["pair", "seed", "twin"]
