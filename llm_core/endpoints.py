"""The owner's remote models: one TOML file (setting ``LLM_CORE_REMOTE``), read and validated. Nothing is asked here.

A table ``[models.ID]`` describes a model as its servers call it, ``[[models.ID.endpoints]]`` each server that has it. A
table ``[prices.ID]`` gives any model of the catalogue a price, so that tiers can be compared. Keys are named by
environment variable and read once; they are in no message, log or `repr`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from llm_core.catalog import Catalog, ModelSpec, Price
from llm_core.errors import ConfigurationError
from llm_core.visitor import visitor_key

Server = Literal["openai", "vllm", "sglang", "llama.cpp", "transformers"]
"""Which dialect of the OpenAI protocol is spoken; ``openai`` is what all have in common."""
_CONTINUING: frozenset[Server] = frozenset({"vllm", "sglang", "llama.cpp"})
"""Servers that go on from the beginning of an assistant's message."""
HUB_ROUTER = "https://router.huggingface.co/v1"
"""Inference Providers: the one address that may get a visitor's own key."""
_OF_EMBEDDERS = frozenset({"embed", "classify"})
MESSAGES: Final = "messages"
"""Name of the prompt template of servers that have the model's own (`tasks.prompts`)."""


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address such as http://gpu-1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; keys come from api_key_env")
    return url.rstrip("/")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(_Table):
    """One server that serves a model."""

    name: str = Field(pattern=r"^[A-Za-z0-9_. -]{1,40}$")
    """What logs and messages call it; its address is never shown."""
    base_url: Annotated[str, AfterValidator(_check_url)]
    """Up to ``/v1``."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds its key."""
    weight: float = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)
    """How much it can do beside the others; an endpoint of weight 2 gets twice the requests."""
    max_concurrent: int = Field(default=32, ge=1, le=4096)
    """Requests that it is given at once."""
    key: SecretStr | None = Field(default=None, repr=False)
    """Read from `api_key_env`; cannot be written in the file."""

    @property
    def key_now(self) -> SecretStr | None:
        """The key to send: of a visitor who is logged in, the visitor's own, if this is the Hub's router."""
        return (visitor_key.get() if self.base_url == HUB_ROUTER else None) or self.key

    @property
    def lacks_visitor(self) -> bool:
        """Whether only visitors who are logged in may ask it, and this one is not."""
        return self.base_url == HUB_ROUTER and self.key_now is None


class RemoteModel(_Table):
    """One model on one or more servers."""

    model: str = Field(min_length=1)
    """What its servers call it."""
    title: str = ""
    summary: str = "Runs on a server of the owner of this page."
    server: Server = "openai"
    tasks: tuple[Literal["generate", "complete", "embed", "classify"], ...] = Field(("generate",), min_length=1)
    """``complete`` needs ``/completions``; what is told in words (sentiment, questions …) goes with ``generate``.
    ``embed`` needs ``/embeddings`` and ranks passages of long texts; ``classify`` beside it sorts texts into labels of
    visitors."""
    template: Literal["messages", "plain", "continue", "qwen_fim", "smollm_fim"] = MESSAGES
    """``messages``: the server's chat template. Else ``/completions`` is asked with a prompt written here: that of a
    model without chat template, or fill-in-the-middle marks for code."""
    languages: tuple[str, ...] = Field(default=("en", "zh", "code"), min_length=1)
    licence: str = "terms of its owner"
    parameters: int = Field(default=0, ge=0)
    context_length: int = Field(gt=0)
    """Tokens of prompt and answer together."""
    price: Price | None = None
    logprobs: bool = True
    """Whether probabilities may be asked for."""
    silence_seconds: float = Field(default=20.0, gt=0, le=3600, allow_inf_nan=False)
    """Longest wait for the first piece of an answer, and between two pieces."""
    health_seconds: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    """Time between two looks at whether a server is there."""
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) != len(names):
            raise ValueError("endpoints must have names of their own")
        if not set(self.tasks).isdisjoint(_OF_EMBEDDERS) and (
            not self.embeds or not _OF_EMBEDDERS.issuperset(self.tasks)
        ):
            raise ValueError("a model that embeds has the task embed, or embed and classify, and no other")
        if self.embeds and "template" in self.model_fields_set:
            raise ValueError("template is of models that write: one that embeds reads texts as they are")
        if "generate" in self.tasks and self.template.endswith("_fim"):
            raise ValueError("a fill-in-the-middle template serves the task complete only")
        return self

    @property
    def embeds(self) -> bool:
        """Whether its servers give vectors of texts, and write nothing."""
        return "embed" in self.tasks

    def spec(self, model_id: str) -> ModelSpec:
        """Its catalogue entry."""
        return ModelSpec(
            id=model_id,
            title=self.title or model_id,
            summary=self.summary,
            tier="remote",
            tasks=self.tasks,
            languages=self.languages,
            backend="remote",
            head="embedding" if self.embeds else "causal_lm",
            licence=self.licence,
            parameters=self.parameters,
            context_length=self.context_length,
            memory_bytes=0,
            download_bytes=0,
            prompt_template=None if self.embeds else self.template,
            price=self.price,
            continues=self.template != MESSAGES or self.server in _CONTINUING,
            serves_schemas=self.server == "llama.cpp",
        )


