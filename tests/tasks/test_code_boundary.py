"""Where completions end, and that streaming changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_core.tasks.code_boundary import CodeBoundary, enclosing_indent, indentation, scan

FUNCTION = "def area(width, height):\n    "
LINES = st.lists(
    st.sampled_from(
        [
            "return x",
            "    y = 1",
            "",
            "def f():",
            "class A:",
            "x = '''",
            "'''",
            "foo(",
            ")",
            "# note",
            "@dec",
            "```",
            "  z",
            "\t",
        ]
    ),
    max_size=12,
).map("\n".join)
PREFIXES = st.sampled_from(
    [
        "",
        FUNCTION,
        "import os\n",
        "class A:\n    def f(self):\n        if x:\n            ",
        "x = (",
        "def f(a,\n      ",
        "return ",
    ]
)


def complete(prefix: str, text: str, suffix: str = "", *, python: bool = True) -> tuple[str, str | None]:
    boundary = CodeBoundary(prefix, suffix, python=python)
    shown = boundary.feed(text)
    return shown + boundary.finish(), boundary.reason


def test_ends_when_the_function_is_left() -> None:
    assert complete(FUNCTION, "return width * height\n\nprint(area(1, 2))\n") == ("return width * height", "dedent")


def test_ends_before_the_next_definition() -> None:
    assert complete(FUNCTION, "return 1\n\n\ndef other():\n    pass") == ("return 1", "next_definition")
    assert complete(FUNCTION, "return 1\n\n@cached\ndef other():\n") == ("return 1", "next_definition")
    assert complete("import os\n\nx = ", "1\ny = 2\nclass B:\n") == ("1\ny = 2", "next_definition")


def test_a_method_ends_where_the_next_one_begins() -> None:
    prefix = "class A:\n    def f(self):\n        "
    assert complete(prefix, "return 1\n\n    def g(self):\n") == ("return 1", "next_definition")
    assert complete(prefix, "x = 1\n        return x\n    y = 2\n") == ("x = 1\n        return x", "dedent")


def test_the_rest_of_a_function_follows_an_inner_block() -> None:
    prefix = "def total(numbers):\n    result = 0\n    for number in numbers:\n        "
    assert complete(prefix, "result += number\n    return result\n\nx") == (
        "result += number\n    return result",
        "dedent",
    )


def test_strings_and_brackets_may_reach_the_margin() -> None:
    assert complete(FUNCTION, 'text = """\ndef no():\n"""\n    return text\nx') == (
        'text = """\ndef no():\n"""\n    return text',
        "dedent",
    )
    assert complete(FUNCTION, "return (\n1,\n2)\nx = 1") == ("return (\n1,\n2)", "dedent")


def test_a_fence_ends_code_but_not_strings() -> None:
    assert complete(FUNCTION, "return 1\n```\nThis function") == ("return 1", "end")
    assert complete(FUNCTION, "return '`'") == ("return '`'", None)


def test_ends_when_the_suffix_is_written() -> None:
    suffix = "\n    return result\n"
    assert complete("def f(x):\n    ", "result = x + 1\n    return result\n", suffix) == ("result = x + 1", "suffix")
    assert complete("print(", 'f(1), "a")\nprint(2)', ")\n") == ('f(1), "a"', "suffix")


def test_a_line_that_only_begins_like_the_suffix_stays() -> None:
    assert complete("def f(x):\n    ", "result = 1\n    return results\n", "\n    return result")[0].endswith("results")


def test_ends_before_the_third_run_of_the_same_lines() -> None:
    assert complete("", "print(1)\n" * 5) == ("print(1)\nprint(1)", "repetition")
    assert complete("", "a()\nb()\n" * 5) == ("a()\nb()\na()\nb()", "repetition")
    assert complete("", "a()\n" * 5, python=False) == ("a()\na()", "repetition")


def test_a_completion_may_begin_outside_the_block() -> None:
    text = "def g():\n    return 2\n\ndef h():\n"
    assert complete("def f():\n    return 1\n", text) == ("def g():\n    return 2", "next_definition")


def test_enclosing_definition() -> None:
    assert enclosing_indent("def f(") == 0
    assert enclosing_indent("class A:\n    def f(self):\n        if x:\n            ") == 4
    assert enclosing_indent("class A:\n    def f(self):\n        return 1\n\n    ") == 0
    assert enclosing_indent("def f():\n    return 1\n\n\n") is None
    assert enclosing_indent("def f():\n") == 0
    assert enclosing_indent("x = 1\n") is None
    assert indentation("\tx") == 8


def test_scanner_follows_quotes() -> None:
    assert scan("''").in_code and scan('"""a"').quote == '"""' and scan('"""a"""').in_code
    assert scan("'a\\'").quote == "'" and scan("'a\n").in_code and scan("# it's\n").in_code
    assert scan("'\\''").in_code and scan("f('(')").depth == 0 and scan("''''").quote == "'''"


@given(PREFIXES, LINES, st.lists(st.integers(0, 60), max_size=6), st.sampled_from(["", "\n    return x", ")\n"]))
def test_streaming_changes_nothing(prefix: str, text: str, cuts: list[int], suffix: str) -> None:
    whole = complete(prefix, text, suffix)
    boundary = CodeBoundary(prefix, suffix)
    places = [0, *sorted(cuts), len(text)]
    shown = "".join(boundary.feed(text[a:b]) for a, b in zip(places, places[1:], strict=False))
    assert (shown + boundary.finish(), boundary.reason) == whole
    assert text.startswith(whole[0])


@given(LINES)
def test_nothing_past_the_boundary_is_shown(text: str) -> None:
    shown, _ = complete(FUNCTION, text)
    lines = shown.split("\n")
    scanner = scan(FUNCTION + lines[0] + "\n")
    if not lines[0].strip():
        return  # the model left the block at once
    for line in lines[1:]:
        assert not (scanner.starts_statement and line.strip() and indentation(line) == 0)
        for character in line + "\n":
            scanner.feed(character)


@given(PREFIXES, st.text(alphabet="ab \n\t\"'#()[]`\\:def", max_size=80), st.text(alphabet="ab \n)", max_size=8))
def test_any_text_gives_a_beginning_of_itself(prefix: str, text: str, suffix: str) -> None:
    shown, _ = complete(prefix, text, suffix)
    assert text.startswith(shown) and shown == shown.rstrip()
