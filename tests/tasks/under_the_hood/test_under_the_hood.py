"""The showcases, which ship with the repository, looked into through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks.under_the_hood import MAX_PIECES, TASK, InspectionRequest, InspectionResult
from llm_core.tasks.under_the_hood.reduce import likeliest, planes
from llm_core.types import Completed


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine(Settings(offline=True))
    yield engine
    engine.close()


def looked_into(engine: Engine, text: str, model_id: str = "auto") -> Completed:
    return engine.answer(TASK, InspectionRequest.parse({"text": text}), model_id=model_id)


def inspected(engine: Engine, text: str, model_id: str = "auto") -> InspectionResult:
    result: InspectionResult = looked_into(engine, text, model_id).result
    return result


@pytest.mark.parametrize(
    ("text", "model_id"),
    [
        ("Once upon a time there was a little", "showcase-decoder"),
        ("She opened the [MASK] and looked out.", "encoder-zh-en"),
        ("今天天气很好", "encoder-zh-en"),
        ("北京是中国的[MASK]。", "encoder-zh-en"),
    ],
)
def test_language_and_gap_choose_the_model(engine: Engine, text: str, model_id: str) -> None:
    assert looked_into(engine, text).stats.model_id == model_id


def test_a_decoder_says_what_comes_next(engine: Engine) -> None:
    result = inspected(engine, "Once upon a time there was a little")
    assert result.kind == "decoder" and not result.hidden and result.next_token is not None
    assert {piece for piece, _ in result.next[:2]} == {"▁girl", "▁boy"}
    logits = np.array(result.next_token.logits)
    assert len(logits) == 4000 and (np.diff(logits) <= 0).all()
    assert result.next[0][1] == pytest.approx(1 / np.exp(logits - logits[0]).sum(), abs=1e-3)
    assert result.next_token.pieces[0] == result.next[0][0] == result.layers[-1][-1][0][0]


def test_pieces_cover_the_text(engine: Engine) -> None:
    text = "Ein 😀 upon"
    (stack,) = inspected(engine, text, "showcase-decoder").stacks
    assert stack.pieces[0].text == "<s>" and stack.pieces[0].end == 0
    covered = sorted({(piece.start, piece.end) for piece in stack.pieces if piece.end > piece.start})
    assert "".join(text[start:end] for start, end in covered) == text
    assert sum(piece.text.startswith("<0x") for piece in stack.pieces) == 4


def test_attention_has_every_layer_and_head_and_is_shared_out(engine: Engine) -> None:
    result = inspected(engine, "Once upon a time", "showcase-decoder")
    (attention,) = result.attention
    weights = np.array(attention.thousandths)
    pieces = len(result.stacks[0].pieces)
    assert weights.shape == (4, 4, pieces, pieces)
    assert np.abs(weights.sum(-1) - 1000).max() <= pieces / 2
    assert np.triu(weights, 1).max() == 0
    assert np.triu(
        np.array(inspected(engine, "Once upon a time", "showcase-encoder").attention[0].thousandths), 1
    ).any()


def test_hidden_words_are_guessed_where_they_are(engine: Engine) -> None:
    result = inspected(engine, "他出生于1950年[MASK]月。", "encoder-zh-en")
    (gap,) = result.hidden
    assert result.stacks[0].pieces[gap.position].text == "[MASK]"
    assert any(guess.isdigit() for guess, _ in gap.guesses)
    assert sum(chance for _, chance in gap.guesses) <= 1
    assert result.next == () and result.next_token is None


@pytest.mark.parametrize(
    ("text", "tag", "said"), [("I like eating fruit.", ">>zho<<", "水果"), ("我喜欢吃水果。", ">>eng<<", "fruit")]
)
def test_a_translator_shows_both_languages(engine: Engine, text: str, tag: str, said: str) -> None:
    result = inspected(engine, text, "showcase-translator")
    source, target = result.stacks
    assert result.kind == "translator" and source.pieces[0].text == tag and said in target.text
    assert [(view.rows, view.columns) for view in result.attention] == [
        ("encoder", "encoder"), ("decoder", "decoder"), ("decoder", "encoder")
    ]  # fmt: skip
    across = np.array(result.attention[2].thousandths)
    assert across.shape[-2:] == (len(target.pieces), len(source.pieces))
    assert len(result.layers[0]) == len(target.pieces) and result.next[0][0] == "</s>"


def test_a_text_that_cannot_be_drawn_is_refused_with_its_size(engine: Engine) -> None:
    assert len(inspected(engine, "time " * 40, "showcase-decoder").stacks[0].pieces) <= MAX_PIECES
    with pytest.raises(InputError, match=rf"text: must have at most {MAX_PIECES} pieces .* it has 62"):
        inspected(engine, "time " * 60, "showcase-decoder")
    with pytest.raises(InputError, match="text: must have at most 1000 characters"):
        InspectionRequest.parse({"text": "x" * 1001})
    with pytest.raises(InputError, match="text: must not be empty"):
        InspectionRequest.parse({"text": " \n"})


def test_the_record_is_plain_and_leaves_out_what_only_a_page_draws(engine: Engine) -> None:
    record: dict[str, Any] = inspected(engine, "Once upon a time").record()
    assert set(record) == {"kind", "stacks", "layers", "hidden", "next"}
    assert set(record["stacks"][0]) == {"name", "text", "pieces"}


def test_the_likeliest_are_the_softmax_s_largest() -> None:
    logits = np.array([0.0, 2.0, -1.0, 1.0], np.float32)
    found = likeliest(logits, "abcd", 2)
    assert [piece for piece, _ in found] == ["b", "d"]
    assert found[0][1] == pytest.approx(np.exp(2) / np.exp(logits).sum())
    assert len(likeliest(logits, "abcd", 9)) == 4


def test_planes_keep_distances_of_flat_points_and_turn_towards_the_layer_before() -> None:
    flat = np.random.default_rng(0).normal(size=(7, 2))
    in_space = flat @ np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0][:2]
    (first, explained), (second, _) = planes(np.stack((in_space, in_space[:, ::-1])).astype(np.float32))
    assert explained == pytest.approx(1.0)
    apart = np.linalg.norm(np.array(first)[:, None] - np.array(first)[None], axis=-1)
    np.testing.assert_allclose(apart, np.linalg.norm(flat[:, None] - flat[None], axis=-1), atol=1e-5)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_one_piece_alone_is_a_point() -> None:
    assert planes(np.ones((1, 1, 4), np.float32)) == [(((0.0, 0.0),), 1.0)]
