"""Echo models for tests: catalogue entries without files, and engines that run them."""

from __future__ import annotations

from typing import Any

from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog, ModelSpec
from llm_core.engine import Engine
from llm_core.settings import Settings
from llm_core.weights import WeightStore


def echo_spec(model_id: str = "echo", **fields: Any) -> ModelSpec:
    """A catalogue entry of the echo backend; by default a decoder that reads and writes all languages."""
    defaults = {
        "title": model_id,
        "summary": "repeats what it is told",
        "tier": "embedded",
        "tasks": ("generate", "complete"),
        "languages": ("en", "zh", "code"),
        "backend": "echo",
        "head": "causal_lm",
        "licence": "Apache-2.0",
        "parameters": 1,
        "context_length": 100_000,
        "memory_bytes": 1,
        "download_bytes": 1,
        "prompt_template": "plain",
    }
    return ModelSpec.model_validate({"id": model_id, **defaults, **fields})


def echo_encoder(model_id: str = "echo-embed", **fields: Any) -> ModelSpec:
    """An echo entry that embeds, and serves tasks that need embeddings."""
    return echo_spec(model_id, **{"head": "embedding", "tasks": ("embed", "classify"), **fields})


def echo_engine(*specs: ModelSpec, backend: EchoBackend | None = None, **settings: Any) -> Engine:
    """An engine over echo entries only."""
    catalog = Catalog({spec.id: spec for spec in specs or (echo_spec(),)})
    chosen = Settings(offline=True, **{"memory_budget_bytes": 1 << 30, **settings})
    return Engine(catalog, WeightStore(chosen, catalog), chosen, {"echo": backend or EchoBackend()})


def echo_page_engine(backend: EchoBackend) -> Engine:
    """An engine with an echo entry for each tab of the page."""
    head = {"head": "sequence_classification", "tasks": ("classify",)}
    sentiments, tags, topics = ("positive", "neutral", "negative"), ("O", "B-PER", "I-PER"), ("sports", "business")
    return echo_engine(
        echo_spec("writer"),
        echo_spec("poet", tasks=("poem",)),
        echo_encoder("embedder"),
        echo_encoder("feelings", **{**head, "tasks": ("sentiment",)}, labels=sentiments),
        echo_encoder("topics", **head, labels=topics, label_set="ag_news"),
        echo_encoder("reader", head="span_extraction", tasks=("answer",)),
        echo_encoder("tagger", head="token_classification", tasks=("entities",), labels=tags),
        echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
        backend=backend,
    )
