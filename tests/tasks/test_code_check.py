"""What is said about code, against code that is wrong and code that means harm."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from llm_core.errors import BackendError
from llm_core.sandbox import Limits
from llm_core.tasks import code_check
from llm_core.tasks.code_check import MAX_FINDINGS, MAX_OUTPUT_CHARS, CodeCheck, Doctests, Finding, check_code


def doctests(code: str) -> Doctests:
    done = check_code(code, run_doctests=True).doctests
    assert done is not None
    return done


def with_failing_example(code: str) -> str:
    return f'def answer():\n    """\n    >>> answer()\n    42\n    """\n    return 41\n\n{code}\n'


@pytest.mark.parametrize("code", ["", "# nothing\n", "def add(a, b):\n    return a + b\n", "名 = '水果'\nprint(名)\n"])
def test_sound_code_has_nothing_to_tell(code: str) -> None:
    assert check_code(code, run_doctests=True) == CodeCheck(syntax=None, findings=(), doctests=None)


@pytest.mark.parametrize(
    ("code", "line", "column", "message"),
    [
        ("x = 1\ny = (1,\n", 2, 5, "'(' was never closed"),
        ("水果 = 1 +", 1, 9, "invalid syntax"),
        ("if x:\npass", 2, 1, "expected an indented block"),
        ("(" * 10_000, 1, 201, "too many nested parentheses"),
        ("-" * 19_000 + "1", 1, 1, "nested too deeply"),
        ("a" + ".b" * 9_900, 1, 1, "nested too deeply"),
        ("x = '\ud800'", 1, 1, "characters that Python source cannot hold"),
        ("9" * 5_000, 1, 1, "Exceeds the limit"),
    ],
)
def test_code_that_does_not_parse_is_told_once(code: str, line: int, column: int, message: str) -> None:
    check = check_code(code, run_doctests=True)
    assert check.syntax is not None and message in check.syntax.message
    assert (check.syntax.line, check.syntax.column) == (line, column)
    assert (check.findings, check.doctests) == ((), None)


def test_null_bytes_are_a_syntax_problem() -> None:
    assert check_code("x = 1\0", run_doctests=True).syntax is not None


@pytest.mark.parametrize(
    ("code", "line", "column", "rule", "message"),
    [
        ("'水果', missing_name", 1, 7, "F821", "Undefined name `missing_name`"),
        ("import os\n", 1, 8, "F401", "`os` imported but unused"),
        ("def f(x=[]):\n    return x", 1, 9, "B006", "Do not use mutable"),
        ("list = [1]", 1, 1, "A001", "Variable `list` is shadowing a Python builtin"),
        ("try:\n    f = 1\nexcept:\n    f = 2", 3, 1, "E722", "Do not use bare `except`"),
        ("def f(a):\n    return a == a", 2, 12, "PLR0124", "Name compared with itself"),
        ("import logging\nlogging.error('%s %s', 1)", 2, 1, "PLE1206", "Not enough arguments"),
        ("def f(a, a):\n    return a", 1, 10, "invalid-syntax", "Duplicate parameter"),
    ],
)
def test_findings_say_where_and_what(code: str, line: int, column: int, rule: str, message: str) -> None:
    found = check_code(code, run_doctests=False).findings
    (finding,) = [each for each in found if each.rule == rule]
    assert isinstance(finding, Finding) and message in finding.message
    assert (finding.line, finding.column) == (line, column)


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence")
def test_a_backslash_that_escapes_nothing_is_found() -> None:
    assert [each.rule for each in check_code("x = '\\d'", run_doctests=False).findings] == ["W605"]


def test_style_is_no_finding() -> None:
    assert check_code("def F( l ) :\n  return 'a'+l # " + "x" * 200, run_doctests=False).findings == ()


def test_findings_are_the_first_few() -> None:
    found = check_code("".join(f"a{i}\n" for i in range(3_000)), run_doctests=False).findings
    assert len(found) == MAX_FINDINGS and {each.line for each in found} <= set(range(1, MAX_FINDINGS + 1))


def test_no_configuration_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ruff.toml").write_text("lint.ignore = ['F']\nexclude = ['*.py']\nforce-exclude = true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUFF_OUTPUT_FILE", str(tmp_path / "out"))
    assert [each.rule for each in check_code("import os\n", run_doctests=False).findings] == ["F401"]
    assert [path.name for path in tmp_path.iterdir()] == ["ruff.toml"]


@pytest.mark.parametrize(
    ("script", "message"),
    [("exec /bin/sleep 20", "took longer than 0.2 s"), ("exit 2", "failed"), (None, "could not be started")],
)
def test_ruff_that_does_not_answer_is_an_error(
    script: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruff = tmp_path / "ruff"
    if script is not None:
        ruff.write_text(f"#!/bin/sh\n{script}\n")
        ruff.chmod(0o755)
    monkeypatch.setattr(code_check, "find_ruff_bin", lambda: str(ruff))
    monkeypatch.setattr(code_check, "_RUFF_SECONDS", 0.2)
    with pytest.raises(BackendError, match=f"^ruff .*{message}"):
        check_code("x = 1", run_doctests=False)


EXAMPLES = '''"""Of the module.

