"""Pictures of the pages: small, each of them shown somewhere, none missing."""

import re
from pathlib import Path

from api.web.menu import SECTIONS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
PICTURES = {
    str(path.relative_to(FOLDER)): path.stat().st_size for path in sorted(FOLDER.rglob("*.png"))
}
WIDTHS = ("phone/", "wide/")
LINK = re.compile(r"\]\((?:docs/)?pictures/([^)]+)\)")


def test_every_picture_is_shown_and_every_one_shown_is_there() -> None:
    shown = LINK.findall((ROOT / "docs" / "pages.md").read_text("utf-8"))
    assert set(shown) == set(PICTURES)
    widths = sorted(name for name in shown if name.startswith(WIDTHS))
    assert widths == sorted(name for name in PICTURES if name.startswith(WIDTHS))
    assert set(LINK.findall((ROOT / "README.md").read_text("utf-8"))) <= set(PICTURES)


def test_they_are_small_and_there_is_one_of_each_page_of_the_menu() -> None:
    assert sum(PICTURES.values()) <= 5_000_000
    for pattern in SECTIONS:
        name = pattern.replace("/posts/{post}/", "").strip("/") or "posts"
        for folder in ("", *WIDTHS):
            assert f"{folder}{name}.png" in PICTURES, pattern
