"""The page's styles and scripts, by the names of their files in ``assets/``."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).with_name("assets")


def style(name: str) -> str:
    """The style sheet of this name."""
    return (_FOLDER / f"{name}.css").read_text(encoding="utf-8")


def script(name: str) -> str:
    """The script of this name."""
    return (_FOLDER / f"{name}.js").read_text(encoding="utf-8")


def names(ending: str) -> list[str]:
    """Of all files that end so, such as ``css``, in order."""
    return sorted(file.stem for file in _FOLDER.glob(f"*.{ending}"))
