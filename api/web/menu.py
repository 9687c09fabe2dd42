"""Menu in the head of every page: one list, in the order of a night's work.

Pages that the user's role cannot open are omitted. Of a long menu the end is folded away, so that
it has one row in every language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from api.web.i18n import N_
from api.web.visitor import Visitor, json_route

SECTIONS: Mapping[str, str] = {
    "/posts/{post}/queue": N_("Queue"),
    "/posts/{post}/shift": N_("Shift report"),
    "/posts/{post}/integrity": N_("Integrity"),
    "/posts/{post}/draws": N_("Draws"),
    "/notifications": N_("Notifications"),
    "/journal": N_("Journal"),
    "/": N_("Posts"),
    "/network": N_("Network"),
    "/declarations": N_("Expected arrivals"),
    "/cases": N_("Cases"),
    "/watchlist": N_("Watch list"),
    "/profiles": N_("Profiles"),
    "/models": N_("Models"),
    "/attentions": N_("Partners"),
    "/audits": N_("Audits"),
    "/finds": N_("Finds to confirm"),
    "/drift": N_("Drift"),
    "/quality": N_("Data quality"),
    "/people": N_("People and keys"),
    "/webhooks": N_("Webhooks"),
    "/links": N_("Links"),
}
"""Path and name; one with a post stands on that post's pages alone."""
MOST, SHOWN = 10, 9
"""Links that stand side by side, and how many of them do where there are more."""


@dataclass(frozen=True, slots=True)
class MenuLink:
    """One link of the menu."""

    text: str
    path: str
    is_here: bool


def menu(visitor: Visitor | None, post: str | None, path: str) -> list[MenuLink]:
    """Return what the menu of a page at ``path`` offers its visitor."""
    if visitor is None:
        return []
    found = []
    for pattern, text in SECTIONS.items():
        if _is_open(pattern, visitor) and (post is not None or "{post}" not in pattern):
            to = pattern.replace("{post}", quote(post or "", safe=""))
            inside = path == to or (to != "/" and path.startswith(f"{to}/"))
            found.append(MenuLink(text, to, inside))
    return found


def _is_open(pattern: str, visitor: Visitor) -> bool:
    """Tell whether a page is for this visitor; pages of all posts are for users of several."""
    if pattern == "/":
        return not visitor.caller.post
    if pattern == "/network" and visitor.caller.post:
        return False
    return visitor.may(*json_route("GET", pattern))


def split_menu(links: Sequence[MenuLink]) -> tuple[Sequence[MenuLink], Sequence[MenuLink]]:
    """Return the links that are shown, and those that are folded away behind them."""
    shown = len(links) if len(links) <= MOST else SHOWN
    return links[:shown], links[shown:]
