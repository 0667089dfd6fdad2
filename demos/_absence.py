"""Why a model cannot be had here, and what would help, in the visitor's language: keys of the table ``absent``."""

from __future__ import annotations

import re

from llm_core.weights.availability import Availability

_RULES: tuple[tuple[str, str, str], ...] = (
    (r"needs the Python package (\S+)", "package", r"\1"),
    (r"needs (.+) of memory; models may use (.+) here", "memory", r"\1 > \2"),
    (r"will be downloaded, (.+)", "download", r"\1"),
    (r"not downloaded yet, and the network is switched off", "offline", ""),
    (r"not downloaded yet, and the Hugging Face Hub cannot be reached", "hub", ""),
    (r"not downloaded yet, and the package registry cannot be reached", "registry", ""),
    (r"not downloaded yet, and (.+) cannot be reached", "unreachable", r"\1"),
    (r"its files are not in (\S+)", "files", r"\1"),
    (r"its server does not answer", "server", ""),
    (r"it runs on your own Inference Providers credit", "credit", ""),
    (r"Log in to Hugging Face first", "login", ""),
    (r"Run: (.+)", "run", r"\1"),
    (r"Choose a smaller model, or raise (\S+)", "smaller", r"\1"),
    (r"Unset (\S+)\. Connect to the internet, then run: (.+)", "unset", r"\1 → \2"),
    (r"Connect to the internet, then run: (.+)", "pull", r"\1"),
    (r"Check out the repository with its models folder", "checkout", ""),
    (r"The owner of this page can look after it; meanwhile choose another model", "owner", ""),
)
"""What reasons and remedies match, the string for it, and what follows that in any language."""
_ON_ANOTHER = re.compile(r"(?:builds on )?(\S+?),? (?:which cannot be had: )?(.+)")

Said = list[list[str]]
"""Names of strings, each with what follows it."""


def absence(state: Availability) -> Said:
    """Reason and remedy; the English words themselves, with an empty name, where there is no string for them."""
    return [_said(part) for part in (state.reason, state.remedy) if part]


def _said(text: str) -> list[str]:
    for pattern, name, detail in _RULES:
        if match := re.fullmatch(pattern + r"(?: \(\w+\))?\.?", text):
            return [name, match.expand(detail)]
    if (match := _ON_ANOTHER.fullmatch(text)) and (said := _said(match[2]) if match[2] != text else None) and said[0]:
        return [said[0], " · ".join(part for part in (match[1], said[1]) if part)]
    return ["", text]
