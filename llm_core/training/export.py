"""The directory that ships: adapter, configuration, calibration, scores and card.

- `adapter_config.json`, `adapter_model.safetensors` (float16, head included): plain `peft` loads them on the base.
- `config.json`: the base's configuration with our label names.
- `calibration.json`, `scores.json`, `README.md`: see `calibration`, `train` and `card`.

A fully fine-tuned model ships as the best low-rank approximation of its change: for each linear layer the truncated
singular value decomposition of ``W - W_base`` (Eckart & Young 1936).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoModelForSequenceClassification, AutoTokenizer

from llm_core.training.predictors import AnswerPredictor, LabelPredictor
from llm_core.training.recipe import Recipe
from llm_core.training.tuning import HEADS, base_model, is_target, lora_config


def save_adapter(recipe: Recipe, model: Any, base_dir: Path, output_dir: Path) -> None:
    """Writes adapter and configuration in float16.

    Args:
        recipe: What was trained.
        model: The trained model: a `PeftModel`, or a plain model whose change is cut to the recipe's rank.
        base_dir: Directory of the base model.
        output_dir: Where to write; made if missing, files of the same name are replaced.
    """
    tuned = model if isinstance(model, PeftModel) else low_rank(recipe, model, base_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().to(torch.float16).cpu().contiguous()
        for name, value in get_peft_model_state_dict(tuned, save_embedding_layers=False).items()
    }
    partial = output_dir / "adapter_model.safetensors.part"
    partial.write_bytes(save(state, metadata={"format": "pt"}))
    os.replace(partial, output_dir / "adapter_model.safetensors")
    settings: Any = tuned.peft_config["default"]
    settings.base_model_name_or_path, settings.inference_mode = recipe.base, True
    settings.modules_to_save = sorted(name for name, _ in tuned.get_base_model().named_children() if name in HEADS)
    settings.save_pretrained(str(output_dir))
    _plain_config(tuned.get_base_model(), base_dir).save_pretrained(output_dir)


def _plain_config(trained: Any, base_dir: Path) -> Any:
    """The base's own configuration with the trained labels: dropout and attention of training stay behind."""
    config = AutoConfig.from_pretrained(base_dir)
    config.architectures = [type(trained).__name__]
    config.id2label, config.label2id = trained.config.id2label, trained.config.label2id
    return config


def low_rank(recipe: Recipe, tuned: Any, base_dir: Path) -> Any:
    """An adapter on the base that best approximates a fully fine-tuned model at the recipe's rank."""
    base = base_model(recipe, base_dir)
    before = {name: layer.weight.detach().clone() for name, layer in base.named_modules() if is_target(name)}
    adapted: Any = get_peft_model(base, lora_config(recipe))
    adapted.load_state_dict(_head_state(adapted, tuned), strict=False)
    layers = dict(tuned.named_modules())
    for name, weight in before.items():
        _factorise(adapted.base_model.model.get_submodule(name), layers[name].weight.detach() - weight)
    return adapted


def _factorise(layer: Any, change: torch.Tensor) -> None:
    up, values, down = torch.linalg.svd(change.double(), full_matrices=False)
    rank, root = layer.r["default"], values.sqrt()
    with torch.no_grad():
        layer.lora_A["default"].weight.copy_(root[:rank, None] * down[:rank] / layer.scaling["default"])
        layer.lora_B["default"].weight.copy_(up[:, :rank] * root[:rank])


def _head_state(adapted: Any, tuned: Any) -> dict[str, torch.Tensor]:
    marker = ".modules_to_save.default."
    trained = tuned.state_dict()
    return {
        name: trained[name.removeprefix("base_model.model.").replace(marker, ".")]
        for name in adapted.state_dict()
        if marker in name
    }


def load_model(model_dir: Path, base_dir: Path) -> Any:
    """A shipped adapter on its base, by plain `transformers` and `peft`, ready for inference.

    Args:
        model_dir: What `save_adapter` wrote.
        base_dir: Directory of the base model.
    """
    config = AutoConfig.from_pretrained(model_dir)
    settings = json.loads((model_dir / "adapter_config.json").read_text(encoding="utf-8"))
    answers = settings["task_type"] == "QUESTION_ANS"
    kind = AutoModelForQuestionAnswering if answers else AutoModelForSequenceClassification
    base = kind.from_pretrained(base_dir, config=config, dtype=torch.float32, attn_implementation="eager")
    return PeftModel.from_pretrained(base, str(model_dir)).eval()


def open_predictor(model_dir: Path, base_dir: Path) -> LabelPredictor | AnswerPredictor:
    """A predictor of a shipped model, calibrated as it ships; for `evaluate`.

    Args:
        model_dir: A directory under `models/`.
        base_dir: Directory of the base model, which holds the tokenizer.
    """
    settings = json.loads((model_dir / "calibration.json").read_text(encoding="utf-8"))
    model, tokenizer = load_model(model_dir, base_dir), AutoTokenizer.from_pretrained(base_dir)
    if settings["task"] == "classification":
        return LabelPredictor(
            model, tokenizer, tuple(settings["labels"]), settings["max_length"], settings["temperature"]
        )
    return AnswerPredictor(
        model, tokenizer, settings["max_length"], settings["stride"], settings["no_answer_threshold"]
    )


def write_json(path: Path, value: Any) -> None:
    """Writes indented UTF-8 JSON through a temporary file, so that a reader never sees half of it."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
