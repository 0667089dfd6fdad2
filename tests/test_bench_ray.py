"""What the bench of tables on Ray computes; its runs need Ray and minutes."""

from __future__ import annotations

import sys

import psutil
import pytest

from llm_core.bench import ray as bench
from llm_core.bench.ray import Cost
from llm_core.errors import BackendError, InputError
from llm_core.settings import Settings


def test_gains_are_medians_of_rounds_and_leave_the_start_out() -> None:
    few = [{"one": Cost(2, 2), "plain": Cost(2, 4), "ray": Cost(9, 8)}] * 3
    whole = [{"one": Cost(100, 42), "plain": Cost(wall, 44), "ray": Cost(2 * wall, 58)} for wall in (50.0, 80.0, 200.0)]
    found = {figure.what: figure.value for figure in bench._gains(few, whole)}
    assert found == {
        "gain of two plain processes": 1.25,
        "gain of two workers of Ray": 0.625,
        "two workers of Ray / two plain processes": 0.5,
        "gain on cores of their own, plain, after the start": 2.0,
        "gain on cores of their own, Ray, after the start": 1.6,
    }


def test_the_time_of_a_process_and_of_those_below_it_is_counted() -> None:
    # Twice the time: of each process the kernel tells whole hundredths, cut off.
    spin = "import time\nwhile time.process_time() < 0.6: pass\nprint(flush=True); input()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"
    with psutil.Popen([sys.executable, "-c", start], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        spent = bench._cpu_seconds(process)
        process.communicate(b"\n")
    assert len(spent) == 2 and sum(spent.values()) >= 0.3
    assert bench._cpu_seconds(process) == {}


def test_a_run_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="a run of the table failed: .*cannot be read"):
        bench._run([["no-such-file.csv"]], threads=1)
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="requirements-ray.txt"):
        bench.measure(Settings())