class RemoteModels(_Table):
    """The whole file."""

    models: dict[str, RemoteModel] = {}
    prices: dict[str, Price] = {}

    def added_to(self, catalog: Catalog) -> Catalog:
        """The catalogue with the remote models in front, and with the prices.

        Raises:
            ConfigurationError: An id is taken, malformed, or of a model that there is not.
        """
        for model_id in self.models:
            if model_id in catalog:
                raise ConfigurationError(f"remote model {model_id}: the catalogue has a model of this id already")
        try:
            remote = {model_id: model.spec(model_id) for model_id, model in self.models.items()}
        except ValidationError as error:
            raise ConfigurationError(f"remote models: {_problem(error)}") from None
        specs = {**remote, **catalog}
        for model_id, price in self.prices.items():
            if model_id not in specs:
                raise ConfigurationError(f"prices.{model_id}: there is no such model")
            specs[model_id] = specs[model_id].model_copy(update={"price": price})
        return Catalog(specs)


def load_endpoints(path: Path, environment: Mapping[str, str] = os.environ) -> RemoteModels:
    """Read the owner's file and the keys that it names.

    Raises:
        ConfigurationError: It cannot be read, breaks a rule, or names an environment variable that is not set.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"LLM_CORE_REMOTE: {path.name} cannot be read: {type(error).__name__}") from error
    try:
        read = RemoteModels.model_validate(tables)
    except ValidationError as error:
        raise ConfigurationError(f"LLM_CORE_REMOTE: {path.name}: {_problem(error)}") from None
    models = {model_id: _with_keys(model_id, model, environment) for model_id, model in read.models.items()}
    return read.model_copy(update={"models": models})


def _with_keys(model_id: str, model: RemoteModel, environment: Mapping[str, str]) -> RemoteModel:
    endpoints = []
    for endpoint in model.endpoints:
        if endpoint.key is not None:
            raise ConfigurationError(f"remote model {model_id}: name a key's variable in api_key_env, not the key")
        found = environment.get(endpoint.api_key_env, "") if endpoint.api_key_env else ""
        if endpoint.api_key_env and not found:
            raise ConfigurationError(f"remote model {model_id}: {endpoint.api_key_env} is not set")
        endpoints.append(endpoint.model_copy(update={"key": SecretStr(found) if found else None}))
    return model.model_copy(update={"endpoints": tuple(endpoints)})


def _problem(error: ValidationError) -> str:
    """Place and rule of the first problem; never the value, which may be a key."""
    found: Any = error.errors(include_input=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg'].removeprefix('Value error, ')}"
