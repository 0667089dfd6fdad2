"""What can be said about Python code without a model: whether it parses, what ruff finds, whether its doctests hold.

Parsing and ruff only read the code. Doctests run it, in `llm_core.sandbox`, which guards against mistakes and is no
security boundary: whether code may be run at all is for the caller to decide (`Settings.run_code`).

The counts of doctests leave the sandbox beside the code's own output, in lines that begin with a word drawn for the
run. Code that prints counts, ends early or changes the module `doctest` does not alter them; code that sets out to
deceive can still change Python itself, or search the memory of its process.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
import subprocess
import sys

from pydantic import BaseModel, ConfigDict
from ruff import find_ruff_bin  # type: ignore[import-untyped]

from llm_core.errors import BackendError
from llm_core.sandbox import Limits, run_python

MAX_FINDINGS = 20
MAX_OUTPUT_CHARS = 2000
_RULES = ("E9", "F", "B", "A001", "E722", "PLE", "PLR0124", "W605")
"""Errors and likely bugs; a builtin's name reassigned (A001), an ``except`` that also catches Ctrl-C (E722), what fails
when it runs (PLE), a value compared with itself (PLR0124), a backslash that escapes nothing (W605)."""
_RUFF_SECONDS = 2.0
_PYTHON_VERSION = f"py{sys.version_info.major}{sys.version_info.minor}"
_LIMITS = Limits(
    cpu_seconds=2,
    wall_seconds=2.0,
    memory_bytes=256 * 2**20,
    file_bytes=2**20,
    output_bytes=40 * MAX_OUTPUT_CHARS,
)
"""The end of the output, half of what is kept, holds two reports of at most 8 hexadecimal digits a character."""
_EARLY_END = "The code ended the run before its doctests were through.\n"


class SyntaxProblem(BaseModel):
    """Why code does not parse."""

    model_config = ConfigDict(frozen=True)

    line: int
    """From 1."""
    column: int
    """In characters, from 1."""
    message: str


class Finding(BaseModel):
    """What ruff says about a place in the code."""

    model_config = ConfigDict(frozen=True)

    line: int
    """From 1."""
    column: int
    """In characters, from 1."""
    rule: str
    """Such as ``"F821"``."""
    message: str


class Doctests(BaseModel):
    """How the examples in the code's docstrings went."""

    model_config = ConfigDict(frozen=True)

    passed: int
    """Examples."""
    failed: int
    """Examples; code that cannot be run up to its examples, or ends or is ended during one, counts as one."""
    output: str
    """Doctest's reports of failures, or the traceback of code that cannot be run; at most `MAX_OUTPUT_CHARS`."""
    timed_out: bool


class CodeCheck(BaseModel):
    """What is known about a piece of code."""

    model_config = ConfigDict(frozen=True)

    syntax: SyntaxProblem | None
    """``None``: it parses."""
    findings: tuple[Finding, ...]
    """The first `MAX_FINDINGS`, in the order of the code; none if it does not parse."""
    doctests: Doctests | None
    """``None``: not asked for, it does not parse, or it has none."""


def check_code(code: str, *, run_doctests: bool) -> CodeCheck:
    """Check Python code.

    Args:
        code: Python source text.
        run_doctests: Whether to run the code in order to try its doctests, with nothing but the standard library; takes
            0.1 s, at most 2 s.

    Raises:
        BackendError: Ruff or the sandbox could not be run, or ruff took longer than 2 s.
    """
    tree = _parsed(code)
    if isinstance(tree, SyntaxProblem):
        return CodeCheck(syntax=tree, findings=(), doctests=None)
    doctests = _doctests(code) if run_doctests and _has_examples(tree) else None
    return CodeCheck(syntax=None, findings=_findings(code), doctests=doctests)


def _parsed(code: str) -> ast.Module | SyntaxProblem:
    try:
        return ast.parse(code)
    except SyntaxError as error:
        return SyntaxProblem(line=max(error.lineno or 1, 1), column=max(error.offset or 1, 1), message=error.msg)
    except (RecursionError, MemoryError):
        return SyntaxProblem(line=1, column=1, message="nested too deeply")
    except ValueError:
        return SyntaxProblem(line=1, column=1, message="characters that Python source cannot hold")


