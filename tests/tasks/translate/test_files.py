"""Files in and out: structure kept, identity byte for byte, hostile input refused."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import docx
import polib
import pytest
from docx.enum.text import WD_BREAK
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.errors import InputError
from llm_core.tasks.translate import TASK, TranslateRequest
from llm_core.tasks.translate.files import FileUnit, open_file, translated_name
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator

SRT = """\ufeff1\r
00:00:01,000 --> 00:00:02,500  X1:10 X2:20\r
Hello <i>there</i>,\r
my friend.\r
\r
7\r
00:00:03,000 --> 00:00:04,000\r
- Who is it?\r
- Me.\r
\r
""".encode()
CSV = '\ufeffid;text;note\n1;"Good; morning";=1+1\n2;Good night;"say ""hi"""\n\n3;;-5\n'
PO = """# Header comment
msgid ""
msgstr ""
"Language: \\n"
"Content-Type: text/plain; charset=UTF-8\\n"

#: a.c:1
#, c-format
msgid "Hello %s\\n"
msgstr ""

msgctxt "menu"
msgid "Open"
msgstr ""

#, fuzzy
#| msgid "Closes"
msgid "Close"
msgstr "Zu?"

msgid "Done"
msgstr "Fertig"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#~ msgid "Old"
#~ msgstr "Alt"
"""


def word() -> bytes:
    """A document with formatting, a link, a table, a header, a break and a tab."""
    document = docx.Document()
    document.add_heading("A heading", level=1)
    paragraph = document.add_paragraph("Some text with ")
    paragraph.add_run("bold words").bold = True
    paragraph.add_run(" in it, and more.")
    paragraph.add_run().add_break(WD_BREAK.LINE)
    paragraph.add_run("After the break\tand the tab.")
    cell = document.add_table(rows=1, cols=2).rows[0].cells
    cell[0].text, cell[1].text = "Left cell", "42"
    document.sections[0].header.paragraphs[0].text = "The header"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def texts(units: tuple[FileUnit, ...]) -> list[str]:
    return [unit.text for unit in units]


def shout(unit: FileUnit) -> str:
    """A "translation" that leaves tags alone."""
    return re.sub(r"<[^>]*>|[^<]+", lambda part: part[0] if part[0].startswith("<") else part[0].upper(), unit.text)


