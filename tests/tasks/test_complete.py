"""Code completion: scripted models for the logic, the real SmolLM2 for what visitors see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from llm_core.backends.base import ModelFiles
from llm_core.backends.llama_cpp import LlamaCppBackend, LlamaCppModel
from llm_core.catalog import Catalog, load_catalog
from llm_core.errors import InputError
from llm_core.tasks.complete import TASK, CompleteRequest, CompleteResult, parses
from llm_core.types import CancelToken, Delta, Sampling, Token
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, streamed

FUNCTION = "def area(width, height):\n    "


class Scripted:
    """Says what it is told to, one script a call, and remembers its prompts."""

    def __init__(self, scripts: Sequence[tuple[str, float]], **fields: Any) -> None:
        self.spec = echo_spec(**fields)
        self.context_length = self.spec.context_length
        self.prompts: list[str] = []
        self.closed = 0
        self._scripts = list(scripts)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        self.prompts.append(prompt)
        text, probability = self._scripts.pop(0)
        try:
            for start in range(0, min(len(text), 3 * sampling.max_new_tokens), 3):
                yield Token(text[start : start + 3], probability)
        finally:
            self.closed += 1


def run(model: Any, **fields: Any) -> tuple[dict[int, str], CompleteResult]:
    """The joined deltas of each stream, and the result."""
    deltas, result = streamed(TASK.run(MemorySession(model), CompleteRequest.parse(fields)))
    texts: dict[int, str] = {}
    for delta in deltas:
        assert isinstance(delta, Delta)
        texts[delta.stream] = texts.get(delta.stream, "") + delta.text
    return texts, result


def test_stops_the_model_at_the_boundary() -> None:
    model = Scripted([(" return width * height\n\n\ndef next():\n    pass\n", 0.5)])
    texts, result = run(model, prefix=FUNCTION)
    assert result.text == texts[0] == "return width * height" and result.record() == {"text": result.text}
    (candidate,) = result.candidates
    assert candidate.stopped_at == "next_definition" and candidate.syntax_ok and model.closed == 1
    assert candidate.mean_log_probability == pytest.approx(-0.693, abs=0.001)


def test_the_blank_before_the_cursor_is_left_to_the_model() -> None:
    model = Scripted([("return 1", 0.5)], prompt_template="chatml")
    assert run(model, prefix=FUNCTION)[1].text == "return 1"
    assert model.prompts[0].endswith("```python\ndef area(width, height):\n   ")


def test_candidates_are_ranked_by_likelihood() -> None:
    scripts = [(" return 1", 0.2), (" return 2", 0.9), ("", 1.0)]
    texts, result = run(Scripted(scripts), prefix=FUNCTION, candidates=3, seed=1)
    assert [candidate.text for candidate in result.candidates] == ["return 2", "return 1", ""]
    assert [candidate.stream for candidate in result.candidates] == [1, 0, 2] and texts[1] == result.text


def test_length_and_end() -> None:
    assert run(Scripted([("x" * 60, 0.5)]), prefix=FUNCTION, max_new_tokens=4)[1].candidates[0].stopped_at == "length"
    assert run(Scripted([("return 1", 0.5)]), prefix=FUNCTION)[1].candidates[0].stopped_at == "end"


def test_suffix_ends_it_unless_the_model_reads_it() -> None:
    suffix = "\n    return result\n"
    script = [("result = 1\n    return result\n", 0.5)]
    plain = Scripted(script)
    _, result = run(plain, prefix=FUNCTION, suffix=suffix)
    assert result.text == "result = 1" and not result.suffix_seen and "return result" not in plain.prompts[0]
    fim = Scripted(script, prompt_template="qwen_fim")
    _, result = run(fim, prefix=FUNCTION, suffix=suffix)
    assert result.suffix_seen and fim.prompts[0].endswith("return result\n<|fim_middle|>")
    ours = Scripted(script * 2, prompt_template="smollm_fim")
    run(ours, prefix=FUNCTION, suffix=suffix)
    assert ours.prompts[0].startswith("<issue_start>") and ours.prompts[0].endswith("return result\n<issue_closed>")
    _, result = run(ours, prefix=FUNCTION)
    assert FUNCTION.startswith(ours.prompts[1]) and not result.suffix_seen, "it continues code without marks as well"


class Doubtful(Scripted):
    """Says what else it could have written."""

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        for token in super().generate(prompt, sampling, cancel):
            yield Token(token.text, token.probability, ((token.text, 0.5), ("\n    pass", 0.25)))


def test_the_tokens_add_up_to_the_completion_when_they_are_asked_for() -> None:
    script = [("\n    return n\n\nprint(1)", 0.5)]
    _, result = run(Doubtful(script), prefix="def f(n):\n", top_alternatives=5)
    [best] = result.candidates
    assert "".join(token.text for token in best.tokens) == best.text == "    return n"
    assert [token.text for token in best.tokens] == ["  ", "  r", "etu", "rn ", "n"], "the last is cut at the end"
    assert best.tokens[0].alternatives == (("  ", 0.5), ("    pass", 0.25)), "the newline is there already"
    _, result = run(Doubtful(script), prefix="def f(n):\n")
    assert result.candidates[0].tokens == ()


def test_each_completion_is_shown_once() -> None:
    _, result = run(Scripted([("return 1", 0.5)] * 3), prefix=FUNCTION, candidates=3)
    assert [candidate.text for candidate in result.candidates] == ["return 1"]


def test_the_beginning_of_a_long_prefix_is_left_out() -> None:
    prefix = "".join(f"a{n} = {n}\n" for n in range(100)) + FUNCTION
    model = Scripted([(" return 1", 0.5)], context_length=100)
    _, result = run(model, prefix=prefix, max_new_tokens=20)
    assert 60 < result.lines_left_out < 100 and result.text == "return 1" and len(model.prompts[0].split()) <= 80
    with pytest.raises(InputError, match=r"prefix: has \d+ tokens in its last line; the model takes 100"):
        run(model, prefix="x " * 200, max_new_tokens=20)


def test_languages() -> None:
    small, coder = echo_spec("small"), echo_spec("coder", prompt_template="qwen_fim")
    both = Catalog({"small": small, "coder": coder})
    python, rust = ({"prefix": "x", "language": name} for name in ("Python", "rust"))
    assert TASK.candidates(both, CompleteRequest.parse(python)) == (small, coder)
    assert TASK.candidates(both, CompleteRequest.parse(rust)) == (coder,)
    with pytest.raises(InputError, match="language: must be python: no model of the catalogue completes rust"):
        TASK.candidates(Catalog({"small": small}), CompleteRequest.parse(rust))
    with pytest.raises(InputError, match="language: must be one of python, javascript.*there is no 'klingon'"):
        CompleteRequest.parse({"prefix": "x", "language": "klingon"})
    with pytest.raises(InputError, match="candidates: must be at most 4"):
        CompleteRequest.parse({"prefix": "x", "candidates": 5})


def test_syntax_allows_for_what_is_open() -> None:
    assert parses("def f():\n    if x:") and parses("try:\n    x = 1") and parses("x = 1")
    assert parses("try:\n    if x:") and not parses("x = = 1") and not parses("f(")
    assert parses("f(1", ")\n") and not parses("f(1", "\nx = 1")


@pytest.fixture(scope="module")
def smollm2(smollm2_files: ModelFiles) -> Iterator[LlamaCppModel]:
    model = LlamaCppBackend(threads=2).open(load_catalog()["smollm2-135m-instruct"], smollm2_files)
    yield model
    model.close()


@pytest.mark.real_weights
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("def factorial(n):\n    if n == 0:\n        return 1\n    ", "n * factorial(n - 1)"),
        ("def flatten(nested):\n    result = []\n    for inner in nested:\n        for item in inner:\n            ",
         "result.append(item)"),
        ("import json\n\n\ndef load(path):\n    with open(path) as file:\n        ", "json.load(file)"),
    ],
)  # fmt: skip
def test_real_model_continues_simple_functions(smollm2: LlamaCppModel, prefix: str, expected: str) -> None:
    _, result = run(smollm2, prefix=prefix)
    assert expected in result.text and result.candidates[0].syntax_ok
    assert not result.text.startswith(" ")
