"""What two workers of Ray write is what one machine writes; `make test-ray` installs Ray and runs these."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from llm_core.errors import InputError
from llm_core.kept_blocks import BLOCK_ROWS, KeptBlocks
from llm_core.on_ray import run_key, run_table_on_ray
from llm_core.tables import run_table
from llm_core.tasks import find_task
from llm_core.tasks.batch.kinds import Reading
from llm_core.tasks.batch.run import BatchRequest, BatchTask, RowOutcome
from llm_core.tasks.batch.table import read_table
from tests.support.ray_engines import LABELS, broken, feelings, shaky

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("default")  # Ray warns of itself
SENTIMENT = find_task("sentiment")


def _table(folder: Path, rows: int) -> Path:
    draw, file = random.Random(0), folder / "reviews.csv"
    words = [*LABELS, "film", "的", "a, b", '"quoted"']
    lines = [" ".join(draw.choices(words, k=draw.randint(0, 5))).replace('"', '""') for _ in range(rows)]
    file.write_text("id,text\n" + "".join(f'{n},"{line}"\n' for n, line in enumerate(lines)), encoding="utf-8")
    return file


def test_ten_thousand_rows_come_out_as_on_one_machine(tmp_path: Path) -> None:
    source, here, there = _table(tmp_path, 10_000), tmp_path / "here.csv", tmp_path / "there.csv"
    with closing(feelings(1)) as engine:
        errors = run_table(engine, SENTIMENT, "auto", source, here)
    assert run_table_on_ray(SENTIMENT, "auto", source, there, workers=2, make_engine=feelings) == errors > 0
    assert there.read_bytes() == here.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.csv", "reviews.csv", "there.csv"]


def test_a_run_goes_on_with_the_blocks_that_are_missing(tmp_path: Path) -> None:
    source, target = _table(tmp_path, 3 * BLOCK_ROWS), tmp_path / "out.csv"
    request = BatchRequest(table=read_table(source), columns={"text": "text"})
    kept = KeptBlocks(tmp_path / "out.csv.blocks", run_key(BatchTask(SENTIMENT), request, "auto"))
    kept.keep(1, [asdict(RowOutcome(Reading(("done before", ""), "done before"), "earlier"))] * BLOCK_ROWS)
    run_table_on_ray(SENTIMENT, "auto", source, target, workers=2, make_engine=feelings)
    models = [line.split(",")[-2] for line in target.read_text(encoding="utf-8-sig").splitlines()[1:]]
    assert [n for n, model in enumerate(models) if model == "earlier"] == list(range(BLOCK_ROWS, 2 * BLOCK_ROWS))


def test_blocks_that_fail_are_tried_again_and_failures_are_told_in_the_end(tmp_path: Path) -> None:
    source, target = tmp_path / "reviews.csv", tmp_path / "out.csv"
    source.write_text("text\n" + "positive\n" * 4, encoding="utf-8")
    assert run_table_on_ray(SENTIMENT, "auto", source, target, workers=1, make_engine=shaky) == 0
    assert run_table_on_ray(SENTIMENT, "auto", source, target, workers=1, make_engine=broken) == 4
    assert "out of luck" in target.read_text(encoding="utf-8-sig")


def test_an_output_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--output: must be given with --engine ray"):
        run_table_on_ray(SENTIMENT, "auto", _table(tmp_path, 1), None, make_engine=feelings)
