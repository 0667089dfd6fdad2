"""The sandbox against programs that go wrong in every way it knows."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_core import sandbox
from llm_core.errors import InputError
from llm_core.sandbox import Limits, run_python

QUICK = Limits(cpu_seconds=2, wall_seconds=5.0)


@pytest.fixture(params=["namespaces", "none"])
def namespaces(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once as this machine allows, once as where namespaces are not to be had."""
    if request.param == "none":
        script = sandbox._CHILD.read_text(encoding="utf-8")
        without = script.replace("libc.unshare(_NAMESPACES) == 0", "False")
        assert without != script
        (tmp_path / "child.py").write_text(without, encoding="utf-8")
        monkeypatch.setattr(sandbox, "_CHILD", tmp_path / "child.py")
    return str(request.param)


def test_a_program_runs_to_its_end() -> None:
    result = run_python(
        "import json, sys\nprint(json.dumps({'é': '水果'}, ensure_ascii=False)); print(2, file=sys.stderr)"
    )
    assert (result.status, result.stdout, result.stderr) == ("passed", '{"é": "水果"}\n', "2\n")
    assert 0 < result.seconds < 5


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        ("1 / 0", "failed", "ZeroDivisionError"),
        ("assert 1 == 2, 'no'", "failed", "AssertionError: no"),
        ("def f(:", "failed", "SyntaxError"),
        ("raise SystemExit('stopped')", "failed", ""),
        ("raise SystemExit(0)", "passed", ""),
        ("import os; os._exit(95)", "failed", ""),
        ("import numpy", "failed", "ModuleNotFoundError"),
        ("f = lambda: f()\nf()", "failed", "RecursionError"),
        ("def f():\n    raise KeyError('x')\nf()", "failed", 'File "main.py", line 2, in f'),
    ],
)
def test_how_a_program_ended_is_told(source: str, status: str, message: str) -> None:
    result = run_python(source, QUICK)
    assert result.status == status
    assert message in result.stderr and "_sandbox_child" not in result.stderr


def test_an_endless_loop_ends_by_its_processor_time() -> None:
    result = run_python("while True: pass", Limits(cpu_seconds=1, wall_seconds=20.0))
    assert result.status == "timeout" and result.seconds < 10


@pytest.mark.parametrize(
    "source", ["import time; time.sleep(60)", "import time\nwhile True:\n    try: time.sleep(60)\n    except: pass"]
)
def test_idling_ends_by_wall_time(source: str) -> None:
    result = run_python(source, Limits(wall_seconds=0.5))
    assert result.status == "timeout" and 0.5 <= result.seconds < 4


def test_ten_gigabytes_are_not_to_be_had() -> None:
    assert run_python("x = bytearray(10 * 2**30)", QUICK).status == "memory"
    assert run_python("x = []\nwhile True: x.append(bytearray(2**20))", QUICK).status == "memory"
    assert run_python("x = bytearray(100 * 2**20)", QUICK).status == "passed"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        yield server


CALL = "import socket\ns = socket.create_connection(('127.0.0.1', {port}), 2); s.sendall(b'hello')"
UNDONE = "import os, _socket\ns = _socket.socket(2, 1)\ns.connect(('127.0.0.1', {port}))"


@pytest.mark.parametrize("source", [CALL, UNDONE, "import asyncio; asyncio.new_event_loop()"])
@pytest.mark.usefixtures("namespaces")
def test_the_network_is_refused(source: str, listener: socket.socket) -> None:
    result = run_python(source.format(port=listener.getsockname()[1]), QUICK)
    assert result.status == "refused" and "socket" in result.stderr
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/net"), reason="Linux only")
def test_there_is_no_network_behind_the_refusal() -> None:
    result = run_python("import os; print(os.readlink('/proc/self/ns/net')); print(open('/proc/self/net/dev').read())")
    assert result.status == "passed"
    lines = result.stdout.splitlines()
    if lines[0] == os.readlink("/proc/self/ns/net"):
        pytest.skip("this machine gives no namespaces")
    assert [line.split(":")[0].strip() for line in lines[3:] if line] == ["lo"]


def test_a_large_file_is_not_written() -> None:
    source = "with open('big', 'wb') as f:\n    for _ in range(100): f.write(bytes(2**20))"
    result = run_python(source, QUICK)
    assert result.status == "failed" and "File too large" in result.stderr
    assert run_python(source, Limits(file_bytes=200 * 2**20)).status == "passed"


