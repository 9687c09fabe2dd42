"""Content of the files that a case takes: its type, whether it acts, and what a camera added.

A name says nothing about a file, and a reader that guesses may take a photograph for a page. So a
file counts as of a type only if it is of that type from its first byte to its last, and is refused
if it could be read as anything that runs: markup, an archive, a PDF with script. Nothing is decoded
but object streams of PDF files, in bounded memory: a decoder is itself open to attack. Files of
others are looked into in a process of their own, one at a time in a home and for a bounded time: a
pattern that is searched in megabytes holds up every other thread.

The look into PDF is a second line of defence and no proof: names are searched between streams and
in object streams (ISO 32000-1, 7.5.7), and each action that the file takes by itself
(``/OpenAction`` and ``/AA``, 12.6) is followed to the next. Each part that is looked at is bounded,
and so is their sum: the cost is linear in the bytes of the file.

A picture for a document keeps the parts that its reader needs, byte for byte: segments of JPEG
(ITU-T T.81, annex B), and of PNG the compressed rows, which a PDF file holds in the same form (ISO
15948, chapter 11; ISO 32000-1, 7.4.4.4). Left out are comments, the maker's notes, places and names
(Exif, XMP, IPTC), colour profiles, and what follows the end.
"""

import codecs
import mmap
import os
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn

from engine.errors import RecordError, TooCostlyError
from engine.storage.home import Home
from engine.storage.worker_process import work_apart

Content = mmap.mmap | bytes
_MOST_DICTIONARY = 64 * 1024
"""Bytes of the dictionary of a stream or of an action; most have a few hundred."""
_MOST_PACKED, _MOST_UNPACKED = 4 * 1024 * 1024, 4 * 1024 * 1024
"""Bytes of one object stream; what writes them keeps them far smaller."""
_MOST_UNPACKED_IN_ALL = 32 * 1024 * 1024
_MOST_OBJECT_STREAMS, _MOST_STREAMS, _MOST_ACTIONS = 256, 50_000, 500
_MOST_OBJECTS = 500_000
_SHOWN_BY_ITSELF = frozenset({b"GoTo", b"Named"})
"""Actions that a file may do by itself: they show one of its own places."""


def refuse_content(rule: str, why: str) -> NoReturn:
    """Raise the refusal of a file's content by a rule."""
    raise RecordError("file", "content", rule, why)


def _spell(name: str) -> bytes:
    """Return a pattern of a PDF name, each letter as it is or as ``#`` and its number."""
    letters = (f"(?:{letter}|#{ord(letter):02x}|#{ord(letter):02X})" for letter in name)
    return ("/" + "".join(letters)).encode()


_DELIMITED = rb"(?=[\s\x00/<>\[\]()%]|$)"
_GAP = rb"(?:[\s\x00]|%[^\r\n]{0,127}+[\r\n])++"
"""White space and comments."""
_SPACE = rb"(?:" + _GAP + rb")?+"
_REFERENCE = rb"(\d{1,10})" + _GAP + rb"\d{1,5}" + _GAP + rb"R" + _DELIMITED
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
_PLAIN_OBJECTS = re.compile(rb"\s*+\d++\s++\d")
_FIRST = re.compile(_spell("First") + _SPACE + rb"(\d{1,10}+)(?!" + _GAP + rb"\d++" + _GAP + rb"R)")
_AUTOMATIC = re.compile(
    rb"(?:" + _spell("OpenAction") + rb"|" + _spell("AA") + rb")" + _DELIMITED + _SPACE
)
_OBJECT = re.compile(
    rb"(?<!\d)(\d{1,10})" + _GAP + rb"\d{1,5}" + _GAP + rb"obj" + _DELIMITED + _SPACE
)
_KIND_OF_ACTION = re.compile(
    _spell("S") + _DELIMITED + _SPACE + rb"(?:/([^\s\x00/<>\[\]()%{}]{0,127}))?"
)
_PLACE = re.compile(rb"\[" + _SPACE + _REFERENCE + _SPACE + rb"/(?:XYZ|Fit)[^\]]{0,4096}\]")
"""A place of the document: a page, and how it is shown."""
_REFERRED = re.compile(rb"(?<!\d)" + _REFERENCE)
_LEADING = re.compile(_SPACE)
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_SIGNS = re.compile(rb"<<|>>|\\[\s\S]|[()%\r\n]")


