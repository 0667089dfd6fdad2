"""Where tests of transformers' models compute: on a CPU, or on what ``TEST_DEVICE`` names, as cuda."""

from __future__ import annotations

import os

DEVICE = os.environ.get("TEST_DEVICE", "cpu")
"""torch's name of it."""
