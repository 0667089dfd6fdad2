"""A decoder that is at hand as a GGUF file, as a checkpoint in the Hub's layout: what training it further begins with.

    model = hub.load(checkpoint_of(Path("SmolLM2.Q4_1.gguf"), cache / "SmolLM2.Q4_1"), CausalLM)

transformers reads the file. Weights in 4 or 8 bits become the numbers that these stand for, so an adapter is trained on
what llama.cpp computes with.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from llm_core.errors import WeightsError


def checkpoint_of(file: Path, directory: Path) -> Path:
    """`directory` with the model and the tokenizer of a GGUF file; written once, in float32.

    Raises:
        WeightsError: transformers cannot read the file.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock"):  # of several processes that train together, one unpacks
        if not directory.is_dir():
            with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
                draft = Path(scratch) / directory.name
                _unpack(file, draft)
                draft.rename(directory)
    return directory


def _unpack(file: Path, directory: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds, for those who train a GGUF file only

    source: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise WeightsError(f"{file.name}: cannot be read for training: {error}") from error
    # What is saved is quantized no more; transformers would refuse it.
    model.hf_quantizer = None
    for place, name in ((model, "is_quantized"), (model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(place, name):
            delattr(place, name)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
