"""Moves tiny models by ZeroGPU's own stand-in for CUDA: ``python -m tests.support.zero_gpu_move FOLDER``.

Writes a JSON object: by head of the model the devices of its weights; what `spaces` then packed, in bytes; and where a
model opened beside them, in another thread, is.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.decoders import entry, save_llama, save_marian, translator_entry
from tests.support.encoders import encoder_spec, save_checkpoint
from tests.support.zero_gpu_page import pose_as_a_cuda_build

ENCODERS = ("embedding", "sequence_classification", "token_classification", "span_extraction")


def main(folder: Path) -> None:
    """Write it."""
    made = [(entry(), save_llama(folder / "decoder")), (translator_entry(), save_marian(folder / "translator"))]
    made += [(encoder_spec(f"tiny-{place}", head), save_checkpoint(folder / head, head))
             for place, head in enumerate(ENCODERS)]  # fmt: skip
    pose_as_a_cuda_build()
    import spaces  # noqa: F401
    from spaces.zero.torch import patching

    from llm_core.backends.transformers import TransformersBackend
    from llm_core.hardware import default_device
    from llm_core.types import ModelFiles

    moved: list[Any] = [TransformersBackend(1, "cuda").open(spec, ModelFiles(path)) for spec, path in made]
    found = {each.spec.head: _devices(each) for each in moved}
    beside: list[Any] = []
    spec, path = made[2]
    opening = threading.Thread(target=lambda: beside.append(TransformersBackend(1).open(spec, ModelFiles(path))))
    opening.start()
    opening.join()
    size = sum(each.memory_bytes for each in moved)
    packed = patching.pack()
    print(json.dumps({"moved": found, "bytes": size, "packed": packed,
                      "beside": _devices(beside[0]), "default": default_device()}))  # fmt: skip


def _devices(model: Any) -> list[str]:
    return sorted({weights.device.type for weights in model._model.parameters()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
