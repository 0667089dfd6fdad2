"""Figures of verse."""

from __future__ import annotations

from llm_core.evaluation.poems import poem_scores

MAPLE_BRIDGE = "月落乌啼霜满天，江枫渔火对愁眠。\n姑苏城外寒山寺，夜半钟声到客船。"
OUT_OF_FORM = "月落乌啼霜满天。\n江枫渔火。"
NO_RHYME = MAPLE_BRIDGE.replace("船", "人")


def test_form_rhymes_and_tones() -> None:
    measured = poem_scores([("七绝", MAPLE_BRIDGE), ("七绝", OUT_OF_FORM), ("七绝", NO_RHYME)])
    assert measured["form_kept"].value == 2 / 3 and measured["form_kept"].rows == 3
    assert measured["rhymes_kept"].value == 1 / 2, "of the two in form"
    assert measured["tones_kept"].value == 1 and "new" not in measured


def test_what_was_learnt_by_heart_is_not_new() -> None:
    nine_in_common = "夜半钟声到客船，月落乌。\n啼。"  # across the end of the poem there is nothing in common
    learnt = [MAPLE_BRIDGE]
    assert poem_scores([("七绝", MAPLE_BRIDGE)], learnt)["new"].value == 0
    assert poem_scores([("七绝", nine_in_common)], learnt)["new"].value == 1
    across_lines = "寒山寺，夜半钟声到客。"
    assert poem_scores([("七绝", across_lines)], learnt)["new"].value == 0


def test_whose_figures_they_are() -> None:
    assert set(poem_scores([("七绝", MAPLE_BRIDGE)], who="poets")) == {
        "form_kept[poets]", "rhymes_kept[poets]", "tones_kept[poets]",
    }  # fmt: skip


def test_poems_to_tunes_have_no_rules_of_tones() -> None:
    assert "tones_kept" not in poem_scores([("如梦令", "春。")])
