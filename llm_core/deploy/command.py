"""``python -m llm_core deploy …``: the command line of this package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from llm_core.catalog import ModelSpec, load_catalog
from llm_core.deploy.bundle import REMOTE
from llm_core.deploy.front_matter import OAUTH, thumbnail
from llm_core.endpoints import load_endpoints
from llm_core.errors import InputError
from llm_core.settings import REPOSITORY_ROOT, Settings
from llm_core.zero_gpu import models_to_move

app = typer.Typer(no_args_is_help=True, help="Put the page on machines of others.")


@app.callback()
def deploy() -> None:
    """Put the page on machines of others."""


@app.command()
def space(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Of the Space; made if it is not there.")],
    hardware: Annotated[
        str, typer.Option(help="cpu-basic, cpu-upgrade, zero-a10g (ZeroGPU), t4-small, l4x1, a10g-small …")
    ] = "cpu-basic",
    private: Annotated[bool, typer.Option("--private", help="Only its owner sees it.")] = False,
    sleep_time: Annotated[
        int | None, typer.Option(min=60, help="Seconds without visitors until paid hardware sleeps.")
    ] = None,
    variable: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Environment variable to pass on; repeatable.")
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="As --variable, but nobody can read it there.")
    ] = None,
    torch_index: Annotated[
        str | None, typer.Option(metavar="URL", help="Package index that has torch without CUDA, for hardware cpu-…")
    ] = None,
    remote: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of remote models; their keys go as --secret.")
    ] = None,
    oauth: Annotated[bool, typer.Option("--oauth", help="Visitors may log in with Hugging Face.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Longest time for the build, in seconds.")] = 1800.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show files and calls; change nothing.")] = False,
) -> None:
    """Put the page on a Hugging Face Space, or bring it up to date there: one commit of what the page needs.

    The token is LLM_CORE_HUB_TOKEN, or the one of `hf auth login` or HF_TOKEN; it needs write access.
    """
    from huggingface_hub import HfApi, get_token

    from llm_core.deploy import Deployment, SpaceOptions, bundle
    from llm_core.deploy.preload import look_up, preloaded
    from llm_core.weights.hub import HubClient

    settings = Settings()
    variables, secrets = _values(variable), _values(secret)
    if remote is not None:
        load_endpoints(remote, {**os.environ, **secrets})
        variables["LLM_CORE_REMOTE"] = REMOTE
    options = SpaceOptions(repository, hardware, private, sleep_time, variables, secrets, wait_seconds=wait)
    if torch_index is not None and not (hardware.startswith("cpu-") and torch_index.startswith("https://")):
        raise InputError("torch-index", "must begin with https://, and is for hardware cpu-… only")
    token = settings.hub_token.get_secret_value() if settings.hub_token else get_token()
    api = HfApi(endpoint=settings.hub_endpoint, token=token or False)
    keys = {**thumbnail(f"{api.endpoint}/spaces/{repository}"), **(OAUTH if oauth else {})}
    if token is None and not dry_run:
        raise InputError("token", "is missing: run hf auth login, or set HF_TOKEN")
    moved = _moved(variables) if options.has_zero_gpu else []
    hub = HubClient(settings.hub_endpoint, token)
    entries = preloaded(moved, hub, typer.echo) if moved and not dry_run else []
    files = bundle(REPOSITORY_ROOT, torch_index, gpu=options.gpu, remote=remote, front_matter=keys, preloaded=entries)
    deployment = Deployment(options, files, api, typer.echo)
    if dry_run:
        for file in files:
            typer.echo(f"{file.size:>12,} {file.path}")
        if moved:
            typer.echo(f"would {look_up(moved)}")
        for words, _ in deployment.steps():
            typer.echo(f"would {words}")
    else:
        deployment.run()


def _moved(variables: Mapping[str, str]) -> list[ModelSpec]:
    """The Hub's models that a Space with these variables moves to ZeroGPU.

    Raises:
        ConfigurationError: One that they name is not there, or cannot be moved.
    """
    named = Settings(zero_gpu_models=variables.get("LLM_CORE_ZERO_GPU_MODELS", "")).zero_gpu_models  # type: ignore[arg-type]
    return models_to_move(load_catalog(), named)


def _values(names: list[str] | None) -> dict[str, str]:
    """Values of environment variables.

    Raises:
        InputError: One is not set.
    """
    missing = [name for name in names or () if name not in os.environ]
    if missing:
        raise InputError("variable", f"{missing[0]} is not set in this environment")
    return {name: os.environ[name] for name in names or ()}
