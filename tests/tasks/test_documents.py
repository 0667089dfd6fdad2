"""Documents are read for what they are; every bad one is an input error that says what to do."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from llm_core.errors import InputError
from llm_core.limits import MAX_DOCUMENT_CHARS, MAX_UPLOAD_BYTES, check_characters
from llm_core.tasks.documents import read_document


def pdf(*lines: str) -> bytes:
    """One page with lines of Helvetica."""
    show = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
    content = f"BT /F1 12 Tf 72 720 Td {show} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> "
        b">>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def written(writer: PdfWriter) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def locked_pdf(password: str, algorithm: str) -> bytes:
    writer = PdfWriter(io.BytesIO(pdf("secret")))
    writer.encrypt(password, owner_password="owner", algorithm=algorithm)
    return written(writer)


def word(*paragraphs: str, cells: tuple[str, ...] = ()) -> bytes:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if cells:
        row = document.add_table(rows=1, cols=len(cells)).rows[0]
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return stream.getvalue()


CHINESE = "人工智能正在改变我们的生活方式，越来越多的企业开始使用大语言模型来提高工作效率。"


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"# Title\r\n\r\nSome text.", "text", "# Title\n\nSome text."),
        ("\ufeffwith a mark".encode(), "text", "with a mark"),
        ("naïve 你好".encode("utf-16"), "text", "naïve 你好"),
        (CHINESE.encode("gb18030"), "text", CHINESE),
        (
            pdf("The bridge opened in 1937.", "It is an exam-", "ple."),
            "pdf",
            "The bridge opened in 1937.\nIt is an example.",
        ),
        (word("First.", "Second.", cells=("a", "b")), "docx", "First.\n\nSecond.\n\na\tb"),
    ],
)
def test_kinds(data: bytes, kind: str, text: str) -> None:
    document = read_document(data, "name.bin")
    assert (document.kind, document.text.strip(), document.name) == (kind, text, "name.bin")


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_bytes(pdf("Really a PDF."))
    document = read_document(tmp_path / "notes.docx")
    assert (document.kind, document.text.strip(), document.name) == ("pdf", "Really a PDF.", "notes.docx")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "must hold some text"),
        (b" \n\t", "must hold some text"),
        (b"x" * (MAX_UPLOAD_BYTES + 1), "must be at most 10 MB large, it has 10.0 MB"),
        (b"x" * (MAX_DOCUMENT_CHARS + 1), "must have at most 400,000 characters of text, it has 400,001"),
        (b"MZ\x90\x00\x03\x00\x00\x00\xff\xff" * 20, "is no text file, and of no other kind"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "is no text file, and of no other kind"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 100, "is an old Word file or is locked"),
        (b"%PDF-1.7 and nothing else", "is not a PDF that can be read"),
        (locked_pdf("open sesame", "RC4-128"), "is locked by a password"),
        (locked_pdf("open sesame", "AES-256"), "is locked by a password"),
        (pdf(), "has no text in it; it is probably a scan"),
        (archive(**{"xl/workbook.xml": b"<x/>"}), "is an archive or an Office file of another kind"),
        (archive(**{"word/document.xml": b"0" * 90_000_000}), "unpacks to more than 80 MB"),
        (archive(**{"word/document.xml": b"<broken"}), "is not a Word file that can be read"),
        (word("text")[:-200], "is not a Word file that can be read"),
    ],
)
def test_bad_documents(data: bytes, rule: str) -> None:
    with pytest.raises(InputError, match=f"^document: {rule}"):
        read_document(data)


def test_a_pdf_with_an_empty_password_opens() -> None:
    assert read_document(locked_pdf("", "RC4-128")).text.strip() == "secret"


def test_no_log_quotes_a_broken_pdf(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="document: has no text"):
        read_document(pdf("secret").replace(b" >>\nstream\n", b"", 1))
    assert "secret" not in caplog.text


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"%PDF-1.4\n", b"PK\x03\x04", b"\xff\xfe"]))
def test_any_bytes_give_text_or_an_input_error(data: bytes, start: bytes) -> None:
    try:
        check_characters(read_document(start + data).text.replace("\u0300", ""))
    except InputError as error:
        assert error.field in ("document", "request")
    except ValueError as error:
        assert "combining marks" in str(error)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 600), st.integers(0, 255))
def test_damaged_files_give_text_or_an_input_error(place: int, value: int) -> None:
    for whole in (bytearray(pdf("Some text.")), bytearray(word("Some text."))):
        whole[place % len(whole)] = value
        try:
            read_document(bytes(whole))
        except InputError as error:
            assert error.field == "document"
