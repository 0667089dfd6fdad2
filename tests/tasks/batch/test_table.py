"""Files of visitors, good and bad, as tables."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence

import openpyxl
import pytest

from llm_core.errors import InputError
from llm_core.tasks.batch.columns import guess_columns, guess_truth
from llm_core.tasks.batch.kinds import KINDS
from llm_core.tasks.batch.readers import MAX_CELL_CHARS
from llm_core.tasks.batch.table import MAX_COLUMNS, MAX_ROWS, read_table

CHINESE = "评论;标签\n这家餐厅的服务太好了，下次还会再来;正面\n不好;负面\n"


def workbook(*rows: Sequence[object]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_sheet(xml: str) -> bytes:
    """A workbook whose only sheet has this XML."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook(["text"], ["a"]))) as old, zipfile.ZipFile(stream, "w", 8) as new:
        for entry in old.infolist():
            new.writestr(entry, xml if entry.filename == "xl/worksheets/sheet1.xml" else old.read(entry))
    return stream.getvalue()


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:A2"/>'
    "<sheetData>{}</sheetData></worksheet>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_chinese_is_read_in_every_usual_encoding(encoding: str) -> None:
    table = read_table(CHINESE.encode(encoding), "评论.csv")
    assert table.columns == ("评论", "标签")
    assert table.rows[0] == ("这家餐厅的服务太好了，下次还会再来", "正面")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "今天天氣很好，我們去公園散步吧。孩子們在草地上玩球。"),
        ("euc_kr", "안녕하세요. 오늘은 날씨가 좋습니다, 공원에 갑시다."),
        ("shift_jis", "今日は天気がいいので公園を散歩しましょう。"),
        ("cp1251", "Сегодня хорошая погода, пойдём гулять в парк."),
        ("cp1252", "Das Café war schön, aber zu teuer für uns."),
    ],
)
def test_other_encodings_are_not_taken_for_simplified_chinese(encoding: str, text: str) -> None:
    assert read_table(text.encode(encoding), "a.txt").rows == ((text,),)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_separates_cells_is_found(delimiter: str) -> None:
    rows = [["text", "label"], ["Good", "pos"], ['He said "no"', "neg"]]
    lines = "\r\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    table = read_table(lines.encode(), "a.csv")
    assert [table.columns, *table.rows] == [tuple(row) for row in rows]


def test_commas_in_a_file_of_one_column_are_punctuation() -> None:
    table = read_table(b"review\nHello, world\nGood, day, sir\n", "a.csv")
    assert table.rows == (("Hello, world",), ("Good, day, sir",))


def test_ragged_rows_are_filled_and_extra_cells_get_columns() -> None:
    table = read_table(b"a,b\n1\n1,2,3\n\n,,\n", "a.csv")
    assert table.columns == ("a", "b", "column 3")
    assert table.rows == (("1", "", ""), ("1", "2", "3"))


def test_names_that_are_there_twice_or_missing_are_told_apart() -> None:
    assert read_table(b"text,,text,text (2)\na,b,c,d\n", "a.csv").columns == (
        "text", "column 2", "text (2)", "text (2) (2)",
    )  # fmt: skip


def test_a_first_row_of_numbers_or_long_texts_is_no_header() -> None:
    assert read_table(b"1,good\n2,bad\n", "a.csv").columns == ("column 1", "column 2")
    assert len(read_table((("x" * 70 + "\n") * 2).encode(), "a.csv").rows) == 2
    assert len(read_table(b"good\nbad\n", "a.csv", header=False).rows) == 2


def test_lines_of_text_and_of_json() -> None:
    assert read_table("one\n\n 两 \n".encode(), "a.txt").rows == (("one",), ("两",))
    lines = '{"text": "a", "n": 1}\n{"text": "b", "tags": ["x", 2], "lone": "\\ud800"}\n'
    table = read_table(lines.encode(), "a.jsonl")
    assert table.columns == ("text", "n", "tags", "lone")
    assert table.rows == (("a", "1", "", ""), ("b", "", '["x", 2]', "?"))


def test_a_sheet_gives_values_and_skips_blank_rows() -> None:
    table = read_table(workbook(["text", "n"], ["a", 3.0], [None, None], ["b", 2.5], ["c", True]), "a.xlsx")
    assert table.rows == (("a", "3"), ("b", "2.5"), ("c", "true"))
    assert table.written == "Sheet"