SAMPLES = {
    "a.txt": b"One.\r\n\r\n  Two.\n", "b.md": "\ufeff# Head\n\n- x\n".encode(), "c.docx": word(), "d.srt": SRT,
    "e.csv": CSV.encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_identity_gives_the_same_bytes(name: str) -> None:
    file = open_file(SAMPLES[name], name)
    assert file.rebuild(texts(file.units), "de") == SAMPLES[name]
    changed = file.rebuild([shout(unit) for unit in file.units], "de")
    assert changed != SAMPLES[name]
    again = open_file(changed, name)
    assert texts(again.units) == [shout(unit) for unit in file.units]
    with pytest.raises(InputError, match="translations: must be one for each of"):
        file.rebuild(texts(file.units)[1:], "de")


@pytest.mark.parametrize("name", [*SAMPLES, "f.po"])
def test_units_are_what_a_request_takes(name: str) -> None:
    file = open_file(SAMPLES.get(name, PO.encode()), name)
    request = TranslateRequest.parse({"units": texts(file.units), "target": "zh", "format": file.format})
    assert request.texts == tuple(texts(file.units))


def test_subtitles_keep_numbers_times_and_speakers() -> None:
    file = open_file(SRT, "film.SRT")
    assert texts(file.units) == ["Hello <i>there</i>, my friend.", "- Who is it?", "- Me."]
    assert file.units[0].context == "00:00:01,000"
    built = file.rebuild(["<i>你好</i>，我的朋友，很高兴见到你。", "- 是谁？", "- 我。"], "zh").decode()
    assert built == SRT.decode().replace(
        "Hello <i>there</i>,\r\nmy friend.", "<i>你好</i>，\r\n我的朋友，很高兴见到你。"
    ).replace("Who is it?", "是谁？").replace("Me.", "我。")
    one_word = file.rebuild(["Hallo", "", "  \n x"], "de").decode()
    assert "Hallo\r\n\r\n7" in one_word and one_word.count("-->") == 2
    with pytest.raises(InputError, match="document: has no subtitles"):
        open_file(b"Just words.", "a.srt")


def test_tables_translate_the_chosen_columns_and_no_formula() -> None:
    for columns in (["text"], ["2"]):
        file = open_file(CSV.encode(), "t.csv", columns=columns)
        assert [(u.text, u.context) for u in file.units] == [
            ("Good; morning", "row 2, text"),
            ("Good night", "row 3, text"),
        ]
    built = file.rebuild(['=HYPERLINK("x")', "A;B"], "de").decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(built), delimiter=";"))
    assert rows == [
        ["id", "text", "note"],
        ["1", '\'=HYPERLINK("x")', "=1+1"],
        ["2", "A;B", 'say "hi"'],
        [],
        ["3", "", "-5"],
    ]
    assert built.startswith("id;text;note\n") and built.endswith("\n\n3;;-5\n")
    everything = open_file(CSV.encode(), "t.csv")
    assert texts(everything.units) == ["Good; morning", "Good night", 'say "hi"']
    with pytest.raises(InputError, match=r"columns: must be among id, text, note \(got 'nope'\)"):
        open_file(CSV.encode(), "t.csv", columns=["nope"])
    assert texts(open_file(b"hello\nworld\n", "t.csv", header=False).units) == ["hello", "world"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.text(alphabet='ab=+-@",;\n\r \t', max_size=6), min_size=2, max_size=3), min_size=2, max_size=5)
)
def test_any_table_comes_back_as_it_was(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    data = stream.getvalue().encode()
    try:
        file = open_file(data, "t.csv", header=False)
    except InputError:
        return
    assert file.rebuild(texts(file.units), "de") == data
    assert not any(unit.text.startswith(("=", "+", "-", "@")) for unit in file.units)


def test_gettext_fills_what_is_missing() -> None:
    file = open_file(PO.encode(), "de.po")
    assert texts(file.units) == ["Hello %s\n", "Open", "Close", "%d file", "%d files"]
    assert file.units[1].context == "menu"
    built = polib.pofile("\n" + file.rebuild(["Hallo %s", "Auf", "Zu", "%d Datei", "%d Dateien"], "ru").decode())
    assert [e.msgstr for e in built[:4]] == ["Hallo %s\n", "Auf", "Zu", "Fertig"]
    assert built[0].flags == ["c-format"] and not built[2].fuzzy and built[2].previous_msgid is None
    assert built[-1].obsolete and built.header == "Header comment"
    plural = next(entry for entry in built if entry.msgid_plural)
    assert plural.msgstr_plural[0] == "%d Datei" and set(plural.msgstr_plural) == {0, 1, 2}
    chinese = open_file(PO.replace('"Fertig"', '""').encode(), "zh.po")
    built = polib.pofile("\n" + chinese.rebuild([u.text for u in chinese.units], "zh-Hant").decode())
    plural = next(entry for entry in built if entry.msgid_plural)
    assert plural.msgstr_plural == {0: "%d files"}
    assert built.metadata["Plural-Forms"] == "nplurals=1; plural=0;" and built.metadata["Language"] == "zh_TW"


def test_a_catalogue_is_never_taken_for_a_path(tmp_path: Path) -> None:
    secret = tmp_path / "secret.po"
    secret.write_text('msgid "secret"\nmsgstr ""\n')
    with pytest.raises(InputError, match="document: "):
        open_file(str(secret).encode(), "x.po")
    with pytest.raises(InputError, match="all its messages are translated already"):
        open_file(b'msgid "a"\nmsgstr "b"\n', "x.po")


def test_word_keeps_formatting_breaks_tables_and_headers() -> None:
    file = open_file(word(), "a.docx")
    assert texts(file.units) == [
        "A heading", "Some text with <g1>bold words</g1> in it, and more.", "After the break", "and the tab.",
        "Left cell", "The header",
    ]  # fmt: skip
    assert file.units[-1].context.startswith("header")
    built = file.rebuild(
        ["Titel", "<g1>Fettes</g1> zuerst & <g9>mehr</g9>", "Nach\x07 dem Umbruch", "und dem Tab.", "Links", "Kopf"],
        "de",
    )
    document = docx.Document(io.BytesIO(built))
    heading, paragraph = document.paragraphs[:2]
    assert (heading.text, heading.style.name) == ("Titel", "Heading 1")
    assert paragraph.text == "Fettes zuerst & mehr\nNach dem Umbruch\tund dem Tab."
    assert [run.text for run in paragraph.runs if run.bold] == ["Fettes"]
    assert [cell.text for cell in document.tables[0].rows[0].cells] == ["Links", "42"]
    assert document.sections[0].header.paragraphs[0].text == "Kopf"
    kept = zipfile.ZipFile(io.BytesIO(built)).read("word/styles.xml")
    assert kept == zipfile.ZipFile(io.BytesIO(word())).read("word/styles.xml")


def test_word_keeps_links_and_notes() -> None:
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="urn:r"'
    run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    link = f"<w:hyperlink w:anchor='x'>{run.format('a link')}</w:hyperlink>"
    gone = "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
    body = (
        f"<w:document {w}><w:body><w:p>{run.format('Here is ')}{link}{gone}{run.format(' to it, see.')}</w:p></w:body>"
    )
    notes = f"<w:footnotes {w}><w:footnote><w:p>{run.format('A note.')}</w:p></w:footnote></w:footnotes>"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", body + "</w:document>")
        archive.writestr("word/footnotes.xml", notes)
    file = open_file(stream.getvalue(), "a.docx")
    assert texts(file.units) == ["Here is <g1>a link</g1> to it, see.", "A note."]
    built = zipfile.ZipFile(io.BytesIO(file.rebuild(["<g1>Ein Link</g1> ist hier.", "Notiz"], "de")))
    xml = built.read("word/document.xml").decode()
    assert re.search(r'<w:hyperlink w:anchor="x"><w:r><w:t[^>]*>Ein Link</w:t></w:r></w:hyperlink>', xml)
    assert xml.count("<w:hyperlink") == 1 and "delText>gone<" in xml
    assert "Notiz" in built.read("word/footnotes.xml").decode()


def test_content_controls_keep_their_text() -> None:
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    run = "<w:r><w:t>{}</w:t></w:r>"
    control = f"<w:sdt><w:sdtContent>{run.format('inside')}</w:sdtContent></w:sdt>"
    added = f"<w:ins>{run.format(' added')}</w:ins>"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        paragraph = f"<w:p>{run.format('Before')}{added}{control}{run.format('after')}</w:p>"
        archive.writestr("word/document.xml", f"<w:document {w}><w:body>{paragraph}</w:body></w:document>")
    file = open_file(stream.getvalue(), "a.docx")
    assert texts(file.units) == ["Before<g1> added</g1>", "inside", "after"]
    built = (
        zipfile.ZipFile(io.BytesIO(file.rebuild(["A<g1>B</g1>C", "D", "E"], "de"))).read("word/document.xml").decode()
    )
    assert re.sub(r"<w:(r|t)( [^>]*)?>|</w:(r|t)>", "", built.split("<w:p>")[1]).startswith(
        "A<w:ins>B</w:ins>C<w:sdt><w:sdtContent>D</w:sdtContent></w:sdt>E</w:p>"
    )


@pytest.mark.parametrize(
    ("data", "name", "rule"),
    [
        (b"x", "a.pdf", "must be one of .txt, .md"),
        (b"x" * 10_000_001, "a.txt", "must be at most 10 MB"),
        (b"word " * 90_000, "a.txt", "must have at most 400,000 characters"),
        (b"123 \n", "a.txt", "must hold some text"),
        (b"a\x00b", "a.txt", "must be a text"),
        (b"PK\x03\x04 no archive", "a.docx", "is not a Word file"),
        (b"a" * 140_000 + b",b\n", "a.csv", "is not a table that can be read"),
        (b"a,b\n" * 50_002, "a.csv", "must have at most 50,000 rows"),
        (b'msgid "a\nmsgstr', "a.po", "is not a gettext catalogue"),
    ],
)
def test_bad_files(data: bytes, name: str, rule: str) -> None:
    with pytest.raises(InputError, match=f"^document: {re.escape(rule)}"):
        open_file(data, name)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["txt", "md", "docx", "srt", "csv", "po"]))