def test_the_working_directory_is_writable_and_wiped() -> None:
    source = (
        "import os, pathlib, tempfile, shutil\n"
        "pathlib.Path('a').mkdir(); pathlib.Path('a/b').write_text('x'); shutil.rmtree('a')\n"
        "with tempfile.NamedTemporaryFile() as f: f.write(b'x')\n"
        "open('kept', 'w').close(); os.mkdir('shut', 0); print(os.getcwd())"
    )
    result = run_python(source, QUICK)
    assert result.status == "passed", result.stderr
    assert not Path(result.stdout.strip()).exists()


@pytest.mark.parametrize(
    "source",
    [
        "open({path!r}, 'w')",
        "open({path!r}, 'r+')",
        "import os; os.remove({path!r})",
        "import os; os.open({path!r}, os.O_RDWR)",
        "import pathlib; pathlib.Path({path!r}).rename('mine')",
        "import os; os.chdir('/'); open({path!r}[1:], 'a')",
        "import shutil; shutil.rmtree({folder!r}, ignore_errors=False)",
        "import os; os.mkdir({folder!r} + '/new')",
    ],
)
def test_files_elsewhere_are_not_touched(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "precious"
        file.write_text("data")
        for place in (file, file.parent):
            place.chmod(0o777)  # so that it is the sandbox that refuses
        result = run_python(source.format(path=str(file), folder=folder), QUICK)
        assert result.status == "refused"
        assert file.read_text() == "data" and list(Path(folder).iterdir()) == [file]


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    result = run_python("import os; print(sorted(os.environ), *os.environ.values())", QUICK)
    assert result.status == "passed" and "s3cret" not in result.stdout and "API_TOKEN" not in result.stdout
    other = run_python(f"print(open('/proc/{os.getpid()}/environ').read())", QUICK)
    assert other.status == "refused" and "s3cret" not in other.stdout


@pytest.mark.usefixtures("namespaces")
def test_no_process_is_started_unless_allowed() -> None:
    bomb = "import os\nwhile True: os.fork()"
    for source in (bomb, "import subprocess; subprocess.run(['true'])", "import os; os.system('true')"):
        assert run_python(source, QUICK).status == "refused"
    assert run_python("import subprocess; subprocess.run(['true'], check=True)", Limits(processes=2)).status == "passed"


@pytest.mark.usefixtures("namespaces")
def test_a_fork_bomb_stays_small() -> None:
    source = (
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while made < 200:\n"
        "        if os.fork() == 0: time.sleep(30)\n"
        "        made += 1\n"
        "except BlockingIOError: print(made)"
    )
    result = run_python(source, Limits(wall_seconds=5.0, processes=8))
    assert result.status == "passed" and int(result.stdout) == 8


LEFT_BEHIND = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["{mark}", "40"])
    os._exit(0)
time.sleep({stay})
"""


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("stay", [0.5, 30])
def test_nothing_is_left_behind(stay: float) -> None:
    mark = f"left-{os.getpid()}-{stay}"
    with subprocess.Popen([f"{mark}-control", "40"], executable="/bin/sleep") as control:
        try:
            assert _becomes(True, f"{mark}-control")
        finally:
            control.kill()
    result = run_python(LEFT_BEHIND.format(mark=mark, stay=stay), Limits(wall_seconds=2.0, processes=4))
    assert result.status == ("passed" if stay < 1 else "timeout"), result.stderr
    assert _becomes(False, mark)


def _becomes(wanted: bool, mark: str) -> bool:
    deadline = time.monotonic() + 3
    while _running(mark) is not wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return _running(mark) is wanted


def _running(mark: str) -> bool:
    found = False
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found |= mark.encode() in path.read_bytes()
        except OSError:
            continue
    return found


def test_huge_output_is_cut_to_its_ends() -> None:
    source = "print('first')\nfor _ in range(2000): print('x' * 10_000)\nprint('last')"
    result = run_python(source, Limits(output_bytes=1000))
    assert result.status == "passed"
    assert result.stdout.startswith("first\nxxx") and result.stdout.endswith("xxx\nlast\n")
    assert len(result.stdout) < 1100 and "[...]" in result.stdout
    endless = run_python("while True: print('x' * 10_000)", Limits(cpu_seconds=1, output_bytes=1000))
    assert endless.status == "timeout" and len(endless.stdout) < 1100


def test_limits_have_minima() -> None:
    with pytest.raises(InputError, match="cpu_seconds: must be at least 1"):
        Limits(cpu_seconds=0)
    with pytest.raises(InputError, match="wall_seconds: must be positive"):
        Limits(wall_seconds=0)
