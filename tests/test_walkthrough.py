"""The worked example: its numbers are the model's, and every comparison can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from typer.testing import CliRunner

from llm_core import cli
from llm_core.errors import InputError
from llm_core.walkthrough import Step, from_json, to_json, walk
from llm_core.walkthrough import forward as forward_pass
from llm_core.walkthrough.by_hand import computed
from llm_core.walkthrough.forward import observed
from llm_core.walkthrough.model import SENTENCES, tiny_model
from llm_core.walkthrough.steps import compare
from llm_core.walkthrough.words import STEPS

IDS, TARGETS = [0, 1, 2, 3], [1, 2, 3, 12]
BLOCK = "transformer.decoder.blocks.0."
NEVER_SEEN = {"P"}
"""By hand alone: the model adds it to the embedding, and the sum is compared."""


def weights() -> dict[str, Any]:
    return {name: tensor.double().numpy().copy() for name, tensor in tiny_model("zh").model.state_dict().items()}


def by_hand(changed: dict[str, Any] | None = None) -> dict[str, Any]:
    return computed(changed or weights(), IDS, TARGETS, 2, 1e-5)


def from_model() -> dict[str, Any]:
    return observed(tiny_model("zh").model, IDS, TARGETS)


def tensors(steps: tuple[Step, ...]) -> dict[str, Any]:
    return {name: table for step in steps for name, table in step.tensors.items()}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_example_goes_from_words_to_loss(language: str) -> None:
    steps = walk(language)
    shown = tensors(steps)
    words = tuple(SENTENCES[language][0].split())
    assert [step.name for step in steps] == [wording.name for wording in STEPS]
    assert shown["t"].rows == words[:-1] == shown["A_1"].columns == shown["A_2"].rows
    assert shown[r"\ell"].rows[-1] == f"{words[-2]} → {words[-1]}"
    for step in steps:
        assert all(step.title[tongue] and step.explanation[tongue] for tongue in ("en", "zh"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_model_has_learned_who_does_what(language: str) -> None:
    for sentence in SENTENCES[language]:
        *words, stop = sentence.split()
        p = tensors(walk(words))["p"]
        most_likely = [p.columns[max(range(len(row)), key=row.__getitem__)] for row in p.values]
        assert most_likely[-2:] == [words[-1], stop]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_probabilities_and_weights_sum_to_one_and_the_future_has_none(language: str) -> None:
    shown = tensors(walk(language))
    for name in ("p", "A_1", "A_2"):
        assert [sum(row) for row in shown[name].values] == pytest.approx([1] * 4, abs=1e-9)
    for i in range(4):
        assert shown["M_1"].values[i][i + 1 :] == (None,) * (3 - i)
        assert shown["A_1"].values[i][i + 1 :] == (0.0,) * (3 - i)


def test_the_loss_is_the_surprise_at_the_next_word() -> None:
    shown = tensors(walk("en"))
    p, ids = shown["p"], [int(row[0]) for row in shown["t"].values]
    targets = [*ids[1:], len(p.columns) - 1]
    expected = [-log(p.values[i][target]) for i, target in enumerate(targets)]
    assert [row[0] for row in shown[r"\ell"].values] == pytest.approx(expected)
    assert shown[r"\bar\ell"].values[0][0] == pytest.approx(sum(expected) / 4)
    logits = shown["L"].values[0]
    assert p.values[0][1] == pytest.approx(exp(logits[1]) / sum(map(exp, logits)))


@pytest.mark.parametrize("name", sorted(set(by_hand_name for w in STEPS for by_hand_name in w.tensors) - NEVER_SEEN))
def test_every_tensor_is_compared_with_the_models(name: str) -> None:
    model = from_model()
    compare(by_hand(), model)
    model[name] = np.where(np.isfinite(model[name]), model[name] + 1e-4, model[name])
    with pytest.raises(AssertionError, match="by hand is not what the model computes") as failure:
        compare(by_hand(), model)
    assert str(failure.value).startswith(f"{name} by hand")


@pytest.mark.parametrize(
    ("weight", "first"),
    [
        ("transformer.embeddings.tokens.weight", "E[ids]"),
        (f"{BLOCK}self_attention.query.weight", "Q"),
        (f"{BLOCK}self_attention.query.bias", "Q"),
        (f"{BLOCK}self_attention.key.weight", "K"),
        (f"{BLOCK}self_attention.key.bias", "K"),
        (f"{BLOCK}self_attention.value.weight", "V"),
        (f"{BLOCK}self_attention.value.bias", "V"),
        (f"{BLOCK}self_attention.output.weight", "a"),
        (f"{BLOCK}self_attention.output.bias", "a"),
        (f"{BLOCK}self_attention_norm.weight", "h"),
        (f"{BLOCK}self_attention_norm.bias", "h"),
        (f"{BLOCK}feed_forward.up.weight", "u"),
        (f"{BLOCK}feed_forward.up.bias", "u"),
        (f"{BLOCK}feed_forward.down.weight", "f"),
        (f"{BLOCK}feed_forward.down.bias", "f"),
        (f"{BLOCK}feed_forward_norm.weight", "y"),
        (f"{BLOCK}feed_forward_norm.bias", "y"),
    ],
)
def test_a_changed_weight_is_noticed_where_it_is_used(weight: str, first: str) -> None:
    changed = weights()
    changed[weight] += 0.01
    with pytest.raises(AssertionError, match="by hand is not") as failure:
        compare(by_hand(changed), from_model())
    assert str(failure.value).startswith(f"{first} by hand")


def test_no_weight_is_left_out_of_that_test() -> None:
    marks = [
        mark for mark in test_a_changed_weight_is_noticed_where_it_is_used.pytestmark if mark.name == "parametrize"
    ]
    assert {weight for weight, _ in marks[0].args[1]} == set(weights()) - {"output_bias"}


def test_walk_itself_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    model = {**from_model(), "Z": from_model()["Z"] + 1}
    monkeypatch.setattr(forward_pass, "observed", lambda *_: model)
    with pytest.raises(AssertionError, match="^Z by hand"):
        walk("zh")


def test_a_tensor_of_another_shape_is_not_broadcast() -> None:
    with pytest.raises(AssertionError, match="^y by hand"):
        compare({"y": np.zeros((4, 8))}, {"y": np.zeros((1, 8))})


def test_training_is_the_same_each_time_and_leaves_the_seed_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    tiny_model.cache_clear()
    again = tiny_model("zh").model.state_dict()
    assert torch.equal(torch.rand(3), expected)
    tiny_model.cache_clear()
    assert all(torch.equal(again[name], tensor) for name, tensor in tiny_model("zh").model.state_dict().items())


def test_steps_come_back_from_json() -> None:
    steps = walk("zh")
    text = json.dumps(to_json(steps), allow_nan=False)
    assert from_json(json.loads(text)) == steps


def test_texts_words_and_a_written_full_stop() -> None:
    assert walk("我喜欢吃水果") == walk(["我", "喜欢", "吃", "水果"]) == walk("zh")
    stopped = tensors(walk("she likes reading poems ."))
    assert stopped["t"].rows[-1] == "." and len(stopped[r"\ell"].rows) == 4
    assert tensors(walk("she"))["A_1"].values == ((1.0,),)


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("I like cats", "made of: I like"),
        ("我喜欢猫", "made of: 我 喜欢"),
        ("", "1 to 8 words"),
        ("I " * 9, "1 to 8 words"),
        (".", "more than a full stop"),
    ],
)
def test_sentences_outside_the_vocabulary_are_refused(sentence: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        walk(sentence)


@pytest.mark.parametrize(("language", "title"), [("en", "Attention weights"), ("zh", "注意力权重")])
def test_the_command_prints_aligned_columns(language: str, title: str) -> None:
    result = CliRunner().invoke(cli.app, ["walkthrough", "--language", language])
    assert result.exit_code == 0 and title in result.output
    lines = result.output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("A_1"))
    assert len({cell_len(line.rstrip()) for line in lines[start : start + 5]}) == 1
    assert "−∞" in result.output


def test_the_command_gives_json_of_any_sentence() -> None:
    result = CliRunner().invoke(cli.app, ["walkthrough", "she likes drinking", "--json"])
    assert from_json(json.loads(result.output)) == walk("she likes drinking")


def test_the_package_is_light_until_it_walks() -> None:
    check = "import sys, llm_core.walkthrough; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