@dataclass(frozen=True, slots=True)
class _PackedObjects:
    """What an object stream holds."""

    content: bytes
    first: int
    """Where its objects begin, behind their numbers and places."""


def check_pdf(content: Content) -> None:
    """Refuse a PDF file that acts, carries files, or cannot be looked into."""
    if content.rfind(b"%%EOF", max(0, len(content) - 2048)) < 0:
        refuse_content("broken", "the PDF file is cut short")
    if _ACTIVE.search(content):
        refuse_content("active", "the PDF file runs, sends or carries something")
    packed = list(_list_packed_objects(content))
    actions = list[bytes]()
    for part in (*_list_between_streams(content), *(one.content for one in packed)):
        if _ENCRYPTED.search(part):
            refuse_content("encrypted", "the PDF file is encrypted: what it does cannot be seen")
        if _ACTIVE.search(part) or _ACTIVE_BETWEEN.search(part):
            refuse_content("active", "the PDF file runs, sends or carries something")
        for one in _AUTOMATIC.finditer(part):
            actions.append(_read_value(part, one.end()))
            _bound_actions(len(actions))
    _check_actions(actions, content, packed)


def _list_between_streams(content: Content) -> Iterator[bytes]:
    last = streams = 0
    for found in _STREAM.finditer(content):
        if found.start() < last or content[found.start() - 3 : found.start()] == b"end":
            continue
        streams += 1
        if streams > _MOST_STREAMS:
            refuse_content("unreadable", "the PDF file has too many streams to look between them")
        yield content[last : found.start()]
        end = content.find(b"endstream", found.end())
        last = len(content) if end < 0 else end
    yield content[last:]


def _list_packed_objects(content: Content) -> Iterator[_PackedObjects]:
    """Yield the objects that streams hold."""
    room = _MOST_UNPACKED_IN_ALL
    for count, found in enumerate(_OBJECT_STREAM.finditer(content)):
        begins = _STREAM.search(content, found.end(), found.end() + _MOST_DICTIONARY)
        if count >= _MOST_OBJECT_STREAMS or begins is None:
            refuse_content("unreadable", "the PDF file has too many packed objects to look into")
        lowest = max(0, found.start() - _MOST_DICTIONARY)
        before = (content.rfind(word, lowest, found.start()) for word in (b"endobj", b"endstream"))
        head = content[max(lowest, *before) : begins.start()]
        end = content.find(b"endstream", begins.end(), begins.end() + _MOST_PACKED)
        if end < 0:
            refuse_content("unreadable", "objects of the PDF file are too large to look into")
        unpacked = _unpack(head, content[begins.end() : end])
        room -= len(unpacked)
        if room < 0:
            refuse_content("unreadable", "objects of the PDF file are too large to look into")
        first = _FIRST.search(head)
        yield _PackedObjects(unpacked, int(first[1]) if first else 0)


def _unpack(head: bytes, packed: bytes) -> bytes:
    filters = _ANY_FILTER.findall(head)
    if not filters and _PLAIN_OBJECTS.match(packed):
        return packed
    if len(filters) != 1 or not _FLATE.search(head) or _PREDICTED.search(head):
        refuse_content("unreadable", "objects of the PDF file are packed in a way that is not read")
    try:
        found = zlib.decompressobj().decompress(packed, _MOST_UNPACKED)
    except zlib.error:
        refuse_content("unreadable", "objects of the PDF file cannot be unpacked")
    if len(found) == _MOST_UNPACKED:
        refuse_content("unreadable", "objects of the PDF file are too large to look into")
    return found


def _read_value(part: Content, at: int) -> bytes:
    """Return the value that begins at a place: a dictionary, an array or a reference."""
    window = part[at : at + _MOST_DICTIONARY]
    if window.startswith(b"<<"):
        return _read_dictionary(window)
    if window.startswith((b"[", b"%")):
        end = window.find(b"]")
        if end < 0 or window.startswith(b"%"):
            _refuse_action()
        return window[: end + 1]
    found = _REFERRED.match(window)
    return found[0] if found else b""


