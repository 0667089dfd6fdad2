"""A random two-layer BERT, data sets of a few rows and recipes on them: everything fits in a temporary folder."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from llm_core.training.recipe import Recipe

GOOD, BAD = ("good", "fine", "nice"), ("bad", "poor", "dull")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small spend their time in hand-overs between threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model in the Hub's format."""
    folder = tmp_path_factory.mktemp("base")
    letters = string.ascii_lowercase + string.digits
    words = [*GOOD, *BAD, "film", "the", "was", "?"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *words]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`films` (two labels), `facts` (questions, one in three without an answer), `notes` (texts), `pairs`
    (translations), `names` (persons in sentences) and `words` (a dictionary)."""
    folder, draw = tmp_path_factory.mktemp("data"), random.Random(0)
    for split, count in (("train", 96), ("validation", 32)):
        _write(folder / "films" / f"{split}.jsonl", [_film(draw, i) for i in range(count)])
        _write(folder / "facts" / f"{split}.jsonl", [_fact(draw, i) for i in range(count // 2)])
        _write(folder / "notes" / f"{split}.jsonl", [{"text": _note(draw)} for _ in range(count)])
        _write(folder / "pairs" / f"{split}.jsonl", [_pair(draw) for _ in range(count)])
        _write(folder / "names" / f"{split}.jsonl", [_named(draw) for _ in range(count)])
    words = [{"zh": "红", "en": ["red"]}, {"zh": "猫", "en": ["cat"]}, {"zh": "鳐", "en": ["ray"]}]
    _write(folder / "words" / "train.jsonl", words)
    return folder


def _film(draw: random.Random, number: int) -> dict[str, Any]:
    label = ("poor", "great")[number % 2]
    return {"text": f"the film was {draw.choice(GOOD if label == 'great' else BAD)}", "label": label}


def _fact(draw: random.Random, number: int) -> dict[str, Any]:
    context = f"the film was {draw.choice(GOOD)} {number}"
    answers = [{"text": context.split()[3], "answer_start": 13}] if number % 3 else []
    return {"id": str(number), "context": context, "question": "film?", "answers": answers, "source": "made"}


WORDS = "the red cat saw a big dog and it ran home over green hills with one blue bird today".split()


def _note(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(6, 40))) + "."


def _pair(draw: random.Random) -> dict[str, Any]:
    words = draw.choices(WORDS, k=draw.randint(2, 6))
    return {"en": " ".join(words), "zh": "".join(chr(0x4E00 + WORDS.index(word)) for word in words), "source": "made"}


def _named(draw: random.Random) -> dict[str, Any]:
    name = draw.choice(GOOD)
    return {"tokens": ["the", name, "film", "was", "the", "film"], "tags": ["O", "B-FILM", "I-FILM", "O", "O", "O"]}


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def classifier() -> Recipe:
    """A recipe on `films`, a few steps long."""
    return Recipe.model_validate(
        {
            "name": "films",
            "title": "Films",
            "objective": "classification",
            "base": "made/up",
            "base_licence": "Apache-2.0",
            "labels": ["poor", "great"],
            "max_length": 32,
            "data": [{"name": "films", "licence": "free for research"}],
            "scores": [{"data": "films", "metrics": ["accuracy", "f1[great]"]}],
            "calibrate_on": ["films"],
            "tuning": {"kind": "lora", "rank": 4, "alpha": 4, "hidden_dropout": 0.0},
            "optim": {
                "epochs": 4,
                "learning_rate": 0.02,
                "batch_size": 16,
                "micro_batch": 8,
                "warmup_steps": 2,
                "save_steps": 6,
            },
            "limits": "Films only.",
        }
    )


@pytest.fixture
def reader() -> Recipe:
    """A recipe on `facts`."""
    return Recipe.model_validate(
        {
            "name": "facts",
            "title": "Facts",
            "objective": "question_answering",
            "base": "made/up",
            "base_licence": "Apache-2.0",
            "max_length": 96,
            "stride": 16,
            "data": [{"name": "facts", "licence": "MIT", "repeat": 1.5, "foreign_questions": 0.2}],
            "scores": [{"data": "facts", "metrics": ["f1", "exact_match"], "sources": ["made"], "answerable": True}],
            "calibrate_on": ["facts"],
            "tuning": {"kind": "lora", "rank": 4, "alpha": 4},
            "optim": {"epochs": 1, "learning_rate": 0.01, "batch_size": 16, "warmup_steps": 1},
        }
    )


Scratch = Callable[..., Recipe]
_SCRATCH: dict[str, dict[str, Any]] = {
    "masked_lm": {"family": "bert", "encoder_layers": 2},
    "causal_lm": {"family": "llama", "decoder_layers": 2},
    "seq2seq": {"family": "marian", "encoder_layers": 1, "decoder_layers": 1},
}


@pytest.fixture(scope="session")
def scratch() -> Scratch:
    """Makes recipes from scratch: ``scratch("causal_lm", optim={...}, infilling={})``; 12 steps in two epochs."""

    def make(objective: str, **changes: Any) -> Recipe:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "max_positions": 64, "dropout": 0.1}
        optim = {"max_steps": 12, "learning_rate": 0.01, "warmup_steps": 2, "batch_size": 16, "micro_batch": 8}
        optim |= {"save_steps": 4, "log_steps": 1, **changes.pop("optim", {})}
        pairs = {"name": "pairs", "licence": "MIT", "directions": ["en-zh", "zh-en"]}
        return Recipe.model_validate(
            {
                "name": "made",
                "title": "Made from scratch",
                "objective": objective,
                "model": {**sizes, **_SCRATCH[objective], **changes.pop("model", {})},
                "tokenizer": {"vocab_size": 370 if objective == "masked_lm" else 385},
                "max_length": 32,
                "data": [pairs if objective == "seq2seq" else {"name": "notes", "licence": "MIT"}],
                "optim": optim,
                **changes,
            }
        )

    return make
