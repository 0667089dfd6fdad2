"""What goes up: an allow-list, so that no key, cache or test ever does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_core.deploy.front_matter import Keys, with_entries, with_keys
from llm_core.deploy.requirements import Gpu, space_requirements

README = "README.md"
FILES = ("app.py", README, "LICENSE", "CHANGELOG.md")
REMOTE = "remote.toml"
"""Where the owner's file of remote models is in a Space."""
FOLDERS = ("demos", "docs", "llm_core", "models", "recipes")
SUFFIXES = frozenset(
    ".bin .css .csv .docx .gguf .gif .html .jpg .js .json .jsonl .md .model .pdf .png .po .py .safetensors .spm .srt"
    " .svg .toml .tsv .txt .webp .woff2 .xlsx .xz".split()
)
"""Kinds of files that the page is made of; a file of another kind stays here."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a Space."""

    path: str
    """In the Space, with forward slashes."""
    content: Path | bytes
    """A file here, or what was made for this Space."""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def bundle(
    root: Path,
    torch_index: str | None = None,
    *,
    gpu: Gpu = "none",
    remote: Path | None = None,
    front_matter: Keys | None = None,
    preloaded: Sequence[str] = (),
) -> list[BundleFile]:
    """The files of a Space, in order of their paths.

    Args:
        root: The repository.
        torch_index: See `space_requirements`.
        gpu: See `space_requirements`.
        remote: The owner's file of remote models.
        front_matter: What the README's gets beside its own.
        preloaded: Further entries of its ``preload_from_hub``.
    """
    files = [BundleFile(name, root / name) for name in FILES]
    files += [BundleFile(path.relative_to(root).as_posix(), path) for name in FOLDERS for path in _below(root / name)]
    front_matter = front_matter or {}
    requirements = space_requirements(root, torch_index, gpu=gpu, oauth="hf_oauth" in front_matter)
    files.append(BundleFile("requirements.txt", requirements.encode()))
    if remote is not None:
        files.append(BundleFile(REMOTE, remote))
    if front_matter or preloaded:
        readme = with_keys((root / README).read_text(encoding="utf-8"), front_matter)
        readme = with_entries(readme, "preload_from_hub", preloaded) if preloaded else readme
        files = [file for file in files if file.path != README]
        files.append(BundleFile(README, readme.encode()))
    return sorted(files, key=lambda file: file.path)


def _below(folder: Path) -> Iterator[Path]:
    """Files of allowed kinds; nothing hidden, no links, no caches."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.is_symlink():
            continue
        if path.is_dir():
            yield from _below(path)
        elif path.suffix in SUFFIXES:
            yield path
