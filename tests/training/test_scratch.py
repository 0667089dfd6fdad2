"""Training from scratch end to end: what ships loads in transformers and answers as our model does."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import xllamacpp
from PIL import Image
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from llm_core.data.dictionary import Dictionary
from llm_core.model.convert.gguf import as_stored
from llm_core.training import measure
from llm_core.training.curve import read_curve
from llm_core.training.export import load_model
from llm_core.training.predictors import ConvertedTranslator
from llm_core.training.recipe import Recipe, load_recipe
from llm_core.training.sample_file import read_samples
from llm_core.training.train import TrainReport, train
from llm_core.training.vocabulary import open_tokenizer

Scratch = Callable[..., Recipe]
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses:UserWarning")


def _train(recipe: Recipe, data_dir: Path, place: Path, **options: Any) -> TrainReport:
    return train(recipe, base_dir=None, data_dir=data_dir, output_dir=place / "m", work_dir=place / "run", **options)


@pytest.mark.parametrize(
    ("objective", "theirs", "options"),
    [
        ("masked_lm", AutoModelForMaskedLM, {"masking": {"whole_words": True}}),
        ("causal_lm", AutoModelForCausalLM, {"infilling": {"rate": 0.5}}),
        ("seq2seq", AutoModelForSeq2SeqLM, {}),
    ],
)
def test_what_ships_loads_in_transformers(
    objective: str, theirs: Any, options: Any, scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    data = "pairs" if objective == "seq2seq" else "notes"
    metrics = {"masked_lm": ["accuracy", "perplexity"], "causal_lm": ["perplexity", "bits_per_byte"]}
    score = {"data": data, "metrics": metrics.get(objective, ["bleu", "chrf"]), "limit": 8}
    score |= {"direction": "en-zh"} if objective == "seq2seq" else {}
    inputs = {"masked_lm": "the red [MASK] saw", "causal_lm": "the red", "seq2seq": ">>zho<< the red cat"}[objective]
    samples = {"inputs": [inputs], "new_tokens": 8}
    recipe = scratch(objective, samples=samples, scores=[score], dtype="float32", optim={"eval_steps": 4}, **options)
    report = _train(recipe, data_dir, tmp_path)

    assert [s.metric for s in report.scores] == list(recipe.scores[0].metrics)
    tokenizer = open_tokenizer(report.model_dir)
    ids = torch.tensor([tokenizer("the red cat")["input_ids"]])
    inputs = {"decoder_input_ids": ids} if objective == "seq2seq" else {}
    with torch.inference_mode():
        expected = theirs.from_pretrained(report.model_dir)(input_ids=ids, **inputs).logits
        torch.testing.assert_close(load_model(report.model_dir)(ids, **inputs), expected, atol=1e-5, rtol=1e-5)
    losses = [row["loss"] for row in read_curve(tmp_path / "run" / "curve.csv") if "loss" in row]
    assert len(losses) == 12 and losses[-1] < losses[0] - 0.2, "something was learnt"
    shown = read_samples(tmp_path / "run" / "samples.jsonl")
    assert [line["step"] for line in shown] == [0, 1, 2, 4, 8, 12]
    assert report.steps == 12 and report.tokens > 1000
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert "from scratch" in card and "12 steps" in card and f"{report.tokens:,} tokens read" in card


def test_a_translator_ships_in_int8_with_a_threshold_for_its_warning(
    scratch: Scratch, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # twelve steps give no good translations to tell from bad ones
    monkeypatch.setattr(measure, "sentence_chrf", lambda texts, references: [n % 3 for n in range(len(texts))])
    score = {"data": "pairs", "direction": "en-zh", "metrics": ["chrf", "no_copy"]}
    scores = [score, {**score, "metrics": ["chrf"], "before_int8": True, "title": "before"}]
    tuning, cleaning = {"ship": "ctranslate2"}, {"length_ratio": 3.0}
    dictionary = {"name": "words", "counted_in": ["pairs"], "entries": 2}
    recipe = scratch(
        "seq2seq", scores=scores, tuning=tuning, cleaning=cleaning, dictionary=dictionary, calibrate_on=["pairs"]
    )
    report = _train(recipe, data_dir, tmp_path)

    names = {"model.bin", "config.json", "shared_vocabulary.json", "source.spm", "target.spm", "calibration.json"}
    names |= {"README.md", "scores.json", "dictionary.tsv.xz"}
    assert {file.name for file in report.model_dir.iterdir()} == names
    shipped = Dictionary(report.model_dir / "dictionary.tsv.xz")
    assert shipped.translations("Cat", "en", "zh") == ("猫",)
    assert shipped.translations("ray", "en", "zh") == (), "the pairs do not have it, and two others"
    assert report.shipped_bytes == (report.model_dir / "model.bin").stat().st_size
    ours, converted = load_model(tmp_path / "run" / "model"), ConvertedTranslator(report.model_dir)
    rows = [{"source": "the red cat saw a big dog", "direction": "en-zh"}]
    [(_, chance)] = converted(recipe, rows)
    assert chance < 0
    assert 2 * report.shipped_bytes < sum(4 * p.numel() for p in ours.parameters())
    assert [found.title for found in report.scores] == ["pairs", "pairs", "before"]
    settings = json.loads((report.model_dir / "calibration.json").read_text())
    assert settings["low_log_probability"] < 0 and settings["rows"] == 32
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert "2 entries of `words`" in card
    assert "int8" in card and "low_log_probability" in card and card.count("(reference: ") == 10


def test_a_decoder_ships_for_llama_cpp_and_is_measured_as_it_ships(
    scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    metrics = ["perplexity", "bits_per_byte", "bits_per_byte[5-gram]"]
    recipe = scratch(
        "causal_lm",
        tuning={"ship": "gguf"},
        tokenizer={"vocab_size": 385, "kind": "bpe"},
        scores=[{"data": "notes", "metrics": metrics}],
    )
    report = _train(recipe, data_dir, tmp_path)
    assert {file.name for file in report.model_dir.iterdir()} == {"made.gguf", "README.md", "scores.json"}
    assert report.shipped_bytes == (report.model_dir / "made.gguf").stat().st_size

    whole = load_model(tmp_path / "run" / "model")
    stored = as_stored(load_model(tmp_path / "run" / "model"), "q8_0")
    changes = [
        (a - b).abs().max() / a.abs().max() for a, b in zip(whole.parameters(), stored.parameters(), strict=True)
    ]
    assert 0 < max(changes) < 0.01, "eight bits"
    found = {score.metric: score.value for score in report.scores}
    assert list(found) == metrics and 0 < found["bits_per_byte[5-gram]"] < found["bits_per_byte"], (
        "twelve steps are few"
    )
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert "library_name: llama.cpp" in card and "8 bits a weight" in card and card.count("(reference: ") == 10

    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.verbosity = str(report.model_dir / "made.gguf"), 64, 0
    request = {"prompt": "the red", "max_tokens": 4, "temperature": 0, "stream": False}
    told: list[Any] = []
    xllamacpp.Server(parameters).handle_completions(request, told.append)
    assert told and "error" not in told[0] and told[0]["usage"]["completion_tokens"] == 4


def test_a_recipe_may_ask_for_compilation(
    scratch: Scratch, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[bool] = []  # a compiler takes a minute
    monkeypatch.setattr(torch.nn.Module, "compile", lambda model, dynamic: compiled.append(dynamic))
    _train(scratch("causal_lm", optim={"max_steps": 1, "compile": True}), data_dir, tmp_path)
    assert compiled == [True]


def test_the_run_folder_says_how_to_do_it_again(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    recipe = scratch("causal_lm", optim={"eval_steps": 6, "max_steps": 6})
    _train(recipe, data_dir, tmp_path)
    folder = tmp_path / "run"
    assert load_recipe(folder / "recipe.toml") == recipe
    about = json.loads((folder / "environment.json").read_text())
    assert about["packages"]["torch"] and about["threads"] == 1 and "git_commit" in about
    with (folder / "curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6", "6"]
    assert float(rows[-1]["eval_loss"]) > 0 and 0 <= float(rows[-1]["eval_accuracy"]) <= 1
    assert [int(row["tokens"]) for row in rows] == sorted(int(row["tokens"]) for row in rows)
    with Image.open(folder / "curve.png") as image:
        assert min(image.size) > 400
    assert torch.load(folder / "checkpoint-6" / "optimizer.pt", weights_only=True)["state"]
    assert not list(folder.rglob("training_args.bin")), "no pickled arguments"


def test_a_run_that_ended_elsewhere_is_measured_here(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    recipe = scratch("causal_lm", optim={"max_steps": 3})
    first = _train(recipe, data_dir, tmp_path)
    environment = tmp_path / "run" / "environment.json"
    about = json.loads(environment.read_text()) | {"accelerators": ["Some GPU"]}
    environment.write_text(json.dumps(about))
    again = _train(recipe, data_dir, tmp_path)
    card = (again.model_dir / "README.md").read_text(encoding="utf-8")
    assert again.steps == first.steps == 3 and "on Some GPU" in card


def test_a_budget_ends_the_schedule_in_time(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    recipe = scratch("causal_lm", optim={"max_steps": 10**6, "save_steps": 10**6, "log_steps": 5, "schedule": "cosine"})
    report = _train(recipe, data_dir, tmp_path, budget_minutes=0.1)
    rows = read_curve(tmp_path / "run" / "curve.csv")
    assert 5 < report.steps < 10**6
    assert 1 < rows[-1]["seconds"] < 60, "six seconds were given"
    assert rows[-1]["learning_rate"] < 0.15 * recipe.optim.learning_rate, "the rate has fallen"


def test_a_batch_of_tokens(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    recipe = scratch("seq2seq", optim={"batch_tokens": 128, "max_steps": 4})
    report = _train(recipe, data_dir, tmp_path)
    assert report.steps == 4 and report.tokens < 4 * 128 * 2


def test_the_best_of_several_seeds_ships(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    report = _train(scratch("causal_lm", optim={"seeds": [1, 2], "eval_steps": 4}), data_dir, tmp_path)
    last = {seed: read_curve(tmp_path / "run" / f"seed-{seed}" / "curve.csv")[-1]["eval_loss"] for seed in (1, 2)}
    assert last[1] != last[2]
    card = (report.model_dir / "README.md").read_text(encoding="utf-8")
    assert f"seed {min(last, key=lambda seed: last[seed])}, ships" in card and "±" in card


def test_early_stopping_keeps_the_best(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    optim = {"learning_rate": 0.5, "eval_steps": 2, "save_steps": 2, "patience": 2, "max_steps": 60, "warmup_steps": 0}
    report = _train(scratch("causal_lm", optim=optim), data_dir, tmp_path)
    measured = {
        row["step"]: row["eval_loss"] for row in read_curve(tmp_path / "run" / "curve.csv") if "eval_loss" in row
    }
    best = min(measured, key=lambda step: measured[step])
    assert report.steps == best + 4 < 60, "two evaluations without a better one"
    assert (tmp_path / "run" / f"checkpoint-{best:.0f}").is_dir()
