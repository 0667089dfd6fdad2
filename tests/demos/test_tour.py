"""Guided tours: what an owner may write, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos._tour import DEFAULT_TOUR, MAX_LOGO_BYTES, logo_source, read_tour, tour_strings
from llm_core.errors import InputError

STEP = """
[[step]]
task = "sentiment"
title = { en = "It judges", zh = "它会判断" }
notes = { en = "Say hello." }
fields = { text = "I like it." }
"""
UNSHOWN = STEP.replace('"sentiment"', '"explain"').replace("{ text", '{ of = "sentiment", text')
TOUR = 'title = { en = "Ours" }\nlead = { en = "Welcome." }\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "tour.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_tour_that_comes_with_the_page_speaks_both_languages() -> None:
    tour = read_tour(DEFAULT_TOUR)
    assert len(tour.step) >= 5 and {step.task for step in tour.step} >= {"sentiment", "translate", "answer", "generate"}
    english, chinese = tour_strings("en"), tour_strings("zh")
    assert english.keys() == chinese.keys() and all(english[key] != chinese[key] for key in english)


def test_an_owner_s_tour_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_CORE_TOUR", str(written(tmp_path, TOUR + STEP)))
    assert tour_strings("zh") == {
        "own_tour.title": "## Ours", "own_tour.lead": "Welcome.", "own_tour.title_1": "## 它会判断",
        "own_tour.notes_1": "Say hello.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "is not valid TOML"),
        (TOUR, "step: Field required"),
        (TOUR + 'colour = "red"\n' + STEP, "colour: Extra inputs are not permitted"),
        (TOUR + 'accent = "red; } body { display: none"\n' + STEP, "accent: String should match"),
        (TOUR + STEP.replace('"sentiment"', '"sentimant"'), "step.0: .*did you mean sentiment"),
        (
            TOUR + STEP.replace('"sentiment"', '"explain"').replace("{ text", '{ of = "sentiment", text'),
            "must have a tab",
        ),
        (TOUR + STEP.replace('text = "I like it."', 'text = ""'), "step.0: .*text: must not be empty"),
        (TOUR + STEP.replace('title = { en = "It judges", zh', "title = { zh"), "step.0.title.en: Field required"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_tour(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        read_tour(tmp_path / "nowhere.toml")


def test_a_logo_is_an_image_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    (tmp_path / "large.png").write_bytes(b"x" * (MAX_LOGO_BYTES + 1))
    for name, source in (("logo.svg", "data:image/svg+xml;base64,PHN2Zy8+"), (None, "")):
        line = f'logo = "{name}"\n' if name else ""
        file = written(tmp_path, TOUR + line + STEP)
        assert logo_source(read_tour(file), file) == source
    for name in ("large.png", "../logo.svg", "missing.png", "tour.toml"):
        file = written(tmp_path, TOUR + f'logo = "{name}"\n' + STEP)
        with pytest.raises(InputError, match="logo must be"):
            logo_source(read_tour(file), file)
