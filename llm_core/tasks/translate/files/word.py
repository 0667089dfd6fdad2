"""Word documents (.docx): paragraphs of the text, its tables, text boxes, headers, footers, footnotes and endnotes.

The parts of the package are patched one by one; all others, and a document of which nothing changes, stay byte for
byte. The words of a paragraph in its commonest formatting are its text; differently formatted ones and links stand in
``<g1>``…``</g1>``, which translation keeps in pairs, and become runs of that formatting again. Tabs, line breaks,
pictures and references to notes stay where they are and divide a paragraph. Deleted text is left alone.
"""

from __future__ import annotations

import copy
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llm_core.errors import InputError
from llm_core.tasks.documents import check_archive
from llm_core.tasks.translate.files.base import FileUnit, check_count

_PARTS = re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes)\.xml")
_BODY = "word/document.xml"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_TAGGED = re.compile(r"<g(\d+)>(.*?)</g\1>", re.DOTALL)
_TAG = re.compile(r"</?g\d+>")
_INVISIBLE = (f"{_W}rPr", f"{_W}lastRenderedPageBreak")
_CARRIED = (f"{_W}hyperlink", f"{_W}ins")
"""What may stand around some runs of a segment and not around others: links, and text that was added."""
_UNTOUCHED = (f"{_W}del", f"{_W}moveFrom")
_XML_REFUSES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Segment:
    """Runs of one paragraph with nothing but text between them."""

    runs: tuple[Any, ...]
    groups: tuple[tuple[Any, ...], ...]
    """The runs, consecutive ones of one formatting together."""
    main: int
    """The formatting that most of the text has, as the number of one of its groups."""
    bare: frozenset[int]
    """Groups of that formatting."""

    @property
    def text(self) -> str:
        """Its words, other formattings in tags that carry the group's number."""
        parts = (_text_of(group) for group in self.groups)
        return "".join(t if n in self.bare else f"<g{n}>{t}</g{n}>" for n, t in enumerate(parts))


class WordFile:
    """See `TranslatableFile`.

    Args:
        data: The file.

    Raises:
        InputError: It is no Word document, is broken, or unpacks to too much.
    """

    format: Literal["plain", "markdown"] = "plain"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.units = tuple(
            FileUnit(segment.text, name.removeprefix("word/").removesuffix(".xml")) for name, segment in _read(data)[1]
        )

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """See `TranslatableFile.rebuild`."""
        check_count(self.units, translations)
        parts, segments = _read(self._data)
        changed: set[str] = set()
        for (name, segment), unit, translation in zip(segments, self.units, translations, strict=True):
            if translation != unit.text:
                _replace(segment, _XML_REFUSES.sub("", translation))
                changed.add(name)
        return self._written({name: parts[name] for name in changed}) if changed else self._data

    def _written(self, changed: Mapping[str, Any]) -> bytes:
        from docx.opc.oxml import serialize_part_xml

        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self._data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                part = changed.get(entry.filename)
                new.writestr(entry, old.read(entry) if part is None else serialize_part_xml(part))
        return stream.getvalue()


