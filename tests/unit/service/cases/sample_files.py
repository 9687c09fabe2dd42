"""Small files of every type that a case takes, and files that only look like one."""

import io
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # most processes that collect these files make none: it takes half a second
    from pypdf import PdfWriter

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><title>x</title><p>y"


@cache
def picture(kind: str, *, shade: int = 90) -> bytes:
    """Return a picture of one colour, as JPEG, PNG or WEBP."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (24, 16), (shade, 60, 30)).save(out, kind)
    return out.getvalue()


@cache
def report(text: str = "2 packets, 1150 g") -> bytes:
    """Return a PDF file of one page."""
    from fpdf import FPDF

    page = FPDF()
    page.add_page()
    page.set_font("helvetica", size=12)
    page.cell(text=text)
    return bytes(page.output())


def rewrite(change: "Callable[[PdfWriter], object]") -> bytes:
    """Return the report changed in some way."""
    from pypdf import PdfReader, PdfWriter

    writer, out = PdfWriter(PdfReader(io.BytesIO(report()))), io.BytesIO()
    change(writer)
    writer.write(out)
    return out.getvalue()


def _add_action(kind: str, key: str, value: str) -> "Callable[[PdfWriter], None]":
    def change(writer: "PdfWriter") -> None:
        from pypdf.generic import DictionaryObject, NameObject, TextStringObject

        action = DictionaryObject({NameObject("/S"): NameObject(kind)})
        action[NameObject(key)] = TextStringObject(value)
        writer._root_object[NameObject("/OpenAction")] = action

    return change


_run = _add_action("/JavaScript", "/JS", "app.alert(1)")
_launch = _add_action("/Launch", "/F", "cmd.exe")


def act(action: bytes, *others: bytes, key: bytes = b"/OpenAction") -> bytes:
    """Return a PDF file that does something by itself, with a link that a reader may click."""
    link = b"<< /Type /Page /Annots [<< /A << /S /URI /URI (https://a.example) >> >>] >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R %b %b >>" % (key, action), link, *others]
    body = b"".join(
        b"%d 0 obj\n%b\nendobj\n" % (number, one) for number, one in enumerate(objects, 1)
    )
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def act_packed(action: bytes) -> bytes:
    """Return the same with its action, number 7, in a packed stream of objects."""
    packed = zlib.compress(b"7 0 " + action)
    stream = b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%b"
    return act(b"7 0 R", stream % (len(packed), packed) + b"\nendstream")


CALL = b"<< /S /URI /URI (https://a.example/?who) >>"
SHARE = rb"<< /S /GoToR /F (\\evil\share\x) /D [0 /Fit] >>"
INNER = b"<< /S /GoToE /T << /R /C /N (a) >> >>"


def archive() -> bytes:
    """Return a ZIP file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.txt", "a")
    return out.getvalue()


def pack_script(*, filters: bytes = b"/FlateDecode", predictor: bytes = b"") -> bytes:
    """Return a PDF file whose script lies in a packed stream of objects."""
    inner = b"7 0 << /S /JavaScript /JS (app.alert(1)) >>"
    packed = zlib.compress(inner)
    head = b"<< /Type /ObjStm /N 1 /First 4 /Filter %b %b /Length %d >>"
    stream = head % (filters, predictor, len(packed))
    return (
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /OpenAction 7 0 R >>\nendobj\n2 0 obj\n"
        + stream
        + b"\nstream\n"
        + packed
        + b"\nendstream\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
    )


