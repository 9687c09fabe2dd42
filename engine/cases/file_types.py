"""Types of files that a case takes, recognised by their content.

A name says nothing about a file, and a reader that guesses may take a photograph for a page. So a
file counts as of a type where it is of that type from its first byte to its last, and is refused
where it could be read as anything that runs: markup, an archive, a PDF with script. Nothing is
decoded but object streams of PDF files, in bounded memory: a decoder is itself open to attack.

Files of others are looked into in a process of their own, one at a time in a home and for a bounded
time: a pattern that is searched in megabytes holds up every other thread.
"""

import codecs
import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.cases.pdf_inspection import Content, check_pdf, refuse_content
from engine.errors import TooCostlyError
from engine.storage.home import Home
from engine.storage.worker_process import work_apart

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
PDF, TEXT = "application/pdf", "text/plain"
SUFFIXES: Final = {JPEG: "jpg", PNG: "png", WEBP: "webp", PDF: "pdf", TEXT: "txt"}
"""Types that are taken, and how a file of each ends when it is handed out."""
LARGEST_FILE = 32 * 1024 * 1024
"""Bytes."""
_TAKEN = "JPEG, PNG, WebP, PDF and plain text in UTF-8 are taken"
_MOST_PARTS = 20_000
"""Segments of a JPEG file or chunks of a PNG file; cameras and programs write some thousand."""
LOOK_SECONDS = 10
"""Of processor time that a look into one file may take."""
_WINDOW = 64 * 1024


def recognise(home: Home, path: Path) -> str:
    """Return the type of a file, looked into in a process of its own.

    Raises ``RecordError`` naming the rule for what is not taken, and ``BusyError``.
    """
    work, given, seconds = f"{__name__}:look", os.fsencode(path), LOOK_SECONDS
    try:
        found = work_apart(home.root, work, given, kind="file", seconds=seconds, is_patient=True)
    except TooCostlyError:
        refuse_content("unreadable", "it takes too long to look into")
    return found.decode()


def look(_: Path, given: bytes) -> bytes:
    """Return the type of the file at a path; raises ``RecordError``."""
    with Path(os.fsdecode(given)).open("rb") as file:
        if not file.seek(0, 2):
            refuse_content("empty", "the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return recognise_content(content).encode()


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


_MARKUP = re.compile(
    rb"<(?:script|iframe|object|embed|!doctype|\?php)|<(?:html|body|math)[\s>/]"
    rb"|<svg[^<>]{0,999}(?:xmlns|\son[a-z]+\s*=)|<\x00s\x00(?:c\x00r\x00i|v\x00g)\x00",
    re.IGNORECASE,
)
"""Long enough not to occur by chance in a photograph."""


def _refuse_markup(content: Content) -> None:
    if _MARKUP.search(content):
        refuse_content("markup", "it holds markup or a script")


def _refuse_archive(content: Content) -> None:
    """Refuse what a reader of archives, which looks at the end, would open as one."""
    end = content[max(0, len(content) - _WINDOW - 22) :]
    at = end.rfind(b"PK\x05\x06")
    while at >= 0:
        comment = int.from_bytes(end[at + 20 : at + 22], "little")
        if at + 22 + comment <= len(end):
            refuse_content("polyglot", "it is an archive too")
        at = end.rfind(b"PK\x05\x06", 0, at)


def _refuse_pdf_inside(content: Content) -> None:
    if content[:1024].find(b"%PDF-") >= 0:
        refuse_content("polyglot", "it is a PDF file too")


def _check_jpeg(content: Content) -> None:
    """Walk the segments up to the picture, and ask for its end."""
    at, size, parts = 2, len(content), 0
    while at + 4 <= size and content[at] == 0xFF and parts < _MOST_PARTS:
        parts += 1
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == 0xDA:
            break
    else:
        refuse_content("broken", "it begins as a JPEG file and is none")
    if content.find(b"\xff\xd9", at) < 0:
        refuse_content("broken", "the JPEG file is cut short")
    _refuse_pdf_inside(content)


def _check_png(content: Content) -> None:
    """Walk the chunks to the last, which ends the file."""
    at, size, name, parts = 8, len(content), b"", 0
    while name != b"IEND":
        parts += 1
        name = content[at + 4 : at + 8]
        length = int.from_bytes(content[at : at + 4], "big")
        end = at + 12 + length
        is_chunk = len(name) == 4 and name.isalpha() and end <= size and parts <= _MOST_PARTS
        if not is_chunk or (at == 8) != (name == b"IHDR"):
            refuse_content("broken", "it begins as a PNG file and is none")
        at = end
    if at != size:
        refuse_content("polyglot", "something follows the end of the PNG file")
    _refuse_pdf_inside(content)


def _check_webp(content: Content) -> None:
    stated = int.from_bytes(content[4:8], "little") + 8
    if stated != len(content) or content[12:16] not in (b"VP8 ", b"VP8L", b"VP8X"):
        refuse_content("broken", "it begins as a WebP file and is none, or something follows it")
    _refuse_pdf_inside(content)


_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def _check_text(content: Content) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    _refuse_markup(content)
    try:
        for at in range(0, len(content), _WINDOW):
            text = decoder.decode(content[at : at + _WINDOW])
            if at == 0 and text.lstrip("\ufeff \t\r\n").startswith(("<", "#!", "%!", "%PDF")):
                refuse_content("markup", "it holds markup or a script")
            if _NO_TEXT.search(text):
                refuse_content("unknown_type", _TAKEN)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        refuse_content("unknown_type", _TAKEN)


_KNOWN: tuple[tuple[str, Callable[[Content], bool], Callable[[Content], None]], ...] = (
    (JPEG, lambda content: content[:3] == b"\xff\xd8\xff", _check_jpeg),
    (PNG, lambda content: content[:8] == b"\x89PNG\r\n\x1a\n", _check_png),
    (WEBP, lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _check_webp),
    (PDF, lambda content: content[:5] == b"%PDF-", check_pdf),
)
