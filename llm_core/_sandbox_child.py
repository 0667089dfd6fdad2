"""The inside of `llm_core.sandbox`: a script that fences itself in and then runs a program.

    python -I -S -B _sandbox_child.py JSON        (limits; the working directory holds main.py)

Three processes: the outer one gives up rights and enters new namespaces, the *keeper* is the first process of the new
process namespace, the *worker* runs the program. When the keeper goes, the kernel ends whatever the program started.
It needs nothing of the package: only the standard library, and of that little.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
import traceback
from types import FrameType, ModuleType
from typing import Any, NoReturn

NO_START, TIMEOUT, MEMORY, REFUSED = 95, 96, 97, 98
"""Exit statuses for the parent. A program that exits so by itself is taken at its word: none of them is success."""
NOBODY = 65534
_NAMESPACES = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000  # user, network, processes, System V and POSIX queues
_SET_PARENT_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36  # of prctl
_THREADS = 16
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES_FILES: dict[str, tuple[tuple[int, int | None], ...]] = {
    **{f"os.{name}": ((0, None),) for name in ("chflags", "removexattr", "setxattr", "truncate")},
    **{f"os.{name}": ((0, 1),) for name in ("remove", "rmdir")},
    **{f"os.{name}": ((0, 2),) for name in ("chmod", "mkdir")},
    **{f"os.{name}": ((0, 3),) for name in ("chown", "utime")},
    **{f"os.{name}": ((0, 2), (1, 3)) for name in ("link", "rename")},
    "os.symlink": ((1, 2),),
}
"""Audit events, with the places of the paths they change and of the directory each is relative to."""
_STARTS = ("subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.spawn", "os.system", "os.startfile", "pty.")
_FORBIDDEN = ("socket.", "ctypes.", "os.kill", "signal.pthread_kill", "os.chroot", "sqlite3.enable_load_extension")


class Refused(PermissionError):
    """The program asked for what the sandbox does not give."""


def main() -> None:
    """Fence in, run, and exit as the program did."""
    try:
        worker, isolated, limits = _start()
    except Exception:
        traceback.print_exc()
        os._exit(NO_START)
    status = _wait(worker, limits)
    if not isolated:
        _end_descendants()
    _exit_like(1 << 8 if status == NO_START << 8 else status)


def _start() -> tuple[int, bool, dict[str, Any]]:
    """In the keeper: the worker's id, whether there are namespaces, and the limits."""
    limits = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a container may not have the right, or no such user: then it stays root
            _drop_root()
    isolated = libc is not None and libc.unshare(_NAMESPACES) == 0
    keeper = os.fork()
    if keeper:
        _exit_like(os.waitpid(keeper, 0)[1])
    if libc is not None:
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        libc.prctl(_SET_SUBREAPER, 1)
    _set_limits(limits, isolated)
    worker = os.fork()
    if worker == 0:
        _work(limits)
    return worker, isolated, limits


def _drop_root() -> None:
    """Become nobody: the kernel holds root to no process limit, and root can read every file.

    The standard library may lie where nobody cannot go; a directory that was opened before stays open to us.
    """
    opened = {place: f"/proc/self/fd/{os.open(place, os.O_RDONLY)}" for place in sys.path if os.path.isdir(place)}
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    if not os.access(os.__file__, os.R_OK):
        sys.path[:] = opened.values()
        for package in [module for module in sys.modules.values() if hasattr(module, "__path__")]:
            package.__path__ = [
                path.replace(place, link, 1) for path in package.__path__ for place, link in opened.items()
                if path.startswith(place)
            ]  # fmt: skip


def _set_limits(limits: dict[str, Any], isolated: bool) -> None:
    here = 3 if isolated else _tasks_of_user() + 1  # the outer process, the keeper and the worker
    for name, value in (
        ("RLIMIT_CPU", limits["cpu_seconds"]),
        ("RLIMIT_AS", limits["memory_bytes"]),
        ("RLIMIT_FSIZE", limits["file_bytes"]),
        ("RLIMIT_NPROC", here + (limits["processes"] or _THREADS)),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_CORE", 0),
    ):
        resource.setrlimit(getattr(resource, name), (value, value))


def _tasks_of_user() -> int:
    """Processes and threads that this user has already: outside a namespace of its own they count too."""
    tasks = 0
    for entry in os.scandir("/proc") if os.path.isdir("/proc") else ():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                tasks += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue  # it has ended, or is none of ours
    return tasks


def _work(limits: dict[str, Any]) -> NoReturn:
    """Run the program."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    status = 1
    try:
        with open("main.py", encoding="utf-8") as file:
            source = file.read()
        module = sys.modules["__main__"] = ModuleType("__main__")
        sys.argv = ["main.py"]
        sys.addaudithook(_hook(os.getcwd(), limits["processes"] > 0))
        exec(compile(source, "main.py", "exec"), module.__dict__)
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:
        status = MEMORY if isinstance(error, MemoryError) else REFUSED if isinstance(error, Refused) else 1
        _report(error)
    finally:
        os._exit(_flushed(status & 0xFF))


def _report(error: BaseException) -> None:
    """The traceback without this file's own frame."""
    try:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        traceback.print_exception(error)
    except BaseException:  # out of memory again, or a program that broke sys.stderr: the status still tells
        return


def _flushed(status: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            status = status or 1
    return status


def _hook(directory: str, processes: bool) -> Any:
    """An audit hook (PEP 578) that raises `Refused`."""

    def inside(path: Any, folder: int = -1) -> bool:
        if isinstance(path, int):
            return True
        base = "" if folder == -1 else f"/proc/self/fd/{folder}"
        where = os.path.realpath(os.path.join(base, os.fsdecode(path)))
        return where == "/dev/null" or where == directory or where.startswith(directory + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if path is not None and flags & _WRITES and not inside(path):
                raise Refused(f"{path!r} is outside the working directory")
            if isinstance(path, str) and _of_another_process(path):
                raise Refused(f"{path!r} tells of other processes")
        elif event.startswith(_FORBIDDEN) or (event.startswith(_STARTS) and not processes):
            raise Refused(f"{event} is not allowed")
        elif event in _CHANGES_FILES:
            for path, folder in _CHANGES_FILES[event]:
                if not inside(arguments[path], -1 if folder is None else arguments[folder]):
                    raise Refused(f"{event} outside the working directory")

    return hook


def _of_another_process(path: str) -> bool:
    parts = os.path.abspath(path).split(os.sep)
    return len(parts) > 2 and parts[1] == "proc" and parts[2].isdigit()


def _wait(worker: int, limits: dict[str, Any]) -> int:
    """The worker's wait status, or that of a timeout."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        os.kill(worker, signal.SIGKILL)
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limits["wall_seconds"])
    try:
        _, status, usage = os.wait4(worker, 0)
    except TimeoutError:
        return TIMEOUT << 8
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    used = usage.ru_utime + usage.ru_stime
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXCPU)
    return TIMEOUT << 8 if killed and used >= 0.9 * limits["cpu_seconds"] else status


def _end_descendants() -> None:
    """Without a process namespace: what the program left comes to us, the subreaper, and is ended one by one."""
    path = f"/proc/self/task/{os.getpid()}/children"
    deadline = time.monotonic() + 2
    while os.path.exists(path) and time.monotonic() < deadline:
        with open(path) as file:
            children = [int(number) for number in file.read().split()]
        if not children:
            return
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def _exit_like(status: int) -> NoReturn:
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
