"""What visitors read when something goes wrong, and the figures of an answer."""

from __future__ import annotations

import logging

import pytest

from demos._i18n import say, strings, t
from demos._messages import explain, plain
from llm_core import errors
from llm_core.tasks.language import check_language, check_writes
from tests.support.echo import echo_spec


def key_of(message: str) -> str:
    """The key of the one translated part."""
    assert message.count("__i18n__") == 1
    return message.split('"key": "')[1].split('"')[0]


@pytest.mark.parametrize(
    ("error", "key", "detail"),
    [
        (errors.InputError("text", "must not be empty"), "error.empty_text", ""),
        (errors.InputError("labels", "must not be empty"), "error.empty", ""),
        (errors.InputError("text", "must have at most 20000 characters"), "error.long_characters", " 20000"),
        (errors.InputError("prompt", "has 2100 tokens; the model takes 2048"), "error.long_tokens", "2100 \\> 2048"),
        (errors.InputError("labels", "must have at least 2 entries"), "error.few", "≥ 2"),
        (errors.InputError("document", "must be at most 10 MB large, it has 12.5 MB"), "error.big_file", "12.5 MB"),
        (errors.InputError("document", "must have at most 9 rows"), "rule.rows", "≤ 9"),
        (
            errors.InputError("document", "row 3: must have at most 9 columns, it has 12"),
            "rule.columns",
            "3 · 12 \\> 9",
        ),
        (errors.InputError("label_set", "must be one of ag_news, spam"), "rule.one_of", "ag\\_news, spam"),
        (errors.InputError("document", "must be green"), "error.upload", "must be green"),
        (errors.InputError("document", "must not be empty"), "error.empty_document", ""),
        (errors.InputError("text", "must not contain NUL characters"), "error.characters", ""),
        (errors.InputError("temperature", "must be at most 2.0", 7.0), "error.input", "temperature ≤ 2.0"),
        (errors.InputError("text", "names nothing"), "error.nothing_named", ""),
        (errors.BusyError("the queue is full", 11.6), "error.busy", "12 s"),
        (errors.DeadlineExceededError(120.0), "error.deadline", "120 s"),
        (errors.OutOfMemoryError("out of memory"), "error.memory", ""),
        (errors.ModelUnavailableError("opus", "needs the Hub", "Connect."), "error.unavailable", "Connect."),
        (errors.BackendError("the runtime failed"), "error.model", "the runtime failed"),
    ],
)
def test_deliberate_errors_are_explained(error: Exception, key: str, detail: str) -> None:
    message = explain(error)
    assert key_of(message) == key
    assert key in strings("en")
    assert detail in message


def test_a_language_that_is_not_read_or_written_names_the_models() -> None:
    both, english = echo_spec("b", title="Both"), echo_spec("e", title="English only", languages=("en",))
    for others, key, detail in (((both,), "error.language_choose", " Both"), ((), "error.language", " English only")):
        with pytest.raises(errors.InputError) as refused:
            check_language(english, "text", "今天天气很好", others)
        assert key_of(explain(refused.value)) == key and explain(refused.value).endswith(detail)
    with pytest.raises(errors.InputError) as refused:
        check_writes(english, "language", "zh")
    assert key_of(explain(refused.value)) == "error.written_language"


def test_unexpected_errors_say_nothing_and_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        message = explain(RuntimeError("/home/someone/token hf_secret"))
    assert key_of(message) == "error.unexpected"
    assert "hf_secret" not in message and "/home" not in message
    assert "unexpected error" in caplog.text


def test_plain_text_cannot_become_markup() -> None:
    hostile = "![x](http://evil/?q=1) <img src=x> **bold** [a](javascript:alert(1))\n# head"
    shown = plain(hostile)
    assert "\n" not in shown
    for character in "![]()<>*#":
        assert shown.count(character) == shown.count("\\" + character)


def test_unknown_strings_are_refused() -> None:
    with pytest.raises(KeyError, match="no string 'common.nothing'"):
        t("common.nothing")
    assert say("status.waiting", "2").endswith("} 2")
