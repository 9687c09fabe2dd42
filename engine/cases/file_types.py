"""Types of files that a case takes, recognised by their content.

A name says nothing about a file, and a reader that guesses may take a photograph for a page. So a
file counts as of a type where it is of that type from its first byte to its last, and is refused
where it could be read as anything that runs: markup, an archive, a PDF with script. Nothing is
decoded but object streams of PDF files, in bounded memory: a decoder is itself open to attack.
"""

import codecs
import mmap
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn

from engine.errors import RecordError

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
PDF, TEXT = "application/pdf", "text/plain"
SUFFIXES: Final = {JPEG: "jpg", PNG: "png", WEBP: "webp", PDF: "pdf", TEXT: "txt"}
"""Types that are taken, and how a file of each ends when it is handed out."""
LARGEST_FILE = 32 * 1024 * 1024
"""Bytes."""
_TAKEN = "JPEG, PNG, WebP, PDF and plain text in UTF-8 are taken"
_MOST_INFLATED = 4 * 1024 * 1024
"""Bytes of one object stream of a PDF file, unpacked; what writes them keeps them far smaller."""
_MOST_STREAMS = 256
_WINDOW = 64 * 1024

Content = mmap.mmap | bytes


def recognise(path: Path) -> str:
    """Return the type of a file; raises ``RecordError`` naming the rule for what is not taken."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            _refuse("empty", "the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return recognise_content(content)


def recognise_content(content: Content) -> str:
    """Return the type of some content.

    >>> recognise_content(b"Exhibit 3: two packets, 1150 g")
    'text/plain'
    >>> recognise_content(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    Traceback (most recent call last):
    engine.errors.RecordError: file, field content: it holds markup or a script (markup)
    """
    for media_type, begins, check in _KNOWN:
        if begins(content):
            check(content)
            _refuse_markup(content)
            _refuse_archive(content)
            return media_type
    _check_text(content)
    return TEXT


def _refuse(rule: str, why: str) -> NoReturn:
    raise RecordError("file", "content", rule, why)


_MARKUP = re.compile(
    rb"<(?:script|iframe|object|embed|!doctype|\?php)|<(?:html|body|math)[\s>/]"
    rb"|<svg[^<>]{0,999}(?:xmlns|\son[a-z]+\s*=)|<\x00s\x00(?:c\x00r\x00i|v\x00g)\x00",
    re.IGNORECASE,
)
"""Long enough not to occur by chance in a photograph."""


def _refuse_markup(content: Content) -> None:
    if _MARKUP.search(content):
        _refuse("markup", "it holds markup or a script")


def _refuse_archive(content: Content) -> None:
    """Refuse what a reader of archives, which looks at the end, would open as one."""
    end = content[max(0, len(content) - _WINDOW - 22) :]
    at = end.rfind(b"PK\x05\x06")
    while at >= 0:
        comment = int.from_bytes(end[at + 20 : at + 22], "little")
        if at + 22 + comment <= len(end):
            _refuse("polyglot", "it is an archive too")
        at = end.rfind(b"PK\x05\x06", 0, at)


def _refuse_pdf_inside(content: Content) -> None:
    if content[:1024].find(b"%PDF-") >= 0:
        _refuse("polyglot", "it is a PDF file too")


def _check_jpeg(content: Content) -> None:
    """Walk the segments up to the picture, and ask for its end."""
    at, size = 2, len(content)
    while at + 4 <= size and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == 0xDA:
            break
    else:
        _refuse("broken", "it begins as a JPEG file and is none")
    if content.find(b"\xff\xd9", at) < 0:
        _refuse("broken", "the JPEG file is cut short")
    _refuse_pdf_inside(content)


def _check_png(content: Content) -> None:
    """Walk the chunks to the last, which ends the file."""
    at, size, name = 8, len(content), b""
    while name != b"IEND":
        name = content[at + 4 : at + 8]
        length = int.from_bytes(content[at : at + 4], "big")
        end = at + 12 + length
        if len(name) < 4 or not name.isalpha() or end > size or (at == 8) != (name == b"IHDR"):
            _refuse("broken", "it begins as a PNG file and is none")
        at = end
    if at != size:
        _refuse("polyglot", "something follows the end of the PNG file")
    _refuse_pdf_inside(content)


def _check_webp(content: Content) -> None:
    stated = int.from_bytes(content[4:8], "little") + 8
    if stated != len(content) or content[12:16] not in (b"VP8 ", b"VP8L", b"VP8X"):
        _refuse("broken", "it begins as a WebP file and is none, or something follows it")
    _refuse_pdf_inside(content)


def _spell(name: str) -> bytes:
    """Return a pattern of a PDF name, each letter as it is or as ``#`` and its number."""
    letters = (f"(?:{letter}|#{ord(letter):02x}|#{ord(letter):02X})" for letter in name)
    return ("/" + "".join(letters)).encode()


_DELIMITED = rb"(?=[\s\x00/<>\[\]()%]|$)"
_ACTS = ("JavaScript", "Launch", "SubmitForm", "ImportData", "RichMedia", "EmbeddedFile")
"""Names long enough not to occur by chance in what is packed."""
_ACTIVE = re.compile(rb"|".join(map(_spell, _ACTS)))
_ACTIVE_BETWEEN = re.compile(rb"(?:" + _spell("JS") + rb"|" + _spell("XFA") + rb")" + _DELIMITED)
_ENCRYPTED = re.compile(_spell("Encrypt") + _DELIMITED)
_OBJECT_STREAM = re.compile(_spell("ObjStm") + _DELIMITED)
_STREAM = re.compile(rb"stream\r?\n")
_FLATE = re.compile(rb"/Filter\s*(?:\[\s*/(?:FlateDecode|Fl)\s*\]|/(?:FlateDecode|Fl)(?=[\s/>]))")
_ANY_FILTER = re.compile(_spell("Filter") + _DELIMITED)
_PREDICTED = re.compile(_spell("Predictor"))
_UNPACKED = re.compile(rb"\s*\d+\s+\d+")


def _check_pdf(content: Content) -> None:
    """Refuse a PDF file that acts, carries files, or cannot be looked into."""
    if content.rfind(b"%%EOF", max(0, len(content) - 2048)) < 0:
        _refuse("broken", "the PDF file is cut short")
    if _ACTIVE.search(content):
        _refuse("active", "the PDF file runs, sends or carries something")
    for part in (*_list_between_streams(content), *_list_packed_objects(content)):
        if _ENCRYPTED.search(part):
            _refuse("encrypted", "the PDF file is encrypted: what it does cannot be seen")
        if _ACTIVE.search(part) or _ACTIVE_BETWEEN.search(part):
            _refuse("active", "the PDF file runs, sends or carries something")


def _list_between_streams(content: Content) -> Iterator[bytes]:
    last = 0
    for found in _STREAM.finditer(content):
        if found.start() < last or content[found.start() - 3 : found.start()] == b"end":
            continue
        yield content[last : found.start()]
        end = content.find(b"endstream", found.end())
        last = len(content) if end < 0 else end
    yield content[last:]


def _list_packed_objects(content: Content) -> Iterator[bytes]:
    """Yield the objects that streams hold."""
    for count, found in enumerate(_OBJECT_STREAM.finditer(content)):
        begins = _STREAM.search(content, found.end())
        if count >= _MOST_STREAMS or begins is None:
            _refuse("unreadable", "the PDF file has too many packed objects to look into")
        before = (content.rfind(word, 0, found.start()) for word in (b"endobj", b"endstream"))
        end = content.find(b"endstream", begins.end())
        head = content[max(0, *before) : begins.start()]
        yield _unpack(head, content[begins.end() : end if end >= 0 else len(content)])


def _unpack(head: bytes, packed: bytes) -> bytes:
    filters = _ANY_FILTER.findall(head)
    if not filters and _UNPACKED.match(packed):
        return packed
    if len(filters) != 1 or not _FLATE.search(head) or _PREDICTED.search(head):
        _refuse("unreadable", "objects of the PDF file are packed in a way that is not read")
    try:
        found = zlib.decompressobj().decompress(packed, _MOST_INFLATED)
    except zlib.error:
        _refuse("unreadable", "objects of the PDF file cannot be unpacked")
    if len(found) == _MOST_INFLATED:
        _refuse("unreadable", "objects of the PDF file are too large to look into")
    return found


_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def _check_text(content: Content) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    _refuse_markup(content)
    try:
        for at in range(0, len(content), _WINDOW):
            text = decoder.decode(content[at : at + _WINDOW])
            if at == 0 and text.lstrip("\ufeff \t\r\n").startswith(("<", "#!", "%!", "%PDF")):
                _refuse("markup", "it holds markup or a script")
            if _NO_TEXT.search(text):
                _refuse("unknown_type", _TAKEN)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        _refuse("unknown_type", _TAKEN)


_KNOWN: tuple[tuple[str, Callable[[Content], bool], Callable[[Content], None]], ...] = (
    (JPEG, lambda content: content[:3] == b"\xff\xd8\xff", _check_jpeg),
    (PNG, lambda content: content[:8] == b"\x89PNG\r\n\x1a\n", _check_png),
    (WEBP, lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _check_webp),
    (PDF, lambda content: content[:5] == b"%PDF-", _check_pdf),
)
