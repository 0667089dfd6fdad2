"""Settings of one process, read once from the environment (prefix ``LLM_CORE_``) and passed on explicitly.

`llm_core.data.loaders`, which works without settings, reads one of the variables too; no other module does. Nothing
here touches the network or loads a model.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from llm_core.hardware import available_cores, available_memory_bytes

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent


def _names(value: Any) -> Any:
    """Names in one string, with commas or blanks between them."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _on_a_space() -> bool:
    return "SPACE_ID" in os.environ


class Settings(BaseSettings):
    """What an operator may set; every field is an environment variable ``LLM_CORE_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="LLM_CORE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    cache_dir: Path = Field(default_factory=lambda: user_cache_path("llm-core"))
    """Where fetched weights are kept."""
    models_dir: Path = REPOSITORY_ROOT / "models"
    """Weights that this project trained and ships."""
    data_dir: Path | None = None
    """Folder of data packs for `train` and `evaluate`; unset means the Hub's `datasets`."""
    offline: bool = False
    """Never ask the network for weights, not even whether it is there."""
    hub_endpoint: str | None = None
    """Another server that speaks the Hub's protocol; unset means huggingface_hub's own choice."""
    hub_token: SecretStr | None = None
    """For models that need an account on the Hub, and for `feedback` kept there."""
    threads: Annotated[int, Field(ge=1)] = Field(default_factory=available_cores)
    """CPU threads for models; by default the cores this container really has."""
    memory_budget_bytes: Annotated[int, Field(ge=0)] = Field(default_factory=lambda: available_memory_bytes() // 2)
    """Loaded models together stay below it; the least recently used leave first."""
    request_seconds: Annotated[float, Field(gt=0)] = Field(default_factory=lambda: 60.0 if _on_a_space() else 120.0)
    """Longest time one request may take once it runs; by default 120, on a Hugging Face Space 60."""
    max_waiting: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: 32 if _on_a_space() else 64)
    """Requests that may wait for a device; by default 64, on a Hugging Face Space 32."""
    max_waiting_per_client: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: 3 if _on_a_space() else 8)
    """Of those, requests of one client; by default 8, on a Hugging Face Space 3 (as many as are compared)."""
    streams: Annotated[int | None, Field(ge=1, le=32)] = None
    """Answers a decoder run by transformers writes at once; 1: one after the other. Unset: 16 on CUDA, 4 on a CPU."""
    remote: Path | None = None
    """TOML file of models on other machines, see `docs/remote.md`; unset means none."""
    tour: Path | None = None
    """TOML file of the page's guided tour; unset means the one that comes with the page, `demos/tours/default.toml`."""
    fetch_at_start: bool = Field(default_factory=_on_a_space)
    """Download embedded models that are not here when the page starts, not first when one is asked for; by default on
    a Hugging Face Space only."""
    zero_gpu_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    """Hub models to move to the GPU of a Space with ZeroGPU, by id, with commas between them; unset: the first of the
    catalogue for each task and language, as far as they fit. Ignored anywhere else."""
    metrics: bool = False
    """Serve Prometheus figures at /metrics, to everybody who reaches the page: restrict it in the proxy."""
    log_format: Literal["text", "json"] = "text"
    """json: one object a line, with request id, task, model, tokens, seconds and outcome of each request."""
    run_code: bool = False
    """Visitors may have the doctests of completed code run, in a sandbox that is no barrier to hostile code."""
    feedback: str | None = None
    """Where visitors' votes on answers are kept: path of a JSON-lines file, or ``hf://datasets/OWNER/NAME``, which
    needs `hub_token`. Unset: nobody is asked."""
