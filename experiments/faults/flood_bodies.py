"""Bodies that are dear to look into, drawn from what readers of their types stumble over.

Each is made of a few fragments that are repeated up to a size: what costs a reader much does so
because it comes often. The first fragments of each kind are the ones that cost most so far.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from random import Random

MOST_FILE, MOST_PICTURE, MOST_MESSAGE = 32 << 20, 24 << 20, 24 << 20
"""Bytes that a file of a case, the photographs of a dossier, and a message may have."""
MOST_TEXT = 20_000
"""Characters of an old report."""
_LEAST = 1_000
_SEGMENTS = 19_000
"""Parts of a picture; a file of more is refused."""
Maker = Callable[[Random, int], bytes]
"""Makes a body of about so many bytes."""


def draw_size(random: Random, most: int) -> int:
    """Draw a size of any order of magnitude."""
    return round(math.exp(random.uniform(math.log(_LEAST), math.log(most))))


def _repeat(random: Random, fragments: Sequence[bytes], size: int) -> bytes:
    """Return some fragments, each repeated often, in turn up to a size."""
    run = b"".join(
        random.choice(fragments) * random.choice((1, 10, 1_000))
        for _ in range(random.randint(1, 4))
    )
    return (run * (size // len(run) + 1))[:size]


_PACKED = zlib.compress(b"1 0 " + b"/" * (3 << 20))
_PDF = (
    b"/", b"/ObjStm stream\n1 1 ", b"stream\nendstream " + b"/" * 700,
    b"/ObjStm stream\n1 1 endstream", b"/AA 5 0 R ", b"5 0 obj ", b"/AA << /O 5 0 R >> ",
    b"1 %", b"1 ", b"/JavaScrip", b"<svg on",
    b"/Filter /FlateDecode ", b"endobj ", b"<", b"(",
    b"<< /Type /ObjStm /First 4 /Filter /FlateDecode >>\nstream\n" + _PACKED + b"\nendstream\n",
)  # fmt: skip
_MARKUP = (b"<svg onaaaa ", b"<", b"<s", "ж".encode(), b"PK\x05\x06", b"a ")
_TEXT = (
    "heroin 5 kg ", "01.02.2021 heroin 5 kg\n", "heroin opium hashish 5 kg 3 kg 01.02.2021 ",
    "- heroin 5 kg\n", "| 01.02.2021 | героин | 5 |\n", "12 packets of heroin 5 kg each, ",
    "5 kg and ", "cargo heroin 5 kg gross ", " ", "\n", "1 ", "march ", "plate 01A123BC ",
    "в баке обнаружено 2,3 кг героина; ", "found in the tank of the trailer by a dog, 5 kg - : = ",
)  # fmt: skip
_XML = (
    b"<a>x</a>", b"<a>" + b"x" * 40 + b"</a>", b"<a>" * 20 + b"x" + b"</a>" * 20, b'<a b="1">x</a>',
    b"<Item><Tarification><HScode><Commodity_code>01</Commodity_code></HScode></Tarification></Item>",
    b"&amp;", b"<!-- -->", b" ", b"<",
)  # fmt: skip


def make_file(random: Random, size: int) -> bytes:
    """Return a file of a case: of a type that is taken, or almost."""
    make: Maker = random.choice((_make_pdf, _make_pdf, _make_pdf, _make_markup, make_picture))
    return make(random, size)


def _make_pdf(random: Random, size: int) -> bytes:
    return b"%PDF-1.7\n" + _repeat(random, _PDF, size - 20) + b"\n%%EOF\n"


def _make_markup(random: Random, size: int) -> bytes:
    return b"a" + _repeat(random, _MARKUP, size - 1)


def make_dearest_file(_: Random, size: int) -> bytes:
    """Return the file that costs most of those that are known."""
    return b"%PDF-1.7\n" + (_PDF[2] * (size // len(_PDF[2]) + 1))[: size - 20] + b"\n%%EOF\n"


def make_picture(random: Random, size: int) -> bytes:
    """Return a picture of as many parts as there may be, as a dossier shows it."""
    parts = random.choice((10, _SEGMENTS))
    part = random.randbytes(8) * max(size // parts // 8, 1)
    if random.random() < 0.5:
        chunk = len(part).to_bytes(4, "big") + b"IDAT" + part + bytes(4)
        head = (24).to_bytes(4, "big") + (16).to_bytes(4, "big") + b"\x08\x02\0\0\0"
        begin = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + head + bytes(4)
        return begin + chunk * parts + bytes(4) + b"IEND" + bytes(4)
    exif = (b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + part)[:65_000]
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    frame = b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x18\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(9)
    number = min(parts, size // len(segment) + 1)
    return b"\xff\xd8" + segment * number + frame + scan + b"\xff\xd9"


def make_text(random: Random, size: int) -> bytes:
    """Return the text of an old report."""
    fragments = [one.encode() for one in _TEXT]
    return _repeat(random, fragments, 2 * size).decode("utf-8", "ignore")[:size].encode()


def make_message(random: Random, size: int) -> bytes:
    """Return a document of a customs declaration, or almost; half of them are well formed."""
    if random.random() < 0.5:
        return b"<ASYCUDA>" + _repeat(random, _XML, size - 19) + b"</ASYCUDA>"
    group = b"<b>" + random.choice(_XML[:4]) * 9_000 + b"</b>"
    return b"<ASYCUDA>" + group * min(size // len(group), 40) + b"</ASYCUDA>"
