"""Tiny random decoders and translators in the Hub's layout, with tokenizers trained here; their catalogue entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    NllbTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from llm_core.catalog import ModelSpec

SENTENCES = [
    "the cat sat on the mat and the dog ran over the green hill",
    "good morning, how are you today? we go to the park.",
    "the train to the city leaves at nine from platform two!",
    "今天 天气 很好 我们 去 公园 散步 吧",
    "a small model translates one sentence after another, slowly.",
] * 8
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def entry(model_id: str = "tiny", **fields: Any) -> ModelSpec:
    """A catalogue entry of a local checkpoint."""
    defaults = {
        "title": model_id, "summary": "random", "tier": "hub", "tasks": ("generate", "complete"),
        "languages": ("en", "zh", "code"), "backend": "transformers", "head": "causal_lm", "licence": "Apache-2.0",
        "parameters": 1, "context_length": 128, "memory_bytes": 1, "download_bytes": 1,
        "hub": {"repo": "tests/tiny", "revision": "0" * 40},
    }  # fmt: skip
    return ModelSpec.model_validate({"id": model_id, **defaults, **fields})


def translator_entry(model_id: str = "tiny-mt", **fields: Any) -> ModelSpec:
    """A catalogue entry of a local translator from English to Chinese."""
    defaults = {"head": "seq2seq", "tasks": ("translate",), "context_length": 64, "language_pairs": (("en", "zh"),)}
    return entry(model_id, **{**defaults, **fields})


def save_llama(directory: Path, seed: int = 0) -> Path:
    """Llama, as `save_decoder` makes it."""
    return save_decoder(directory, LlamaConfig, seed)


def save_decoder(
    directory: Path, family: type[PretrainedConfig], seed: int = 0, chat_template: str | None = None
) -> Path:
    """Two layers of width 32, 128 positions, a byte-level vocabulary with ChatML's special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=400, special_tokens=CHATML, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = chat_template
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    torch.manual_seed(seed)
    config = family(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return _save(directory, AutoModelForCausalLM.from_config(config), tokenizer)


def save_marian(directory: Path, seed: int = 0) -> Path:
    """One encoder and one decoder layer, separate SentencePiece files, one vocabulary."""
    directory.mkdir(parents=True, exist_ok=True)
    source, target = (_train_pieces(directory / name) for name in ("source", "target"))
    pieces = [p for model in (source, target) for p in map(model.id_to_piece, range(3, model.get_piece_size()))]
    names = list(dict.fromkeys(["</s>", "<unk>", *pieces, "<pad>"]))
    (directory / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "zh"}), encoding="utf-8"
    )
    pad = names.index("<pad>")
    torch.manual_seed(seed)
    config = MarianConfig(
        vocab_size=len(names), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64, pad_token_id=pad,
        eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=pad, bos_token_id=0,
    )  # fmt: skip
    model = MarianMTModel(config)
    model.generation_config.bad_words_ids = [[pad]]
    return _save(directory, model, None)


def without_forced_end(directory: Path) -> Path:
    """Lets a translator run out of length without an end of sentence, as CTranslate2 does."""
    file = directory / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"forced_eos_token_id": None}))
    return directory


def save_nllb(directory: Path, seed: int = 0) -> Path:
    """NLLB's architecture and language codes over a small vocabulary."""
    directory.mkdir(parents=True, exist_ok=True)
    pieces = _train_pieces(directory / "sentencepiece.bpe")
    vocabulary = {name: i for i, name in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    for number in range(3, pieces.get_piece_size()):
        vocabulary.setdefault(pieces.id_to_piece(number), len(vocabulary))
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[])
    torch.manual_seed(seed)
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
    )  # fmt: skip
    return _save(directory, M2M100ForConditionalGeneration(config), tokenizer)


def _save(directory: Path, model: Any, tokenizer: Any) -> Path:
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.4)
    embedding = model.get_input_embeddings()
    if embedding.padding_idx is not None:
        torch.nn.init.zeros_(embedding.weight[embedding.padding_idx])  # as training leaves it
    model.save_pretrained(directory)
    if tokenizer is not None:
        tokenizer.save_pretrained(directory)
    return directory


def _train_pieces(prefix: Path) -> Any:
    """A SentencePiece model of the test sentences, ``PREFIX.spm`` or ``PREFIX.model``."""
    suffix = ".model" if prefix.name.endswith("bpe") else ".spm"
    trained = prefix.with_name(prefix.name + ".model")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_prefix=str(prefix), vocab_size=120, model_type="unigram",
        minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    trained = trained.rename(prefix.with_name(prefix.name + suffix))
    prefix.with_name(prefix.name + ".vocab").unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(trained))
