"""Photographs in JPEG for a document, without what a camera or telephone wrote into them.

Segments are copied or left out as they stand; nothing is decoded. Kept are those that a reader of
the picture needs (ITU-T T.81, annex B); left out are comments, the maker's notes, places and names
(Exif, XMP, IPTC), colour profiles, and what follows the end of the picture.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_SCAN, _END, _COMMENT, _JFIF, _EXIF, _ADOBE = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Frames that readers of PDF files show: baseline, extended, progressive."""
_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - _FRAMES - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ORIENTATION = 0x0112
_TURNS = {3: 180, 6: 90, 8: 270}
MOST_PIXELS = 80_000_000
_Order = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture as a document holds it."""

    content: bytes
    """JPEG."""
    width: int
    height: int
    """Pixels, as they are stored."""
    turn: int = 0
    """Degrees clockwise until it is upright: 0, 90, 180 or 270."""


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
        entry = tiff[first + 2 + 12 * number :][:12]
        if len(entry) < 12:
            break
        if int.from_bytes(entry[:2], order) == _ORIENTATION:
            return int.from_bytes(entry[8:10], order)
    return 1