def _read_dictionary(window: bytes) -> bytes:
    """Return the dictionary that begins here; signs in its texts and comments do not count."""
    depth = texts = 0
    is_comment = False
    for found in _SIGNS.finditer(window):
        sign = found[0]
        if is_comment:
            is_comment = sign not in (b"\r", b"\n")
        elif sign in (b"(", b")"):
            texts += 1 if sign == b"(" else -1
        elif not texts and sign in (b"<<", b">>"):
            depth += 1 if sign == b"<<" else -1
            if not depth:
                return window[: found.end()]
        elif not texts:
            is_comment = sign == b"%"
            if sign.startswith(b"\\"):
                break
    return _refuse_action()


def _refuse_action() -> NoReturn:
    refuse_content("unreadable", "an action of the PDF file cannot be looked into")


def _check_actions(
    actions: list[bytes], content: Content, packed: Sequence[_PackedObjects]
) -> None:
    """Follow what a file does by itself; refuse all but a look at one of its own places."""
    places = _find_objects(content, packed) if actions else {}
    seen = set[int]()
    while actions:
        action = _PLACE.sub(b" ", actions.pop())
        for kind in _KIND_OF_ACTION.finditer(action):
            name = _ESCAPED.sub(lambda sign: bytes([int(sign[1], 16)]), kind[1] or b"")
            if name not in _SHOWN_BY_ITSELF:
                refuse_content("active", "the PDF file opens or calls something by itself")
        referred = {int(found[1]) for found in _REFERRED.finditer(action)} - seen
        seen |= referred
        found = [place for number in referred for place in places.get(number, ())]
        _bound_actions(len(seen) + len(actions) + len(found))
        actions += (_read_value(*place) for place in found)


def _bound_actions(number: int) -> None:
    if number > _MOST_ACTIONS:
        refuse_content("unreadable", "the PDF file has too many actions to look into")


def _find_objects(
    content: Content, packed: Sequence[_PackedObjects]
) -> dict[int, list[tuple[Content, int]]]:
    """Return where each object stands, by its number; a number may have several."""
    places: dict[int, list[tuple[Content, int]]] = {}
    for count, found in enumerate(_OBJECT.finditer(content)):
        if count >= _MOST_OBJECTS:
            refuse_content("unreadable", "the PDF file has too many objects to look for an action")
        places.setdefault(int(found[1]), []).append((content, found.end()))
    for one in packed:
        numbers = one.content[: one.first].split()
        if not one.first or len(numbers) % 2 or not all(map(bytes.isdigit, numbers)):
            _refuse_action()
        for number, offset in zip(numbers[::2], numbers[1::2], strict=True):
            at = one.first + int(offset)
            space = _LEADING.match(one.content, at)
            place = one.content, at if space is None else space.end()
            places.setdefault(int(number), []).append(place)
    return places


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


_SCAN, _END, _COMMENT, _JFIF, _EXIF, _ADOBE = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Frames that readers of PDF files show: baseline, extended, progressive."""
_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - _FRAMES - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ORIENTATION = 0x0112
_TURNS = {3: 180, 6: 90, 8: 270}
MOST_PIXELS = 80_000_000
_PNG, _PNG_HEAD = b"\x89PNG\r\n\x1a\n", 13
_INDEXED, _BITS = 3, 8
_COLOURS = {0: 1, 2: 3, _INDEXED: 1}
"""Values of a pixel by the type of colour; types 4 and 6 have transparency."""
_Order = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture as a document holds it."""

    content: bytes
    """JPEG, or the compressed rows of PNG."""
    width: int
    height: int
    """Pixels, as they are stored."""
    turn: int = 0
    """Degrees clockwise until it is upright: 0, 90, 180 or 270."""
    rows: "PngRows | None" = None
    """How the rows of PNG are read; None for JPEG."""


@dataclass(frozen=True, slots=True)
class PngRows:
    """Form of the rows of a PNG picture."""

    colours: int
    """Bytes of a pixel: 1 of grey or of a palette, 3 of red, green and blue."""
    palette: bytes = b""
    """Red, green and blue of each of its colours; empty where values are colours themselves."""


