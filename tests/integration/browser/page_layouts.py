"""A page as everybody has it before them: in light and dark, wide and narrow."""

import os
import re
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Page

from tests.integration.browser.axe import grave
from tests.support.sizes import PROOF

CHECK = (Path(__file__).parent / "accessibility.js").read_text("utf-8")
LOOKS = (("light", 1280), ("light", 390), ("dark", 800))
"""Schemes and widths in which each is checked at full size, and pictured."""
_IN_TURN = cycle([(look,) for look in LOOKS[1:]])
"""At small sizes a page is checked on a phone in light or on a tablet in dark, in turn."""
WIDE = "document.documentElement.scrollWidth > innerWidth"


def looked_at(page: Page, where: str) -> None:
    """Check a page as it is in each look, and keep a picture where one is asked for.

    Contrast is for our own check, which looks at it in each; at full size for both. Afterwards the
    page is as wide as in the last look.
    """
    assert grave(page, contrast=PROOF) == [], where
    is_full = PROOF or os.environ.get("DARVOZA_SCREENSHOTS")
    for scheme, width in LOOKS if is_full else next(_IN_TURN):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        found, wide = page.evaluate(f"[({CHECK.strip()})(), {WIDE}]")
        assert found == [], (where, scheme, width, found)
        assert not wide, f"{where} is wider than {width}"
        if folder := os.environ.get("DARVOZA_SCREENSHOTS"):
            part = re.sub(r"[^a-z]+", "-", where.partition("?")[0]).strip("-") or "posts"
            page.screenshot(path=Path(folder) / f"{part}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": LOOKS[-1][1], "height": 800})