def _findings(code: str) -> tuple[Finding, ...]:
    """See `check_code`."""
    try:
        command = [
            find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--output-format", "json",
            "--target-version", _PYTHON_VERSION, "--select", ",".join(_RULES), "--stdin-filename", "completion.py", "-",
        ]  # fmt: skip
        done = subprocess.run(command, input=code.encode(), capture_output=True, env={}, timeout=_RUFF_SECONDS)
    except OSError as error:
        raise BackendError("ruff could not be started") from error
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"ruff took longer than {_RUFF_SECONDS:g} s") from error
    if done.returncode:
        raise BackendError("ruff failed on this code")
    return tuple(
        Finding(
            line=found["location"]["row"],
            column=found["location"]["column"],
            rule=found["code"],
            message=found["message"],
        )
        for found in json.loads(done.stdout)[:MAX_FINDINGS]
    )


def _has_examples(tree: ast.Module) -> bool:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return any(
        ">>>" in (ast.get_docstring(node, clean=False) or "") for node in ast.walk(tree) if isinstance(node, documented)
    )


_PROGRAM = """
def main(code, word, max_chars):
    import doctest, os, sys, traceback, types

    passed = failed = 0
    output = ""
    write = os.write
    channel = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.remove("main.py")  # it tells the word
    del sys.modules["doctest"]  # the code gets a copy of its own

    def report(ended=0):
        text = output.encode("utf-8", "replace").hex()
        write(channel, f"\\n{word} {passed} {failed} {ended} {text}\\n".encode())

    def add(text):
        nonlocal output
        output = (output + text)[:max_chars]

    def trace_in_code(error):
        entries, entry, trace = [], error.__traceback__, None
        while entry:
            entries.append(entry)
            entry = entry.tb_next
        for entry in reversed(entries):
            if entry.tb_frame.f_code.co_filename.startswith(("completion.py", "<doctest ")):
                entry.tb_next, trace = trace, entry
        return trace

    class Runner(doctest.DocTestRunner):
        def report_success(self, out, test, example, got):
            nonlocal passed
            passed += 1
            report()

        def report_failure(self, out, test, example, got):
            nonlocal failed
            failed += 1
            super().report_failure(out, test, example, got)
            report()

        def report_unexpected_exception(self, out, test, example, exc_info):
            nonlocal failed
            failed += 1
            kind, error, _ = exc_info
            super().report_unexpected_exception(out, test, example, (kind, error, trace_in_code(error)))
            report()

    try:
        with open("completion.py", "w", encoding="utf-8", newline="") as file:
            file.write(code)
        module = sys.modules["completion"] = types.ModuleType("completion")
        module.__file__ = "completion.py"
        exec(compile(code, "completion.py", "exec", dont_inherit=True), module.__dict__)
        runner = Runner(verbose=False)
        for test in doctest.DocTestFinder().find(module):
            runner.run(test, out=add)
    except BaseException as error:
        failed += 1
        add("".join(traceback.format_exception(type(error), error, trace_in_code(error))))
    report(ended=1)
"""
"""What runs in the sandbox: reports the counts so far after each example, and once more at the end."""


def _doctests(code: str) -> Doctests | None:
    """Run the examples of code that parses; ``None`` if doctest finds none."""
    word = secrets.token_hex(16)
    result = run_python(f"{_PROGRAM}\nmain({code!r}, {word!r}, {MAX_OUTPUT_CHARS})\n", _LIMITS)
    pattern = rf"^{word} (\d{{1,6}}) (\d{{1,6}}) ([01]) ((?:[0-9a-f]{{2}})*)\n"
    reports: list[tuple[str, str, str, str]] = re.findall(pattern, result.stdout, re.MULTILINE)
    passed, failed, ended, coded = reports[-1] if reports else ("0", "0", "0", "")
    output = bytes.fromhex(coded).decode(errors="replace")
    if ended == "1":
        done = Doctests(passed=int(passed), failed=int(failed), output=output, timed_out=False)
        return done if done.passed or done.failed else None
    timed_out = result.status == "timeout"
    told = output if timed_out else (_EARLY_END + output)[:MAX_OUTPUT_CHARS]
    return Doctests(passed=int(passed), failed=int(failed) + 1, output=told, timed_out=timed_out)
