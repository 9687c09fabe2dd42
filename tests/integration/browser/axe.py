"""What axe-core, the usual judge of accessibility, finds on a page."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

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