>>> half(8)
4
"""
import dataclasses

@dataclasses.dataclass
class Pair:
    """
    >>> Pair(1)
    Pair(first=1)
    >>> Pair.__annotations__
    {'first': <class 'int'>}
    """
    first: int

    def twice(self):
        """
        >>> Pair(2).twice()
        5
        """
        return 2 * self.first

def half(x):
    """
    >>> half(1)
    Traceback (most recent call last):
    ValueError: odd
    >>> half("x")
    """
    if x % 2:
        raise ValueError("odd")
    return x // 2

if __name__ == "__main__":
    raise SystemExit(1)
'''


def test_examples_are_counted_and_failures_shown() -> None:
    done = doctests(EXAMPLES)
    assert (done.passed, done.failed, done.timed_out) == (4, 2, False)
    assert 'File "completion.py", line 20, in completion.Pair.twice' in done.output
    assert "Expected:\n    5\nGot:\n    4\n" in done.output
    assert 'File "completion.py", line 32, in half\n        if x % 2:\n' in done.output
    assert "TypeError: not all arguments" in done.output


def test_all_passed_says_nothing() -> None:
    done = doctests(with_failing_example("").replace("41", "42"))
    assert done == Doctests(passed=1, failed=0, output="", timed_out=False)


def test_nothing_runs_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, limits: Limits) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(code_check, "run_python", refuse)
    assert check_code(EXAMPLES, run_doctests=False).doctests is None
    assert check_code("print('>>> 1')", run_doctests=True).doctests is None
    with pytest.raises(AssertionError, match="it ran"):
        check_code(EXAMPLES, run_doctests=True)


def test_examples_that_doctest_does_not_find_are_none() -> None:
    code = 'def outer():\n    def inner():\n        """\n        >>> 1\n        1\n        """\n    return inner\n'
    assert check_code(code, run_doctests=True).doctests is None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import numpy", "ModuleNotFoundError: No module named 'numpy'"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os\nos._exit(0)", "The code ended the run"),
        ("x = bytearray(2**30)", "MemoryError"),
        ("f = lambda: f()\nf()", "RecursionError"),
        ("import os\nwhile True:\n    os.fork()", "Refused: os.fork is not allowed"),
        ("import subprocess\nsubprocess.run(['true'])", "Refused: subprocess.Popen is not allowed"),
        ("def f():\n    '''\n    >>>f()\n    '''", "lacks blank after >>>"),
    ],
)
def test_code_that_cannot_be_run_has_failed_once(code: str, told: str) -> None:
    done = doctests(with_failing_example(code))
    assert (done.passed, done.failed, done.timed_out) == (0, 1, False)
    assert told in done.output and "_sandbox_child" not in done.output


def test_what_passed_before_the_end_still_counts() -> None:
    examples = '"""\n>>> 1\n1\n>>> 2\n3\n>>> flood(); os._exit(0)\n"""\n'
    done = doctests(examples + "import os\nflood = lambda: os.write(1, b'x' * 2**20)\nflood()\n")
    assert (done.passed, done.failed, done.timed_out) == (1, 2, False)
    assert done.output.startswith("The code ended the run") and "Expected:\n    3" in done.output


def test_sleep_ends_by_time() -> None:
    began = time.monotonic()
    done = doctests('"""\n>>> 1\n1\n>>> import time; time.sleep(60)\n"""\n')
    assert (done.passed, done.failed, done.output, done.timed_out) == (1, 1, "", True)
    assert time.monotonic() - began < 6


def test_files_and_network_are_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = doctests(
            f'"""\n>>> open({str(tmp_path / "x")!r}, "w")\n>>> import socket\n'
            f'>>> socket.create_connection(("127.0.0.1", {server.getsockname()[1]}))\n"""\n'
        )
        with pytest.raises(TimeoutError):
            server.accept()
    assert (done.passed, done.failed) == (1, 2)
    assert "is outside the working directory" in done.output and "Refused: socket" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * 2**20)",
        "import sys\nprint('x' * 2**20, file=sys.stderr)",
        "import os\nfor fd in range(64):\n    try:\n        os.write(fd, b'x' * 2**20)\n    except OSError:\n"
        "        pass",
    ],
)
def test_a_megabyte_of_output_changes_nothing(code: str) -> None:
    done = doctests(with_failing_example(code))
    assert (done.passed, done.failed) == (0, 1)
    assert "Expected:\n    42\nGot:\n    41\n" in done.output


