"""Look into a PDF file for what acts, carries files, or cannot be looked into.

A second line of defence and no proof: names are searched in what lies between streams and in object
streams (ISO 32000-1, 7.5.7), and what the file does by itself (``/OpenAction`` and ``/AA``, 12.6)
is followed from action to action. What is looked at is bounded, each part and the sum of all, so
that the cost is linear in the bytes of the file.
"""

import mmap
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from engine.errors import RecordError

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
