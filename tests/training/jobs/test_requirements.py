"""The page trains with what ``requirements.txt`` names: packages of ``requirements-dev.txt`` are not touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from llm_core.training.jobs.examples import check_examples
from llm_core.training.jobs.job import Base, Job, State
from tests.support.encoders import WORDS, save_checkpoint

DEVELOPMENT = ("datasets", "gguf", "matplotlib", "seqeval", "rjieba", "zstandard", "pyarrow")
PROGRAM = f"""
import sys
for name in {DEVELOPMENT!r}:
    sys.modules[name] = None  # import raises ImportError
from pathlib import Path
from llm_core.training.jobs.worker import main
main(Path(sys.argv[1]))
"""


def test_a_worker_runs_without_development_packages(tmp_path: Path) -> None:
    base = Base(str(save_checkpoint(tmp_path / "base")), "models/base", "Apache-2.0", ("en",), False)
    pairs = [(f"the {word} was {label}", label) for word in WORDS[:8] for label in ("good", "bad")]
    (folder := tmp_path / "job").mkdir()
    Job(check_examples(pairs), base, "linear_probe", threads=1).write(folder)
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=False)
    assert State.read(folder).phase == "done", done.stderr[-2000:]
    assert (folder / "model" / "model.safetensors").is_file(), "a base that is not on the Hub ships with its model"
    assert not list(folder.rglob("checkpoint-*"))