@pytest.mark.parametrize("character", ["x", "\U0001f600", "\\ud800"])
def test_reports_are_cut(character: str) -> None:
    done = doctests('"""\n' + f'>>> print("{character}" * 2**18)\n' * 20 + '"""\n')
    assert (done.passed, done.failed) == (0, 20)
    assert len(done.output) == MAX_OUTPUT_CHARS


RUNNER = "type('R', (), {'__init__': lambda s, *a, **k: None, 'run': lambda s, *a, **k: None})"


@pytest.mark.parametrize(
    "code",
    [
        f"import doctest\ndoctest.DocTestRunner = {RUNNER}",
        "import doctest\ndoctest.DocTestRunner.run = lambda *a, **k: doctest.TestResults(0, 9)",
        "import doctest\ndoctest.OutputChecker.check_output = lambda *a: True",
        "import json\njson.dumps = lambda *a: '[9, 0]'",
        "import os, re\nwrite = os.write\n"
        "os.write = lambda fd, data: write(fd, re.sub(rb'(\\w{32}) 0 1', rb'\\1 9 0', data))",
        "import builtins\nbuiltins.int = builtins.str = builtins.repr = lambda *a: '9'",
        "import __main__\n__main__.passed, __main__.failed, __main__.doctest = 9, 0, None",
        "import os\nfor fd in range(64):\n    try:\n        os.write(fd, b'\\n' + b'0' * 32 + b' 9 0 1 \\n')\n"
        "    except OSError:\n        pass\nos._exit(0)",
        "import os, re\nfor name in os.listdir():\n    for word in re.findall('[0-9a-f]{32}', open(name).read()):\n"
        "        for fd in range(64):\n            try:\n"
        "                os.write(fd, f'\\n{word} 9 0 1 \\n'.encode())\n            except OSError:\n"
        "                pass\n        os._exit(0)",
        "import atexit, os\nprint('9 passed and 0 failed.\\nTest passed.')\natexit.register(os._exit, 0)",
    ],
)
def test_counts_are_not_faked(code: str) -> None:
    done = doctests(with_failing_example(code))
    assert (done.passed, done.failed) == (0, 1)


def test_a_check_is_json() -> None:
    check = check_code(EXAMPLES, run_doctests=True)
    assert CodeCheck.model_validate(json.loads(check.model_dump_json())) == check