GOOD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "photograph": ("image/jpeg", lambda: picture("JPEG")),
    "photograph with a trailer": ("image/jpeg", lambda: picture("JPEG") + b"\0SEFT\x06\0\0\0"),
    "scan": ("image/png", lambda: picture("PNG")),
    "small photograph": ("image/webp", lambda: picture("WEBP")),
    "laboratory report": ("application/pdf", report),
    "rewritten report": ("application/pdf", lambda: rewrite(lambda _: None)),
    "report that opens at a place": ("application/pdf", lambda: act(b"[2 0 R /FitH null]")),
    "report that shows a place": (
        "application/pdf",
        lambda: act(
            b"3 0 R", b"<</S/GoTo /D [2 0 R /Fit] /Next 4 0 R>>", b"<< /S /Named /N /NextPage >>"
        ),
    ),
    "words": ("text/plain", lambda: "Героин, 2,3 кг; бак < 300 л\n".encode()),
}
BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty", lambda: b""),
    "HTML": ("markup", lambda: HTML),
    "SVG with script": ("markup", lambda: SVG),
    "SVG after words": ("markup", lambda: b"a picture:\n" + SVG),
    "XML": ("markup", lambda: b"<?xml version='1.0'?><a/>"),
    "script": ("markup", lambda: b"#!/bin/sh\nrm -r /\n"),
    "program": ("unknown_type", lambda: b"MZ\x90\x00\x03" + bytes(64)),
    "archive": ("unknown_type", archive),
    "UTF-16": ("unknown_type", lambda: "héroïne".encode("utf-16")),
    "GIF": ("unknown_type", lambda: b"GIF89a\x01\x00\x01\x00\xff\xff"),
    "JPEG and archive": ("polyglot", lambda: picture("JPEG") + archive()),
    "JPEG and HTML": ("markup", lambda: picture("JPEG") + HTML),
    "JPEG and PDF": ("polyglot", lambda: picture("JPEG")[:2] + b"\xff\xfe\0\x0b%PDF-1.7\n"
                     + picture("JPEG")[2:]),
    "JPEG cut short": ("broken", lambda: picture("JPEG")[:-2]),
    "JPEG in name": ("broken", lambda: b"\xff\xd8\xff\xe0\0\x10" + bytes(40)),
    "PNG and more": ("polyglot", lambda: picture("PNG") + b"more"),
    "PNG cut short": ("broken", lambda: picture("PNG")[:-9]),
    "WebP and more": ("broken", lambda: picture("WEBP") + b"more"),
    "PDF with script": ("active", lambda: rewrite(_run)),
    "PDF with packed script": ("active", pack_script),
    "PDF with twice packed script": (
        "unreadable", lambda: pack_script(filters=b"[/FlateDecode /LZWDecode]")
    ),
    "PDF with a predictor": (
        "unreadable", lambda: pack_script(predictor=b"/DecodeParms << /Predictor 12 >>")
    ),
    "PDF with a hidden name": (
        "active",
        lambda: rewrite(_run).replace(b"/JavaScript", b"/J#61vaScript"),
    ),
    "PDF that starts a program": ("active", lambda: rewrite(_launch)),
    "PDF with a file": ("active", lambda: rewrite(lambda one: one.add_attachment("a", b"b"))),
    "PDF with a key": ("encrypted", lambda: rewrite(lambda one: one.encrypt("a"))),
    "PDF that calls": ("active", lambda: act(CALL)),
    "PDF that opens a share": ("active", lambda: act(SHARE)),
    "PDF that opens what is inside": ("active", lambda: act(INNER)),
    "PDF that calls when a page is shown": (
        "active", lambda: act(b"<< /O 3 0 R >>", CALL, key=b"/AA")
    ),
    "PDF that calls by a reference": ("active", lambda: act(b"3 0 R", b"4 0 R", CALL)),
    "PDF that calls next": (
        "active", lambda: act(b"<< /S /GoTo /D [2 0 R /Fit] /Next [3 0 R] >>", CALL)
    ),
    "PDF that calls from a packed object": ("active", lambda: act_packed(CALL)),
    "PDF that calls under a hidden name": (
        "active", lambda: act(CALL.replace(b"/S /URI", b"/#53%x\n/#55RI"), key=b"/Open#41ction")
    ),
    "PDF that calls behind a text": (
        "active", lambda: act(b"<< /X (>>) /Y (\\)>>) % >>\n /S /URI /URI (https://a.example) >>")
    ),
    "PDF that acts by a reference": ("active", lambda: act(b"<< /S 3 0 R >>", b"/URI")),
    "PDF with an endless action": ("unreadable", lambda: act(b"<< /S /GoTo (")),
    "PDF and archive": ("polyglot", lambda: report() + archive()),
    "PDF cut short": ("broken", lambda: report()[:300]),
}  # fmt: skip
"""What is refused, by which rule."""
