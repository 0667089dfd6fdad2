"""Tables on the command line, over echo models."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_core import cli
from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import InputError
from llm_core.many import FIRST_BATCH
from llm_core.tables import run_table
from llm_core.tasks import find_task
from tests.support.echo import echo_encoder, echo_engine, echo_spec

LABELS = ("positive", "neutral", "negative")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = echo_engine(
        echo_encoder("feelings", head="sequence_classification", tasks=("sentiment",), labels=LABELS),
        echo_spec("writer"),
        echo_spec("both", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
    )
    yield engine
    engine.close()


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_table_comes_out_with_answers_and_figures(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("id,note,label\n1,so positive,positive\n2,,negative\n3,negative,positive\n", encoding="utf-8")
    failures = run_table(engine, find_task("sentiment"), "auto", source, target, columns=["note"], truth="label")
    assert failures == 1
    assert [row[3] for row in rows_of(target)] == ["sentiment_label", "positive", "", "negative"]
    assert "accuracy: 0.5000 [" in capsys.readouterr().err


def test_fields_count_for_all_rows(engine: Engine, tmp_path: Path) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "out.csv"
    source.write_text("one two\nthree four\n", encoding="utf-8")
    assert run_table(engine, find_task("translate"), "auto", source, target, fields=["source=en", "target=zh"]) == 0
    assert [row[1] for row in rows_of(target)[1:]] == ["two one", "four three"]
    options = ["max_new_tokens=2", 'system="Be brief"']
    assert (
        run_table(engine, find_task("generate"), "auto", source, target, columns=["prompt=text"], fields=options) == 0
    )
    assert len(rows_of(target)[1][1].split()) == 2


def test_what_is_wrong_is_said(engine: Engine, tmp_path: Path) -> None:
    task, source = find_task("sentiment"), tmp_path / "a.csv"
    source.write_text("text\nx\n", encoding="utf-8")
    with pytest.raises(InputError, match="file: cannot be read: No such file"):
        run_table(engine, task, "auto", tmp_path / "missing.csv", None)
    with pytest.raises(InputError, match="--output: must not be the input file"):
        run_table(engine, task, "auto", source, source)
    with pytest.raises(InputError, match="column: must be one of text"):
        run_table(engine, task, "auto", source, None, columns=["review"])
    with pytest.raises(InputError, match="columns: must be given for text"):
        run_table(engine, task, "auto", source, None, columns=["question=text"])
    with pytest.raises(InputError, match="--output: cannot be written"):
        run_table(engine, task, "auto", source, tmp_path / "no" / "folder.csv")


def test_the_interrupt_key_keeps_what_is_done(tmp_path: Path) -> None:
    def pressed(call: int) -> Exception | None:
        if call:
            raise KeyboardInterrupt
        return None

    engine = echo_engine(
        echo_encoder("feelings", head="sequence_classification", tasks=("sentiment",), labels=LABELS),
        backend=EchoBackend(failures=pressed),
    )
    source, target = tmp_path / "a.txt", tmp_path / "out.csv"
    source.write_text("positive\n" * 100, encoding="utf-8")
    run_table(engine, find_task("sentiment"), "auto", source, target)
    assert len(rows_of(target)) == 1 + FIRST_BATCH
    engine.close()


def test_options_of_tables_need_one() -> None:
    from typer.testing import CliRunner

    result = CliRunner().invoke(cli.app, ["run", "sentiment", "--column", "text"])
    assert result.exit_code == 2 and "need a table" in result.output
