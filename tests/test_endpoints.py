"""The owner's file of remote models: what is accepted, what is said of mistakes, and that keys stay unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_core.catalog import load_catalog
from llm_core.endpoints import load_endpoints
from llm_core.errors import ConfigurationError

GOOD = """
[models.llama]
title = "Llama 3.1 8B"
model = "meta-llama/Llama-3.1-8B-Instruct"
server = "vllm"
context_length = 8192
price = { read = 0.05, written = 0.08 }

[[models.llama.endpoints]]
name = "gpu-1"
base_url = "http://gpu-1:8000/v1/"
api_key_env = "GPU_KEY"
weight = 2.0

[[models.llama.endpoints]]
name = "gpu-2"
base_url = "https://gpu-2/v1"

[prices.stories-en]
read = 0
written = 0.5
currency = "EUR"
"""
KEY = "sk-canary-11"


def written(folder: Path, text: str) -> Path:
    file = folder / "remote.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_remote_model_stands_first_in_the_catalogue(tmp_path: Path) -> None:
    remote = load_endpoints(written(tmp_path, GOOD), {"GPU_KEY": KEY})
    catalog = remote.added_to(load_catalog())
    spec = next(iter(catalog.values()))
    assert (spec.id, spec.tier, spec.backend, spec.title) == ("llama", "remote", "remote", "Llama 3.1 8B")
    assert spec.continues and not spec.follows_schemas and spec.price is not None
    assert catalog.for_task("generate")[0] is spec and spec not in catalog.for_task("complete")
    euro = catalog["stories-en"].price
    assert euro is not None and (euro.written, euro.currency) == (0.5, "EUR")
    one, two = remote.models["llama"].endpoints
    assert (one.base_url, one.weight, two.key) == ("http://gpu-1:8000/v1", 2.0, None)
    assert one.key is not None and one.key.get_secret_value() == KEY
    assert KEY not in repr(remote) + str(remote) + remote.model_dump_json()


def test_one_that_embeds(tmp_path: Path) -> None:
    embeds = GOOD.replace('title = "Llama 3.1 8B"', 'tasks = ["embed", "classify"]')
    catalog = load_endpoints(written(tmp_path, embeds), {"GPU_KEY": KEY}).added_to(load_catalog())
    spec = catalog.for_task("embed")[0]
    assert (spec.id, spec.head, spec.tasks, spec.prompt_template) == ("llama", "embedding", ("embed", "classify"), None)
    assert catalog.for_task("classify")[0] is spec and spec not in catalog.for_task("generate")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("context_length = 8192", "", "models.llama.context_length: Field required"),
        ("context_length = 8192", "context_length = 0", "models.llama.context_length: Input should be greater than 0"),
        ("http://gpu-1:8000/v1/", "ftp://gpu-1", "models.llama.endpoints.0.base_url: must be an http or https"),
        ("http://gpu-1:8000/v1/", "file:///etc/passwd", "must be an http or https address"),
        ("http://gpu-1:8000/v1/", f"http://me:{KEY}@gpu-1", "must hold no user, password or query"),
        ("http://gpu-1:8000/v1/", f"http://gpu-1/v1?key={KEY}", "must hold no user, password or query"),
        ('"gpu-2"', '"gpu-1"', "models.llama: endpoints must have names of their own"),
        ("weight = 2.0", "weight = nan", "models.llama.endpoints.0.weight"),
        ('"vllm"', '"tgi"', "models.llama.server: Input should be 'openai', 'vllm'"),
        ('title = "Llama 3.1 8B"', f'api_key = "{KEY}"', "models.llama.api_key: Extra inputs are not permitted"),
        ('api_key_env = "GPU_KEY"', f'key = "{KEY}"', "name a key's variable in api_key_env, not the key"),
        ('api_key_env = "GPU_KEY"', 'api_key_env = "OTHER"', "remote model llama: OTHER is not set"),
        ("[models.llama]", "[models.llama", "remote.toml cannot be read: TOMLDecodeError"),
        ('title = "Llama 3.1 8B"', 'template = "qwen_fim"', "serves the task complete only"),
        ('title = "Llama 3.1 8B"', 'tasks = ["embed", "generate"]', "has the task embed, or embed and classify"),
        ('title = "Llama 3.1 8B"', 'tasks = ["classify"]', "has the task embed, or embed and classify"),
        ('title = "Llama 3.1 8B"', "tasks = []", "models.llama.tasks: Tuple should have at least 1 item"),
        ('title = "Llama 3.1 8B"', 'tasks = ["embed"]\ntemplate = "plain"', "template is of models that write"),
    ],
)
def test_mistakes_are_named_without_keys(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        load_endpoints(written(tmp_path, GOOD.replace(old, new)), {"GPU_KEY": KEY})
    assert message in str(caught.value) and KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("models.llama", "models.minilm", "remote model minilm: the catalogue has a model of this id already"),
        ("models.llama", "models.Llama_3", "id: String should match pattern"),
        ("prices.stories-en", "prices.nobody", "prices.nobody: there is no such model"),
    ],
)
def test_ids_must_be_new_and_prices_of_known_models(tmp_path: Path, old: str, new: str, message: str) -> None:
    remote = load_endpoints(written(tmp_path, GOOD.replace(old, new)), {"GPU_KEY": KEY})
    with pytest.raises(ConfigurationError, match=message):
        remote.added_to(load_catalog())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LLM_CORE_REMOTE: none.toml cannot be read: FileNotFoundError"):
        load_endpoints(tmp_path / "none.toml")
