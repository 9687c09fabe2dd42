"""What axe-core, the usual judge of accessibility, finds on a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
CONTRAST = "color-contrast"
"""Takes as long as all other rules together."""


def grave(page: Page, *, contrast: bool = True) -> list[str]:
    """Return the rules broken seriously or critically, each with the first place."""
    rules = {CONTRAST: {"enabled": contrast}}
    asked = {"resultTypes": ["violations"], "rules": rules}
    found = Axe().run(page, options=asked).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in GRAVE
    ]
