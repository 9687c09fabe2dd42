"""Photographs as a telephone writes them, and scans."""

import io
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

NAME = "Anvar Karimov"


def take_photograph(mode: str = "RGB", *, orientation: int = 6, **how: Any) -> bytes:
    """Return a JPEG file as a telephone writes it: maker, place, comment, more behind the end."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = orientation, NAME
    exif.get_ifd(0x8825)[29] = "2024:03:07"
    out = io.BytesIO()
    made = Image.linear_gradient("L").resize((40, 24)).convert(mode)
    made.save(out, "JPEG", exif=exif, comment=NAME, **how)
    return out.getvalue() + b"\0SEFT\x06\0\0\0"


def write_png(mode: str, **how: Any) -> bytes:
    """Return a small PNG picture that names its maker."""
    out, about = io.BytesIO(), PngInfo()
    about.add_text("Author", NAME)
    made = Image.linear_gradient("L").resize((40, 24))
    made = made.convert("RGB") if mode == "P" else made
    made.convert(mode).save(out, "PNG", pnginfo=about, **how)
    return out.getvalue()
