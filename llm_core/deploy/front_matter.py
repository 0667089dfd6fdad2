"""The README's front matter, which is a Space's configuration, with what one deployment adds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_MARK = "---\n"
Keys = Mapping[str, bool | str | Sequence[str]]
PICTURE = "demos/images/social.png"
OAUTH: Keys = {"hf_oauth": True, "hf_oauth_scopes": ("inference-api",)}
"""Log-in; who logs in lets the Space use Inference Providers on the visitor's account, and nothing else."""


def thumbnail(page: str) -> Keys:
    """The picture of links to a Space.

    Args:
        page: The Space's address.
    """
    return {"thumbnail": f"{page}/resolve/main/{PICTURE}"}


def with_keys(readme: str, keys: Keys) -> str:
    """The README with further keys at the end of its front matter.

    Raises:
        ValueError: It has no front matter, or one of the keys already.
    """
    if not readme.startswith(_MARK) or _MARK not in readme[len(_MARK) :]:
        raise ValueError("README.md: must begin with front matter between two lines of ---")
    front, body = readme[len(_MARK) :].split(_MARK, 1)
    if known := [key for key in keys if f"\n{key}:" in f"\n{front}"]:
        raise ValueError(f"README.md: has {known[0]} already")
    return _MARK + front + "".join(_line(key, value) for key, value in keys.items()) + _MARK + body


def with_entries(readme: str, key: str, entries: Sequence[str]) -> str:
    """The README with further entries at the end of a list of its front matter.

    Raises:
        ValueError: It has no such list.
    """
    front, mark, body = readme.removeprefix(_MARK).partition(_MARK)
    before, found, rest = front.partition(f"\n{key}:\n")
    if not (readme.startswith(_MARK) and mark and found):
        raise ValueError(f"README.md: has no list {key} in its front matter")
    lines = rest.splitlines(keepends=True)
    known = next((place for place, line in enumerate(lines) if not line.startswith("  - ")), len(lines))
    added = [f"  - {entry}\n" for entry in entries]
    return _MARK + before + found + "".join([*lines[:known], *added, *lines[known:]]) + _MARK + body


def _line(key: str, value: bool | str | Sequence[str]) -> str:
    if isinstance(value, bool | str):
        return f"{key}: {json.dumps(value)}\n"  # which YAML reads
    return f"{key}:\n" + "".join(f"  - {each}\n" for each in value)
