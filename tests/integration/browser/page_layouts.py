"""A page as everybody has it, in light and dark, wide and narrow; and what axe-core finds on it."""

import os
import re
from itertools import cycle
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.support.sizes import PROOF

GRAVE = ("serious", "critical")
CONTRAST = "color-contrast"
"""Takes as long as all other rules together."""
RUN = """async ([grave, off]) => {
  const rules = Object.fromEntries(axe._audit.rules
    .filter((one) => off.includes(one.id) || one.impact && !grave.includes(one.impact))
    .map((one) => [one.id, { enabled: false }]));
  const made = await axe.run({ resultTypes: ["violations"], rules });
  return made.violations.filter((one) => grave.includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`);
}"""
"""Every rule has one impact: those that cannot be grave are not asked."""


def grave(page: Page, *, contrast: bool = True) -> list[str]:
    """Return the rules broken seriously or critically, each with the first place.

    A page that a click led to is there before it is whole.
    """
    page.wait_for_load_state()
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(RUN, [GRAVE, [] if contrast else [CONTRAST]])
    return found


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
