"""JSON lines in and out, over echo models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import BackendError, InputError, UnknownModelError
from llm_core.jsonl import run_jsonl
from llm_core.many import FIRST_BATCH, MAX_BATCH
from tests.support.echo import echo_encoder, echo_engine
from tests.support.tasks import Measure


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend()


@pytest.fixture
def engine(backend: EchoBackend) -> Iterator[Engine]:
    engine = echo_engine(echo_encoder("first"), echo_encoder("second"), backend=backend)
    yield engine
    engine.close()


def run(engine: Engine, folder: Path, text: bytes, model_id: str = "auto") -> tuple[int, list[dict[str, Any]]]:
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_bytes(text)
    failures = run_jsonl(engine, Measure(), model_id, source, target)
    return failures, [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n")[:-1]]


def test_records_have_the_documented_fields_and_what_they_cost(engine: Engine, tmp_path: Path) -> None:
    failures, records = run(engine, tmp_path, b'{"text": "abc"}\n{"text": "\xe4\xbd\xa0\xe5\xa5\xbd"}\n')
    assert failures == 0
    assert [record["length"] for record in records] == [3, 2]
    assert all(set(record) == {"length", "model", "seconds"} for record in records)
    assert records[0]["model"] == "first"


def test_many_lines_run_in_batches_and_keep_their_order(engine: Engine, backend: EchoBackend, tmp_path: Path) -> None:
    lengths = [number % 50 + 1 for number in range(2 * MAX_BATCH)]
    _, records = run(engine, tmp_path, b"".join(b'{"text": "%s"}\n' % (b"x" * length) for length in lengths))
    assert [record["length"] for record in records] == lengths
    assert backend.batch_sizes[0] == FIRST_BATCH and sum(backend.batch_sizes) == 2 * MAX_BATCH
    assert backend.batch_sizes[:-1] == sorted(backend.batch_sizes[:-1]), "batches grow while they are quick"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not json", "line: must be a JSON object"),
        (b"[1, 2]", "line: must be a JSON object"),
        (b"\xff\xfe", "line: must be a JSON object"),
        (b"[" * 100_000, "line: must be a JSON object"),
        (b"{}", "text: is required"),
        (b'{"text": ""}', "text: must not be empty"),
        (b'{"text": "x", "other": 1}', "other: is not a field of this task"),
    ],
)
def test_a_bad_line_has_its_error_in_its_place(engine: Engine, tmp_path: Path, line: bytes, message: str) -> None:
    failures, records = run(engine, tmp_path, b'{"text": "a"}\n' + line + b'\n\n{"text": "bc"}\n')
    assert failures == 1
    assert (records[0]["length"], records[2]["length"]) == (1, 2)
    assert set(records[1]) == {"error", "line"}
    assert records[1]["line"] == 2
    assert message in records[1]["error"]


def test_a_text_may_hold_unusual_line_separators(engine: Engine, tmp_path: Path) -> None:
    _, records = run(engine, tmp_path, '{"text": "a\u2028b\u0085c"}\n'.encode())
    assert [record["length"] for record in records] == [5]


def test_a_batch_that_fails_is_tried_in_halves(tmp_path: Path) -> None:
    def fail_first_batch(call: int) -> Exception | None:
        return BackendError("no luck") if call in (0, 2, 3) else None

    engine = echo_engine(echo_encoder(), backend=EchoBackend(failures=fail_first_batch))
    failures, records = run(engine, tmp_path, b'{"text": "a"}\n{"text": "bc"}\n{"text": "def"}\n')
    assert failures == 1
    assert [record.get("length", record.get("error")) for record in records] == [1, "no luck", 3]
    engine.close()


def test_the_chosen_model_answers(engine: Engine, tmp_path: Path) -> None:
    _, records = run(engine, tmp_path, b'{"text": "a"}\n', "second")
    assert records[0]["model"] == "second"


def test_an_unknown_model_stops_before_anything_is_written(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="did you mean second"):
        run(engine, tmp_path, b'{"text": "a"}\n', "secnd")
    assert not (tmp_path / "out.jsonl").exists()


def test_files_that_cannot_be_opened_are_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--input: cannot be read: No such file"):
        run_jsonl(engine, Measure(), "auto", tmp_path / "missing", None)
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n')
    with pytest.raises(InputError, match="--output: must not be the input file"):
        run_jsonl(engine, Measure(), "auto", source, source)
    with pytest.raises(InputError, match="--output: cannot be written: No such file"):
        run_jsonl(engine, Measure(), "auto", source, tmp_path / "no" / "folder")
    assert source.read_text() == '{"text": "a"}\n'
