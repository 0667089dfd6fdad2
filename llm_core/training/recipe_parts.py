"""The tables of a recipe: each a frozen value that refuses unknown keys and values out of range.

Rules that need two tables stand in `recipe`. The module reads no file and imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from llm_core.data.augmentation import Augmentation
from llm_core.model.config import FAMILIES, ModelConfig, preset
from llm_core.tokenizer.symbols import FILL_IN_THE_MIDDLE

Objective = Literal["masked_lm", "causal_lm", "seq2seq", "classification", "tagging", "question_answering"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenizerPart(Part):
    """A vocabulary learnt from the recipe's own training texts; see `llm_core.tokenizer.Tokenizer.train`."""

    kind: Literal["unigram", "bpe"] = "unigram"
    vocab_size: Annotated[int, Field(ge=300, le=250_000)]
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995
    max_chunks: Annotated[int, Field(gt=100)] = 1_000_000
    """A longer stream is sampled down to this many chunks of up to 1,024 characters."""
    split_han: bool = False
    """Each Chinese character alone: longer texts, but entities and answers never begin within a piece."""


class ModelPart(BaseModel):
    """Sizes of a model from scratch: `family`, and any field of `ModelConfig` that the vocabulary does not decide."""

    model_config = ConfigDict(frozen=True, extra="allow")

    family: Literal["bert", "llama", "marian"]

    @model_validator(mode="after")
    def _makes_a_model(self) -> ModelPart:
        known = set(ModelConfig.__dataclass_fields__) - _DECIDED
        if unknown := sorted(set(self.sizes()) - known):
            raise ValueError(f"{unknown[0]} is not a field; these are: {', '.join(sorted(known))}")
        if "num_heads" not in self.sizes():
            raise ValueError("num_heads is missing")
        try:
            self.config(vocab_size=1000, decoder_start_token_id=0)
        except TypeError as error:
            raise ValueError(str(error).partition(") ")[2] or str(error)) from error
        return self

    def sizes(self) -> dict[str, Any]:
        """The fields besides the family."""
        return dict(self.model_extra or {})

    def config(self, **decided: Any) -> ModelConfig:
        """The model's configuration.

        Args:
            **decided: What the vocabulary decides: its size and the special tokens' ids.
        """
        return preset(self.family, **self.sizes(), **decided)


_DECIDED = {
    *("family", "vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"),
    *(set().union(*FAMILIES.values()) - {"max_positions", "token_types", "norm_eps", "activation"}),
}
"""Fields that the family or the vocabulary fixes."""


class DataPart(Part):
    """One data set of the mixture."""

    name: str
    licence: str
    """Licence of the texts in words; printed in the model card."""
    repeat: Annotated[float, Field(gt=0, le=20)] = 1.0
    """How often each row is seen in an epoch; 0.5 draws half of the rows, 2.5 every row twice and half again."""
    limit: Count | None = None
    """Only the first rows of each split."""
    validated: bool = True
    """Whether its validation rows are among those looked at while training; false for a set that has none."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    except_titles: tuple[str, ...] = ()
    """No rows whose `title` is among these."""
    foreign_questions: Share = 0.0
    """QA: extra unanswerable rows, per row of each repeat, made by asking another passage."""
    cloze_questions: Annotated[int, Field(ge=0, le=50)] = 0
    """QA: extra rows, at most so many per passage of each repeat, made of its own sentences; see `data.cloze`."""
    balance: Share = 0.0
    """Classification: rare labels are drawn (largest count / count) ** balance times as often; 1: all alike."""
    fields: Annotated[tuple[str, ...], Field(min_length=1)] = ("text",)
    """Language models: the columns that, joined by line ends, make a text."""
    distinct: bool = False
    """Language models: leave out texts that came before, such as a passage that has several questions."""
    directions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[a-z]{2}$")], ...] = ()
    """seq2seq: language pairs such as ``"en-zh"``; each row is learned in each."""
    tags: dict[str, str] = {}
    """Tagging: other names for entity types, such as ``{GPE = "LOC"}``; the empty name drops the type."""
    augmentation: Augmentation = Augmentation()


class Masking(Part):
    """masked_lm: what is hidden (arXiv:1810.04805)."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    whole_words: Share = 0.0
    """Share of the rows in which whole words are hidden (1: all, 0: none), from which more is to be learnt; where
    single tokens are hidden, their neighbours help, and learning begins sooner."""


