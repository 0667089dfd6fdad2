"""What a deployment adds to the README's front matter."""

from __future__ import annotations

import pytest

from llm_core.deploy.front_matter import OAUTH, with_entries, with_keys

README = "---\nsdk: gradio\ntags:\n  - demo\n---\n# Page\n\n---\nrest\n"


def test_keys_come_at_the_end_and_the_text_stays() -> None:
    added = "hf_oauth: true\nhf_oauth_scopes:\n  - inference-api\n"
    assert with_keys(README, OAUTH) == README.replace("---\n# Page", f"{added}---\n# Page")


@pytest.mark.parametrize(
    ("readme", "rule"), [("# Page\n", "must begin"), ("---\nhf_oauth: true\n---\n", "has hf_oauth")]
)
def test_what_cannot_be_added_to_is_told(readme: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        with_keys(readme, OAUTH)


def test_entries_come_at_the_end_of_their_list() -> None:
    readme = README.replace("tags:", "models:\n  - one\ntags:")
    assert with_entries(readme, "models", ["two", "three"]) == readme.replace("- one\n", "- one\n  - two\n  - three\n")
    assert with_entries(readme, "tags", ["two"]) == readme.replace("- demo\n", "- demo\n  - two\n")
    for text in (README, "# Page\nmodels:\n", "---\nsdk: gradio\n---\nmodels:\n  - one\n---\n"):
        with pytest.raises(ValueError, match="has no list models"):
            with_entries(text, "models", ["two"])
