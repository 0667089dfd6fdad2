"""The translation tab: language menus that fit the model, what the browser is given to draw, and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos._demo import DemoContext
from demos._languages import (
    AUTO_MODEL,
    fitted,
    is_possible,
    model_for,
    pairs_of,
    source_choices,
    target_choices,
    turned,
)
from demos._pairs import MAX_MAP_WORDS, MAX_SHOWN, describe_pairs, heat_map, segments
from demos._translate_file import check_upload, to_request
from demos._translate_parts import facts_of
from llm_core.errors import InputError
from llm_core.tasks.translate import AUTO, TASK, TRADITIONAL, TranslateRequest, TranslateResult
from tests.support.echo import echo_engine, echo_spec
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator

BOTH = frozenset({("en", "zh"), ("zh", "en")})
ONE_WAY = frozenset({("en", "zh")})
MANY = frozenset({("en", "zh"), ("zh", "en"), ("en", "de"), ("de", "en"), ("de", "zh")})


def result_of(translator: ScriptedTranslator, **fields: Any) -> TranslateResult:
    return finish(TASK.run(MemorySession(translator), TranslateRequest.parse(fields)))


def drawn(translator: ScriptedTranslator, **fields: Any) -> Any:
    return json.loads(describe_pairs(result_of(translator, **fields)))


def joined(pieces: list[list[Any]]) -> str:
    return "".join(text for text, _ in pieces)


class TestLanguages:
    def test_chinese_is_offered_in_both_scripts_and_the_rest_in_order(self) -> None:
        assert [code for _, code in source_choices(BOTH)] == [AUTO, "en", "zh", TRADITIONAL]
        assert [name for name, _ in target_choices(MANY)] == ["English", "简体中文", "繁體中文", "Deutsch"]
        assert [code for _, code in target_choices(frozenset({("en", "xx"), ("en", "de")}))] == ["de", "xx"]

    @pytest.mark.parametrize(
        ("pairs", "chosen", "keep", "expected"),
        [
            (BOTH, ("en", "zh"), "source", ("en", "zh")),
            (BOTH, ("zh", "zh"), "source", ("zh", "en")),
            (BOTH, ("en", "en"), "target", ("zh", "en")),
            (BOTH, (TRADITIONAL, "zh"), "target", ("en", "zh")),
            (BOTH, (AUTO, "en"), "target", (AUTO, "en")),
            (ONE_WAY, ("zh", "en"), "source", (AUTO, "zh")),
            (ONE_WAY, ("en", TRADITIONAL), "source", ("en", TRADITIONAL)),
            (BOTH, ("de", "fr"), "source", (AUTO, "en")),
            (MANY, ("de", "de"), "target", ("en", "de")),
            (MANY, ("zh", "de"), "source", ("zh", "en")),
            (frozenset(), ("en", "zh"), "source", (AUTO, "zh")),
        ],
    )
    def test_choices_that_are_not_possible_move_to_the_closest_that_are(
        self, pairs: Any, chosen: tuple[str, str], keep: str, expected: tuple[str, str]
    ) -> None:
        assert fitted(pairs, *chosen, keep=keep) == expected

    @given(
        st.frozensets(st.tuples(st.sampled_from(["en", "zh", "de"]), st.sampled_from(["en", "zh", "de"])), min_size=1),
        st.sampled_from([AUTO, "en", "zh", TRADITIONAL, "fr"]),
        st.sampled_from(["en", "zh", TRADITIONAL, "de", "fr"]),
        st.sampled_from(["source", "target"]),
    )
    def test_whatever_is_chosen_what_comes_out_is_possible(
        self, pairs: Any, source: str, target: str, keep: str
    ) -> None:
        assert is_possible(pairs, *fitted(pairs, source, target, keep=keep))

    def test_automatic_offers_what_is_here_and_a_model_what_it_has(self) -> None:
        own = {"head": "seq2seq", "tasks": ("translate",)}
        here = echo_spec("here", **own, language_pairs=(("en", "zh"), ("zh", "en")))
        source = {"repo": "some/one", "revision": "0" * 40, "patterns": ("*.json",)}
        away = echo_spec("away", **own, tier="hub", hub=source, backend="ctranslate2", language_pairs=(("en", "de"),))
        engine = echo_engine(here, away)
        try:
            ctx = DemoContext(engine)
            assert pairs_of(ctx, AUTO_MODEL) == BOTH
            assert pairs_of(ctx, "away") == {("en", "de")}
            assert model_for(ctx, "away", "en", "de") == "away"
            assert model_for(ctx, "away", "zh", "en") == AUTO_MODEL
            model, source, target = turned(ctx, "here", AUTO, "en", "今天很好。")
            assert (model, source["value"], target["value"]) == ("here", "en", "zh")
            assert turned(ctx, "away", "en", "de")[0] == AUTO_MODEL
        finally:
            engine.close()


class TestPairs:
    def test_words_carry_their_numbers_and_add_up_to_the_text(self) -> None:
        pieces = segments("Hello, big world!", [(0, 5), (5, 6), (7, 10), (11, 16)], {0, 3})
        assert pieces == [("Hello", 0), (", big ", -1), ("world", 3), ("!", -1)]
        assert segments("", [], set()) == []

    def test_the_heat_map_has_the_words_of_both_sides_and_their_weights(self) -> None:
        pair = result_of(ScriptedTranslator(str.upper), text="Ab cd , ef .", source="en", target="zh", alignment=True)
        found = heat_map(pair.sentences[0])
        assert found is not None and found["source"] == ["Ab", "cd", "ef"] and len(found["weights"]) == 3
        assert all(len(row) == 3 and 0 <= min(row) and sum(row) <= 101 for row in found["weights"])
        assert [max(range(3), key=row.__getitem__) for row in found["weights"]] == [0, 1, 2]
        plain = result_of(ScriptedTranslator(str.upper), text="Ab cd.", source="en", target="zh", alignment=False)
        assert heat_map(plain.sentences[0]) is None
        long = " ".join(f"w{number}" for number in range(MAX_MAP_WORDS + 1)) + "."
        large = result_of(ScriptedTranslator(str.upper), text=long, source="en", target="zh", alignment=True)
        assert heat_map(large.sentences[0]) is None

    def test_linked_words_and_no_marks_of_punctuation(self) -> None:
        (row,) = drawn(
            ScriptedTranslator(lambda text: "uno due , tre"), text="one two , three", target="de", alignment=True
        )["sentences"]
        assert row["links"] == [[0, 0, 100], [1, 1, 100], [3, 3, 100]]
        assert [text for text, number in row["source"] if number >= 0] == ["one", "two", "three"]
        assert joined(row["target"]) == "uno due , tre"

    def test_without_alignment_sentences_are_plain(self) -> None:
        (row,) = drawn(ScriptedTranslator(lambda text: "eins zwei"), text="one two", target="de")["sentences"]
        assert (row["source"], row["target"], row["links"]) == ([["one two", -1]], [["eins zwei", -1]], [])

    def test_what_is_said_of_a_sentence(self) -> None:
        translator = ScriptedTranslator(lambda text: ["你好", "您好"] if "Hello" in text else "Hello!", low=-0.5)
        rows = drawn(
            translator, text="Hello! 再见。 12.", target="zh", alternatives=1, back_translation=True,
            glossary="Hello → 你好\n",
        )["sentences"]  # fmt: skip
        assert [row["kept"] for row in rows] == ["", "target_language", "no_words"]
        assert [row["unsure"] for row in rows] == [True, False, False]
        assert rows[0]["terms"] == [["Hello", "你好", True]] and rows[0]["others"] == ["您好"]
        assert (rows[0]["back"], rows[0]["chrf"]) == ("Hello!", 100) and rows[1]["chrf"] is None

    @given(st.text(st.sampled_from("ab. !?\n-#*`<天。𝒳é"), min_size=1, max_size=60).filter(str.strip))
    def test_sentences_and_what_is_between_them_are_the_result(self, text: str) -> None:
        result = result_of(ScriptedTranslator(lambda sentence: sentence[::-1]), text=text, source="en", target="de")
        value = describe_pairs(result)
        if not result.sentences:
            assert value == ""
            return
        data = json.loads(value)
        assert "".join(row["lead"] + joined(row["target"]) for row in data["sentences"]) + data["tail"] == result.text

    def test_no_markup_template_or_marker_is_left_in_the_data(self) -> None:
        hostile = '<img src=x onerror="alert(1)"> ${alert(1)} `x` {{{value}}} __i18n__{"key": "page.title"} &lt;'
        value = describe_pairs(result_of(ScriptedTranslator(lambda text: text), text=hostile, target="zh", source="en"))
        assert not set(value) & set("<>&`$") and "__i18n__" not in value
        data = json.loads(value)
        assert "".join(joined(row["source"]) for row in data["sentences"]).startswith("<img src=x")

    def test_a_long_text_is_cut_and_still_adds_up(self) -> None:
        text = "\n".join(f"Line {number}." for number in range(MAX_SHOWN + 7))
        result = result_of(ScriptedTranslator(lambda sentence: sentence), text=text, target="de", source="en")
        data = json.loads(describe_pairs(result))
        assert (len(data["sentences"]), data["more"]) == (MAX_SHOWN, 7)
        assert "".join(row["lead"] + joined(row["target"]) for row in data["sentences"]) + data["tail"] == text

    def test_facts_name_what_was_detected_kept_and_doubtful(self) -> None:
        result = result_of(ScriptedTranslator(lambda text: "好", low=-0.5), text="Good. 再见。 Well.", target="zh")
        kept, unsure = [{"say": "facts.kept"}, "1"], [{"say": "facts.unsure"}, "2/3"]
        found = json.loads(facts_of(result, AUTO))["parts"]
        assert found == [[{"say": "facts.detected"}, "English"], kept, unsure]
        assert json.loads(facts_of(result, "en"))["parts"] == [kept, unsure]


class TestFiles:
    def test_a_file_becomes_the_units_of_a_request(self, tmp_path: Path) -> None:
        table = tmp_path / "goods.csv"
        table.write_text("id,title\n1,Red apple\n2,=1+1\n", encoding="utf-8")
        fields = to_request(str(table), AUTO, "zh", None)
        assert fields == {"units": ["Red apple"], "format": "plain", "source": AUTO, "target": "zh", "glossary": ""}
        assert TranslateRequest.parse(fields).units == ("Red apple",)
        assert check_upload(str(table))[0].endswith(" 9")

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("a.exe", b"MZ"),
            ("a.csv", b"MZ\x90\x00\x03"),
            ("a.docx", b"PK\x03\x04nonsense"),
            ("a.txt", b""),
            ("a", b"x"),
        ],
    )
    def test_what_cannot_be_used_is_said_without_the_path(self, tmp_path: Path, name: str, data: bytes) -> None:
        upload = tmp_path / name
        upload.write_bytes(data)
        found, message = check_upload(str(upload))
        assert found == "" and "rule." in message and str(tmp_path) not in message
        with pytest.raises(InputError, match="document"):
            to_request(str(upload), AUTO, "zh", "")

    def test_no_file_is_no_request(self) -> None:
        assert check_upload(None) == ("", "")
        with pytest.raises(InputError, match="document: must not be empty"):
            to_request(None, AUTO, "zh", "")
