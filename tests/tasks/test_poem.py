"""Chinese verse: on a decoder that fills the grammar by chance for the logic, on the real one for what visitors see."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from llm_core.backends.llama_cpp import LlamaCppBackend, LlamaCppModel
from llm_core.catalog import load_catalog
from llm_core.data.poetry import lines_of
from llm_core.data.prosody import rhyme_of, sounds
from llm_core.data.verse_forms import verse_forms
from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks.poem import TASK, PoemRequest, PoemResult
from llm_core.tasks.poem.choosing import Candidate, best
from llm_core.tasks.poem.grammar import sentence_grammar
from llm_core.types import CancelToken, Delta, ModelFiles, Sampling, Token
from llm_core.weights import WeightStore
from tests.support.sessions import MemorySession, streamed

COMMON = "春风花月江山水云天日夜秋人心长来去何处知见不一无万里白青清寒"


class Typewriter:
    """A decoder that writes what the grammar allows, by chance."""

    context_length, device, spec = 512, "cpu", load_catalog()["poetry-zh"]

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.grammars: list[str | None] = []

    def count_tokens(self, text: str) -> int:
        return len(text)

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Generator[Token, None, str]:
        self.prompts.append(prompt)
        self.grammars.append(sampling.grammar)
        draw = random.Random(sampling.seed)
        for part in re.findall(r'\[[^\]]+\]|"[^"]+"', sampling.grammar or '[一-龥] "。"'):
            choices = COMMON if part == "[一-龥]" else part[1:-1]
            yield Token(draw.choice(choices), 0.5)
        return "stop"


def run(model: Any, **fields: Any) -> tuple[str, PoemResult]:
    """The joined deltas and the result."""
    deltas, result = streamed(TASK.run(MemorySession(model), PoemRequest.parse(fields)))
    assert all(isinstance(delta, Delta) for delta in deltas)
    return "".join(delta.text for delta in deltas), result


@pytest.mark.parametrize("form", [*verse_forms()])
def test_every_form_is_kept(form: str) -> None:
    streamed, result = run(Typewriter(), form=form, title="秋思", seed=1)
    assert streamed == result.text and result.in_form and result.form == form
    assert [len(line.text) for line in result.lines] == [line.length for line in verse_forms()[form].lines]
    assert result.text.count("\n") == len(verse_forms()[form].sentences) - 1


def test_rhymes_are_level_and_never_the_same_character() -> None:
    _, result = run(Typewriter(), form="七律", seed=5)
    last = [line.text[-1] for line in result.lines if line.rhyme]
    assert len(set(last)) == 4 and len({rhyme_of(each) for each in last}) == 1
    assert all(sounds(each)[0].level for each in last[1:]) and result.rhymes_kept == (3, 3)


def test_heading_says_form_and_title() -> None:
    model = Typewriter()
    assert run(model, form="五绝", title="江雪")[1].title == "江雪"
    assert model.prompts[0] == "五绝\n江雪\n"
    _, result = run(model, form="浣溪沙", title="江雪")
    assert result.title == "浣溪沙" and model.prompts[-1].startswith("词\n浣溪沙\n")
    assert run(model, form="五绝")[1].title == "偶成"


def test_first_line_is_taken_over_and_the_rest_written() -> None:
    _, result = run(Typewriter(), form="五绝", first_line="江水入云流")
    assert result.text.startswith("江水入云流，") and result.in_form
    _, tune = run(Typewriter(), form="长相思", first_line="一重山")
    assert tune.text.startswith("一重山。\n") and rhyme_of(tune.lines[1].text) == "an"


@pytest.mark.parametrize(
    ("form", "acrostic", "places"),
    [("七绝", "春夏秋冬", [0, 1, 2, 3]), ("七绝", "花月", [0, 2]), ("浣溪沙", "一二三四五", [0, 1, 2, 3, 5])],
)
def test_acrostic_heads_lines_or_sentences(form: str, acrostic: str, places: list[int]) -> None:
    _, result = run(Typewriter(), form=form, acrostic=acrostic)
    assert "".join(result.lines[place].text[0] for place in places) == acrostic and result.in_form


def test_traditional_characters_are_made_simplified() -> None:
    request = PoemRequest.parse({"form": "五绝", "title": "  歸鄉。", "acrostic": "風雲"})
    assert request.title == "归乡" and request.acrostic == "风云"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"form": "六绝"}, "form: must be one of 五绝"),
        ({"form": "五绝", "title": "autumn"}, "title: must be written in Chinese characters"),
        ({"form": "五绝", "title": "秋<b>"}, "title: must be written in Chinese characters"),
        ({"form": "五绝", "title": "秋" * 31}, "title: must have at most 30 characters"),
        (
            {"form": "五绝", "first_line": "月落乌啼霜满天"},
            "first_line: must have 5 characters, as the first line of 五绝",
        ),
        ({"form": "七绝", "acrostic": "春夏秋"}, "acrostic: must have 2 or 4 characters"),
        ({"form": "五绝", "first_line": "江水入云流", "acrostic": "春夏秋冬"}, "acrostic: must begin with"),
        ({"form": "七绝", "acrostic": "春夏秋冬", "hold_form": False}, "acrostic: needs hold_form"),
        ({"form": "五绝", "temperature": float("nan")}, "temperature"),
    ],
)
def test_bad_input_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PoemRequest.parse(fields)


def test_free_writing_has_no_grammar_and_one_try() -> None:
    model = Typewriter()
    _, result = run(model, form="七绝", hold_form=False)
    assert model.grammars == [None] and not result.in_form and result.rhymes_kept == (0, 0)


def test_the_grammar_cannot_be_broken_out_of() -> None:
    form = verse_forms()["五绝"]
    grammar = sentence_grammar(form.sentences[0], ["春", ""], {"a": "ang"}, taken="光", level=True)
    assert grammar.startswith('root ::= "春" [一-龥] [一-龥] [一-龥] [一-龥] [，')
    assert "光" not in grammar and "霜" in grammar and grammar.count("\n") == 1


def test_the_best_candidate_is_likely_in_tune_and_does_not_repeat() -> None:
    form = verse_forms()["五绝"]
    lines, before = form.sentences[1], "白日依山尽，黄河入海流。\n"
    good = Candidate("欲穷千里目，更上一层楼。", -3.0)
    assert best([Candidate("黄河千里目，更上一层楼。", -3.0), good], form, lines, before, {"a": "ou"}) is good
    assert best([Candidate("欲穷千里目，更上一层天。", -3.0), good], form, lines, before, {"a": "ou"}) is good
    assert best([Candidate("天天天天天，天天天天流。", -3.0), good], form, lines, before, {"a": "ou"}) is good
    assert best([Candidate("欲穷千里目，更上一层楼。", -9.0), good], form, lines, before, {"a": "ou"}) is good


@pytest.fixture(scope="module")
def poet() -> Iterator[LlamaCppModel]:
    catalog = load_catalog()
    files = WeightStore(Settings(offline=True), catalog).files(catalog["poetry-zh"])
    model = LlamaCppBackend(threads=2).open(catalog["poetry-zh"], ModelFiles(files.directory))
    yield model
    model.close()


@pytest.mark.real_weights
def test_the_real_model_keeps_the_form_and_the_seed(poet: LlamaCppModel) -> None:
    fields = {"form": "七绝", "title": "秋夜", "acrostic": "春夏秋冬", "seed": 7}
    _, result = run(poet, **fields)
    assert result.in_form and result.rhymes_kept == (1, 1) and result.tones_kept[0] >= 11
    assert [line.text[0] for line in result.lines] == list("春夏秋冬")
    assert run(poet, **fields)[1] == result and run(poet, **{**fields, "seed": 8})[1] != result


@pytest.mark.real_weights
def test_the_real_model_has_learnt_the_form(poet: LlamaCppModel) -> None:
    """By itself, too: that is what tells a trained model from one that a grammar holds by the hand."""
    poems = [
        run(poet, form="七绝", title=title, hold_form=False, seed=3)[1] for title in ("秋夜", "登楼", "送别", "江行")
    ]
    assert sum(poem.in_form for poem in poems) >= 2
    assert len({line for poem in poems for line in lines_of(poem.text)}) >= 12
