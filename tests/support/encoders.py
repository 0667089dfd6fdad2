"""Tiny random BERT checkpoints in the Hub's layout, adapters that `peft` writes for them, catalogue entries."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizerFast,
)

from llm_core.catalog import ModelSpec

WORDS = "the a cat dog sat ran on mat hill good bad news sport market who where when did is was in of blue red".split()
LABELS = ("negative", "neutral", "positive")
TAGS = ("O", "B-PER", "I-PER")
INFERENCES = ("entailment", "neutral", "contradiction")
_NAMES = {"sequence_classification": LABELS, "token_classification": TAGS, "entailment": INFERENCES}
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *(f"##{c}" for c in LETTERS), *".,?!"]
_KINDS: dict[str, Any] = {
    "embedding": BertModel,
    "sequence_classification": BertForSequenceClassification,
    "token_classification": BertForTokenClassification,
    "span_extraction": BertForQuestionAnswering,
    "entailment": BertForSequenceClassification,
}


def tiny_config(**fields: Any) -> BertConfig:
    """Two layers of width 32, 160 positions."""
    return BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=160, **fields,
    )  # fmt: skip


def label_fields(head: str) -> dict[str, Any]:
    names = _NAMES.get(head, ())
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}} if names else {}


def save_checkpoint(directory: Path, head: str = "embedding", seed: int = 0) -> Path:
    """A whole model with random weights."""
    torch.manual_seed(seed)
    fields = label_fields(head)
    model = _KINDS[head](tiny_config(**fields))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def save_tokenizer(directory: Path) -> None:
    (directory / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    BertTokenizerFast(vocab=str(directory / "vocab.txt"), do_lower_case=True).save_pretrained(directory)


def save_adapter(base: Path, directory: Path, head: str, seed: int = 1, **options: Any) -> Any:
    """A LoRA adapter with random weights, in float16 as shipped; returns peft's own model with these weights."""
    with warnings.catch_warnings():
        # peft 0.21 asks for a name that transformers 5.23 has renamed, and looks for the base by its name
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Could not find a config file", category=UserWarning)
        return _save_adapter(base, directory, head, seed, **options)


def _save_adapter(base: Path, directory: Path, head: str, seed: int, **options: Any) -> Any:
    from peft import LoraConfig, PeftModel, TaskType, get_peft_model

    torch.manual_seed(seed)
    fields = label_fields(head)
    model = _KINDS[head].from_pretrained(base, config=tiny_config(**fields))
    tasks = {"sequence_classification": TaskType.SEQ_CLS, "token_classification": TaskType.TOKEN_CLS}
    task = tasks.get(head, TaskType.QUESTION_ANS)
    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": r".*\.(query|key|value|dense)", **options}
    adapted = get_peft_model(model, LoraConfig(task_type=task, **settings))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(directory)
    file = directory / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    model.config.save_pretrained(directory)
    fresh = _KINDS[head].from_pretrained(base, config=tiny_config(**fields))
    return PeftModel.from_pretrained(fresh, directory).eval()


def encoder_spec(model_id: str = "tiny", head: str = "embedding", **fields: Any) -> ModelSpec:
    """A catalogue entry of a tiny encoder."""
    tasks = {"embedding": "embed", "sequence_classification": "sentiment", "token_classification": "entities"}
    defaults: dict[str, Any] = {
        "title": "Tiny", "summary": "random", "tier": "embedded", "languages": ("en",),
        "tasks": (tasks.get(head, "answer"),),
        "backend": "transformers", "head": head, "licence": "Apache-2.0", "parameters": 1, "context_length": 160,
        "memory_bytes": 1, "download_bytes": 1, "hub": {"repo": "somebody/tiny", "revision": "main"},
    }  # fmt: skip
    defaults["labels"] = _NAMES.get(head, ())
    return ModelSpec.model_validate({"id": model_id, **defaults, **fields})


def edit_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
