"""Photographs and scans for a document, without what a camera or telephone wrote into them.

Parts are copied or left out as they stand; nothing is decoded. Kept are those that a reader of the
picture needs: segments of JPEG (ITU-T T.81, annex B), and of PNG the compressed rows, which a PDF
file holds in the same form (ISO 15948, chapter 11; ISO 32000-1, 7.4.4.4). Left out are comments,
the maker's notes, places and names (Exif, XMP, IPTC), colour profiles, and what follows the end.
"""

import re
from collections import defaultdict
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