def _read(data: bytes) -> tuple[dict[str, Any], list[tuple[str, _Segment]]]:
    """The parts with text by name, and their segments with the name of the part."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_archive(archive, "word/document.xml", "Word (.docx)")
            if archive.testzip() or len(set(archive.namelist())) < len(archive.namelist()):
                raise InputError("document", "is damaged; open it in Word, save it and try again")
            parts = _parts(archive)
        return parts, [(name, segment) for name, part in parts.items() for segment in _part_segments(part)]
    except InputError:
        raise
    except Exception as error:  # zipfile and lxml raise whatever a broken file leads them into
        raise InputError("document", f"is not a Word file that can be read ({type(error).__name__})") from error


def _parts(archive: zipfile.ZipFile) -> dict[str, Any]:
    from docx.oxml import parse_xml  # resolves no entities

    names = sorted(filter(_PARTS.fullmatch, set(archive.namelist())), key=lambda name: (name != _BODY, name))
    return {name: parse_xml(archive.read(name)) for name in names}


def _part_segments(part: Any) -> Iterator[_Segment]:
    for paragraph in part.iter(f"{_W}p"):
        yield from (segment for segment in _segments(paragraph) if any(map(str.isalpha, segment.text)))


def _segments(paragraph: Any) -> Iterator[_Segment]:
    runs: list[Any] = []
    for run in list(_runs(paragraph)):
        if runs and _container(runs[-1]) is not _container(run):
            yield from _segment(runs)
            runs = []
        for piece in _divided(run):
            if [child.tag for child in piece if child.tag not in _INVISIBLE] == [f"{_W}t"]:
                runs.append(piece)
            elif any(child.tag not in _INVISIBLE for child in piece):
                yield from _segment(runs)
                runs = []
    yield from _segment(runs)


def _runs(element: Any) -> Iterator[Any]:
    """Runs of a paragraph, those of paragraphs inside it (text boxes) and deleted ones left out."""
    for child in element:
        if child.tag == f"{_W}r":
            yield child
        elif child.tag not in (*_UNTOUCHED, f"{_W}p", f"{_W}pPr") and isinstance(child.tag, str):
            yield from _runs(child)


def _divided(run: Any) -> list[Any]:
    """The run as runs of one thing each: some text, a tab, a picture."""
    children = [child for child in run if child.tag not in _INVISIBLE]
    if len(children) < 2:
        return [run]
    properties = run.find(f"{_W}rPr")
    pieces = [run]
    for child in children[1:]:
        piece = run.makeelement(run.tag, dict(run.attrib))
        if properties is not None:
            piece.append(copy.deepcopy(properties))
        piece.append(child)
        pieces[-1].addnext(piece)
        pieces.append(piece)
    return pieces


def _segment(runs: Sequence[Any]) -> Iterator[_Segment]:
    groups: list[list[Any]] = []
    keys: list[tuple[str, int]] = []
    for run in runs:
        key = _formatting(run)
        if keys and keys[-1] == key:
            groups[-1].append(run)
        else:
            groups.append([run])
            keys.append(key)
    if not groups:
        return
    lengths = {
        key: sum(len(_text_of(group)) for group, own in zip(groups, keys, strict=True) if own == key) for key in keys
    }
    best = max(lengths, key=lambda key: lengths[key])
    literal = any(_TAG.search(_text_of(group)) for group in groups)
    bare = range(len(keys)) if literal else [number for number, key in enumerate(keys) if key == best]
    yield _Segment(tuple(runs), tuple(map(tuple, groups)), keys.index(best), frozenset(bare))


def _formatting(run: Any) -> tuple[str, int]:
    """What makes runs alike: their properties, but for the language of the spelling checker, and their parent."""
    from docx.oxml.xmlchemy import serialize_for_reading

    properties = run.find(f"{_W}rPr")
    shown = [serialize_for_reading(child) for child in (() if properties is None else properties)]
    return "".join(text for text in shown if "<w:lang " not in text), id(run.getparent())


def _text_of(group: Sequence[Any]) -> str:
    return "".join(run.find(f"{_W}t").text or "" for run in group)


def _replace(segment: _Segment, translation: str) -> None:
    """Put runs with the translation in the place of a segment's."""
    place = _anchor(segment)
    for group, text in _parsed(segment, translation):
        if text:
            place.addprevious(_new_run(segment, group, text, place.getparent()))
    place.getparent().remove(place)
    for run in segment.runs:
        parent = run.getparent()
        parent.remove(run)
        if parent.tag in _CARRIED and not len(parent):
            parent.getparent().remove(parent)


def _anchor(segment: _Segment) -> Any:
    """An empty element before the segment, beside the run or the link that it begins with."""
    first = segment.runs[0]
    if any(run.getparent() is not first.getparent() for run in segment.runs):
        container = _container(first)
        while first.getparent() is not container:
            first = first.getparent()
    anchor = first.makeelement(f"{_W}r", {})
    first.addprevious(anchor)
    return anchor


def _container(run: Any) -> Any:
    """The paragraph, or the field or content control within it, that holds the run."""
    element = run.getparent()
    while element.tag in _CARRIED:
        element = element.getparent()
    return element


def _parsed(segment: _Segment, translation: str) -> Iterator[tuple[int, str]]:
    """Group and text of each stretch of a translation; tags that are no pair of the segment's are dropped."""
    cursor = 0
    for found in _TAGGED.finditer(translation):
        number = int(found[1])
        yield segment.main, _TAG.sub("", translation[cursor : found.start()])
        yield number if number < len(segment.groups) else segment.main, _TAG.sub("", found[2])
        cursor = found.end()
    rest = translation[cursor:]
    yield segment.main, rest if len(segment.bare) == len(segment.groups) else _TAG.sub("", rest)


def _new_run(segment: _Segment, group: int, text: str, parent: Any) -> Any:
    """A run like the group's first, within a link like its, if it is in one and `parent` is not that."""
    model = segment.groups[group][0]
    run = copy.deepcopy(model)
    run.find(f"{_W}t").text = text
    run.find(f"{_W}t").set(_SPACE, "preserve")
    around = model.getparent()
    if around is parent or around.tag not in _CARRIED:
        return run
    link = around.makeelement(around.tag, dict(around.attrib))
    link.append(run)
    return link
