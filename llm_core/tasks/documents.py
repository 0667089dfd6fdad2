"""Text of an uploaded document: plain text, Markdown, PDF or Word (.docx).

What a file is, its bytes decide, not its name. Every way a file can be too large, broken, locked or empty of text is
an `InputError` on the field ``document``. The module knows nothing of models.
"""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llm_core.errors import InputError
from llm_core.limits import MAX_DOCUMENT_CHARS, MAX_UPLOAD_BYTES

MAX_PAGES = 1_000
MAX_UNPACKED_BYTES = 80_000_000
"""All files inside a .docx together, unpacked."""
MAX_PACKED_FILES = 2_000
_FIELD = "document"
_SNIFFED_BYTES = 1024
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Begins the Office files of before 2007, and those that are locked by a password."""
_ENCODINGS = ["utf_8", "utf_16", "gb18030", "big5", "shift_jis", "euc_kr", "cp1252", "cp1251"]

_HANGUL_SHARE = 0.9
"""Korean that is taken for Chinese has more of it, Chinese that is taken for Korean about half."""
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes what it cannot read


@dataclass(frozen=True, slots=True)
class DocumentText:
    """What a file says."""

    name: str
    kind: str
    """``text``, ``pdf`` or ``docx``."""
    text: str


def read_document(source: bytes | Path, name: str = "") -> DocumentText:
    """Read a document.

    Args:
        source: Its bytes, or a file that the program chose (never a path that a visitor typed).
        name: What the visitor calls it; only shown.

    Raises:
        InputError: It is too large, locked, broken, of another kind, or holds no text.
    """
    data = bytes_of(source)
    kind, read = _reader_for(data)
    text = _cleaned(read(data))
    if not text.strip():
        raise InputError(_FIELD, _NO_TEXT.get(kind, "must hold some text"))
    if len(text) > MAX_DOCUMENT_CHARS:
        raise InputError(_FIELD, f"must have at most {MAX_DOCUMENT_CHARS:,} characters of text, it has {len(text):,}")
    return DocumentText(name or (source.name if isinstance(source, Path) else ""), kind, text)


_NO_TEXT = {
    "pdf": "has no text in it; it is probably a scan: run text recognition (OCR) over it first, or paste the text"
}


def bytes_of(source: bytes | Path) -> bytes:
    """The bytes of a document.

    Raises:
        InputError: They are too many.
    """
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > MAX_UPLOAD_BYTES:
        raise InputError(
            _FIELD, f"must be at most {MAX_UPLOAD_BYTES // 1_000_000} MB large, it has {size / 1e6:.1f} MB"
        )
    return source.read_bytes() if isinstance(source, Path) else source


def _reader_for(data: bytes) -> tuple[str, Callable[[bytes], str]]:
    if b"%PDF-" in data[:_SNIFFED_BYTES]:
        return "pdf", _read_pdf
    if data.startswith(b"PK\x03\x04"):
        return "docx", _read_docx
    if data.startswith(OLE_SIGNATURE):
        raise InputError(
            _FIELD, "is an old Word file or is locked by a password; save it as .docx without one, or as .pdf"
        )
    return "text", decode_text


def decode_text(data: bytes) -> str:
    """The text of a file in any common encoding.

    Raises:
        InputError: It is no text, or in an encoding that is not recognised.
    """
    return detect_text(data)[0]


def detect_text(data: bytes) -> tuple[str, str]:
    """As `decode_text`, with the name of the encoding, such as ``gb18030``.

    Raises:
        InputError: As there.
    """
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not utf_16 and b"\x00" in data:
        raise InputError(_FIELD, "is no text file, and of no other kind that is read here")
    if _is_simplified_chinese(data):
        return data.decode("gb18030", "replace"), "gb18030"
    from charset_normalizer import from_bytes

    guess = from_bytes(data, cp_isolation=_ENCODINGS).best()
    if guess is None:
        raise InputError(_FIELD, "is in an encoding that was not recognised; save it as UTF-8")
    return str(guess), guess.encoding


def _is_simplified_chinese(data: bytes) -> bool:
    """Whether bytes that are no UTF-8 are GB 2312; guesses from the frequency of letters fail on short texts.

    Other encodings break its rule that a high byte is followed by another, Korean's aside (EUC-KR); as that, Chinese is
    full of Chinese characters, which modern Korean has hardly any of.
    """
    try:
        letters = [letter for letter in data.decode("gb2312") if "\u4e00" <= letter <= "\u9fff"]
        korean = data.decode("euc_kr", "replace")
    except UnicodeDecodeError:
        return False
    hangul = sum("\uac00" <= letter <= "\ud7a3" for letter in korean)
    return bool(letters) and hangul < _HANGUL_SHARE * len(letters)


def _read_pdf(data: bytes) -> str:
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = 0 if locked else len(reader.pages)
        text = "" if locked or pages > MAX_PAGES else _pdf_text(reader)
    except InputError:
        raise
    except Exception as error:  # pypdf raises whatever a broken file leads it into
        if "cryptography" in str(error):
            raise InputError(_FIELD, _LOCKED) from error
        raise InputError(_FIELD, f"is not a PDF that can be read ({type(error).__name__})") from error
    if locked:
        raise InputError(_FIELD, _LOCKED)
    if pages > MAX_PAGES:
        raise InputError(_FIELD, f"must have at most {MAX_PAGES} pages, it has {pages}")
    return text


_LOCKED = "is locked by a password; save a copy without one"


def _pdf_text(reader: object) -> str:
    pages: list[str] = []
    length = 0
    for page in reader.pages:  # type: ignore[attr-defined]
        pages.append(page.extract_text())
        length += len(pages[-1])
        if length > MAX_DOCUMENT_CHARS:
            raise InputError(_FIELD, f"must have at most {MAX_DOCUMENT_CHARS:,} characters of text; it has more")
    # A word that was divided at the end of a line becomes whole again.
    return re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", "\n\n".join(pages))


def _read_docx(data: bytes) -> str:
    import docx

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_archive(archive, "word/document.xml", "Word (.docx)")
        document = docx.Document(io.BytesIO(data))
        blocks = [_block_text(block) for block in document.iter_inner_content()]
    except InputError:
        raise
    except Exception as error:  # python-docx and lxml raise whatever a broken file leads them into
        raise InputError(_FIELD, f"is not a Word file that can be read ({type(error).__name__})") from error
    return "\n\n".join(block for block in blocks if block.strip())


def check_archive(archive: zipfile.ZipFile, member: str, kind: str) -> None:
    """Refuse what is no Office file of one kind, or unpacks to far more than a document; sizes in the directory bound
    what zipfile reads.

    Args:
        archive: The file.
        member: What such a file always holds.
        kind: What such a file is called.

    Raises:
        InputError: It is refused.
    """
    entries = archive.infolist()
    if member not in {entry.filename for entry in entries}:
        raise InputError(_FIELD, f"is an archive or an Office file of another kind; of those only {kind} is read")
    if len(entries) > MAX_PACKED_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise InputError(_FIELD, f"unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB")


def _block_text(block: object) -> str:
    rows = getattr(block, "rows", None)
    if rows is None:
        return str(getattr(block, "text", ""))
    return "\n".join("\t".join(cell.text for cell in row.cells) for row in rows)


def _cleaned(text: str) -> str:
    """Without what requests refuse: NUL, lone surrogates; and with one kind of line end."""
    text = re.sub("[\x00\ud800-\udfff]", "", text)
    return text.replace("\r\n", "\n").replace("\r", "\n")
