"""Recipes: one TOML file says everything about a trained model but where files lie.

A recipe is a frozen, validated value; an unknown key is an error. The data folder is given to `train`, never written in
a recipe, so a recipe means the same on every machine. A wrong recipe fails here, before anything is trained.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from llm_core.data.parallel import Cleaning
from llm_core.errors import InputError
from llm_core.training.recipe_parts import (
    CRFPart,
    DataPart,
    DictionaryPart,
    Infilling,
    Masking,
    ModelPart,
    Objective,
    Optim,
    Part,
    Samples,
    ScorePart,
    Share,
    TokenizerPart,
    Tuning,
)

RECIPES_DIR = Path(__file__).parents[2] / "recipes"
FAMILY_OF = {"causal_lm": "llama", "seq2seq": "marian"}
"""The shape that an objective needs; the others need an encoder."""
LABELLED = ("classification", "tagging")


class Recipe(Part):
    """One trained model: a base that is trained further, or a model from scratch with a vocabulary of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Directory name under `models/`."""
    title: str
    """One line for the model card."""
    objective: Objective
    base: str | None = None
    """Hub id of a catalogue entry, ``models/NAME``, or a directory; written into the adapter and the card."""
    base_licence: str = ""
    model: ModelPart | None = None
    tokenizer: TokenizerPart | None = None
    languages: tuple[str, ...] = ("en",)
    labels: tuple[str, ...] = ()
    """Classification and tagging: names in the order of the logits."""
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128
    """Tokens of a row, special tokens included."""
    stride: Annotated[int, Field(ge=0)] = 0
    """QA and tagging: tokens that neighbouring windows share."""
    mark_capitals: bool = False
    """Tagging: tell words with capital letters by their token type, for a base whose vocabulary has small ones only."""
    mark_shared_words: bool = False
    """QA: tell by their token type the words of the passage that the question has, for a base that does not compare
    them."""
    overlap_weight: Annotated[float, Field(ge=0)] = 0.0
    """QA: what serving and measuring add to the logit of an answer whose sentence has all of the question's words."""
    overlap_in_margin: bool = False
    """QA: let that also tell whether there is an answer at all."""
    pack: bool = True
    """Language models: lay texts end to end and cut them every `max_length` tokens; else each text begins a row."""
    masking: Masking = Masking()
    infilling: Infilling | None = None
    cleaning: Cleaning | None = None
    """seq2seq: pairs that are not learned from."""
    data: Annotated[tuple[DataPart, ...], Field(min_length=1)]
    tuning: Tuning = Tuning()
    crf: CRFPart | None = None
    """Tagging: what is fitted on top of the trained model."""
    dictionary: DictionaryPart | None = None
    """seq2seq: what is looked up in beside the trained model."""
    optim: Optim
    samples: Samples | None = None
    scores: tuple[ScorePart, ...] = ()
    calibrate_on: tuple[str, ...] = ()
    """Data sets whose validation rows fit the temperature or the no-answer threshold."""
    calibrate_sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    foreign_in_validation: Share = 0.0
    """QA: validation rows to add, for each there is, whose question is another passage's: for a data set of which all
    questions have answers."""
    threshold_loss: Share = 1.0
    """QA: how much of the answerable rows' F1 the no-answer threshold may cost; less favours answering."""
    dtype: Annotated[str, Field(pattern="^(float32|float16|bfloat16|float8_e4m3fn)$")] = "float16"
    """Of the weights that ship; float8 (arXiv:2209.05433) is for adapters."""
    limits: str = ""
    """What the model is not good for; a paragraph of the card."""

    @property
    def tagged(self) -> bool:
        """seq2seq: whether texts begin with a tag of the target language: when there are several to choose from."""
        return len({pair.partition("-")[2] for part in self.data for pair in part.directions}) > 1

    @property
    def language(self) -> Literal["en", "zh"]:
        """Which rules compare its answers."""
        return "zh" if self.languages == ("zh",) else "en"

    def polishing(self, seed: int) -> Recipe:
        """The recipe of the second training, of the model that `seed` gave; see `Tuning.polish`."""
        assert self.tuning.polish is not None, "there is none"
        content = self.model_dump(mode="json", exclude_unset=True)
        content["tuning"] |= {"kind": "lora", "alpha": self.tuning.rank}
        content["optim"] |= {**content["tuning"].pop("polish"), "seeds": [seed]}
        content["optim"].pop("epochs", None)
        return Recipe.model_validate(content)

    @model_validator(mode="after")
    def _starts_somewhere(self) -> Recipe:
        if (self.base is None) == (self.model is None):
            raise ValueError("needs one of base (train it further) and model (from scratch)")
        if (self.model is None) != (self.tokenizer is None):
            raise ValueError("model and tokenizer come together: a base has its own tokenizer")
        if self.base is not None and not self.base_licence:
            raise ValueError("base_licence: must name the licence of the base")
        if self.model is None:
            return self
        if self.tuning.kind != "full" or self.tuning.ship == "adapter":
            raise ValueError("tuning: a model from scratch is trained in full and shipped whole")
        wanted = FAMILY_OF.get(self.objective, "bert")
        if self.model.family != wanted:
            raise ValueError(f"model.family: {self.objective} needs {wanted}, not {self.model.family}")
        longest = self.model.config(vocab_size=1000, decoder_start_token_id=0).max_positions
        if self.max_length > longest:
            raise ValueError(f"max_length ({self.max_length}) must not exceed model.max_positions ({longest})")
        return self

    @model_validator(mode="after")
    def _fits_its_objective(self) -> Recipe:
        if self.objective in LABELLED and len(set(self.labels)) < 2:
            raise ValueError(f"labels: {self.objective} needs at least two different labels")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: must differ from each other")
        if self.objective not in LABELLED and self.labels:
            raise ValueError(f"{self.objective} takes no labels")
        if self.objective == "tagging" and "O" not in self.labels:
            raise ValueError("labels: tagging needs the label O")
        if self.objective == "question_answering" and not self.stride:
            raise ValueError("question_answering needs a stride")
        if self.objective != "seq2seq" and self.tuning.ship == "ctranslate2":
            raise ValueError("tuning.ship: ctranslate2 is for seq2seq")
        if self.objective != "causal_lm" and self.tuning.ship == "gguf":
            raise ValueError("tuning.ship: gguf is for causal_lm")
        if self.objective == "seq2seq" and not all(part.directions for part in self.data):
            raise ValueError("data.directions: seq2seq needs at least one, such as en-zh")
        if self.objective in ("classification", "question_answering") and not (self.scores and self.calibrate_on):
            raise ValueError(f"{self.objective} needs scores and calibrate_on")
        if self.dtype == "float8_e4m3fn" and self.tuning.ship != "adapter":
            raise ValueError("dtype: float8_e4m3fn is for adapters")
        if self.tuning.embeddings and self.objective in _GENERATIVE:
            raise ValueError(f"tuning.embeddings: {self.objective} makes its output of them")
        if self.objective not in ("masked_lm", "causal_lm") and any(part.distinct for part in self.data):
            raise ValueError("data.distinct: is for masked_lm and causal_lm")
        return self

    @model_validator(mode="after")
    def _options_belong(self) -> Recipe:
        owners = {
            "infilling": ("causal_lm",),
            "masking": ("masked_lm",),
            "cleaning": ("seq2seq",),
            "mark_capitals": ("tagging",),
            "mark_shared_words": ("question_answering",),
            "overlap_weight": ("question_answering",),
            "overlap_in_margin": ("question_answering",),
            "foreign_in_validation": ("question_answering",),
            "crf": ("tagging",),
            "dictionary": ("seq2seq",),
            "samples": _GENERATIVE,
            "pack": _GENERATIVE,
        }
        for part in self.data:
            if part.augmentation.enabled and self.objective not in ("classification", "seq2seq"):
                raise ValueError("data.augmentation: is for classification and seq2seq")
            if (part.foreign_questions or part.cloze_questions) and self.objective != "question_answering":
                raise ValueError("data.foreign_questions and cloze_questions: are for question_answering")
            if part.augmentation.back_translation:
                raise ValueError("data.augmentation.back_translation: needs a translator, which training has not")
        for field, objectives in owners.items():
            if field in self.model_fields_set and self.objective not in objectives:
                raise ValueError(f"{field}: is for {', '.join(objectives)}, not {self.objective}")
        return self