class Infilling(Part):
    """causal_lm: fill in the middle (arXiv:2207.14255)."""

    rate: Share = 0.5
    spm_rate: Share = 0.5
    symbols: tuple[str, str, str] = FILL_IN_THE_MIDDLE
    """Special tokens before the prefix, the middle and the suffix; a base that has none of its own lends others."""


class Polish(Part):
    """A second training, of the adapter that approximates a fully fine-tuned model: what it lost comes back."""

    max_steps: Count
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """At its peak."""


class Tuning(Part):
    """Which weights move."""

    kind: Literal["full", "partial", "lora", "linear_probe"] = "full"
    """`partial`: some blocks and the head; `linear_probe`: the head alone."""
    top_blocks: Count | None = None
    """partial: this many blocks nearest the head, of each stack."""
    blocks: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """partial: or these, counted from the embeddings."""
    rank: Annotated[int, Field(ge=1, le=256)] = 32
    alpha: Count = 32
    """The low-rank product is scaled by alpha / rank."""
    ship_rank: Count | None = None
    """lora: what is trained with `rank` ships as its best approximation of this smaller rank."""
    lora_dropout: Share = 0.0
    embeddings: bool = False
    """An adapter changes the table of tokens, too: of an encoder with a task's head."""
    hidden_dropout: Share = 0.1
    """Dropout on the base model's hidden states while training."""
    ship: Literal["model", "adapter", "ctranslate2", "gguf"] = "model"
    """What is written: the whole model; an adapter: LoRA's own, or the best low-rank approximation of the change; or
    seq2seq: the whole model converted to CTranslate2, in int8; causal_lm: to GGUF in 8 bits (q8_0), for llama.cpp."""

    polish: Polish | None = None
    """full, shipped as an adapter: train the approximation further."""

    @model_validator(mode="before")
    @classmethod
    def _lora_ships_itself(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "lora":
            return {"ship": "adapter", **values}
        return values

    @model_validator(mode="after")
    def _chooses_blocks(self) -> Tuning:
        if (self.kind == "partial") != (bool(self.blocks) != (self.top_blocks is not None)):
            raise ValueError("kind partial needs one of top_blocks and blocks, the other kinds neither")
        if self.kind in ("partial", "linear_probe") and self.ship == "adapter":
            raise ValueError("ship: an adapter can be made of kind lora and full only")
        if self.ship_rank is not None and not (self.kind == "lora" and self.ship == "adapter"):
            raise ValueError("ship_rank: is for kind lora that ships as an adapter")
        if self.ship_rank is not None and self.ship_rank > self.rank:
            raise ValueError("ship_rank: must not exceed rank")
        if self.polish is not None and (self.kind, self.ship) != ("full", "adapter"):
            raise ValueError("polish: is for kind full that ships as an adapter")
        if self.embeddings and self.ship != "adapter":
            raise ValueError("embeddings: is for adapters; what else ships has its table whole")
        return self


class CRFPart(Part):
    """Tagging: a CRF with hashed n-grams over the trained tagger; see `llm_core.data.crf`."""

    rows: Annotated[int, Field(ge=64, le=2**24)] = 2**17
    """Of the table of n-grams."""
    size: Annotated[int, Field(ge=1, le=64)] = 8
    """Numbers in a row."""
    orders: Annotated[int, Field(ge=1, le=6)] = 4
    """Words of the longest n-gram."""
    width: Annotated[int, Field(ge=1, le=15)] = 7
    """Words that an n-gram counts for: its first, and those around it."""
    epochs: Annotated[float, Field(gt=0, le=100)] = 3
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Of Adagrad, at its peak; it falls to zero."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the n-grams left out in training."""
    encoder_dropout: Share = 0.3
    """Share of the sentences that are trained on without the encoder."""

    @field_validator("width")
    @classmethod
    def _has_a_middle(cls, width: int) -> int:
        if width % 2 == 0:
            raise ValueError("must be odd")
        return width


class DictionaryPart(Part):
    """seq2seq: the dictionary that ships beside a translator; see `llm_core.data.dictionary`."""

    name: str
    """Data set of its entries."""
    counted_in: Annotated[tuple[str, ...], Field(min_length=1)]
    """Data sets of sentence pairs that tell how common words are."""
    entries: Annotated[int, Field(ge=1)] = 30_000


class Optim(Part):
    """How it is optimised: AdamW; the learning rate warms up, and falls to zero."""

    epochs: Annotated[float, Field(gt=0, le=1000)] | None = None
    max_steps: Count | None = None
    """Steps of the optimiser; instead of `epochs`."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """At its peak."""
    schedule: Literal["cosine", "linear", "wsd"] = "wsd"
    """`wsd`: warm-up, stable, linear decay (arXiv:2404.06395)."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    decay: Share = 1.0
    """wsd: share of the steps after the warm-up over which the learning rate falls."""
    weight_decay: Share = 0.01
    adam_beta2: Annotated[float, Field(ge=0.5, lt=1)] = 0.999
    """How slowly AdamW forgets the size of gradients; 0.98 is usual for translators, whose gradients shrink early."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Longer gradients are shortened to this; 0: never."""
    batch_size: Count = 32
    """Rows per step of the optimiser, over all processes."""
    micro_batch: Count = 16
    """Rows computed at once; must divide `batch_size`. Small blocks of memory are reused, so 16 is faster than 32."""
    batch_tokens: Count | None = None
    """Instead of rows: tokens per step with padding, of a single micro-batch in each process."""
    short_first: Annotated[int, Field(ge=0)] = 0
    """With batch_tokens: so many steps at the beginning see short rows only, from which a translator learns sooner
    which words belong together (arXiv:1903.09848)."""
    shallow_first: Annotated[int, Field(ge=0)] = 0
    """So many steps at the beginning run only the lowest `shallow_blocks` of each stack; see `deepening`."""
    shallow_blocks: Count = 2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (13,)
    """Of weights, order, masks and dropout. With several the recipe is trained once for each and the best ships."""
    bf16: bool = True
    """Autocast to bfloat16 where the device has instructions for it; weights and optimiser stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time (arXiv:1604.06174)."""
    fused_attention: bool | None = None
    """torch's fused kernel instead of the formula as written; unset: on an accelerator only."""
    compile: bool = False
    """torch.compile: without dropout a fifth faster on a CPU; needs a C++ compiler, and three minutes at the start."""
    log_steps: Count = 10
    save_steps: Count = 500
    eval_steps: Count | None = None
    """Measure loss and accuracy on validation rows each so many steps; None: never."""
    eval_rows: Count = 500
    """Validation rows, of each data set."""
    metric: Literal["loss", "accuracy"] = "loss"
    """What early stopping and the best checkpoint go by."""
    patience: Count | None = None
    """Stop after so many evaluations without a better one; the best checkpoint is what ships."""
    fsdp: bool = False
    """Several processes: shard weights and optimiser by FSDP2 instead of copying them (DDP)."""

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("must differ from each other")
        return seeds

    @model_validator(mode="after")
    def _divides(self) -> Optim:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch ({self.micro_batch}) must divide batch_size ({self.batch_size})")
        if self.short_first and self.batch_tokens is None:
            raise ValueError("short_first needs batch_tokens")
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("needs one of epochs and max_steps")
        if len(self.seeds) > 1 and self.eval_steps is None:
            raise ValueError("several seeds need eval_steps: the best of them is chosen on validation rows")
        if self.patience is not None and (self.eval_steps is None or self.save_steps % self.eval_steps):
            raise ValueError("patience needs eval_steps, and save_steps must be a multiple of it")
        return self


class Samples(Part):
    """Showcases: what the model makes of some inputs while it learns."""

    inputs: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)]
    """Prompts; masked_lm: texts with ``[MASK]``; seq2seq: texts, with the tag of the target language first."""
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Steps at which to look; empty: at the start, at each power of two. Always at the end."""
    new_tokens: Annotated[int, Field(ge=1, le=512)] = 48
    guesses: Annotated[int, Field(ge=1, le=20)] = 5
    """masked_lm: most probable pieces for each mask."""


class ScorePart(Part):
    """One line of `scores.json`: rows of a validation split and the metrics measured on them."""

    data: str
    """Data set name."""
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    """Keys of what `evaluate` returns; language models: perplexity, bits_per_byte; masked_lm: accuracy."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    answerable: bool | None = None
    """QA: only answerable rows (true), only the others (false), or all."""
    direction: Annotated[str, Field(pattern=r"^[a-z]{2}-[a-z]{2}$")] | None = None
    """seq2seq: the language pair."""
    limit: Count | None = None
    """Only the first rows."""
    before_int8: bool = False
    """ship ctranslate2: measured in float32, to tell what int8 costs."""
    title: str = ""
    """What the rows are, for the card; default: the data set's name."""