def test_a_million_blank_rows_are_not_read() -> None:
    cell = '<c r="A{0}" t="inlineStr"><is><t>{1}</t></is></c>'
    rows = "".join(f'<row r="{n}">{cell.format(n, text)}</row>' for n, text in ((1, "text"), (2, "a")))
    blank = "".join(f'<row r="{n}"/>' for n in range(3, 1_000_003))
    assert read_table(with_sheet(SHEET.format(rows + blank)), "a.xlsx").rows == (("a",),)
    far = f'<row r="1048576">{cell.format(1048576, "far")}</row>'
    assert read_table(with_sheet(SHEET.format(rows + far)), "a.xlsx").rows == (("a",),)


def test_entities_of_xml_do_not_blow_up() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "' + "b" * 1000 + '">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 20 if n else "&a;" * 20}">' for n in range(8)
    ) + "]>"  # fmt: skip
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>&a7;</t></is></c></row>'
    with pytest.raises(InputError, match="is not an Excel file that can be read"):
        read_table(with_sheet(bomb + SHEET.format(row)), "a.xlsx")


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(InputError, match="unpacks to more than 80 MB"):
        read_table(with_sheet(" " * 81_000_000), "a.xlsx")


@pytest.mark.parametrize(
    ("data", "name", "rule"),
    [
        (b"", "a.csv", "must not be empty"),
        (b" \n\n", "a.txt", "must have at least one row"),
        (b"text,label\n", "a.csv", "must have at least one row below its header"),
        (b"text\na\n", "a.docx", "must be one of .csv, .tsv, .xlsx, .txt, .jsonl"),
        (b"text\na\n", "noname", "must be one of .csv"),
        (b"MZ\x90\x00\x03" + bytes(range(256)) * 20, "program.csv", "is no text file"),
        (b"PK\x03\x04" + os.urandom(200), "sheet.csv", "is an Office file or an archive"),
        (b"PK\x03\x04" + os.urandom(200), "a.xlsx", "is not an Excel file"),
        (b"text,label\nx,y\n", "a.xlsx", "is not an Excel file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200), "a.xlsx", "is an old Excel file or is locked"),
        (b"x" * 9_900_000, "line.txt", f"a cell must have at most {MAX_CELL_CHARS:,} characters"),
        (b"x" * 9_900_000, "line.csv", "line 0|line 1|a cell must have at most"),
        (b'text\n"never closed\n' + b"row\n" * 50_000, "a.csv", "is a quotation mark left open"),
        (b"x" * 10_000_001, "a.csv", "must be at most 10 MB large"),
        (b"a\n" * (MAX_ROWS + 2), "a.csv", f"must have at most {MAX_ROWS:,} rows"),
        (b"a,b\n" + b"," * MAX_COLUMNS + b"x\n", "a.csv", f"row 2: must have at most {MAX_COLUMNS} columns"),
        (b'{"text": "a"}\nnot json\n', "a.jsonl", "line 2: must be a JSON object"),
        (b"[" * 100_000, "a.jsonl", "line 1: must be a JSON object"),
        (b"[1]\n", "a.jsonl", "line 1: must be a JSON object"),
    ],
)
def test_what_cannot_be_used_is_said(data: bytes, name: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_table(data, name)


def test_a_text_that_a_sheet_names_a_thousand_times_is_counted_each_time() -> None:
    long = "x" * 30_000
    with pytest.raises(InputError, match="characters in all its cells"):
        read_table(workbook(["text"], *[[long]] * 700), "a.xlsx")


def test_the_digest_tells_tables_apart() -> None:
    same = read_table(b"a,b\nx,y\n", "1.csv").digest
    assert read_table(b"a;b\r\nx;y", "2.csv").digest == same
    assert read_table(b"a,b\nxy,\n", "1.csv").digest != same


def test_columns_are_guessed_by_name_then_by_length() -> None:
    table = read_table(b"id,Review,Label\n1,a fine day,positive\n2,what a mess,negative\n", "a.csv")
    assert guess_columns(table, KINDS["sentiment"]) == {"text": "Review"}
    assert guess_truth(table, KINDS["sentiment"], {"Review"}) == "Label"
    table = read_table("编号,说明\n1,今天天气很好\n".encode(), "a.csv")
    assert guess_columns(table, KINDS["sentiment"]) == {"text": "说明"}
    assert guess_truth(table, KINDS["sentiment"], {"说明"}) is None
    table = read_table("问题,段落,答案\n谁,张三来了,张三\n".encode(), "a.csv")
    assert guess_columns(table, KINDS["answer"]) == {"question": "问题", "context": "段落"}
    assert guess_truth(table, KINDS["answer"], {"问题", "段落"}) == "答案"


def test_a_column_with_many_different_values_is_not_guessed_to_be_labels() -> None:
    rows = "".join(f"text {n},label {n}\n" for n in range(60))
    assert guess_truth(read_table(f"text,label\n{rows}".encode(), "a.csv"), KINDS["sentiment"], {"text"}) is None
