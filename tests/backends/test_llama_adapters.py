"""LoRA adapters of decoders on the server of their base: tiny random ones, and a random one of the real SmolLM2."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core.backends.base import LoadedModel
from llm_core.backends.llama_cpp import LlamaCppBackend, LlamaCppModel
from llm_core.backends.llama_server import LlamaServer
from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.engine import Engine
from llm_core.errors import BackendError, DigestMismatchError, WeightsError
from llm_core.model.config import preset
from llm_core.model.convert import gguf, hub, peft
from llm_core.model.convert.peft import merge
from llm_core.model.heads import CausalLM
from llm_core.model.lora import add_lora, lora_layers
from llm_core.runtimes import LazyRuntimes
from llm_core.settings import Settings
from llm_core.types import CancelToken, ModelFiles, Sampling
from llm_core.weights import WeightStore
from llm_core.weights.digest import complete
from tests.support.decoders import entry, save_llama

PROMPT = "the cat sat on the mat and the dog ran over the green hill"
GREEDY = Sampling(max_new_tokens=12, temperature=0.0, repeat_penalty=1.0, top_alternatives=1)
ADAPTERS = ("tiny-python", "tiny-poet")
BASE_BYTES, ADAPTER_BYTES = 1000, 10


def adapted(model: CausalLM, seed: int, strength: float) -> CausalLM:
    torch.manual_seed(seed)
    add_lora(model, rank=4, alpha=8.0)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.lora_b, std=strength)
    return model.eval()


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, two adapters of it, and what the first of them is merged into the base."""
    directory = tmp_path_factory.mktemp("models")
    checkpoint = save_llama(directory / "checkpoint")
    gguf.save(hub.load(checkpoint, CausalLM), directory / "tiny" / "tiny.gguf", checkpoint, weights="f32")
    for seed, name in enumerate(ADAPTERS):
        model = adapted(hub.load(checkpoint, CausalLM), seed, strength=0.4)
        peft.save(model, directory / name)
        gguf.save_adapter(model, directory / name / "adapter.gguf")
        (directory / name / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
        if name == ADAPTERS[0]:
            merge(model)
            gguf.save(model, directory / "merged" / "merged.gguf", checkpoint, weights="f32")
    return directory


def shipped(models_dir: Path, name: str, **fields: Any) -> ModelSpec:
    """The entry as the maintenance command writes it."""
    fields = {"backend": "llama_cpp", "head": "causal_lm", "hub": None, "local": name, **fields}
    return entry(name, **complete(fields, models_dir / name))


class Place:
    """A catalogue of the tiny models, and an engine over it."""

    def __init__(self, models_dir: Path, cache_dir: Path) -> None:
        specs = [shipped(models_dir, "tiny", memory_bytes=BASE_BYTES)]
        specs += [shipped(models_dir, n, base="tiny", memory_bytes=ADAPTER_BYTES, context_length=96) for n in ADAPTERS]
        self.catalog = Catalog({spec.id: spec for spec in specs})
        settings = Settings(models_dir=models_dir, cache_dir=cache_dir, offline=True, threads=1)
        self.weights = WeightStore(settings, self.catalog)
        self.backends = LazyRuntimes(settings, self.catalog, self.weights)
        self.engine = Engine(self.catalog, self.weights, settings, self.backends)

    def open(self, name: str, backend: LlamaCppBackend | None = None) -> LlamaCppModel:
        spec = self.catalog[name]
        model = (backend or self.backends["llama_cpp"]).open(spec, self.weights.files(spec))
        assert isinstance(model, LlamaCppModel) and isinstance(model, LoadedModel)
        return model


@pytest.fixture
def place(models_dir: Path, tmp_path: Path) -> Iterator[Place]:
    made = Place(models_dir, tmp_path)
    yield made
    made.engine.close()


@pytest.fixture
def opened(place: Place) -> Iterator[Callable[..., LlamaCppModel]]:
    """Opens models, and closes them after the test."""
    models: list[LlamaCppModel] = []

    def open_model(*arguments: Any) -> LlamaCppModel:
        models.append(place.open(*arguments))
        return models[-1]

    yield open_model
    for model in models:
        model.close()


def written(model: LlamaCppModel, prompt: str = PROMPT, sampling: Sampling = GREEDY) -> list[tuple[str, Any]]:
    """Pieces of text with their probabilities."""
    return [(token.text, token.probability) for token in model.generate(prompt, sampling, CancelToken())]


def server_of(model: LlamaCppModel) -> LlamaServer:
    return model._require_server()


def socket_folder(model: LlamaCppModel) -> Path:
    return Path(server_of(model).endpoint.hostname).parent


def alone(models_dir: Path, name: str) -> list[tuple[str, Any]]:
    """What a whole model writes on a server of its own."""
    model = LlamaCppBackend(threads=1).open(shipped(models_dir, name), ModelFiles(models_dir / name))
    try:
        return written(model)
    finally:
        model.close()


def test_an_adapter_ships_all_its_files(place: Place) -> None:
    names = [file.name for file in place.catalog["tiny-python"].files]
    assert names == ["adapter.gguf", "adapter_config.json", "adapter_model.safetensors", "config.json"]


def test_each_request_has_its_adapter_whatever_came_before(
    opened: Callable[..., LlamaCppModel], models_dir: Path
) -> None:
    base, python, poet = opened("tiny"), *map(opened, ADAPTERS)
    expected = {model: written(model) for model in (base, python, poet)}
    assert expected[base] == alone(models_dir, "tiny")
    assert [text for text, _ in expected[python]] == [text for text, _ in alone(models_dir, "merged")]
    assert len({str(texts) for texts in expected.values()}) == 3
    for model in (base, python, base, poet, python, poet, base):
        assert written(model) == expected[model]


def test_nothing_is_left_of_an_adapter_whose_request_was_withdrawn(opened: Callable[..., LlamaCppModel]) -> None:
    base, python = opened("tiny"), opened("tiny-python")
    expected = written(base)
    steps = python.generate(PROMPT, GREEDY, CancelToken())
    next(steps)
    steps.close()
    assert written(base) == expected


def test_a_base_and_its_adapters_share_a_server_until_the_last_is_closed(opened: Callable[..., LlamaCppModel]) -> None:
    python, base, poet = opened("tiny-python"), opened("tiny"), opened("tiny-poet")
    assert server_of(base) is server_of(python) is server_of(poet)
    assert base.context_length == 128 and python.context_length == 96
    folder = socket_folder(base)
    base.close()
    with pytest.raises(BackendError, match="tiny was closed"):
        written(base)
    poet.close()
    assert folder.exists() and written(python)
    python.close()
    python.close()
    assert not folder.exists()
    assert written(opened("tiny"))


def test_a_model_may_be_closed_as_soon_as_it_is_open(place: Place) -> None:
    for _ in range(30):
        place.open("tiny").close()


def test_memory_of_the_base_is_counted_in_even_parts(opened: Callable[..., LlamaCppModel]) -> None:
    base = opened("tiny")
    assert base.memory_bytes == BASE_BYTES
    python = opened("tiny-python")
    assert (base.memory_bytes, python.memory_bytes) == (BASE_BYTES // 2, BASE_BYTES // 2 + ADAPTER_BYTES)
    base.close()
    assert python.memory_bytes == BASE_BYTES + ADAPTER_BYTES


def test_models_opened_at_once_share_a_server(place: Place) -> None:
    models = [future.result() for future in [place.engine.preload(name) for name in place.catalog]]
    assert len({id(server_of(model)) for model in models if isinstance(model, LlamaCppModel)}) == 1


def test_a_backend_is_made_once(place: Place) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: place.backends["llama_cpp"], range(8)))) == 1


