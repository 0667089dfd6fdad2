"""Which tokenizers are one, and that threads which cut texts differently do not disturb each other."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_core.backends.transformers.shared_tokenizer import open_tokenizer
from tests.support.encoders import save_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Its files are like no other test's, whose tokenizer may be open still."""
    file = save_checkpoint(tmp_path / "model") / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "made_for": str(tmp_path)}))
    return file.parent


def test_equal_files_give_one_tokenizer_for_as_long_as_it_is_used(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    once, again = (open_tokenizer(each, token_types=True) for each in (folder, tmp_path / "copy"))
    assert once is again
    assert open_tokenizer(folder, token_types=False) is not once
    used = weakref.ref(once)
    del once, again
    gc.collect()
    assert used() is None

    later = open_tokenizer(folder, token_types=True)
    changed = tmp_path / "copy" / "tokenizer_config.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace("[CLS]", "[SEP]"), encoding="utf-8")
    assert open_tokenizer(tmp_path / "copy", token_types=True) is not later
    (folder / "sentencepiece.bpe.model").write_bytes(b"a vocabulary of another kind")
    assert open_tokenizer(folder, token_types=True) is not later


def test_token_types_are_told_where_they_are_wanted(folder: Path) -> None:
    with_types, without = (open_tokenizer(folder, token_types=wanted) for wanted in (True, False))
    assert "token_type_ids" in with_types("the cat", "a dog")
    assert "token_type_ids" not in without("the cat", "a dog")


def test_calls_that_cut_differently_do_not_disturb_each_other(folder: Path) -> None:
    tokenizer, text = open_tokenizer(folder, token_types=True), "the cat sat on the mat . " * 20

    def lengths(longest: int) -> set[int]:
        calls = (tokenizer([text] * 4, truncation=True, max_length=longest) for _ in range(40))
        return {len(ids) for call in calls for ids in call["input_ids"]}

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lengths, (8, 16, 24, 32))) == [{8}, {16}, {24}, {32}]
