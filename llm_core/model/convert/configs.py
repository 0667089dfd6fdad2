"""Configurations: transformers' `config.json` of the three families to ours and back.

What we do not compute is refused by name rather than ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_core.errors import WeightsError
from llm_core.model.config import ModelConfig, preset

_ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu"}
_TOKEN_IDS = ("pad_token_id", "bos_token_id", "eos_token_id")
_SHARED: dict[str, str] = {"vocab_size": "vocab_size", "initializer_range": "initializer_range"}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "bert": _SHARED
    | {
        "hidden_size": "hidden_size",
        "intermediate_size": "intermediate_size",
        "num_heads": "num_attention_heads",
        "encoder_layers": "num_hidden_layers",
        "max_positions": "max_position_embeddings",
        "token_types": "type_vocab_size",
        "norm_eps": "layer_norm_eps",
        "activation": "hidden_act",
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
    },
    "llama": _SHARED
    | {
        "hidden_size": "hidden_size",
        "intermediate_size": "intermediate_size",
        "num_heads": "num_attention_heads",
        "num_kv_heads": "num_key_value_heads",
        "decoder_layers": "num_hidden_layers",
        "max_positions": "max_position_embeddings",
        "norm_eps": "rms_norm_eps",
        "activation": "hidden_act",
        "attention_dropout": "attention_dropout",
        "head_size": "head_dim",
        "tie_embeddings": "tie_word_embeddings",
    },
    "marian": {
        "vocab_size": "vocab_size",
        "hidden_size": "d_model",
        "intermediate_size": "encoder_ffn_dim",
        "num_heads": "encoder_attention_heads",
        "encoder_layers": "encoder_layers",
        "decoder_layers": "decoder_layers",
        "max_positions": "max_position_embeddings",
        "scale_embeddings": "scale_embedding",
        "activation": "activation_function",
        "dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "initializer_range": "init_std",
        "decoder_start_token_id": "decoder_start_token_id",
    },
}
"""Our field and the Hub's, where one says the other."""
_SILENT: Mapping[str, Mapping[str, Any]] = {
    "bert": {"activation": "gelu", "dropout": 0.1, "attention_dropout": 0.1},
    "llama": {"activation": "silu", "norm_eps": 1e-6, "tie_embeddings": False},
    "marian": {"activation": "gelu", "dropout": 0.1, "scale_embeddings": False},
}
"""What transformers assumes where ``config.json`` is silent, where our presets say otherwise."""
_REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "bert": {"position_embedding_type": "absolute", "is_decoder": False, "tie_word_embeddings": True},
    "llama": {"attention_bias": False, "mlp_bias": False, "rope_scaling": None},
    "marian": {
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "normalize_before": False,
        "normalize_embedding": False,
        "add_final_layer_norm": False,
        "activation_dropout": 0.0,
    },
}
"""Options that must be so, where they are given."""


def from_hub_config(settings: Mapping[str, Any]) -> ModelConfig:
    """Our configuration of a Hub model.

    Raises:
        WeightsError: It is of another family, or has an option that we do not compute.
        KeyError: A size is missing.
        ValueError: Its sizes contradict each other.
    """
    family = str(settings.get("model_type"))
    if family not in _FIELDS:
        raise WeightsError(f"model_type must be one of {', '.join(_FIELDS)}, not {family}")
    for option, wanted in _REQUIRED[family].items():
        if settings.get(option, wanted) != wanted:
            raise WeightsError(f"{family} with {option} = {settings[option]!r} is not supported")
    fields = dict(_SILENT[family])
    fields |= {ours: settings[theirs] for ours, theirs in _FIELDS[family].items() if theirs in settings}
    fields |= {name: _first(settings.get(name)) for name in _TOKEN_IDS}
    fields["activation"] = _activation(fields["activation"])
    if family == "llama":
        fields["rope_theta"] = _rope_theta(settings)
    if family == "marian":
        for ours, part in (("num_heads", "attention_heads"), ("intermediate_size", "ffn_dim")):
            if settings[f"decoder_{part}"] != fields[ours]:
                raise WeightsError(f"marian with another {part} in the decoder is not supported")
    return preset(family, **fields)


def to_hub_config(config: ModelConfig, architecture: str, labels: Sequence[str] = ()) -> dict[str, Any]:
    """The ``config.json`` of a model of ours.

    Args:
        config: Of the model.
        architecture: transformers' class, such as ``"LlamaForCausalLM"``.
        labels: Names of a classifier's labels.
    """
    settings: dict[str, Any] = {theirs: getattr(config, ours) for ours, theirs in _FIELDS[config.family].items()}
    settings |= {"architectures": [architecture], "model_type": config.family}
    settings |= {name: getattr(config, name) for name in _TOKEN_IDS}
    if labels:
        settings["id2label"] = {str(i): label for i, label in enumerate(labels)}
        settings["label2id"] = {label: i for i, label in enumerate(labels)}
    if config.family == "llama":
        rope = {"rope_type": "default", "rope_theta": config.rope_theta}
        settings |= {"head_dim": config.head_dim, "rope_parameters": rope, "rope_theta": config.rope_theta}
    if config.family == "marian":
        settings |= dict(_REQUIRED["marian"]) | {
            "decoder_vocab_size": config.vocab_size,
            "decoder_attention_heads": config.num_heads,
            "decoder_ffn_dim": config.intermediate_size,
            "is_encoder_decoder": True,
            "forced_eos_token_id": config.eos_token_id,
        }
    return settings


def _activation(name: str) -> str:
    if name not in _ACTIVATIONS:
        raise WeightsError(f"activation {name!r} is not supported; these are: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _first(ids: Any) -> int | None:
    """Some configurations list several end tokens; the first is the one that training used."""
    return ids[0] if isinstance(ids, list) else ids


def _rope_theta(settings: Mapping[str, Any]) -> float:
    rope = settings.get("rope_parameters") or settings
    if rope.get("rope_type", "default") != "default":
        raise WeightsError(f"rotary positions of type {rope['rope_type']!r} are not supported")
    return float(rope.get("rope_theta", 10000.0))
