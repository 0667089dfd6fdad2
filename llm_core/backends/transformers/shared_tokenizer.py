"""One copy of equal tokenizers: models adapted from one base read the same vocabulary, 9 MB of it.

As with weights (`tensor_pool`), what is shared is told by its content: the SHA-256 of the files.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from transformers import AutoTokenizer

from llm_core.backends.transformers.checkpoint import LOCAL_ONLY
from llm_core.tokenizer.files import TOKENIZER_FILES
from llm_core.weights.records import digest


class SharedTokenizer:
    """A fast tokenizer that several models and threads call.

    How a call cuts texts is kept by the tokenizer underneath, for as long as the call takes; so calls take turns.

    Args:
        tokenizer: transformers' own. It is not called by anybody else.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._turn = threading.Lock()

    def __call__(self, *texts: Any, **options: Any) -> Any:
        """What transformers' tokenizer gives."""
        with self._turn:
            return self._tokenizer(*texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


_Key = tuple[tuple[tuple[str, str], ...], bool]

_opening = threading.Lock()
_open: WeakValueDictionary[_Key, SharedTokenizer] = WeakValueDictionary()


def open_tokenizer(directory: Path, *, token_types: bool) -> SharedTokenizer:
    """The tokenizer of a directory; the same for as long as a model with equal files has it.

    Args:
        directory: Holds the tokenizer's files, and ``config.json``, which may decide on its class.
        token_types: Whether it tells of two texts which is which, if it does.
    """
    files = [file for name in ("config.json", *TOKENIZER_FILES) if (file := directory / name).is_file()]
    key = (tuple((file.name, digest(file)) for file in files), token_types)
    with _opening:
        found = _open.get(key)
        if found is None:
            found = _open[key] = SharedTokenizer(_loaded(directory, token_types))
        return found


def _loaded(directory: Path, token_types: bool) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(directory, use_fast=True, **LOCAL_ONLY)
    if not token_types:
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    tokenizer.model_max_length = int(1e9)  # windows are cut here; the tokenizer's own warning would be wrong
    return tokenizer
