"""Translation: on echo for the logic, and end to end on a tiny random Marian."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.backends.base import ModelFiles
from llm_core.backends.ctranslate2 import CTranslate2Backend
from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog
from llm_core.errors import CancelledError, InputError, ModelUnavailableError
from llm_core.tasks.translate import TASK, TranslateRequest, TranslateResult
from llm_core.types import CancelToken, Delta
from tests.support.decoders import save_marian, translator_entry
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, streamed
from tests.support.translators import ScriptedTranslator

SPEC = echo_spec(
    "translator", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"), ("en", "de"))
)
CATALOG = Catalog({SPEC.id: SPEC})


def run(model: Any, cancel: CancelToken | None = None, **fields: Any) -> tuple[str, TranslateResult]:
    """The joined deltas and the result."""
    increments, result = streamed(TASK.run(MemorySession(model, cancel=cancel), TranslateRequest.parse(fields)))
    return "".join(step.text for step in increments if isinstance(step, Delta)), result


def echo() -> Any:
    return EchoBackend().open(SPEC, ModelFiles(None))  # type: ignore[arg-type]


def request(**fields: Any) -> TranslateRequest:
    return TranslateRequest.parse(fields)


def test_paragraphs_and_sentences_stay_in_place() -> None:
    text, result = run(echo(), text="One two. Three four.\n\n  Five six.\n- seven", target="de")
    assert text == result.text == "two. One four. Three\n\n  six. Five\n- seven"
    assert [pair.source for pair in result.sentences] == ["One two.", "Three four.", "Five six.", "seven"]
    assert (result.source, result.target) == ("en", "de") and result.record() == {"text": text}


def test_chinese_takes_no_blank_between_sentences() -> None:
    assert run(echo(), text="One two. Three four.", target="zh")[0] == "two. Onefour. Three"
    english = ScriptedTranslator(lambda sentence: "Fine." if "好" in sentence else "Let us go.")
    assert run(english, text="今天很好。我们走。", target="en")[0] == "Fine. Let us go."


def test_the_source_is_told_by_its_script() -> None:
    assert TASK.candidates(CATALOG, request(text="你好，世界", target="en")) == (SPEC,)
    assert run(echo(), text="你好", target="en")[1].source == "zh"
    for text, language in (("これはペンです", "Japanese"), ("Привет, мир", "Russian"), ("안녕하세요", "Korean")):
        with pytest.raises(InputError, match=f"no model translates from {language} into English"):
            TASK.candidates(CATALOG, request(text=text, target="en"))
    with pytest.raises(InputError, match="source: cannot be detected"):
        TASK.candidates(CATALOG, request(text="123 !", target="en"))


def test_pairs_that_cannot_be_had_are_explained() -> None:
    with pytest.raises(
        InputError, match="target: no model translates from English into French; from English there is "
    ):
        TASK.candidates(CATALOG, request(text="Hi", target="fr"))
    with pytest.raises(InputError, match="target: must be another language than the text's, which is English"):
        TASK.candidates(CATALOG, request(text="Hi", target="en"))
    with pytest.raises(ModelUnavailableError, match="no translation model.*translate-en-zh needs no network"):
        TASK.candidates(Catalog({}), request(text="Hi", target="zh"))
    with pytest.raises(InputError, match="source: must be an ISO 639-1 code .* 'English' is none"):
        request(text="Hi", source="English", target="zh")


@given(st.text(alphabet="ab. \n。你?!", min_size=1, max_size=60).filter(lambda text: text.strip()))
def test_no_letter_is_lost(text: str) -> None:
    shown, result = run(echo(), text=text, source="en", target="de")
    assert shown == result.text
    assert sorted("".join(text.split())) == sorted("".join(shown.split()))
    assert shown.count("\n") == text.count("\n")


def test_end_to_end_on_a_converted_checkpoint(tmp_path: Path) -> None:
    spec = translator_entry(backend="ctranslate2")
    model = CTranslate2Backend(threads=1).open(spec, ModelFiles(save_marian(tmp_path / "marian")))
    text, result = run(model, text="The cat sat on the mat. " * 20 + "\nGood morning!", source="en", target="zh")
    assert len(result.sentences) == 21 and text == result.text and text.count("\n") == 1
    fields = {"glossary": "cat => 散步\ncity => 今天", "alternatives": 3, "alignment": True, "format": "markdown"}
    source = "# The **cat**\n\nSee `x` and https://e.org, {name}: the *train to the city*!\n"
    _, rich = run(model, text=source, source="en", target="zh", **fields)
    assert all(part in rich.text for part in ("# ", "`x`", "https://e.org", "{name}")) and rich.text.count("*") == 6
    assert [[use.term for use in pair.glossary] for pair in rich.sentences] == [["cat"], ["city"]]
    assert all(pair.log_probability is not None and pair.log_probability < 0 for pair in rich.sentences)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(CancelledError):
        run(model, cancel, text="Good morning!", source="en", target="zh")
