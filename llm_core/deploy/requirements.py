"""What a Space installs, as one file.

The Hub's builder sees ``requirements.txt`` and nothing beside it, so that ``-c constraints.txt`` would end the build
("Could not open requirements file"). The constraints that count are therefore written out. It adds Gradio (of
``sdk_version``) and ``spaces`` itself, in the same call of pip.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "python_full_version": "3.12.12",
    "python_version": "3.12",
    "sys_platform": "linux",
}
"""The machine of a Space; see ``python_version`` in the README's front matter."""


_ZERO_GPU_PINS = ("torch==2.11.0", "setuptools==81.0.0", "spaces==0.51.3")
"""The newest torch that ZeroGPU knows, the newest setuptools which that takes, and what `demos._zero_gpu` reads."""


Gpu = Literal["none", "own", "lent"]
"""Whether a Space has a GPU: ``lent`` is ZeroGPU, where a call gets one for its time."""


def space_requirements(root: Path, torch_index: str | None = None, *, gpu: Gpu = "none", oauth: bool = False) -> str:
    """The text of ``requirements.txt``.

    Args:
        root: The repository, with its requirements and constraints.
        torch_index: Address of a package index that has torch without CUDA's libraries, to take it from: 0.2 GB instead
            of several. Default: torch as everybody has it.
        gpu: With one of its own the Space gets what ``requirements-gpu.txt`` adds; one that is lent holds all that is
            moved to it in 16 bits.
        oauth: Whether it has log-in.
    """
    wanted = _pins(root / "requirements.txt")
    if gpu == "own":
        wanted += _pins(root / "requirements-gpu.txt")
    if gpu == "lent":
        wanted = [*(line for line in wanted if Requirement(line).name != "torch"), *_ZERO_GPU_PINS]
    if oauth:
        wanted = [line.replace("gradio[mcp]", "gradio[mcp,oauth]") for line in wanted]
    names, chosen = _needed(wanted), {_name(line) for line in wanted}
    pinned = [line for line in _pins(root / "constraints.txt") if _name(line) in names - chosen]
    if torch_index is not None:
        wanted = [f"--extra-index-url {torch_index}", *(_without_cuda(line) for line in wanted)]
    return "\n".join([*wanted, *pinned]) + "\n"


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line).name)


def _without_cuda(line: str) -> str:
    return f"{line}+cpu" if Requirement(line).name == "torch" else line


def _pins(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def _needed(wanted: Iterable[str]) -> set[str]:
    """Names of all that `wanted` needs in turn on a Space, as the packages installed here say."""
    waiting, seen = [Requirement(line) for line in wanted], set[str]()
    while waiting:
        one = waiting.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        waiting += [need for need in _needs(one.name) if _holds(need, one.extras)]
    return {canonicalize_name(Requirement(text).name) for text in seen}


def _needs(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:  # for another platform than this
        return []


def _holds(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**_TARGET, "extra": extra}) for extra in ("", *extras))
