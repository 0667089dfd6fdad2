"""What a Space fetches from the Hub while it is built, so that each start finds it: ``preload_from_hub``.

Names and commits are exact, as the Hub has them at the time of the deployment; the page checks digests as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llm_core.catalog import ModelSpec
from llm_core.errors import WeightsError
from llm_core.weights.hub import HubClient, HubFailure, RemoteFile, explain

PRELOADED_BYTES = 20_000_000_000
"""All models together; what is beyond is fetched at each start. The models that nobody named hold 15 GB."""


def look_up(specs: Iterable[ModelSpec]) -> str:
    """What `preloaded` would do, in words."""
    names, limit = ", ".join(spec.id for spec in specs), f"{PRELOADED_BYTES / 1e9:.0f} GB"
    return f"look up the files of {names} on the Hub, to have {limit} of them at most put into the image"


def preloaded(specs: Iterable[ModelSpec], hub: HubClient, tell: Callable[[str], None]) -> list[str]:
    """Entries of ``preload_from_hub``, one for each commit that files come from.

    Args:
        specs: Models of the Hub, the most wanted first. One that the Hub does not give, or that is too much, is left
            out with a word; the Space fetches it when it starts.
        hub: Who is asked.
        tell: Is told what is put into the image, and what is not.
    """
    entries: list[str] = []
    total = 0
    for spec in specs:
        assert spec.hub is not None
        try:
            files = hub.list_files(spec.hub, spec.id)
        except WeightsError as error:
            tell(f"{spec.id} is not put into the image: {error}")
            continue
        except HubFailure as error:
            tell(f"{spec.id} is not put into the image: {explain(error, spec.hub.repo)[0]}")
            continue
        size = sum(file.size for file in files)
        if total + size > PRELOADED_BYTES:
            tell(f"{spec.id} ({size / 1e9:.1f} GB) is fetched at each start: the image takes no more")
            continue
        total += size
        tell(f"{spec.id} ({size / 1e9:.1f} GB) is put into the image")
        entries += _entries(spec.hub.repo, files)
    return entries


def _entries(repo: str, files: Iterable[RemoteFile]) -> list[str]:
    by_commit: dict[str, list[str]] = {}
    for file in files:
        by_commit.setdefault(file.commit, []).append(file.name)
    return [f"{repo} {','.join(names)} {commit}" for commit, names in by_commit.items()]