def test_any_bytes_open_or_give_an_input_error(data: bytes, suffix: str) -> None:
    try:
        file = open_file(data, f"x.{suffix}")
    except InputError:
        return
    file.rebuild([unit.text for unit in file.units], "de")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40_000), st.integers(0, 255))
def test_damaged_word_files_open_or_give_an_input_error(place: int, value: int) -> None:
    data = bytearray(SAMPLES["c.docx"])
    data[place % len(data)] = value
    try:
        file = open_file(bytes(data), "x.docx")
        file.rebuild([unit.text + "!" for unit in file.units], "de")
    except InputError as error:
        assert error.field == "document"


def test_a_document_goes_through_the_task() -> None:
    file = open_file(word(), "a.docx")
    model = ScriptedTranslator(lambda sentence: sentence.upper())
    request = TranslateRequest.parse({"units": texts(file.units), "target": "de", "format": file.format})
    result = finish(TASK.run(MemorySession(model), request))
    document = docx.Document(io.BytesIO(file.rebuild(result.units, "de")))
    assert document.paragraphs[1].text == "SOME TEXT WITH BOLD WORDS IN IT, AND MORE.\nAFTER THE BREAK\tAND THE TAB."
    assert [run.text for run in document.paragraphs[1].runs if run.bold] == ["BOLD WORDS"]


def test_names() -> None:
    assert translated_name("C:\\my\\notes.md", "zh") == "notes.zh.md"
    assert open_file("Grüße\n".encode("cp1252") * 20, "a.txt").rebuild(["x"], "de") == b"x"