def strip_picture(content: bytes) -> Photograph | None:
    """Return a JPEG or PNG picture alone; None where documents do not show it."""
    return strip_png(content) if content.startswith(_PNG) else strip_photograph(content)


def strip_photograph(content: bytes) -> Photograph | None:
    """Return the picture alone; None where it is none, or of a kind that documents do not show."""
    out, size, turn = bytearray(b"\xff\xd8"), (0, 0), 0
    is_whole = False
    for marker, segment in _list_segments(content):
        if marker in _OTHER_FRAMES:
            return None
        if marker == _EXIF:
            turn = _TURNS.get(_read_orientation(segment[4:]), turn)
        if marker in _FRAMES:
            if len(segment) < 10 or segment[4] != 8 or segment[9] not in (1, 3):
                return None
            height, width = (int.from_bytes(segment[at : at + 2], "big") for at in (5, 7))
            size = width, height
        if _is_kept(marker, segment):
            out += segment
        is_whole = marker == _END
    if not is_whole or not 0 < size[0] * size[1] <= MOST_PIXELS:
        return None
    return Photograph(bytes(out), *size, turn)


def strip_png(content: bytes) -> Photograph | None:
    """Return the rows of a PNG picture; None where a document would have to decode it.

    Those with transparency are decoded to tell it from the colours, and interlaced ones to put
    their rows in order: they stay out, as do other values than bytes, which some readers of
    documents misread.
    """
    parts = defaultdict[bytes, list[bytes]](list)
    for name, data in _list_chunks(content):
        parts[name].append(data)
    chunks = {name: b"".join(found) for name, found in parts.items()}
    head = chunks.get(b"IHDR", b"")
    if len(head) != _PNG_HEAD or b"IEND" not in chunks or b"tRNS" in chunks:
        return None
    width, height = (int.from_bytes(head[at : at + 4], "big") for at in (0, 4))
    bits, colour_type, *ways = head[8:]
    colours, palette = _COLOURS.get(colour_type, 0), chunks.get(b"PLTE", b"")
    is_indexed = colour_type == _INDEXED
    has_palette = len(palette) % 3 == 0 and 3 <= len(palette) <= 3 * 256
    if not colours or bits != _BITS or any(ways) or (is_indexed and not has_palette):
        return None
    if not 0 < width * height <= MOST_PIXELS or b"IDAT" not in chunks:
        return None
    rows = PngRows(colours, palette if is_indexed else b"")
    return Photograph(chunks[b"IDAT"], width, height, rows=rows)


def _list_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk of a PNG file with its data, up to the end."""
    at = len(_PNG)
    if content[:at] != _PNG:
        return
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        name, end = content[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(content):
            return
        yield name, content[at + 8 : end]
        if name == b"IEND":
            return
        at = end + 4


def _is_kept(marker: int, segment: bytes) -> bool:
    if marker == _JFIF:
        return segment[4:9] == b"JFIF\0"
    if marker == _ADOBE:
        return segment[4:9] == b"Adobe"
    return marker not in _APPLICATION and marker != _COMMENT


def _list_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each marker with its segment; a scan with its picture; the end last."""
    at = 2
    while at + 2 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _END:
            yield marker, content[at : at + 2]
            return
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == _SCAN:
            found = _NEXT_MARKER.search(content, end)
            end = len(content) if found is None else found.start()
        yield marker, content[at:end]
        at = end


def _read_orientation(exif: bytes) -> int:
    """Return how a camera was held, 1 where it does not say so (Exif 2.32, section 4.6.4)."""
    tiff = exif[6:]
    if exif[:6] != b"Exif\0\0" or tiff[:2] not in (b"II", b"MM"):
        return 1
    order: _Order = "little" if tiff[:2] == b"II" else "big"
    first = int.from_bytes(tiff[4:8], order)
    for number in range(int.from_bytes(tiff[first : first + 2], order)):
        at = first + 2 + 12 * number
        entry = tiff[at : at + 12]
        if len(entry) < 12:
            break
        if int.from_bytes(entry[:2], order) == _ORIENTATION:
            return int.from_bytes(entry[8:10], order)
    return 1