def test_an_adapter_that_came_later_gets_a_new_server(place: Place, opened: Callable[..., LlamaCppModel]) -> None:
    here = {"tiny", "tiny-poet"}
    backend = LlamaCppBackend(1, place.catalog, lambda spec: place.weights.files(spec) if spec.id in here else None)
    base = opened("tiny", backend)
    python = opened("tiny-python", backend)
    assert server_of(python) is not server_of(base) and written(python) != written(base)
    assert server_of(opened("tiny-poet", backend)) is server_of(opened("tiny", backend)) is server_of(python)


def test_a_changed_adapter_is_left_out(models_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy = shutil.copytree(models_dir, tmp_path / "models")
    place = Place(copy, tmp_path)
    adapter = copy / "tiny-python" / "adapter.gguf"
    content = bytearray(adapter.read_bytes())
    content[-1] ^= 1
    adapter.write_bytes(content)
    with caplog.at_level(logging.WARNING, "llm_core.runtimes"):
        base = place.open("tiny")
    assert "tiny-python is left out: " in caplog.text
    assert server_of(base).adapters == (copy / "tiny-poet" / "adapter.gguf",)
    with pytest.raises(DigestMismatchError, match=r"adapter\.gguf"):
        place.open("tiny-python")
    base.close()


class TestRefused:
    def test_an_adapter_without_its_file(self, place: Place, tmp_path: Path) -> None:
        files = ModelFiles(tmp_path, place.weights.files(place.catalog["tiny"]))
        with pytest.raises(WeightsError, match=r"tiny-python: needs adapter\.gguf and the files of tiny"):
            LlamaCppBackend(1, place.catalog).open(place.catalog["tiny-python"], files)

    def test_an_adapter_without_its_base(self, place: Place, models_dir: Path) -> None:
        with pytest.raises(WeightsError, match="and the files of tiny"):
            LlamaCppBackend(1, place.catalog).open(place.catalog["tiny-python"], ModelFiles(models_dir / "tiny-python"))

    def test_what_llama_cpp_cannot_read(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "adapter.gguf").write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\xff" * 64)
        files = ModelFiles(tmp_path, place.weights.files(place.catalog["tiny"]))
        with pytest.raises(WeightsError, match=rf"cannot load tiny\.gguf with adapters {tmp_path.name}: "):
            LlamaCppBackend(1, place.catalog).open(place.catalog["tiny-python"], files)


@pytest.mark.real_weights
def test_the_real_base_with_and_without_an_adapter(smollm2_files: ModelFiles, tmp_path: Path) -> None:
    sizes = {"hidden_size": 576, "intermediate_size": 1536, "num_heads": 9, "num_kv_heads": 3, "decoder_layers": 2}
    narrow = CausalLM(preset("llama", vocab_size=8, bos_token_id=1, eos_token_id=2, pad_token_id=3, **sizes))
    gguf.save_adapter(adapted(narrow, seed=1, strength=0.3), tmp_path / "adapter.gguf")
    catalog = load_catalog()
    base_spec = catalog["smollm2-135m-instruct"]
    spec = entry("random-lora", backend="llama_cpp", base=base_spec.id, context_length=2048)
    catalog = Catalog({**catalog, spec.id: spec})
    files = ModelFiles(tmp_path, smollm2_files)
    backend = LlamaCppBackend(1, catalog, lambda wanted: files if wanted is spec else None)
    base, adapter = backend.open(base_spec, smollm2_files), backend.open(spec, files)
    try:
        assert server_of(base) is server_of(adapter)
        expected = {model: written(model) for model in (base, adapter)}
        assert expected[base] != expected[adapter]
        for model in (base, adapter, base):
            assert written(model) == expected[model]
    finally:
        base.close()
        adapter.close()