_GENERATIVE = ("masked_lm", "causal_lm", "seq2seq")


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Reads a recipe by its name under `recipes/` or by the path of its TOML file.

    Args:
        name_or_path: ``"qa-en"`` or ``"some/where/qa-en.toml"``.
        overrides: ``"optim.learning_rate=1e-3"``: dotted keys and TOML values (a bare word is text) that replace the
            file's.

    Raises:
        InputError: There is no such recipe, or it breaks a rule; the message lists every broken rule.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES_DIR / f"{name_or_path}.toml"
    if not path.is_file():
        raise InputError("recipe", f"must be a .toml file or one of {', '.join(recipe_names())}", str(name_or_path))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for override in overrides:
            _set(content, override)
        return Recipe.model_validate(content)
    except tomllib.TOMLDecodeError as error:
        raise InputError("recipe", f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        raise InputError("recipe", f"{path.name}: {_broken_rules(error)}") from error


def recipe_names() -> list[str]:
    """Names of the recipes in `recipes/`."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))


def _set(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError("set", "must look like optim.learning_rate=1e-3", override)
    *path, last = key.strip().split(".")
    place: Any = content
    for step in path:
        place = _inner(place, step, key)
    if isinstance(place, list):
        place[_index(place, last, key)] = _value(text)
    else:
        place[last] = _value(text)


def _inner(place: Any, step: str, key: str) -> Any:
    inner = place[_index(place, step, key)] if isinstance(place, list) else place.setdefault(step, {})
    if not isinstance(inner, dict | list):
        raise InputError("set", f"{key}: {step} is a value, not a table")
    return inner


def _index(place: list[Any], step: str, key: str) -> int:
    if not step.isdigit() or int(step) >= len(place):
        raise InputError("set", f"{key}: {step} must be a number below {len(place)}, as in data.0.repeat")
    return int(step)


def _value(text: str) -> Any:
    """TOML's value; a text that is none stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _broken_rules(error: ValidationError) -> str:
    return "; ".join(_rule(broken) for broken in error.errors(include_url=False))


def _rule(broken: Any) -> str:
    place = ".".join(map(str, broken["loc"])) or "recipe"
    rule = broken["msg"].removeprefix("Value error, ")
    if broken["type"] == "extra_forbidden" and (known := _known_keys(broken["loc"])):
        return f"{place}: {rule}; these are: {', '.join(known)}"
    return f"{place}: {rule}"


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    """The keys of the table that an unknown key stands in."""
    table: Any = Recipe
    for step in place[:-1]:
        if isinstance(step, str):
            table = _TABLES.get(step)
    return sorted(table.model_fields) if table is not None else []


_TABLES: dict[str, type[Part]] = {
    "data": DataPart, "tokenizer": TokenizerPart, "masking": Masking, "infilling": Infilling, "tuning": Tuning,
    "crf": CRFPart, "dictionary": DictionaryPart, "optim": Optim, "samples": Samples, "scores": ScorePart,
}  # fmt: skip
