"""Every rule that a visitor's input can break is said in the visitor's language; one without a string fails here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from demos._i18n import strings
from demos._messages import reason
from demos._rules import RULES
from llm_core.errors import InputError
from llm_core.settings import REPOSITORY_ROOT
from tests.support.words import sentences_in

REACHED = ("tasks/**/*.py", "selection.py", "hub_writes.py", "walkthrough/model.py")
"""Parts of `llm_core` whose rules a visitor can break."""
CODE_ONLY = {
    "must be one for each of 7 units": "files give as many units as they take",
    "is mostly written in 7, but 7 reads 7; 7": "ends in models or languages, see test_messages.py",
}
FILE = "document"
"""Rules of files are raised with a name for this field."""


def rules() -> Iterator[tuple[str, str]]:
    core = REPOSITORY_ROOT / "llm_core"
    for path in sorted(path for pattern in REACHED for path in core.glob(pattern)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "InputError" and len(call.args) > 1:
                field = FILE if "FIELD" in ast.unparse(call.args[0]) else ast.unparse(call.args[0]).strip("'")
                yield from ((field, rule) for rule in sentences_in([call.args[1]], tree))


@pytest.mark.parametrize(("field", "rule"), sorted({each for each in rules() if each[1] not in CODE_ONLY}))
def test_every_rule_of_a_task_is_translated(field: str, rule: str) -> None:
    key, _ = reason(InputError(field, rule))
    assert key not in ("error.input", "error.upload", "error.long"), f"demos/_rules.py has nothing for {rule!r}"
    assert key in strings("zh")


def test_rules_were_found() -> None:
    assert len(set(rules())) > 60
    assert Path(REPOSITORY_ROOT / "llm_core" / "tasks").is_dir()


def test_each_string_is_of_a_rule_and_each_rule_has_one() -> None:
    named = {name for _, name, _ in RULES}
    assert {f"rule.{name}" for name in named} == {key for key in strings("zh") if key.startswith("rule.")}
